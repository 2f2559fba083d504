"""The runs of a group as a table and as points: parameters that differ, and figures.

Does not import Textual.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dae_tui.dashboard.content.comparison import NONE, config_differences
from dae_tui.runs.sweeps.watch import Member

# Fields that say where a run was trained.
LEFT_OUT = ("data_dir", "device")
SEED = "seed"
# Values whose ends are so many times apart are shown on a logarithmic axis.
FAR = 8
# The most values of a parameter that are labelled one by one.
LABELLED = 8


@dataclass(frozen=True)
class Figure:
    """A figure of a run: a column of the table, and an axis of the chart."""

    name: str
    of: Callable[[Member], float | None]
    digits: int
    lowest: bool = False
    """Whether the lowest is the best."""
    log: bool = False


FIGURES = (
    Figure("best loss", lambda each: each.result.best_val_loss, 5, lowest=True, log=True),
    Figure("PSNR", lambda each: each.result.val_psnr, 2),
    Figure("val acc %", lambda each: each.result.val_accuracy, 2),
    Figure("test %", lambda each: each.result.test_accuracy, 2),
    Figure("last loss", lambda each: each.result.val_loss, 5, lowest=True, log=True),
)


@dataclass(frozen=True)
class Parameter:
    """A setting in which the runs differ, with the value of each run."""

    name: str
    texts: tuple[str, ...]
    places: tuple[float, ...]
    """Where each value is on an axis: numbers themselves, or the rank of a word."""
    log: bool = False
    ticks: tuple[tuple[float, str], ...] | None = None
    """What is labelled on the axis; None for round numbers."""


@dataclass(frozen=True)
class Group:
    """What one look at a group found."""

    members: tuple[Member, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    """The seed last."""
    figures: tuple[Figure, ...] = field(default=FIGURES[:1])
    """Those that some run has."""


def group_of(members: Sequence[Member]) -> Group:
    """What differs among the runs of a group, and which figures they have."""
    found = config_differences([member.config for member in members])
    found = [each for each in found if each[0] not in LEFT_OUT]
    found.sort(key=lambda each: each[0] == SEED)
    known = [
        figure for figure in FIGURES if any(figure.of(member) is not None for member in members)
    ]
    return Group(
        tuple(members),
        tuple(parameter_of(name, texts) for name, texts in found),
        tuple(known) or FIGURES[:1],
    )


def parameter_of(name: str, texts: Sequence[str]) -> Parameter:
    """A parameter with a place on an axis for each value."""
    numbers = [_number(text) for text in texts]
    if any(number is None for number, text in zip(numbers, texts, strict=True) if text != NONE):
        words = list(dict.fromkeys(texts))
        places = tuple(float(words.index(text)) for text in texts)
        ticks = tuple((float(place), word) for place, word in enumerate(words))
        return Parameter(name, tuple(texts), places, ticks=ticks)
    values = tuple(math.nan if number is None else number for number in numbers)
    distinct = sorted({value for value in values if not math.isnan(value)})
    labels = tuple((value, f"{value:g}") for value in distinct)
    return Parameter(
        name,
        tuple(texts),
        values,
        _is_logarithmic(distinct),
        labels if len(distinct) <= LABELLED else None,
    )


def sorted_members(
    group: Group, column: str, *, descending: bool
) -> list[tuple[Member, tuple[str, ...]]]:
    """The runs and the values of their parameters, in the order of a column; unknown ones last."""
    rows = [
        (member, tuple(parameter.texts[place] for parameter in group.parameters))
        for place, member in enumerate(group.members)
    ]
    keys = [_key(group, place, column) for place in range(len(rows))]
    known = [place for place, key in enumerate(keys) if key is not None]
    unknown = [place for place, key in enumerate(keys) if key is None]
    known.sort(key=lambda place: keys[place] or (0.0, ""), reverse=descending)
    return [rows[place] for place in known + unknown]


def best_of(group: Group, figure: Figure) -> Member | None:
    """The run that is the best by a figure; None where none has it."""
    known = {
        place: value
        for place, member in enumerate(group.members)
        if (value := figure.of(member)) is not None
    }
    if not known:
        return None
    best = min(known, key=lambda place: known[place] if figure.lowest else -known[place])
    return group.members[best]


def in_order_of_marks(group: Group, figure: Figure, chosen: str) -> list[int]:
    """The places of the runs, the worst first; the best, and the run named `chosen`, last.

    What is drawn later lies on top.
    """
    best = best_of(group, figure)

    def key(place: int) -> tuple[bool, bool, bool, float]:
        member = group.members[place]
        value = figure.of(member)
        worth = 0.0 if value is None else (-value if figure.lowest else value)
        return member.run.name == chosen, member is best, value is not None, worth

    return sorted(range(len(group.members)), key=key)


def _key(group: Group, place: int, column: str) -> tuple[float, str] | None:
    """What a run is sorted by; None if it is unknown."""
    member = group.members[place]
    if column == "state":
        return 0.0, str(member.summary.state)
    for figure in FIGURES:
        if figure.name == column:
            value = figure.of(member)
            return None if value is None else (value, "")
    for parameter in group.parameters:
        if parameter.name == column:
            at = parameter.places[place]
            return None if math.isnan(at) else (at, "")
    return 0.0, member.summary.name


def _is_logarithmic(distinct: Sequence[float]) -> bool:
    """Whether values are chosen on a logarithmic scale: far apart, or by equal factors."""
    if len(distinct) < 2 or distinct[0] <= 0:
        return False
    if distinct[-1] / distinct[0] >= FAR:
        return True
    steps = [after - before for before, after in pairwise(distinct)]
    factors = [math.log(after / before) for before, after in pairwise(distinct)]
    return len(distinct) > 2 and max(factors) / min(factors) < max(steps) / min(steps)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
