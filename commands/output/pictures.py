"""Images in block characters, as Rich draws them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from dae_tui.terminal.blocks import fit_crop, image_lines, views_that_fit
from dae_tui.terminal.graphics import Graphics
from dae_tui.terminal.layout import SMALL, layout, telling_window

GAP = 2
# The side of the largest picture: 20 lines of a terminal.
MOST_PIXELS = 40


def picture(image: NDArray[np.floating], graphics: Graphics) -> Text:
    """An image (H, W), (1, H, W) or (3, H, W) in [0, 1] as W × H/2 characters."""
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
    """Rows of images, one column per view, under the view's name; below each other if too narrow.

    Args:
        views: images (N, H, W) or (N, C, H, W) in [0, 1] by the name of the view. The first two say
            which part of a large image is shown, pixel by pixel.
        captions: a line under each image, by the name of the view.
        graphics: what the terminal can show.
        width: columns of the terminal; small images move closer, then lose a border, where they do
            not fit.
    """
    names = list(views)
    abreast = views_that_fit(width, len(names))
    first = views[names[0]]
    height, side = first.shape[-2:]
    small = max(height, side) <= SMALL
    gap = GAP if small and fit_crop(width, abreast, GAP, max(height, side)) == 0 else 1
    shown = layout((height, side), len(names), width, 1 + MOST_PIXELS // 2)
    if not small:  # Square, and no larger than the digits of some lines.
        least = min(shown.width, MOST_PIXELS)
        shown = replace(shown, width=least, height=min(shown.height, least))
    rows: list[RenderableType] = []
    for index in range(len(first)):
        window = telling_window([views[name][index] for name in names[:2]], shown)
        for start in range(0, len(names), abreast):
            some = names[start : start + abreast]
            grid = Table.grid(padding=(0, gap, 0, 0))
            for _ in some:
                grid.add_column(no_wrap=True)
            if index == 0 or abreast < len(names):
                grid.add_row(*(Text(name, style="bold") for name in some))
            images = [shown.drawn(views[name][index], window) for name in some]
            grid.add_row(*(picture(image, graphics) for image in images))
            grid.add_row(*(Text(captions[name][index], style="dim") for name in some))
            rows.append(grid)
    if part := shown.part_of((height, side)):
        part = part.replace("×", "x") if graphics is Graphics.ASCII else part
        rows.append(Text(f"{part} pixels", style="dim"))
    return Group(*rows)


def standing_alone(svg: str) -> str:
    """A picture by Rich that does not fetch its font from a server."""
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
