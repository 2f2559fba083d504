"""The loss curves of a run, read from its metrics: whole, or quickly from a long file.

A file with a million lines takes seconds to read whole. `overview` reads it at a few thousand
places instead, which look the same on a terminal; `CurveFollower` reads the whole piece by piece
and then what is added.
"""

import math
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import FileIO
from typing import TYPE_CHECKING, Any, Self

from dae_tui.runs.folder.layout import METRICS
from dae_tui.runs.folder.reader import LONGEST_LINE, MetricsFollower, Run, parse_events
from dae_tui.runs.folder.summary import number
from dae_tui.system.regular_files import open_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OVERVIEW_PLACES = 2000
# Any two lines of steps fit into this.
PLACE_BYTES = 600
# The last step and what follows it in a run that is over: the line of its result is long.
END_BYTES = 8_000
SEARCH_BYTES = 4_000_000
# Many more than a chart has columns; beyond that, every second one is left out.
MOST_VALIDATIONS, MOST_READINGS = 20_000, 4000
# Numbers of GPUs from here on are taken for a broken line.
MOST_GPUS = 64
# The newest best epochs: an earlier one counts again if a resumed run repeats the later steps.
MOST_BESTS = 1000
_STEP = b'"event": "step"'
# Events that are no steps, and how many of them are read.
_RARE_EVENTS = {
    (b'"event": "started"', b'"event": "validation"'): MOST_VALIDATIONS,
    (b'"event": "devices"',): MOST_READINGS,
}
# Files up to this size are read whole without a delay that anybody would notice.
SMALL_BYTES = 2_000_000
PIECE_BYTES = 500_000


@dataclass
class Curve:
    """Values over ascending steps; a value that is no number is NaN."""

    _steps: "array[float]" = field(default_factory=lambda: array("d"))
    _values: "array[float]" = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: float, value: float) -> None:
        """Append a value. Steps that a resumed run repeats replace the earlier ones."""
        if self._steps and step <= self._steps[-1]:
            self.cut(step)
        self._steps.append(step)
        self._values.append(value)

    def values(self) -> list[float]:
        """The values in the order of the steps."""
        return self._values.tolist()

    def cut(self, step: float) -> None:
        """Remove the values at `step` and after."""
        kept = bisect_left(self._steps, step)
        del self._steps[kept:]
        del self._values[kept:]

    @classmethod
    def of(cls, steps: "NDArray[np.float64]", values: "NDArray[np.float64]") -> Self:
        """A curve of ascending steps and their values, both (N,)."""
        return cls(array("d", steps.tolist()), array("d", values.tolist()))

    def arrays(self) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        """Copies of steps and values, both (N,)."""
        import numpy as np  # Here: the list of runs is shown before NumPy is loaded.

        return np.array(self._steps), np.array(self._values)


@dataclass
class DeviceCurves:
    """What was recorded of a GPU, or of the processor, which has only its use."""

    use: Curve = field(default_factory=Curve)
    """Percent of the time, or of the cores."""
    memory: Curve = field(default_factory=Curve)
    """Bytes that all processes have."""
    power: Curve = field(default_factory=Curve)
    """Watts."""


@dataclass
class Curves:
    """The metrics of a run so far."""

    train: Curve = field(default_factory=Curve)
    """Loss of the training steps."""
    validation: Curve = field(default_factory=Curve)
    """Validation loss, once per epoch."""
    psnr: Curve = field(default_factory=Curve)
    """Of the denoised validation images, in dB."""
    accuracy: Curve = field(default_factory=Curve)
    """Percent of the denoised validation images that the classifier predicts correctly."""
    rate: Curve = field(default_factory=Curve)
    """The learning rate."""
    speed: Curve = field(default_factory=Curve)
    """Images per second."""
    devices: dict[str, DeviceCurves] = field(default_factory=dict)
    """Of each GPU, as `GPU 0`, and of the processor, `CPU`."""
    clock: Curve = field(default_factory=Curve)
    """When each step was recorded, in seconds since 1970."""
    began: float | None = None
    """When the run was started first, in seconds since 1970; None if that is not known."""
    steps_per_epoch: float | None = None
    _bests: list[dict[str, Any]] = field(default_factory=list)
    """The events `validation` that were the best of their time, in ascending order of steps."""

    @property
    def best(self) -> dict[str, Any] | None:
        """The event `validation` of the best epoch so far."""
        return self._bests[-1] if self._bests else None

    def add(self, event: dict[str, Any]) -> None:
        """Add one event of the metrics; events without losses are ignored."""
        step = number(event.get("step"))
        if step is None:
            return
        match event.get("event"):
            case "started":
                # Removes what an earlier process did after the checkpoint.
                self._cut(step + 1)
                if self.began is None:
                    self.began = number(event.get("time"))
                self.steps_per_epoch = number(event.get("steps_per_epoch")) or None
            case "step":
                self.train.add(step, _value(event.get("loss")))
                _add_known(self.rate, step, event.get("lr"))
                _add_known(self.speed, step, event.get("images_per_second"))
                _add_known(self.clock, step, event.get("time"))
            case "validation":
                self.validation.add(step, _value(event.get("val_loss")))
                _add_known(self.psnr, step, event.get("val_psnr"))
                _add_known(self.accuracy, step, event.get("val_accuracy"))
                self._cut_bests(step)
                if event.get("best") is True:
                    self._bests.append(event)
                    del self._bests[:-MOST_BESTS]
            case "devices":
                self._add_devices(step, event)

    def _add_devices(self, step: float, event: dict[str, Any]) -> None:
        """Add what was read of GPUs and processor; what is not as the writer writes it is not."""
        found = [("CPU", {"use": event.get("cpu")})]
        gpus = event.get("gpus")
        for gpu in gpus[:MOST_GPUS] if isinstance(gpus, list) else ():
            index = gpu.get("gpu") if isinstance(gpu, dict) else None
            if type(index) is int and 0 <= index < MOST_GPUS:
                found.append((f"GPU {index}", gpu))
        for name, figures in found:
            for figure in ("use", "memory", "power"):
                if number(figures.get(figure)) is not None:
                    curves = self.devices.setdefault(name, DeviceCurves())
                    _add_known(getattr(curves, figure), step, figures[figure])

    def _cut(self, step: float) -> None:
        """Remove what was recorded at `step` and after."""
        for curve in (
            self.train,
            self.validation,
            self.psnr,
            self.accuracy,
            self.rate,
            self.speed,
            self.clock,
            *(curve for each in self.devices.values() for curve in vars(each).values()),
        ):
            curve.cut(step)
        self._cut_bests(step)

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
        # Not whether there were events: a piece may hold none although the next one does.
        return self._follower.offset != before or self._follower.restarted


