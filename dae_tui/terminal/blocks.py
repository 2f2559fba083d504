"""An image as characters, two pixels to a cell where the terminal has colours.

| mode | cell | for |
|---|---|---|
| `truecolor` | `▀`: in front the upper, behind the lower pixel, in 64 steps | a local shell |
| `256` | `▀` likewise, in 26 greys and 210 colours | most terminals, plain SSH |
| `16` | ` ░▒▓█`, one character per two pixels, averaged | 16 colours or none |
| `ascii` | ` .:-=+*#%@` likewise | a locale without UTF-8 |

A 28×28 image takes 28×14 cells in every mode. Imports neither Rich nor Textual: `image_lines` gives
characters and names of colours that both can draw.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_tui.terminal.graphics import Graphics
from dae_tui.terminal.palette import (
    PALETTE_GREY_NAMES,
    PALETTE_GREYS,
    TRUECOLOR_GREY_NAMES,
    TRUECOLOR_GREYS,
    palette_names,
    truecolor_names,
)

UPPER_HALF = "▀"
SHADES = " ░▒▓█"
ASCII_SHADES = " .:-=+*#%@"
# In fewer columns a digit is illegible.
LEAST_VIEW = 20


class Segment(NamedTuple):
    """Characters of the same colours: `#rrggbb`, `color(N)` of the 256, or empty for none."""

    text: str
    foreground: str = ""
    background: str = ""


@dataclass(frozen=True)
class _Scale:
    """Symbols (characters or colours) from black to white, and the greys in [0, 1] between them."""

    limits: NDArray[np.float64]
    symbols: NDArray[np.object_]

    def nearest(self, image: NDArray[np.floating]) -> NDArray[np.object_]:
        """The symbol of every pixel."""
        symbols: NDArray[np.object_] = self.symbols[np.searchsorted(self.limits, image)]
        return symbols


def _scale(greys: Iterable[float], symbols: Iterable[str]) -> _Scale:
    """A scale of symbols for the given greys, 0 to 255, in rising order."""
    levels = np.array([*greys]) / 255
    return _Scale((levels[1:] + levels[:-1]) / 2, np.array([*symbols], dtype=object))


_SCALES = {
    Graphics.TRUECOLOR: _scale(TRUECOLOR_GREYS, TRUECOLOR_GREY_NAMES),
    Graphics.COLORS_256: _scale(PALETTE_GREYS, PALETTE_GREY_NAMES),
    Graphics.SHADES: _scale(np.linspace(0, 255, len(SHADES)), SHADES),
    Graphics.ASCII: _scale(np.linspace(0, 255, len(ASCII_SHADES)), ASCII_SHADES),
}


def image_lines(image: NDArray[np.floating], graphics: Graphics) -> list[list[Segment]]:
    """Lines of segments that draw an image with values in [0, 1]; others are clipped.

    Args:
        image: grey, (H, W) or (1, H, W), or red, green and blue, (3, H, W).
        graphics: what the terminal can show; without colours the channels are averaged.

    Equal neighbours share a segment. Below an odd last row is the terminal's background.
    """
    planes = image[None] if image.ndim == 2 else image
    if planes.ndim != 3 or len(planes) not in (1, 3):
        raise ValueError(
            f"an image has the shape (height, width) or (3, height, width), not {image.shape}"
        )
    clipped = _clipped(planes)
    if graphics in (Graphics.SHADES, Graphics.ASCII):
        return _characters(clipped.mean(0), _SCALES[graphics])
    colours = _colours(clipped, graphics)
    missing = np.full((len(colours) % 2, colours.shape[1]), "", dtype=object)
    pairs = zip(colours[0::2].tolist(), [*colours[1::2].tolist(), *missing.tolist()], strict=True)
    return [
        [
            Segment(UPPER_HALF * len(list(cells)), *colour_pair)
            for colour_pair, cells in groupby(zip(upper, lower, strict=True))
        ]
        for upper, lower in pairs
    ]


def _characters(grey: NDArray[np.floating], scale: _Scale) -> list[list[Segment]]:
    """Lines of characters, each as light as the one or two pixels in its cell."""
    lower = np.vstack([grey[1::2], grey[len(grey) - len(grey) % 2 :]])
    return [[Segment("".join(row))] for row in scale.nearest((grey[0::2] + lower) / 2).tolist()]


def _colours(planes: NDArray[np.floating], graphics: Graphics) -> NDArray[np.object_]:
    """The name (H, W) of the colour of every pixel of an image (1 or 3, H, W)."""
    if len(planes) == 1:
        return _SCALES[graphics].nearest(planes[0])
    return truecolor_names(planes) if graphics is Graphics.TRUECOLOR else palette_names(planes)


def views_that_fit(columns: int, views: int = 3) -> int:
    """How many views to show side by side: all of them, or one if they would be too narrow.

    Three need 60 columns.
    """
    return views if columns >= views * LEAST_VIEW else 1


def fit_crop(columns: int, views: int = 3, gap: int = 1, side: int = 28) -> int:
    """Pixels to `crop` from each edge so that square views fit beside each other.

    Three digits of 28 pixels, one column apart, are whole in 86 columns or more. They lose one
    pixel at each edge in 80 or more (26×26 pixels each), two in 74 or more.
    """
    width = (columns - gap * (views - 1)) // views
    return max(0, (side - width + 1) // 2)


def crop(images: NDArray[np.floating], pixels: int) -> NDArray[np.floating]:
    """An image or a stack of them, (…, H, W), without a border; the middle always remains."""
    height, width = images.shape[-2:]
    y, x = min(pixels, (height - 1) // 2), min(pixels, (width - 1) // 2)
    return images[..., y : height - y, x : width - x]


def shrink(image: NDArray[np.floating], columns: int, rows: int) -> NDArray[np.floating]:
    """An image (…, H, W) shrunk to fit so many cells, each one pixel wide and two high.

    Every pixel of the result is the mean of the area it covers, of values clipped to [0, 1]. The
    aspect is kept to the nearest pixel; an image that fits stays as it is.
    """
    height, width = image.shape[-2:]
    scale = min(1.0, columns / width, 2 * rows / height)
    down = _shares(height, max(1, round(height * scale)))
    across = _shares(width, max(1, round(width * scale)))
    smaller: NDArray[np.floating] = down @ _clipped(image) @ across.T
    return smaller


def _shares(pixels: int, parts: int) -> NDArray[np.float32]:
    """The share of every pixel in each of `parts` equal parts of a line, (parts, pixels)."""
    edges = np.linspace(0, pixels, parts + 1)[:, None]
    left = np.arange(pixels)
    overlap = np.minimum(edges[1:], left + 1) - np.maximum(edges[:-1], left)
    shares: NDArray[np.float32] = np.maximum(overlap, 0).astype(np.float32) * parts / pixels
    return shares


def _clipped(image: NDArray[np.floating]) -> NDArray[np.floating]:
    """Values clipped to [0, 1]; NaN, which `fmax` ignores, becomes black."""
    clipped: NDArray[np.floating] = np.fmin(np.fmax(image, 0), 1)
    return clipped
