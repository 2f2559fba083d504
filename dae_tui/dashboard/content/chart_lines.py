"""What a chart can show of runs: which metric, over what. Does not import Textual."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    USE = "use of the devices"
    MEMORY = "GPU memory"
    POWER = "GPU power"


# The names of the axis, with units.
TITLES: dict[StrEnum, str] = {
    Metric.PSNR: "val PSNR, dB",
    Metric.ACCURACY: "val accuracy, %",
    Metric.USE: "use, %",
    Metric.MEMORY: "GPU memory, GiB",
    Metric.POWER: "GPU power, W",
}
# The metrics of devices: the name of each among their curves, and its unit in that of the curves.
DEVICE_METRICS = {
    Metric.USE: ("use", 1.0),
    Metric.MEMORY: ("memory", 2.0**30),
    Metric.POWER: ("power", 1.0),
}
CPU = "CPU"
# As many lines as can be told apart.
MOST_LINES = 8
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
    """The curve of a metric other than the loss; of several GPUs their mean."""
    if metric in DEVICE_METRICS:
        return _mean(curves, metric)
    return {
        Metric.PSNR: curves.psnr,
        Metric.ACCURACY: curves.accuracy,
        Metric.RATE: curves.rate,
        Metric.SPEED: curves.speed,
    }[metric]


def _device_curves(curves: Curves, metric: Metric) -> dict[str, Curve]:
    """What was recorded of each device, GPUs first."""
    figure, _ = DEVICE_METRICS[metric]
    found = {name: getattr(each, figure) for name, each in curves.devices.items()}
    names = sorted(found, key=lambda name: (name == CPU, len(name), name))
    return {name: found[name] for name in names if len(found[name])}


def _mean(curves: Curves, metric: Metric) -> Curve:
    """The mean of the GPUs at the steps of the first of them; of the processor without any."""
    found = _device_curves(curves, metric)
    shown = [curve.arrays() for name, curve in found.items() if name != CPU or len(found) == 1]
    if not shown:
        return Curve()
    steps = shown[0][0]
    values = np.mean([np.interp(steps, *each) for each in shown], axis=0)
    return Curve.of(steps, values / DEVICE_METRICS[metric][1])


def _device_lines(curves: Curves, metric: Metric, axis: Axis) -> list[NamedLine]:
    """A line for each device, in the unit of the chart."""
    lines = []
    for colour, (name, curve) in enumerate(_device_curves(curves, metric).items()):
        line = line_of(curves, curve, axis)
        lines.append(NamedLine(name, replace(line, y=line.y / DEVICE_METRICS[metric][1]), colour))
    return lines[:MOST_LINES]


def _recorded(curves: Curves, metric: Metric) -> bool:
    if metric in DEVICE_METRICS:
        return bool(_device_curves(curves, metric))
    return len(curve_of(curves, metric)) > 0


def metrics_in(every: Sequence[Curves]) -> list[Metric]:
    """The loss, and the metrics that any of the runs has."""
    others = [metric for metric in Metric if metric is not Metric.LOSS]
    return [Metric.LOSS, *(m for m in others if any(_recorded(c, m) for c in every))]


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
    if metric in DEVICE_METRICS:
        return _device_lines(curves, metric, axis)
    if metric is not Metric.LOSS:
        curve = curve_of(curves, metric)
        line = line_of(curves, curve, axis, smooth=metric is Metric.SPEED)
        return [NamedLine(metric, line, _COLOURS[metric])]
    validation = line_of(curves, curves.validation, axis, smooth=False, dashed=True)
    return [
        NamedLine("train", line_of(curves, curves.train, axis), 0),
        NamedLine("val", validation, 1),
    ]
