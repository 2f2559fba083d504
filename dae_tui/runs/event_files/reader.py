"""All that the event files of a training say, read piece by piece and then as it is written."""

import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_tui.runs.event_files.folders import QUIET_SECONDS, EventRun
from dae_tui.runs.event_files.messages import Decoder, Floats, ImagePlace, Messages
from dae_tui.runs.event_files.records import DamagedError, find_records
from dae_tui.runs.event_files.series import Series
from dae_tui.runs.event_files.tags import find_tag
from dae_tui.runs.folder.layout import State
from dae_tui.system.printable import printable
from dae_tui.system.regular_files import open_regular

PIECE_BYTES = 4 << 20
LOG_LINES, LONGEST_LINE = 1000, 2000
MOST_IMAGES = 10_000
# A training whose reports are rarer is silent after so many of their intervals.
INTERVALS = 3


@dataclass
class _File:
    offset: int = 0
    damaged: bool = False


class EventLog:
    """Scalars, images and texts of a training. Only one thread at a time may read."""

    def __init__(self, run: EventRun) -> None:
        self.run = run
        self.series: dict[str, Series] = {}
        """The scalars by tag."""
        self.images: dict[str, list[tuple[int, ImagePlace]]] = {}
        """Step and place of each image by tag, in ascending order of steps."""
        self.texts: deque[str] = deque(maxlen=LOG_LINES)
        """The texts with time and step, as lines of a log."""
        self.whole = False
        """Whether all that is there has been read."""
        self._first = self._last = 0.0
        self._interval = 0.0
        self._files: dict[Path, _File] = {}
        self._decoder = Decoder()

    def read(self, seconds: float) -> bool:
        """Read on, for about so many seconds; whether there was anything new."""
        until = time.monotonic() + seconds
        added = False
        self.whole = False
        for path, part in self.run.files():
            known = self._files.setdefault(path, _File())
            while not known.damaged and self._read_piece(path, part, known):
                added = True
                if time.monotonic() > until:
                    return True
        self.whole = True
        return added

    def _read_piece(self, path: Path, part: str, known: _File) -> bool:
        """Read the next records of a file; whether there were any."""
        try:
            with os.fdopen(open_regular(path), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size == known.offset:
                    return False
                if size < known.offset:  # Another file: its steps replace those of the old one.
                    known.offset = 0
                piece = os.pread(file.fileno(), PIECE_BYTES, known.offset)
                found = find_records(piece)
                if not found.end and found.wanted > len(piece):
                    piece = os.pread(file.fileno(), found.wanted, known.offset)
                    found = find_records(piece)
        except OSError:
            return False
        except DamagedError:
            known.damaged = True
            part_of = f"{part}/" if part else ""
            words = f"is damaged after {known.offset:,} bytes: the rest is left out"
            self.texts.append(printable(f"{part_of}{path.name} {words}"))
            return False
        if not found.end:
            return False
        self.take(self._decoder.decode(piece, found, str(path), known.offset), part)
        known.offset += found.end
        return True

    def take_piece(self, piece: bytes, start: int, path: Path, part: str, offset: int) -> None:
        """Take the records of any piece of a file from `start` on, as far as it is whole."""
        try:
            found = find_records(piece, start)
        except DamagedError:
            return
        self.take(self._decoder.decode(piece, found, str(path), offset), part)

    def take(self, said: Messages, part: str) -> None:
        """Add what some messages say."""
        prefix = f"{part}/" if part else ""
        for tag, (steps, values) in said.scalars.items():
            self.series.setdefault(prefix + tag, Series()).add(steps, values)
        for tag, step, place in said.images:
            images = self.images.setdefault(prefix + tag, [])
            while images and images[-1][0] > step:  # Repeated by a training that was resumed.
                images.pop()
            images.append((step, place))
            del images[:-MOST_IMAGES]
        for when, step, tag, text in said.texts:
            self.texts.extend(_lines(when, step, prefix + tag, text))
        self._take_times(said.times)

    def _take_times(self, times: Floats) -> None:
        if not len(times):
            return
        self._first = self._first or float(times[0])
        latest = max(self._last, float(times.max()))
        gaps = [*(times[1:] - times[:-1]).tolist(), latest - (self._last or latest)]
        # Forgets slowly: a validation every thousand steps makes a long gap now and then.
        self._interval = max(0.9 * self._interval, *gaps)
        self._last = latest

    def image_steps(self) -> list[int]:
        """The steps with images, ascending."""
        return sorted({step for images in self.images.values() for step, _ in images})

    def status(self) -> dict[str, Any]:
        """What the run's `status.json` would hold: its state, and the newest figures."""
        age = time.time() - self._last
        silent = age > max(QUIET_SECONDS, INTERVALS * self._interval)
        steps = [float(series.arrays()[0][-1]) for series in self.series.values()]
        accuracy = find_tag(self.series, "accuracy", ("val", "test"))
        status: dict[str, Any] = {
            "state": str(State.SILENT if silent else State.RUNNING),
            "step": max(steps, default=None),
            "heartbeat": self._last or None,
            "seconds": self._last - self._first if self._last else None,
            "loss": self._newest("loss", ("train", "")),
            "val_loss": self._newest("loss", ("val", "test")),
            "lr": self._newest("rate", ("", "train")),
            "epoch": self._newest("epoch", ("", "train", "val")),
        }
        if silent:
            status["reason"] = "no event for some time" if self._last else "no events yet"
        if accuracy is not None:
            series = self.series[accuracy]
            share = float(series.arrays()[1].max()) <= 1
            status["val_accuracy"] = series.last * (100 if share else 1)
        return status

    def _newest(self, kind: str, stages: tuple[str, ...]) -> float | None:
        tag = find_tag(self.series, kind, stages)
        return None if tag is None else self.series[tag].last


def _lines(when: float, step: int, tag: str, text: str) -> list[str]:
    """A text as lines of a log."""
    try:
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
    except (OverflowError, ValueError, OSError):
        clock = "1970-01-01 00:00:00"
    first, *others = text.split("\n")[:LOG_LINES] or [""]
    lines = [f"step {step:,}  {tag}: {first}", *others]
    return [f"{clock} {printable(line[:LONGEST_LINE])}" for line in lines]