class OverviewFollower:
    """Reads the overview of a run's curves, then what is added: a long file is searched once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._follower = MetricsFollower(run)
        self.curves = Curves()
        self._begin()

    def _begin(self) -> None:
        # Lines that come in between are read twice, which changes nothing.
        self._follower.skip()
        self.curves = overview(self._run)

    def read(self) -> None:
        """Add what is new; after the file was replaced or cut, read it anew."""
        while True:
            before = self._follower.offset
            events = self._follower.read(PIECE_BYTES)
            if self._follower.restarted:
                self._begin()
                return
            for event in events:
                self.curves.add(event)
            if self._follower.offset == before:
                return


def is_long(run: Run) -> bool:
    """Whether reading the whole metrics would take noticeable time."""
    try:
        return (run.folder / METRICS).stat().st_size > SMALL_BYTES
    except OSError:
        return False


def overview(run: Run) -> Curves:
    """The curves of a long file, quickly: every validation and reading of devices, some steps.

    A small file is read whole. A file that cannot be read gives empty curves.
    """
    curves = Curves()
    try:
        with _metrics(run) as file:
            size = file.seek(0, os.SEEK_END)
            if size <= SMALL_BYTES:
                lines = os.pread(file.fileno(), size, 0)
            else:
                places = _steps(file.fileno(), size, OVERVIEW_PLACES) | _rare(file.fileno())
                lines = b"\n".join(line for _, line in sorted(places.items()))
    except OSError:
        return curves
    for event in parse_events(lines):
        curves.add(event)
    return curves


def glance(run: Run, count: int) -> list[float]:
    """About `count` training losses from the first to the last, for a sparkline."""
    curve = Curve()
    try:
        with _metrics(run) as file:
            size = file.seek(0, os.SEEK_END)
            if size <= count * PLACE_BYTES:
                lines = os.pread(file.fileno(), size, 0)
            else:
                lines = b"\n".join(_steps(file.fileno(), size, count).values())
    except OSError:
        return []
    for event in parse_events(lines):
        step = number(event.get("step"))
        if event.get("event") == "step" and step is not None:
            curve.add(step, _value(event.get("loss")))
    losses = curve.values()
    if len(losses) <= count:
        return losses
    return [losses[(len(losses) - 1) * index // max(1, count - 1)] for index in range(count)]


def _metrics(run: Run) -> FileIO:
    """The open metrics file. Raises OSError, also for what is no regular file."""
    return FileIO(open_regular(run.folder / METRICS))


def _steps(file: int, size: int, count: int) -> dict[int, bytes]:
    """Lines at evenly spaced places of a file, and its last step, by their offsets."""
    found = {}
    for index in range(count):
        place = max(0, size - PLACE_BYTES) * index // max(1, count - 1)
        before, newline, after = os.pread(file, PLACE_BYTES, place).partition(b"\n")
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
    """The lines of a file that are no steps, by their offsets; only some of very many.

    They are found by the writer's spelling, ten times as fast as by parsing every line.
    """
    found: dict[tuple[bytes, ...], dict[int, bytes]] = {events: {} for events in _RARE_EVENTS}
    place, kept = 0, b""
    while read := os.pread(file, SEARCH_BYTES, place):
        piece = kept + read
        for events, most in _RARE_EVENTS.items():
            found[events] |= _lines_of(events, piece, place - len(kept))
            if len(found[events]) > most:
                found[events] = dict(sorted(found[events].items())[::2])
        place += len(read)
        kept = piece[piece.rfind(b"\n") + 1 :]
        if len(kept) > LONGEST_LINE:
            kept = b""  # The rest of a line that is too long is no event.
    return {at: line for lines in found.values() for at, line in lines.items()}


def _lines_of(events: Iterable[bytes], piece: bytes, begin: int) -> dict[int, bytes]:
    """The whole lines of some events in a piece of a file that begins there, by their offsets."""
    found = {}
    whole = piece.rfind(b"\n") + 1
    for event in events:
        at = piece.find(event, 0, whole)
        while at >= 0:
            start = piece.rfind(b"\n", 0, at) + 1
            end = piece.find(b"\n", at)
            found[begin + start] = piece[start:end]
            at = piece.find(event, end, whole)
    return found


def _add_known(curve: Curve, step: float, value: Any) -> None:
    """Add a value that not every run records."""
    known = number(value)
    if known is not None:
        curve.add(step, known)


def _value(value: Any) -> float:
    """A loss; NaN for null, as which the writer stores a loss that is not finite."""
    known = number(value)
    return math.nan if known is None else known
