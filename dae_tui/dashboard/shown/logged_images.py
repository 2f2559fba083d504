"""Images that another program has logged, as they are shown: under their tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dae_tui.dashboard.widgets.pictures import Picture
from dae_tui.runs.watching.event_watch import LoggedImage

# More views of an image do not stand beside each other.
MOST_VIEWS = 3


@dataclass(frozen=True, eq=False)
class LoggedImages:
    """The newest images of each tag after `step` steps."""

    step: int
    images: list[LoggedImage]
    of: int
    """How many images there were, of all steps: one more may be of this step."""

    telling = 1

    @cached_property
    def rows(self) -> list[list[LoggedImage]]:
        """The images, each in all its views: `digit/noisy` and `digit/denoised` are such.

        Where tags are not so, each image is one view.
        """
        alone = [[image] for image in self.images]
        by_name: dict[str, dict[str, LoggedImage]] = {}
        for image in self.images:
            name, _, view = image.tag.rpartition("/")
            views = by_name.setdefault(name, {})
            if view in views or image.pixels.shape[-2:] != self.images[0].pixels.shape[-2:]:
                return alone
            views[view] = image
        first = list(next(iter(by_name.values()), {}))
        same = all(list(views) == first for views in by_name.values())
        if "" in by_name or not same or not 1 < len(first) <= MOST_VIEWS:
            return alone
        return [list(views.values()) for views in by_name.values()]

    @property
    def names(self) -> tuple[str, ...]:
        """The views of an image; nameless where there is one."""
        first = self.rows[0]
        return tuple(image.tag for image in first) if len(first) > 1 else ("",)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the canvas that each is drawn on."""
        sizes = [image.pixels.shape[-2:] for image in self.images]
        return max(height for height, _ in sizes), max(width for _, width in sizes)

    @property
    def colour(self) -> bool:
        """Whether any of them is in colour."""
        return any(image.pixels.ndim == 3 for image in self.images)

    def pictures(self, numbers: Sequence[int]) -> list[list[Picture]]:
        """Images with the last parts of their tags, or whole tags where those are the same."""
        short = {image.tag: image.tag.rsplit("/", 1)[-1] for image in self.images}
        if len(set(short.values())) < len(short) and len(self.names) == 1:
            short = {tag: tag for tag in short}
        return [
            [Picture(_on_canvas(view.pixels, self.size), short[view.tag]) for view in self.rows[n]]
            for n in numbers
        ]


def _on_canvas(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """An image in [0, 1], in the upper left corner of a black canvas."""
    height, width = pixels.shape[-2:]
    missing = ((0, size[0] - height), (0, size[1] - width))
    padded = np.pad(pixels, (*((0, 0),) * (pixels.ndim - 2), *missing))
    scaled: NDArray[np.float32] = padded.astype(np.float32) / np.float32(255)
    return scaled
