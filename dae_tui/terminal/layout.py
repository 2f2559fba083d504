"""How much of an image is shown: how many views beside each other, and which part of a large one.

A large image is shown pixel by pixel, and so in part: shrunk, it would show hardly any noise, as
the mean of many pixels has little.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dae_tui.terminal.blocks import LEAST_VIEW, fit_crop, shrink, views_that_fit

GAP = 1
# Images of at most so many pixels a side lose an equal border where there is no room for them.
SMALL = 32
# Lower variances are rounding errors.
FLAT = 1e-9


@dataclass(frozen=True)
class Window:
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: NDArray[np.floating]) -> NDArray[np.floating]:
        """The part of an image (…, H, W)."""
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Layout:
    """How images of one size are shown in all their views."""

    views: int
    """How many views of an image stand beside each other: all, or one."""
    height: int
    """How many pixels of an image are shown; if `whole`, the size it is shrunk to."""
    width: int
    cell: int
    """The columns of a view, of which its caption may need more than the picture."""
    across: int
    """How many images stand beside each other, in all their views."""
    down: int
    """How many below each other."""
    whole: bool
    """Whether all of an image is shown, shrunk where it does not fit."""
    scale: int = 1
    """How many columns, and half lines, each pixel takes."""

    @property
    def lines(self) -> int:
        """The lines of an image: its caption and the picture, which has two pixels to a line."""
        return 1 + (self.height * self.scale + 1) // 2

    def part_of(self, size: tuple[int, int]) -> str:
        """How much of an image of this height and width is shown; empty for small images."""
        if max(size) <= SMALL:
            return ""
        image, shown = f"{size[1]}×{size[0]}", f"{self.width}×{self.height}"
        if image == shown:
            return image
        return f"{image} in {shown}" if self.whole else f"{shown} of {image}"

    def drawn(self, image: NDArray[np.floating], window: Window) -> NDArray[np.floating]:
        """What is shown of an image (…, H, W)."""
        if self.whole:
            return shrink(image, self.width, max(1, (self.height + 1) // 2))
        return window.of(image).repeat(self.scale, -1).repeat(self.scale, -2)


def layout(
    size: tuple[int, int],
    views: int,
    columns: int,
    rows: int,
    *,
    whole: bool = False,
    enlarge: bool = False,
) -> Layout:
    """How to show images in a number of views.

    Args:
        size: height and width of an image in pixels.
        views: how many views each has.
        columns: of the terminal.
        rows: of the terminal; a caption and a line of pixels are shown even in fewer than two.
        whole: show all of a large image, shrunk, in place of a part of it pixel by pixel.
        enlarge: show images that leave room for it two or more times as large, all views at once.
    """
    shown = views_that_fit(columns, views)
    room = max(1, (columns + GAP) // shown - GAP)
    height, width = size
    small = max(size) <= SMALL
    if small:
        border = fit_crop(columns, views, GAP, max(size)) if shown == views else 0
        height, width = (length - 2 * min(border, (length - 1) // 2) for length in size)
    elif whole:
        scale = min(1.0, room / width, 2 * max(1, rows - 1) / height)
        height, width = (max(1, round(length * scale)) for length in size)
    height = height if small else min(height, 2 * max(1, rows - 1))
    width = min(width, room)
    scale = max(1, min(room // size[1], 2 * (rows - 1) // size[0])) if enlarge else 1
    if scale > 1:
        height, width = size
    cell = max(width * scale, min(room, LEAST_VIEW))
    across = max(1, (columns + GAP) // (shown * (cell + GAP)))
    lines = 1 + (height * scale + 1) // 2
    in_part = whole and not small and scale == 1
    return Layout(shown, height, width, cell, across, max(1, rows // lines), in_part, scale)


def middle(size: tuple[int, int], shown: Layout) -> Window:
    """The window in the middle of an image of this height and width."""
    height, width = min(size[0], shown.height), min(size[1], shown.width)
    return Window((size[0] - height) // 2, (size[1] - width) // 2, height, width)


def telling_window(images: Sequence[NDArray[np.floating]], shown: Layout) -> Window:
    """The window of an image in which most is to be seen of it.

    Args:
        images: the image (H, W) or (C, H, W), and possibly a noisy one of the same shape, or more,
            which are ignored.
        shown: the layout, which has the height and width of the window.

    It is where the variance of the image is highest; with a noisy one, the product of that and the
    mean square of the noise: both detail and noise must be there. The middle, where neither is.
    """
    size = images[0].shape[-2], images[0].shape[-1]
    window = middle(size, shown)
    if (window.height, window.width) == size or max(size) <= SMALL:
        return window
    planes = [np.nan_to_num(image.astype(np.float64)).reshape(-1, *size) for image in images[:2]]
    original = planes[0]
    means = _means(original, window)
    score = (_means(np.square(original), window) - np.square(means)).mean(0)
    if score.max() < FLAT:
        return window
    if len(planes) > 1:
        noise = _means(np.square(planes[1] - original), window).mean(0)
        score = score * noise if noise.max() > FLAT else score
    top, left = np.unravel_index(int(score.argmax()), score.shape)
    return Window(int(top), int(left), window.height, window.width)


def _means(planes: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """The mean of each window of planes (C, H, W), by its upper left corner."""
    sums = np.pad(planes, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    height, width = window.height, window.width
    corners = sums[:, height:, width:] - sums[:, :-height, width:]
    corners += sums[:, :-height, :-width] - sums[:, height:, :-width]
    means: NDArray[np.float64] = corners / (height * width)
    return means
