"""Watching the runs of a group."""

from pathlib import Path
from typing import Any

from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.folder.tags import set_group
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.sweeps.watch import GroupWatch


def test_runs_come_and_go_and_their_figures_follow(tmp_path: Path) -> None:
    watch = GroupWatch(lambda: list_runs(tmp_path), "lr")
    assert watch.look() == []
    for name in ("run-0", "run-1"):
        with RunWriter(tmp_path / name) as writer:
            writer.describe({"lr": 1}, {})
            writer.status(State.FINISHED)
    set_group(Run(tmp_path / "run-1"), "lr")
    (member,) = watch.look()
    assert (member.run.name, member.config) == ("run-1", {"lr": 1})
    assert member.result.best_val_loss is None
    with RunWriter(tmp_path / "run-1") as writer:
        event: dict[str, Any] = {"epoch": 1, "step": 1, "val_loss": 0.1, "best": True}
        writer.record({"event": "validation", **event})
        writer.status(State.RUNNING, **event)
        (member,) = watch.look()
        assert (member.result.best_val_loss, member.summary.state) == (0.1, State.RUNNING)
    set_group(Run(tmp_path / "run-1"), "")
    set_group(Run(tmp_path / "run-0"), "lr")
    assert [member.run.name for member in watch.look()] == ["run-0"]
