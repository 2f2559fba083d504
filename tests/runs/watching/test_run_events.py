"""Everything that happens to runs is told, and nothing twice, also over a restart."""

from pathlib import Path
from typing import Any

import pytest

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import CONFIG, STATUS, State, write_json
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.watching.run_events import RECORD, RunEvents


def make(runs_dir: Path, name: str, state: str = "finished", **status: Any) -> None:
    folder = runs_dir / name
    folder.mkdir(parents=True)
    write_json(folder / CONFIG, {"network": "dense"})
    write_json(folder / STATUS, {"state": state, **status})


def happened(events: RunEvents) -> list[tuple[str, str]]:
    """What is pending after a look; it is told."""
    events.look()
    found = [(event["event"], event["run"]) for event in events.pending]
    for event in list(events.pending):
        events.told(event)
    return found


@pytest.mark.parametrize(
    ("state", "told"),
    [(State.FINISHED, "finished"), (State.STOPPED, "stopped"), (State.FAILED, "failed")],
)
def test_an_end_is_told_once(tmp_path: Path, state: State, told: str) -> None:
    make(tmp_path, "long-ago")
    events = RunEvents(tmp_path, 600)
    with RunWriter(tmp_path / "live") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.RUNNING)
        assert happened(events) == []
        writer.status(state, "a reason", epoch=3)
    events.look()
    (event,) = events.pending
    assert (event["event"], event["run"], event["reason"]) == (told, "live", "a reason")
    assert (event["state"], event["epoch"]) == (str(state), 3)
    assert happened(events) == [(told, "live")]
    assert happened(events) == []
    events.close()


def test_a_crash_is_told_although_no_file_changes(tmp_path: Path) -> None:
    events = RunEvents(tmp_path, 600)
    with RunWriter(tmp_path / "live") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.RUNNING)
        assert happened(events) == []
    assert happened(events) == []  # It could be that its status is just being written.
    assert happened(events) == [("crashed", "live")]
    assert happened(events) == []
    events.close()


def test_nothing_is_lost_or_told_twice_over_a_restart(tmp_path: Path) -> None:
    make(tmp_path, "long-ago")
    events = RunEvents(tmp_path, 600)
    with RunWriter(tmp_path / "live") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.RUNNING)
        assert happened(events) == []
        events.close()
        writer.status(State.FINISHED)
    make(tmp_path, "short")  # It began and ended while nobody looked.
    events = RunEvents(tmp_path, 600)
    events.look()
    assert len(events.pending) == 2
    events.close()  # Before anything was delivered.
    events = RunEvents(tmp_path, 600)
    assert sorted(happened(events)) == [("finished", "live"), ("finished", "short")]
    events.close()
    events = RunEvents(tmp_path, 600)
    assert happened(events) == []
    # A run that goes on can end once more.
    with RunWriter(tmp_path / "live") as writer:
        writer.status(State.RUNNING)
        assert happened(events) == []
        writer.status(State.STOPPED)
    assert happened(events) == [("stopped", "live")]
    events.close()


def test_a_run_without_progress_is_told_once_until_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("dae_tui.runs.watching.run_events.time.time", lambda: now[0])
    events = RunEvents(tmp_path, 60)
    with RunWriter(tmp_path / "live") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.RUNNING, step=10)
        for seconds, told in ((0, 0), (59, 0), (61, 1), (300, 0)):
            now[0] = 1000.0 + seconds
            assert happened(events) == [("stalled", "live")] * told
        writer.status(State.RUNNING, step=11)
        assert happened(events) == []
        now[0] += 61
        assert happened(events) == [("stalled", "live")]
        writer.status(State.PAUSED)
        now[0] += 600
        assert happened(events) == []
        writer.status(State.FINISHED)
    events.close()


def test_a_spike_of_the_loss_is_told_once_until_it_is_calm_again(tmp_path: Path) -> None:
    events = RunEvents(tmp_path, 600)
    told = []
    losses = [5.0, 1.0, 0.5, *[0.1] * 6, 0.35, 0.9, 0.8, 0.1, 0.1, 0.09, 0.5, 0.1]
    with RunWriter(tmp_path / "live") as writer:
        writer.describe({"network": "dense"}, {})
        for step, loss in enumerate(losses):
            writer.status(State.RUNNING, step=step, loss=loss)
            told += [step] * len(happened(events))
        writer.status(State.FINISHED)
    assert told == [9, 15]
    events.close()


def test_only_one_process_tells(tmp_path: Path) -> None:
    events = RunEvents(tmp_path, 600)
    with pytest.raises(RunError, match="another dashboard notifies"):
        RunEvents(tmp_path, 600)
    events.close()
    RunEvents(tmp_path, 600).close()


@pytest.mark.parametrize(
    "record", [b"", b"[]", b'{"alive": 3, "ended": 0, "pending": "x"}', b'{"pending": [1, {}]}']
)
def test_a_broken_record_tells_of_nothing_wrong(tmp_path: Path, record: bytes) -> None:
    make(tmp_path, "ended")
    (tmp_path / RECORD).write_bytes(record)
    events = RunEvents(tmp_path, 600)
    assert happened(events) in ([], [("finished", "ended")])
    assert happened(events) == []
    events.close()
