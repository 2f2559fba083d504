"""Looking at one run again and again, whatever becomes of its files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dae_tui.runs.folder.layout import (
    CONFIG,
    CONTROL,
    LOCK,
    LOG,
    META,
    METRICS,
    SAMPLES,
    STATUS,
    State,
    write_json,
)
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.watching import curves
from dae_tui.runs.watching import run_watch as watch
from dae_tui.runs.watching.curves import CurveFollower
from dae_tui.runs.watching.run_watch import LOG_BYTES, LOG_LINES, RunView, RunWatch, tail

FILES = [CONFIG, META, STATUS, LOCK, METRICS, LOG, CONTROL]
GARBAGE = [
    b"",
    b"\0\xff\xfe\x1b[31m\n\n{",
    b"[]\n",
    b"9" * 5000 + b"\n",
    b'{"step": {}}\n' * 3,
    b"\n" * 99,
]


def log(run: Run, content: bytes) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / LOG).write_bytes(content)


def record(run: Run, first: int, last: int) -> None:
    """Steps of which each has its number as its loss, and a validation every 1 000."""
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / METRICS).open("a") as metrics:
        for step in range(first, last + 1):
            metrics.write(json.dumps({"event": "step", "step": step, "loss": step}) + "\n")
            if step % 1000 == 0:
                event = {"event": "validation", "step": step, "val_loss": 1 / step, "best": True}
                metrics.write(json.dumps(event) + "\n")


def losses(view: RunView) -> list[float]:
    found: list[float] = view.curves.train.arrays()[1].tolist()
    return found


# A look


def test_a_look_tells_everything_of_a_run(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.describe({"network": "dense", "epochs": 2}, {"device": "cpu"})
        writer.status(State.RUNNING, epoch=1, precision="bf16")
        writer.record({"event": "step", "step": 5, "loss": 0.5})
        writer.sample(5, {"noisy": np.zeros(1)})
        (run.folder / LOG).write_text("checkpoint\n")

        view = RunWatch(run).look()

    assert view.exists
    assert (view.summary.state, view.summary.network, view.summary.epoch) == ("running", "dense", 1)
    assert (view.status["precision"], view.meta["device"]) == ("bf16", "cpu")
    assert losses(view) == [0.5]
    assert view.changed
    assert view.steps == [5]
    assert view.log == ["checkpoint"]


def test_the_curves_change_only_when_something_was_added(run: Run) -> None:
    watching = RunWatch(run)
    record(run, 1, 3)
    watching.look()
    watching.look()  # Reads behind the overview.

    assert watching.look().changed is False
    record(run, 4, 4)
    view = watching.look()
    assert (view.changed, losses(view)) == (True, [1, 2, 3, 4])
    assert watching.look().changed is False


def test_the_status_is_read_anew_at_each_look(run: Run) -> None:
    watching = RunWatch(run)
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING, epoch=1)
        assert watching.look().summary.epoch == 1
        writer.status(State.PAUSED, epoch=2)
        view = watching.look()
        assert (view.summary.state, view.summary.epoch) == (State.PAUSED, 2)

    assert watching.look().summary.state is State.CRASHED


@pytest.mark.parametrize("content", GARBAGE, ids=lambda content: repr(content[:12]))
def test_garbage_in_every_file_is_survived(run: Run, content: bytes) -> None:
    (run.folder / SAMPLES).mkdir(parents=True)
    for name in [*FILES, f"{SAMPLES}/00000003.npz"]:
        (run.folder / name).write_bytes(content)
    watching = RunWatch(run)

    views = [watching.look() for _ in range(3)]

    for view in views:
        assert view.summary.state is State.CRASHED
        assert view.meta == {}
        assert losses(view) == []
        assert view.steps == [3]
    assert views[-1].whole


def test_folders_in_the_place_of_files_are_survived(run: Run) -> None:
    for name in FILES:
        (run.folder / name).mkdir(parents=True)
    (run.folder / SAMPLES).write_text("a file")
    watching = RunWatch(run)
    watching.look()

    view = watching.look()

    assert (view.exists, view.whole, view.steps, view.log) == (True, True, [], [])
    assert view.summary.state is State.CRASHED


def test_a_run_that_is_deleted_keeps_its_curves_on_the_screen(run: Run) -> None:
    record(run, 1, 3)
    log(run, b"hello\n")
    watching = RunWatch(run)
    watching.look()
    watching.look()

    shutil.rmtree(run.folder)
    view = watching.look()

    assert view.exists is False
    assert view.summary.state is State.CRASHED
    assert (losses(view), view.log, view.steps) == ([1, 2, 3], [], [])


@pytest.mark.parametrize("name", ["missing", "x" * 300], ids=["missing", "too long"])
def test_a_folder_that_cannot_be_is_survived(tmp_path: Path, name: str) -> None:
    watching = RunWatch(Run(tmp_path / name))
    watching.look()

    view = watching.look()

    assert (view.exists, view.whole, view.status["state"]) == (False, True, "crashed")


def test_a_run_that_comes_later_is_found(run: Run) -> None:
    watching = RunWatch(run)
    assert watching.look().exists is False

    record(run, 1, 2)

    view = watching.look()
    assert (view.exists, losses(view)) == (True, [1, 2])


# A long run


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look has time for one piece of a file that is long for its constants."""
    monkeypatch.setattr(watch, "CATCH_UP_SECONDS", -1.0)
    monkeypatch.setattr(curves, "SMALL_BYTES", 50_000)
    monkeypatch.setattr(curves, "PIECE_BYTES", 50_000)
    monkeypatch.setattr(curves, "OVERVIEW_PLACES", 100)


