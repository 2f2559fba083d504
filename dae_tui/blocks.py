"""A grey image as characters, two pixels to a cell where the terminal has colours.

| mode | cell | for |
|---|---|---|
| `truecolor`, `256` | `▀`: foreground the upper, background the lower pixel | most terminals |
| `16` | ` ░▒▓█`, one character per two pixels, averaged | 16 colours or none |
| `ascii` | ` .:-=+*#%@` likewise | a locale without UTF-8 |

A 28×28 image takes 28×14 cells in every mode. Knows nothing of Rich or Textual: `cells` gives
characters and greys, which both can draw.
"""

import codecs
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

UPPER_HALF = "▀"
SHADES = " ░▒▓█"
BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-=+*#%"
ASCII_SHADES = " .:-=+*#%@"
# Terminals whose TERM does not say that they have 256 colours.
MODERN_TERMINALS = ("xterm-kitty", "alacritty", "foot", "wezterm", "xterm-ghostty")
# The greys of the 256-colour palette: black, the ramp 232 to 255 (8, 18, … 238), and white.
GREYS = np.array([0, *range(8, 239, 10), 255], dtype=np.uint8)
_PALETTE = [16, *range(232, 256), 231]
_NEAREST = np.abs(np.arange(256)[:, None] - GREYS.astype(int)).argmin(1).astype(np.uint8)


class Graphics(StrEnum):
    """How much the terminal can show."""

    TRUECOLOR = "truecolor"
    COLORS_256 = "256"
    SHADES = "16"
    ASCII = "ascii"


@dataclass(frozen=True)
class Segment:
    """Characters of one look. Colours are `#rrggbb`, `color(N)` of the 256, or empty for none."""

    text: str
    foreground: str = ""
    background: str = ""


def sparkline(values: Iterable[float], utf8: bool = True) -> str:
    """Positive values as one character each, on a logarithmic scale from the least to the most.

    Values that are not finite or not positive are a space.
    """
    logs = [math.log(value) if 0 < value < math.inf else None for value in values]
    known = [value for value in logs if value is not None]
    if not known:
        return " " * len(logs)
    bars = BARS if utf8 else ASCII_BARS
    low, span = min(known), (max(known) - min(known)) or 1.0
    return "".join(
        " " if value is None else bars[round((value - low) / span * (len(bars) - 1))]
        for value in logs
    )


def detect_graphics(environment: Mapping[str, str], utf8: bool) -> Graphics:
    """What the terminal can show. Plain SSH drops COLORTERM, so 256 colours are the common case."""
    if not utf8:
        return Graphics.ASCII
    terminal = environment.get("TERM", "")
    if environment.get("NO_COLOR") or terminal in ("", "dumb"):
        return Graphics.SHADES
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Graphics.TRUECOLOR
    has_256 = "256color" in terminal or terminal.startswith(MODERN_TERMINALS)
    return Graphics.COLORS_256 if has_256 else Graphics.SHADES


def terminal_graphics(encoding: str | None) -> Graphics:
    """`detect_graphics` for this process and a stream of the given encoding."""
    try:
        utf8 = codecs.lookup(encoding or "ascii").name == "utf-8"
    except LookupError:
        utf8 = False
    return detect_graphics(os.environ, utf8)


def image_lines(image: NDArray[np.floating], graphics: Graphics) -> list[list[Segment]]:
    """Lines of segments that draw a grey image (H, W) with values in [0, 1]; others are clipped.

    Equal neighbours are joined in one segment. An image of odd height gets a black last row.
    """
    if image.ndim != 2:
        raise ValueError(f"an image has the shape (height, width), not {image.shape}")
    grey = (np.nan_to_num(np.clip(image, 0, 1)) * 255).round().astype(np.uint8)
    if len(grey) % 2:
        grey = np.vstack([grey, np.zeros((1, grey.shape[1]), np.uint8)])
    upper, lower = grey[0::2], grey[1::2]
    if graphics in (Graphics.SHADES, Graphics.ASCII):
        characters = SHADES if graphics is Graphics.SHADES else ASCII_SHADES
        mean = (upper.astype(int) + lower) / 2
        shade = (mean / 255 * (len(characters) - 1)).round().astype(int)
        return [[Segment("".join(characters[index] for index in row))] for row in shade]
    pairs = np.stack([_NEAREST[upper], _NEAREST[lower]], axis=-1).tolist()
    names = _TRUECOLOR if graphics is Graphics.TRUECOLOR else _COLORS_256
    return [
        [
            Segment(UPPER_HALF * len(list(cells)), names[pair[0]], names[pair[1]])
            for pair, cells in groupby(row)
        ]
        for row in pairs
    ]


_TRUECOLOR = [f"#{grey:02x}{grey:02x}{grey:02x}" for grey in GREYS.tolist()]
_COLORS_256 = [f"color({index})" for index in _PALETTE]
