"""The loss curves of a run, read from its metrics: whole, or quickly from a long file.

A file with a million lines takes seconds to read whole. `overview` looks at a few thousand places
of it instead, which a terminal cannot tell from the whole; `CurveFollower` reads the whole piece
by piece and then what is added.
"""

import math
import os
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.runs.layout import METRICS
from dae_tui.runs.reader import LONGEST_LINE, MetricsFollower, Run, parse_events
from dae_tui.runs.summary import number
from dae_tui.system.regular_files import open_regular

OVERVIEW_LOOKS = 2000
# Two of the longest lines of steps fit into this.
LOOK_BYTES = 600
# The last step and what comes after it in a run that is over: its figures are a long line.
END_BYTES = 8_000
SEARCH_BYTES = 4_000_000
# More validations than a chart has columns by far; of more, every second one is left out.
MOST_RARE = 20_000
# The newest bests: an earlier one counts again where a resumed run repeats what came after it.
MOST_BESTS = 1000
_STEP = b'"event": "step"'
_RARE_EVENTS = (b'"event": "started"', b'"event": "validation"')
# Files up to this size are read whole in less time than anybody notices.
SMALL_BYTES = 2_000_000
PIECE_BYTES = 500_000


@dataclass
class Curve:
    """Values over steps, in ascending order of steps; a value that was no number is NaN."""

    _steps: "array[float]" = field(default_factory=lambda: array("d"))
    _values: "array[float]" = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: float, value: float) -> None:
        """Append a value. Steps that a killed run had made and a resumed one makes again go."""
        if self._steps and step <= self._steps[-1]:
            self.cut(step)
        self._steps.append(step)
        self._values.append(value)

    def cut(self, step: float) -> None:
        """Forget what came at `step` and after."""
        kept = bisect_left(self._steps, step)
        del self._steps[kept:]
        del self._values[kept:]

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Copies of steps and values, both (N,)."""
        return np.array(self._steps), np.array(self._values)


@dataclass
class Curves:
    """What the metrics of a run tell so far."""

    train: Curve = field(default_factory=Curve)
    """Loss of the training steps."""
    validation: Curve = field(default_factory=Curve)
    """Loss on the held-out images, once per epoch."""
    _bests: list[dict[str, Any]] = field(default_factory=list)
    """The events `validation` that were the best when they came, in ascending order of steps."""

    @property
    def best(self) -> dict[str, Any] | None:
        """The event `validation` of the best epoch so far."""
        return self._bests[-1] if self._bests else None

    def add(self, event: dict[str, Any]) -> None:
        """Take in one event of the metrics; what is no event of a curve is left out."""
        step = number(event.get("step"))
        if step is None:
            return
        match event.get("event"):
            case "started":
                # What an earlier process did after the checkpoint that this one began from.
                self.train.cut(step + 1)
                self.validation.cut(step + 1)
                self._cut_bests(step + 1)
            case "step":
                self.train.add(step, _value(event.get("loss")))
            case "validation":
                self.validation.add(step, _value(event.get("val_loss")))
                self._cut_bests(step)
                if event.get("best") is True:
                    self._bests.append(event)
                    del self._bests[:-MOST_BESTS]

    def _cut_bests(self, step: float) -> None:
        while self._bests and self._bests[-1]["step"] >= step:
            self._bests.pop()


class CurveFollower:
    """Reads the curves of a run piece by piece, then what is added."""

    def __init__(self, run: Run) -> None:
        self._follower = MetricsFollower(run)
        self.curves = Curves()

    def read(self) -> bool:
        """Read the next piece; whether there was anything new."""
        before = self._follower.offset
        events = self._follower.read(PIECE_BYTES)
        if self._follower.restarted:
            self.curves = Curves()
        for event in events:
            self.curves.add(event)
        # Not whether there were events: a piece may hold none, and the next one may.
        return self._follower.offset != before or self._follower.restarted


def is_long(run: Run) -> bool:
    """Whether reading the metrics whole would keep somebody waiting."""
    try:
        return (run.folder / METRICS).stat().st_size > SMALL_BYTES
    except OSError:
        return False


def overview(run: Run) -> Curves:
    """The curves from a long file quickly: every validation, and steps at evenly spaced places.

    The whole of a small file. A file that cannot be read gives empty curves.
    """
    curves = Curves()
    try:
        with _metrics(run) as file:
            size = file.seek(0, os.SEEK_END)
            if size <= SMALL_BYTES:
                lines = os.pread(file.fileno(), size, 0)
            else:
                places = _steps(file.fileno(), size, OVERVIEW_LOOKS) | _rare(file.fileno())
                lines = b"\n".join(line for _, line in sorted(places.items()))
    except OSError:
        return curves
    for event in parse_events(lines):
        curves.add(event)
    return curves


def glance(run: Run, looks: int) -> list[float]:
    """About `looks` training losses from the first to the last, for a sparkline."""
    curve = Curve()
    try:
        with _metrics(run) as file:
            size = file.seek(0, os.SEEK_END)
            if size <= looks * LOOK_BYTES:
                lines = os.pread(file.fileno(), size, 0)
            else:
                lines = b"\n".join(_steps(file.fileno(), size, looks).values())
    except OSError:
        return []
    for event in parse_events(lines):
        step = number(event.get("step"))
        if event.get("event") == "step" and step is not None:
            curve.add(step, _value(event.get("loss")))
    losses: list[float] = curve.arrays()[1].tolist()
    if len(losses) <= looks:
        return losses
    return [losses[(len(losses) - 1) * look // max(1, looks - 1)] for look in range(looks)]


def _metrics(run: Run) -> FileIO:
    """The metrics, to be read at any place. Raises OSError, also for what is no regular file."""
    return FileIO(open_regular(run.folder / METRICS))


def _steps(file: int, size: int, looks: int) -> dict[int, bytes]:
    """Whole lines at evenly spaced places of a file, and its last step, by where they begin."""
    found = {}
    for look in range(looks):
        place = max(0, size - LOOK_BYTES) * look // max(1, looks - 1)
        before, newline, after = os.pread(file, LOOK_BYTES, place).partition(b"\n")
        line, whole, _ = after.partition(b"\n")
        if whole:
            found[place + len(before) + len(newline)] = line
    place = max(0, size - END_BYTES)
    end = os.pread(file, END_BYTES, place)
    at = end.rfind(_STEP, 0, end.rfind(b"\n") + 1)
    before, newline, _ = end[: max(0, at)].rpartition(b"\n")
    if newline:
        begin = len(before) + len(newline)
        found[place + begin] = end[begin : end.index(b"\n", at)]
    return found


def _rare(file: int) -> dict[int, bytes]:
    """The lines of a file that are no steps, by where they begin; of very many, some.

    Searched for as the writer spells them: that is ten times as fast as parsing every line.
    """
    found: dict[int, bytes] = {}
    place, kept = 0, b""
    while read := os.pread(file, SEARCH_BYTES, place):
        piece = kept + read
        begin = place - len(kept)
        whole = piece.rfind(b"\n") + 1
        for event in _RARE_EVENTS:
            at = piece.find(event, 0, whole)
            while at >= 0:
                start = piece.rfind(b"\n", 0, at) + 1
                end = piece.find(b"\n", at)
                found[begin + start] = piece[start:end]
                at = piece.find(event, end, whole)
        if len(found) > MOST_RARE:
            found = dict(sorted(found.items())[::2])
        place += len(read)
        kept = piece[whole:]
        if len(kept) > LONGEST_LINE:
            kept = b""  # Its end is no line then, and no event.
    return found


def _value(value: Any) -> float:
    """A loss; NaN for the null that a loss which is not finite was written as."""
    known = number(value)
    return math.nan if known is None else known