@pytest.mark.usefixtures("slow")
def test_a_long_run_is_shown_at_once_and_read_whole_behind(run: Run) -> None:
    record(run, 1, 4000)
    watching = RunWatch(run)

    first = watching.look()
    assert (first.whole, first.changed) == (False, True)
    assert 50 <= len(first.curves.train) <= 110
    assert losses(first)[-1] == 4000

    views = [watching.look()]
    while not views[-1].whole:
        views.append(watching.look())
        assert len(views) < 20

    assert len(views) >= 3
    for view in views[:-1]:  # The overview stays as it is.
        assert view.curves is first.curves
        assert view.changed is False
    assert views[-1].changed
    assert losses(views[-1]) == list(range(1, 4001))
    followed = CurveFollower(run)
    while followed.read():
        pass
    for mine, its in (
        (views[-1].curves.train, followed.curves.train),
        (views[-1].curves.validation, followed.curves.validation),
    ):
        np.testing.assert_array_equal(mine.arrays(), its.arrays())
    assert views[-1].curves.best == followed.curves.best
    assert watching.look().changed is False


@pytest.mark.usefixtures("slow")
def test_what_is_added_while_a_long_run_is_read_is_not_lost(run: Run) -> None:
    record(run, 1, 2000)
    watching = RunWatch(run)
    watching.look()
    watching.look()
    record(run, 2001, 2010)

    view = watching.look()
    while not view.whole:
        view = watching.look()

    assert losses(view) == list(range(1, 2011))


@pytest.mark.usefixtures("slow")
def test_a_stretch_of_garbage_in_a_long_run_is_not_its_end(run: Run) -> None:
    record(run, 1, 1000)
    with (run.folder / METRICS).open("ab") as metrics:
        metrics.write(b"nonsense\n" * 20_000)
    record(run, 1001, 2000)
    watching = RunWatch(run)

    view = watching.look()
    while not view.whole:
        view = watching.look()

    assert losses(view) == list(range(1, 2001))


def test_a_file_that_was_cut_is_shown_as_it_is_now(run: Run) -> None:
    record(run, 1, 5)
    watching = RunWatch(run)
    watching.look()
    watching.look()

    (run.folder / METRICS).unlink()
    record(run, 1, 2)
    view = watching.look()

    assert (view.changed, losses(view)) == (True, [1, 2])


# The log


def test_the_log_is_its_last_lines(run: Run) -> None:
    log(run, b"".join(b"line %d\n" % number for number in range(1, 1001)))

    assert tail(run) == [f"line {number}" for number in range(1001 - LOG_LINES, 1001)]
    assert tail(run, 2) == ["line 999", "line 1000"]


def test_a_log_without_a_last_newline_is_shown_to_its_end(run: Run) -> None:
    log(run, b"first\nsecond")

    assert tail(run) == ["first", "second"]


def test_control_characters_do_not_reach_the_terminal(run: Run) -> None:
    log(run, b"\x1b[31mred\x1b[0m\n\x07bell\tand\0nul\x7f\n\xc2\x9b2J\n\xe2\x80\xaereversed\n")

    assert tail(run) == [
        r"\x1b[31mred\x1b[0m",
        r"\x07bell\tand\x00nul\x7f",
        r"\x9b2J",
        r"\u202ereversed",
    ]


def test_only_newlines_and_carriage_returns_end_a_line(run: Run) -> None:
    log(run, "one\u2028still one\x0cand one\x85\n\ntwo\n".encode())

    assert tail(run) == [r"one\u2028still one\x0cand one\x85", "", "two"]


def test_a_progress_bar_is_one_line_per_state(run: Run) -> None:
    log(run, b"10 %\r20 %\rdone\r\n")

    assert tail(run) == ["10 %", "20 %", "done"]


def test_bytes_that_are_no_text_are_shown_as_such(run: Run) -> None:
    log(run, "σ".encode() + b"\xff\n" + "σ".encode()[:1])

    assert tail(run) == ["σ\ufffd", "\ufffd"]


def test_a_long_log_begins_with_a_whole_line(run: Run) -> None:
    log(run, ("σ" * 50 + "\n").encode() * 2000)

    assert set(tail(run)) == {"σ" * 50}
    assert len(tail(run, 10_000)) == (LOG_BYTES - 1) // 101


def test_of_a_log_that_is_one_long_line_its_end_is_shown(run: Run) -> None:
    log(run, b"begin" + b"." * LOG_BYTES + b"end")

    (line,) = tail(run)
    assert len(line) == LOG_BYTES
    assert line.endswith("...end")


def test_an_empty_and_a_missing_log_have_no_lines(run: Run) -> None:
    assert tail(run) == []
    log(run, b"")
    assert tail(run) == []


def test_looking_writes_nothing(run: Run) -> None:
    record(run, 1, 3)
    write_json(run.folder / STATUS, {"state": "running"})
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}

    watching = RunWatch(run)
    watching.look()
    watching.look()

    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
