"""Images that another program has logged, as they are shown: under their tags."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dae_tui.dashboard.widgets.pictures import Picture
from dae_tui.runs.watching.event_watch import LoggedImage


@dataclass(frozen=True, eq=False)
class LoggedImages:
    """The newest images of each tag after `step` steps; each has one view."""

    step: int
    images: list[LoggedImage]
    of: int
    """How many images there were, of all steps: one more may be of this step."""

    names = ("image",)
    telling = 1

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvas that each is drawn on."""
        sizes = [image.pixels.shape[-2:] for image in self.images]
        return max(height for height, _ in sizes), max(width for _, width in sizes)

    @property
    def colour(self) -> bool:
        return any(image.pixels.ndim == 3 for image in self.images)

    def pictures(self, numbers: Sequence[int]) -> list[list[Picture]]:
        """Images with the last parts of their tags, or whole tags where those are the same."""
        short = {image.tag: image.tag.rsplit("/", 1)[-1] for image in self.images}
        if len(set(short.values())) < len(short):
            short = {tag: tag for tag in short}
        shown = (self.images[number] for number in numbers)
        return [[Picture(_on_canvas(image.pixels, self.size), short[image.tag])] for image in shown]


def _on_canvas(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """An image in [0, 1], in the upper left corner of a black canvas."""
    height, width = pixels.shape[-2:]
    missing = ((0, size[0] - height), (0, size[1] - width))
    padded = np.pad(pixels, (*((0, 0),) * (pixels.ndim - 2), *missing))
    scaled: NDArray[np.float32] = padded.astype(np.float32) / np.float32(255)
    return scaled
