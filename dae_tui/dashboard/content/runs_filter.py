"""The filter of the list of runs: words, and conditions on fields such as `loss<0.01`.

Does not import Textual. Half-typed conditions leave every run.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dae_tui.runs.folder.summary import number
from dae_tui.runs.watching.runs_watch import RunRow

# Fields that the list has; any other is one of the run's config, such as `lr`.
WORDS: Mapping[str, Callable[[RunRow], str | None]] = {
    "name": lambda row: row.run.name,
    "run": lambda row: row.run.name,
    "state": lambda row: str(row.summary.state),
    "network": lambda row: row.summary.network,
    "data": lambda row: row.summary.data,
    "noise": lambda row: row.summary.noise,
    "reason": lambda row: row.summary.reason,
    "note": lambda row: row.summary.note,
    "group": lambda row: row.summary.group,
    "host": lambda row: row.run.host or "local",
    "in": lambda row: row.run.place or row.run.folder.parent.name,
}
IS: Mapping[str, Callable[[RunRow], bool]] = {
    "archived": lambda row: row.summary.archived,
    "alive": lambda row: row.summary.state.alive,
}
NUMBERS: Mapping[str, Callable[[RunRow], float | None]] = {
    "loss": lambda row: row.summary.val_loss,
    "epoch": lambda row: row.summary.epoch,
    "step": lambda row: row.summary.step,
    "psnr": lambda row: row.summary.val_psnr,
    "acc": lambda row: row.summary.val_accuracy,
    "test": lambda row: row.summary.test_accuracy,
    "img/s": lambda row: row.summary.images_per_second,
    "seconds": lambda row: row.summary.seconds,
}
EXAMPLE = "state:failed loss<0.01 data:mnist lr=0.006 tag:best, or any words"
_CONDITION = re.compile(r"(-?)([\w/.]+?)(<=|>=|!=|<|>|=|:)(.*)", re.DOTALL)
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    ">": lambda value, limit: value > limit,
    "<=": lambda value, limit: value <= limit,
    ">=": lambda value, limit: value >= limit,
    "=": lambda value, limit: value == limit,
    ":": lambda value, limit: value == limit,
    "!=": lambda value, limit: value != limit,
}
ORDERING = ("<", ">", "<=", ">=")


@dataclass(frozen=True)
class Condition:
    """`field operator value`; a plain word has no field."""

    field: str
    operator: str
    value: str
    negated: bool = False

    def holds(self, row: RunRow) -> bool:
        """Whether a run meets it. A run without the field meets only a negation."""
        if not self.value:
            return True
        return self._holds(row) is not self.negated

    def _holds(self, row: RunRow) -> bool:
        wanted = self.value.lower()
        if not self.field:
            return wanted in _all_words(row)
        if self.field == "tag":
            same = [wanted == tag.lower() for tag in row.summary.tags]
            return not any(same) if self.operator == "!=" else any(same)
        if self.field == "is":
            return wanted in IS and IS[wanted](row)
        limit = _as_number(self.value)
        known = NUMBERS[self.field](row) if self.field in NUMBERS and limit is not None else None
        if known is None and self.field not in WORDS and limit is not None:
            known = number(row.config.get(self.field))
        if limit is not None and known is not None:
            return _COMPARE[self.operator](known, limit)
        text = WORDS[self.field](row) if self.field in WORDS else row.config.get(self.field)
        if text is None or self.operator in ORDERING:
            return False
        found = str(text).lower()
        equal = (found == wanted) is (self.operator == "=")
        return wanted in found if self.operator == ":" else equal


def parse_filter(text: str) -> list[Condition]:
    """The conditions of a filter, all of which a run must meet.

    Words with a space are quoted. `gaussian:0.5` is a word: its first part is no field.
    """
    try:
        parts = shlex.split(text)
    except ValueError:  # A quote that is still open.
        parts = text.replace('"', " ").replace("'", " ").split()
    return [parse_condition(part) for part in parts]


def matches(conditions: Sequence[Condition], row: RunRow) -> bool:
    """Whether a run meets all of them."""
    return all(condition.holds(row) for condition in conditions)


def listed(conditions: Sequence[Condition], rows: Sequence[RunRow]) -> list[RunRow]:
    """The runs that a list shows: archived ones only where they are asked for by `is:archived`."""
    archived = any(
        condition.field == "is" and condition.value.lower() == "archived"
        for condition in conditions
        if not condition.negated
    )
    return [
        row for row in rows if matches(conditions, row) and (archived or not row.summary.hidden)
    ]


def parse_condition(part: str) -> Condition:
    """One condition, or a word."""
    found = _CONDITION.fullmatch(part)
    if found is None:
        return Condition("", ":", part)
    minus, field, operator, value = found.groups()
    field = field.lower()
    known = field in WORDS or field in NUMBERS or field in ("tag", "is")
    if operator == ":" and not known:
        return Condition("", ":", part)
    return Condition(field, operator, value, negated=bool(minus))


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _all_words(row: RunRow) -> str:
    run = row.summary
    words: list[Any] = [run.name, run.state, run.network, run.data, run.noise, run.note]
    words += [run.group, *run.tags]
    return " ".join(word for word in words if word).lower()
