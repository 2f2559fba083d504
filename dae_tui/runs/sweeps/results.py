"""What came of the runs of a group: the figures of each, and their mean over seeds."""

import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import number
from dae_tui.runs.watching.curves import Curves, overview

FIGURES = ("val_loss", "best_val_loss", "val_psnr", "val_accuracy", "test_accuracy")


@dataclass(frozen=True)
class Result:
    """The figures of one run; None where they are not known (yet)."""

    state: State | None = None
    """None for a training that has no run."""
    val_loss: float | None = None
    """Of the last epoch."""
    best_val_loss: float | None = None
    """The lowest, whose weights are kept."""
    val_psnr: float | None = None
    """Of the denoised validation images with those weights, in dB."""
    val_accuracy: float | None = None
    """Percent of them that the classifier predicts correctly."""
    test_accuracy: float | None = None


@dataclass(frozen=True)
class Spread:
    """A figure over several runs."""

    mean: float
    deviation: float | None
    """The sample standard deviation; None for a single run."""
    count: int


def result_of(run: Run) -> Result:
    """The figures of a run, from its folder."""
    return result_from(run.status(), overview(run))


def result_from(status: Mapping[str, Any], curves: Curves) -> Result:
    """The figures of a run, from what was read of it."""
    best = curves.best or {}
    return Result(
        State(status["state"]),
        number(status.get("val_loss")),
        number(best.get("val_loss")),
        number(best.get("val_psnr")),
        number(best.get("val_accuracy")),
        number(status.get("test_accuracy")),
    )


def spread_of(values: Sequence[float | None]) -> Spread | None:
    """Mean and standard deviation of the known values; None if there are none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), deviation, len(known))


@dataclass(frozen=True)
class ResultRow:
    """The runs that differ in the seed alone."""

    values: Hashable
    """What they have in common."""
    results: tuple[Result, ...]

    def spread(self, figure: str) -> Spread | None:
        """One of `FIGURES` over these runs."""
        return spread_of([getattr(result, figure) for result in self.results])

    @property
    def finished(self) -> int:
        """How many have."""
        return sum(result.state is State.FINISHED for result in self.results)


def rows_of(results: Sequence[tuple[Hashable, Result]], *, by_psnr: bool) -> list[ResultRow]:
    """Results by what they have in common, the best first; those without figures last.

    The best has the lowest validation loss, or with `by_psnr` the highest PSNR: losses of several
    kinds do not compare.
    """
    grouped: dict[Hashable, list[Result]] = {}
    for values, result in results:
        grouped.setdefault(values, []).append(result)
    rows = [ResultRow(values, tuple(found)) for values, found in grouped.items()]

    def order(row: ResultRow) -> tuple[bool, float]:
        spread = row.spread("val_psnr" if by_psnr else "best_val_loss")
        if spread is None:
            return True, 0.0
        return False, -spread.mean if by_psnr else spread.mean

    return sorted(rows, key=order)
