"""A group as parallel coordinates: an axis for each setting that differs, and one for a figure.

Does not import Textual.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dae_tui.dashboard.content.group_table import (
    Figure,
    Group,
    Parameter,
    best_of,
    in_order_of_marks,
)

# The most values of an axis that are labelled one by one.
MOST_LABELS = 8


@dataclass(frozen=True)
class ParallelAxis:
    """An axis, from 0 at its lower end to 1 at its upper one."""

    name: str
    heights: tuple[float, ...]
    """Where each run is; NaN where it has no value."""
    labels: tuple[tuple[float, str], ...]
    """What is written beside it, and where."""
    log: bool = False


@dataclass(frozen=True)
class Parallel:
    """What is drawn: runs in the order in which they are, so that a later one lies on top."""

    axes: tuple[ParallelAxis, ...]
    """The figure last."""
    worth: tuple[float, ...]
    """Of each run by the figure, from 0, the worst, to 1; NaN where it has none."""
    best: int | None = None
    chosen: int | None = None
    """The run at the cursor."""


def parallel_of(
    group: Group, figure: Figure, *, log: bool, first: str = "", chosen: str = ""
) -> Parallel:
    """The axes of a group.

    Args:
        group: it has runs.
        figure: the last axis; lines are coloured by it.
        log: whether its axis is logarithmic.
        first: the parameter that comes first; those before it follow at the end.
        chosen: the name of the run at the cursor.
    """
    order = in_order_of_marks(group, figure, chosen)
    names = [parameter.name for parameter in group.parameters]
    start = names.index(first) if first in names else 0
    rotated = [*group.parameters[start:], *group.parameters[:start]]
    axes = [_parameter_axis(parameter, order) for parameter in rotated]
    values = [figure.of(group.members[place]) for place in order]
    last = _figure_axis(figure, [math.nan if v is None else v for v in values], log)
    worth = tuple(1 - height if figure.lowest else height for height in last.heights)
    shown = [group.members[place].run.name for place in order]
    marked = shown.index(chosen) if chosen in shown else None
    best = best_of(group, figure)
    starred = None if best is None else shown.index(best.run.name)
    return Parallel((*axes, last), worth, starred, marked)


def _parameter_axis(parameter: Parameter, order: Sequence[int]) -> ParallelAxis:
    places = [parameter.places[place] for place in order]
    scaled = _Scale(places, parameter.log)
    ticks = parameter.ticks or ()
    if not 0 < len(ticks) <= MOST_LABELS:
        ends = (scaled.low, scaled.high)
        words = dict(ticks)
        ticks = tuple((place, words.get(place, f"{place:.4g}")) for place in ends)
    labels = tuple((scaled.height(place), words) for place, words in ticks)
    return ParallelAxis(parameter.name, tuple(map(scaled.height, places)), labels, parameter.log)


def _figure_axis(figure: Figure, values: Sequence[float], log: bool) -> ParallelAxis:
    scaled = _Scale(values, log)
    ends = [] if math.isnan(scaled.low) else [scaled.low, scaled.high]
    labels = tuple((scaled.height(end), f"{end:.4g}") for end in dict.fromkeys(ends))
    return ParallelAxis(figure.name, tuple(map(scaled.height, values)), labels, log)


class _Scale:
    """Values between the lowest and the highest, which may be the same."""

    def __init__(self, values: Sequence[float], log: bool) -> None:
        known = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
        self.low, self.high = (min(known), max(known)) if known else (math.nan, math.nan)
        self._log = log

    def height(self, value: float) -> float:
        """From 0 to 1; NaN for what is not on the axis."""
        if not math.isfinite(value) or (self._log and value <= 0) or math.isnan(self.low):
            return math.nan
        if self.low == self.high:
            return 0.5
        low, high, at = (
            math.log10(each) if self._log else each for each in (self.low, self.high, value)
        )
        return (at - low) / (high - low)
