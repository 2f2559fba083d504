"""The figures of runs, and their mean over seeds."""

from pathlib import Path

import pytest

from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.sweeps.results import Result, Spread, result_of, rows_of, spread_of


def test_the_best_epoch_has_the_figures_of_the_kept_weights(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "run") as writer:
        writer.describe({"network": "dense"}, {})
        figures = ((0.3, 20.0, True), (0.1, 22.0, True), (0.2, 21.0, False))
        for step, (loss, psnr, best) in enumerate(figures, 1):
            event = {"epoch": step, "step": step, "val_loss": loss, "val_psnr": psnr, "best": best}
            writer.record({"event": "validation", **event})
        writer.status(State.FINISHED, val_loss=0.2, val_psnr=21.0, test_accuracy=97.0)
    assert result_of(Run(tmp_path / "run")) == Result(State.FINISHED, 0.2, 0.1, 22.0, None, 97.0)


def test_a_run_that_never_began_has_no_figures(tmp_path: Path) -> None:
    assert result_of(Run(tmp_path / "nowhere")) == Result(State.CRASHED)


def test_a_spread_is_the_mean_and_the_sample_deviation() -> None:
    spread = spread_of([1.0, None, 3.0])
    assert spread is not None
    assert (spread.mean, spread.count) == (2.0, 2)
    assert spread.deviation == pytest.approx(2**0.5)
    assert spread_of([1.0]) == Spread(1.0, None, 1)
    assert spread_of([None]) is None


def test_rows_are_sorted_by_the_mean_of_the_best_loss() -> None:
    def result(loss: float | None, psnr: float | None = None) -> Result:
        return Result(State.FINISHED if loss else None, best_val_loss=loss, val_psnr=psnr)

    found = [
        ("a", result(None)),
        ("b", result(0.3, 30.0)),
        ("c", result(0.1, 10.0)),
        ("c", result(0.4, 12.0)),
    ]
    rows = rows_of(found, by_psnr=False)
    assert [row.values for row in rows] == ["c", "b", "a"]
    assert rows[0].spread("best_val_loss") == spread_of([0.1, 0.4])
    assert [row.finished for row in rows] == [2, 1, 0]
    assert [row.values for row in rows_of(found, by_psnr=True)] == ["b", "c", "a"]
