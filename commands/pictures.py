"""Digits in block characters, as Rich draws them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from dae_tui.blocks import Graphics, image_lines

GAP = 2


def picture(image: NDArray[np.floating], graphics: Graphics) -> Text:
    """A grey image (H, W) in [0, 1] as W × H/2 characters."""
    text = Text(no_wrap=True)
    lines = image_lines(image, graphics)
    for number, line in enumerate(lines):
        for segment in line:
            style = (
                Style(color=segment.foreground, bgcolor=segment.background)
                if segment.foreground
                else Style.null()
            )
            text.append(segment.text, style)
        if number < len(lines) - 1:
            text.append("\n")
    return text


def views_side_by_side(
    views: Mapping[str, NDArray[np.floating]],
    captions: Mapping[str, Sequence[str]],
    graphics: Graphics,
    width: int,
) -> RenderableType:
    """Rows of digits, one column per view, under the view's name.

    Args:
        views: images (N, H, W) in [0, 1] by the name of the view.
        captions: a line under each image, by the name of the view.
        graphics: what the terminal can show.
        width: columns of the terminal; images lose a border of equal pixels where they do not fit.
    """
    border = _border(next(iter(views.values())).shape[2], len(views), width)
    cropped = {
        name: images[:, border : images.shape[1] - border, border : images.shape[2] - border]
        for name, images in views.items()
    }
    rows = []
    for index in range(len(next(iter(views.values())))):
        grid = Table.grid(padding=(0, GAP, 0, 0))
        for _ in views:
            grid.add_column(no_wrap=True)
        if index == 0:
            grid.add_row(*(Text(name, style="bold") for name in views))
        grid.add_row(*(picture(images[index], graphics) for images in cropped.values()))
        grid.add_row(*(Text(captions[name][index], style="dim") for name in views))
        rows.append(grid)
    return Group(*rows)


def _border(columns: int, views: int, width: int) -> int:
    """Pixels to crop on each side, of 28×28: none from 88 columns on, one from 82, else two."""
    for border in (0, 1):
        if views * (columns - 2 * border) + (views - 1) * GAP <= width:
            return border
    return 2
