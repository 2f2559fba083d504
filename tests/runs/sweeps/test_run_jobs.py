"""Trainings one after the other or some at a time, in processes of their own."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sweep_child import stand_in

from dae_tui.runs.folder.layout import LOG, State
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.folder.tags import read_tags
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.sweeps.run_jobs import Began, Ended, Job, Stopping, run_jobs


@pytest.fixture(autouse=True)
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)


def jobs(folder: Path, *rates: float) -> list[Job]:
    return [
        Job(number, "lr", {"lr": lr, "seed": 0, "epochs": 2}, f"rate-{number}", folder)
        for number, lr in enumerate(rates, 1)
    ]


def told(events: Iterator[Any]) -> list[str]:
    """Each event in a few words."""
    said = []
    for event in events:
        if isinstance(event, Began):
            said.append(f"{event.job.number} {'found' if event.found else 'began'}")
        elif isinstance(event, Ended):
            words = f"{event.job.number} {event.state} {event.reason} {event.hint}"
            said.append(words.strip())
    return said


def test_jobs_run_in_turn_and_belong_to_the_group(tmp_path: Path) -> None:
    events = run_jobs(jobs(tmp_path, 1, 2), 1, [{}], Event())
    assert told(events) == ["1 began", "1 finished", "2 began", "2 finished"]
    runs = list_runs(tmp_path)
    assert [read_tags(run).group for run in runs] == ["lr", "lr"]
    assert {run.state() for run in runs} == {State.FINISHED}
    assert sorted(run.name.split("-")[3] for run in runs) == ["1", "2"]


def test_a_job_that_fails_stops_none_of_the_others(tmp_path: Path) -> None:
    events = run_jobs(jobs(tmp_path, 9, 8, 1), 1, [{}], Event())
    assert told(events) == [
        "1 began",
        "1 failed it diverged slower",
        "2 began",
        "2 failed no memory buy some",
        "3 began",
        "3 finished",
    ]
    found = {run.name.split("-")[3]: run.status() for run in list_runs(tmp_path)}
    assert found["2"]["state"] == "failed"
    assert found["2"]["reason"] == "no memory"


def test_several_at_a_time_have_places_of_their_own(tmp_path: Path) -> None:
    places = [{"CUDA_VISIBLE_DEVICES": name, "OMP_NUM_THREADS": "1"} for name in ("A", "B")]
    stop = Event()
    events = run_jobs(jobs(tmp_path, 7, 7), 2, places, stop)
    for _ in range(2):
        assert isinstance(next(events), Began)
    until_they_run(tmp_path, 2)
    stop.set()
    assert isinstance(next(events), Stopping)
    assert sorted(told(events)) == ["1 stopped a signal ended it", "2 stopped a signal ended it"]
    logs = {(run.folder / LOG).read_text().split("environment ")[1] for run in list_runs(tmp_path)}
    assert logs == {"A 1\n", "B 1\n"}


def test_stopping_begins_no_other_and_a_stopped_one_is_resumed(tmp_path: Path) -> None:
    stop = Event()
    first, second = jobs(tmp_path, 7, 1)
    events = run_jobs([first, second], 1, [{}], stop)
    assert isinstance(next(events), Began)
    until_they_run(tmp_path, 1)
    stop.set()
    assert next(events) == Stopping(1)
    assert told(events) == ["1 stopped a signal ended it"]
    (run,) = list_runs(tmp_path)
    again = Job(1, "lr", first.config, first.label, tmp_path, run)
    assert told(run_jobs([again], 1, [{}], Event())) == ["1 began", "1 finished"]
    assert list_runs(tmp_path) == [run]


def test_a_job_that_is_stopped_before_it_begins_can_be_resumed_at_once(tmp_path: Path) -> None:
    stop = Event()
    events = run_jobs(jobs(tmp_path, 7), 1, [{}], stop)
    assert isinstance(next(events), Began)
    stop.set()
    ended = told(events)
    assert ended[0].startswith("1 stopped")
    assert list_runs(tmp_path)[0].state() is State.STOPPED


def test_a_run_that_another_process_trains_is_waited_for(tmp_path: Path) -> None:
    run = Run(tmp_path / "20260101-000000-live-0001")
    (job,) = jobs(tmp_path, 1)
    with RunWriter(run.folder) as writer:
        writer.describe({"lr": 1}, {})
        writer.status(State.RUNNING)
        found = Job(1, "lr", job.config, job.label, tmp_path, run)
        events = run_jobs([found], 1, [{}], Event())
        assert next(events) == Began(found, run, found=True)
        writer.status(State.FINISHED)
        assert told(events) == ["1 finished"]


def test_a_folder_that_cannot_be_written_fails_one_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong, right = jobs(tmp_path / "file", 1)[0], jobs(tmp_path / "runs", 1)[0]
    said = told(run_jobs([wrong, right], 1, [{}], Event()))
    assert said[0].startswith("1 failed the run folder")
    assert said[1:] == ["1 began", "1 finished"]


def until_they_run(folder: Path, count: int) -> None:
    waiting = Event()
    for _ in range(1000):
        states = [run.state() for run in list_runs(folder)]
        if states.count(State.RUNNING) == count:
            return
        waiting.wait(0.02)
    raise AssertionError(states)
