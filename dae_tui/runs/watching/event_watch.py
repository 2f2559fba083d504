"""Watching a training of another program, by its event files, as one of ours is watched."""

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dae_tui.runs.event_files.folders import EventRun
from dae_tui.runs.event_files.messages import ImagePlace, encoded_images
from dae_tui.runs.event_files.reader import EventLog
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import summarize
from dae_tui.runs.watching.curves import Curves
from dae_tui.runs.watching.run_watch import CATCH_UP_SECONDS, RunView, RunWatch
from dae_tui.system.regular_files import open_regular

# A larger image is drawn from a smaller copy: no terminal has so many cells.
LARGEST_SIDE = 2048
MOST_PIXELS = 100_000_000
# Images of one step that are read: more than any screen shows.
MOST_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class LoggedImage:
    """An image that a training has logged."""

    tag: str
    step: int
    pixels: NDArray[np.uint8]
    """(H, W), or (3, H, W) in colour."""


class EventWatch:
    """Reads the event files of one training again and again, as `RunWatch` reads a run.

    Only one thread at a time may call `look` and `images_at`.
    """

    def __init__(self, run: EventRun) -> None:
        self.run = run
        self._log = EventLog(run)

    def look(self) -> RunView:
        """Read what has been added, for about a quarter of a second. Never raises."""
        changed = self._log.read(CATCH_UP_SECONDS)
        status: dict[str, Any] = self._log.status()
        return RunView(
            os.path.isdir(self.run.folder),  # noqa: PTH112 - Path.is_dir may raise.
            summarize(self.run, status),
            status,
            {},
            Curves(),
            self._log.whole,
            changed,
            self._log.image_steps(),
            list(self._log.texts),
            has_config=False,
            series=dict(self._log.series),
            foreign=True,
        )

    @property
    def image_count(self) -> int:
        """How many images have been logged."""
        return sum(map(len, self._log.images.values()))

    def images_at(self, step: int) -> list[LoggedImage]:
        """Of each tag the newest images at a step, or else before it."""
        found: list[LoggedImage] = []
        for tag, images in self._log.images.items():
            known = [logged for logged, _ in images if logged <= step]
            if not known:
                continue
            for logged, place in images:
                if logged == known[-1] and len(found) < MOST_AT_ONCE:
                    found += [LoggedImage(tag, logged, pixels) for pixels in _decoded(place)]
        return found[:MOST_AT_ONCE]


def watch_run(run: Run) -> RunWatch | EventWatch:
    """What reads this run."""
    return EventWatch(run) if isinstance(run, EventRun) else RunWatch(run)


def _decoded(place: ImagePlace) -> list[NDArray[np.uint8]]:
    """The images at a place of a file; those that cannot be read are left out."""
    try:
        with os.fdopen(open_regular(Path(place.file)), "rb") as file:
            message = os.pread(file.fileno(), place.length, place.offset)
    except OSError:
        return []
    images = (_pixels(encoded) for encoded in encoded_images(message, place.value))
    return [pixels for pixels in images if pixels is not None]


def _pixels(encoded: bytes) -> NDArray[np.uint8] | None:
    try:
        with Image.open(BytesIO(encoded), formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            grey = image.mode in ("1", "L", "LA", "I", "I;16", "F")
            drawn = image.convert("L" if grey else "RGB")
    # Pillow raises SyntaxError for a PNG whose parts are out of order.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    drawn.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    pixels = np.asarray(drawn, np.uint8)
    return pixels if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))
