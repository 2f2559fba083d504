"""What was read of several runs is read again only where it has changed."""

import json
from pathlib import Path

import pytest

from dae_tui.runs.folder.layout import CONFIG, METRICS, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.watching.known_runs import KnownRuns


def record(run: Run, step: int) -> None:
    with (run.folder / METRICS).open("a") as metrics:
        metrics.write(json.dumps({"event": "step", "step": step, "loss": 0.5}) + "\n")


def test_curves_are_read_again_when_they_have_grown(tmp_path: Path) -> None:
    run, known = Run(tmp_path / "a"), KnownRuns()
    run.folder.mkdir()
    assert len(known.curves(run).train) == 0
    record(run, 1)
    first = known.curves(run)
    assert len(first.train) == 1
    assert known.curves(run) is first
    record(run, 2)
    assert len(known.curves(run).train) == 2
    known.forget_all_but([])
    assert len(known.curves(run).train) == 2
    (run.folder / METRICS).unlink()
    assert len(known.curves(run).train) == 0


def test_a_config_is_read_until_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, known = Run(tmp_path / "a"), KnownRuns()
    run.folder.mkdir()
    assert known.config(run) == {}
    write_json(run.folder / CONFIG, {"lr": 0.1})
    assert known.config(run) == {"lr": 0.1}
    monkeypatch.setattr(Run, "config", lambda _: pytest.fail("it was read again"))
    assert known.config(run) == {"lr": 0.1}


def test_runs_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    known = KnownRuns()
    for folder in ("one", "two"):
        (tmp_path / folder / "a").mkdir(parents=True)
        write_json(tmp_path / folder / "a" / CONFIG, {"data": folder})
        assert known.config(Run(tmp_path / folder / "a", place=folder)) == {"data": folder}
