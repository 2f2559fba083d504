"""What a chart can show of runs: which metric, over what. Does not import Textual."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dae_tui.dashboard.content.names import short
from dae_tui.runs.folder.summary import duration
from dae_tui.runs.watching.curves import Curve, Curves
from dae_tui.terminal.plot import Line

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NamedLine:
    """A line with its name in the legend and its place in the colours of the chart."""

    name: str
    line: Line
    colour: int


class Metric(StrEnum):
    """What the y axis has."""

    LOSS = "loss"
    PSNR = "PSNR"
    ACCURACY = "accuracy"
    RATE = "learning rate"
    SPEED = "images/s"


# The names of the axis, with units.
TITLES: dict[StrEnum, str] = {Metric.PSNR: "val PSNR, dB", Metric.ACCURACY: "val accuracy, %"}
# The colour of each metric in a chart of one run.
_COLOURS = {Metric.PSNR: 1, Metric.ACCURACY: 2, Metric.RATE: 5, Metric.SPEED: 4}


class Axis(StrEnum):
    """What the x axis has."""

    STEP = "step"
    EPOCH = "epoch"
    TIME = "time"
    UNITS = "units"
    """Of a network that is pruned, from many to few: its places are negative numbers of units."""

    def words(self, place: float) -> str:
        """A place on the axis, in few characters."""
        if self is Axis.STEP:
            return short(place)
        if self is Axis.UNITS:
            return f"{abs(place):.0f}"
        return f"{place:.3g}" if self is Axis.EPOCH else duration(max(0.0, place))

    def exactly(self, place: float) -> str:
        """A place on the axis, for reading it."""
        return f"{place:,.0f}" if self is Axis.STEP else self.words(place)


def curve_of(curves: Curves, metric: Metric) -> Curve:
    """The curve of a metric other than the loss."""
    return {
        Metric.PSNR: curves.psnr,
        Metric.ACCURACY: curves.accuracy,
        Metric.RATE: curves.rate,
        Metric.SPEED: curves.speed,
    }[metric]


def metrics_in(every: Sequence[Curves]) -> list[Metric]:
    """The loss, and the metrics that any of the runs has."""
    others = [metric for metric in Metric if metric is not Metric.LOSS]
    return [Metric.LOSS, *(m for m in others if any(len(curve_of(c, m)) for c in every))]


def axes_in(every: Sequence[Curves]) -> list[Axis]:
    """Steps, and what else the steps of all runs can be told in."""
    axes = [Axis.STEP]
    drawn = [curves for curves in every if len(curves.train) or len(curves.validation)]
    if drawn and all(curves.steps_per_epoch for curves in drawn):
        axes.append(Axis.EPOCH)
    if drawn and all(len(curves.clock) for curves in drawn):
        axes.append(Axis.TIME)
    return axes


def places(curves: Curves, steps: Floats, axis: Axis) -> Floats:
    """Steps (N,) as epochs, or as seconds since the run began; as they are if that is unknown."""
    if axis is Axis.EPOCH and curves.steps_per_epoch:
        return steps / curves.steps_per_epoch
    if axis is Axis.TIME and len(curves.clock):
        known, times = curves.clock.arrays()
        began = curves.began if curves.began is not None else times[0]
        # A clock that is set back must not turn the line around.
        return np.interp(steps, known, np.maximum.accumulate(times - began))
    return steps


def line_of(curves: Curves, curve: Curve, axis: Axis, **looks: bool) -> Line:
    """A curve of a run as a line over an axis."""
    steps, values = curve.arrays()
    return Line(places(curves, steps, axis), values, **looks)


def lines_of(
    curves: Curves, metric: Metric = Metric.LOSS, axis: Axis = Axis.STEP
) -> list[NamedLine]:
    """A metric of a run; of the loss that of training and of validation."""
    if metric is not Metric.LOSS:
        curve = curve_of(curves, metric)
        line = line_of(curves, curve, axis, smooth=metric is Metric.SPEED)
        return [NamedLine(metric, line, _COLOURS[metric])]
    validation = line_of(curves, curves.validation, axis, smooth=False, dashed=True)
    return [
        NamedLine("train", line_of(curves, curves.train, axis), 0),
        NamedLine("val", validation, 1),
    ]
