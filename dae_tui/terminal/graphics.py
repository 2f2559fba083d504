"""What a terminal can show, and bars and small curves of its characters.

Imports no NumPy, so that a list of runs is drawn before it is loaded.
"""

import codecs
import math
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-=+*#%"
EIGHTHS = " ▏▎▍▌▋▊▉█"
ASCII_FILL = ".#"
# Terminals whose TERM does not say that they have 256 colours.
MODERN_TERMINALS = ("xterm-kitty", "alacritty", "foot", "wezterm", "xterm-ghostty")


class Graphics(StrEnum):
    """How much the terminal can show."""

    TRUECOLOR = "truecolor"
    COLORS_256 = "256"
    SHADES = "16"
    ASCII = "ascii"


def detect_graphics(environment: Mapping[str, str], utf8: bool) -> Graphics:
    """What the terminal can show. Plain SSH drops COLORTERM, so 256 colours are common."""
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
    # There Python writes UTF-8 all the same (PEP 540), which says nothing of the terminal.
    utf8 = utf8 and os.environ.get("LC_ALL") not in ("C", "POSIX")
    return detect_graphics(os.environ, utf8)


def bar(fraction: float, width: int, graphics: Graphics) -> str:
    """A horizontal bar, exactly `width` cells, filled from the left in eighths (whole in ASCII).

    The fraction is clipped to [0, 1]; NaN is an empty bar.
    """
    cells = ASCII_FILL if graphics is Graphics.ASCII else EIGHTHS
    steps = len(cells) - 1
    # In this order of arguments, max() gives 0 for NaN.
    filled = round(min(max(0.0, fraction), 1.0) * width * steps)
    return "".join(cells[min(max(filled - cell * steps, 0), steps)] for cell in range(width))


def sparkline(
    values: Iterable[float | None],
    utf8: bool = True,
    scale: tuple[float, float] | None = None,
) -> str:
    """Positive values as one character each, on a logarithmic scale.

    Args:
        values: those that are unknown, not finite or not positive become a space.
        utf8: whether the terminal has blocks.
        scale: the lowest and the highest value of the scale, both positive, to compare several
            sparklines; values outside are clipped. None for those of the values.
    """
    logs = [
        math.log(value) if value is not None and 0 < value < math.inf else None for value in values
    ]
    known = [value for value in logs if value is not None]
    if not known:
        return " " * len(logs)
    bars = BARS if utf8 else ASCII_BARS
    low, high = (min(known), max(known)) if scale is None else map(math.log, scale)
    span = (high - low) or 1.0
    return "".join(
        " "
        if value is None
        else bars[round(min(max((value - low) / span, 0.0), 1.0) * (len(bars) - 1))]
        for value in logs
    )
