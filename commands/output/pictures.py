"""Digits in block characters, as Rich draws them."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from dae_tui.terminal.blocks import Graphics, crop, fit_crop, image_lines, views_that_fit

GAP = 2


def picture(image: NDArray[np.floating], graphics: Graphics) -> Text:
    """A grey image (H, W) in [0, 1] as W × H/2 characters."""
    text = Text(no_wrap=True)
    for number, line in enumerate(image_lines(image, graphics)):
        if number:
            text.append("\n")
        text.append_tokens((part.text, _style(part.foreground, part.background)) for part in line)
    return text


@cache
def _style(foreground: str, background: str) -> Style:
    """Rich's style of a segment; there are some thousands, each of which is slow to build."""
    return Style(color=foreground or None, bgcolor=background or None)


def views_side_by_side(
    views: Mapping[str, NDArray[np.floating]],
    captions: Mapping[str, Sequence[str]],
    graphics: Graphics,
    width: int,
) -> RenderableType:
    """Rows of digits, one column per view, under the view's name; below each other if too narrow.

    Args:
        views: images (N, H, W) in [0, 1] by the name of the view.
        captions: a line under each image, by the name of the view.
        graphics: what the terminal can show.
        width: columns of the terminal; images move closer, then lose a border, where they do not
            fit.
    """
    names = list(views)
    abreast = views_that_fit(width, len(names))
    count, _, side = views[names[0]].shape
    gap = GAP if fit_crop(width, abreast, GAP, side) == 0 else 1
    border = fit_crop(width, abreast, gap, side)
    rows = []
    for index in range(count):
        for start in range(0, len(names), abreast):
            shown = names[start : start + abreast]
            grid = Table.grid(padding=(0, gap, 0, 0))
            for _ in shown:
                grid.add_column(no_wrap=True)
            if index == 0 or abreast < len(names):
                grid.add_row(*(Text(name, style="bold") for name in shown))
            images = [crop(views[name][index], border) for name in shown]
            grid.add_row(*(picture(image, graphics) for image in images))
            grid.add_row(*(Text(captions[name][index], style="dim") for name in shown))
            rows.append(grid)
    return Group(*rows)


def standing_alone(svg: str) -> str:
    """A picture by Rich that does not fetch its font from a server."""
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
