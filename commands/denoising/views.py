"""Before and after side by side: in the terminal, and as a picture in a file."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from dae_tui.commands.output.pictures import picture
from dae_tui.core.images.formats import write
from dae_tui.core.images.image_file import About, Stack
from dae_tui.core.images.value_range import ValueRange, image_values, to_unit
from dae_tui.terminal.blocks import shrink, views_that_fit
from dae_tui.terminal.graphics import Graphics

GAP = 2
BETWEEN = 8
"""Pixels between the pictures in a file."""
DEVIATIONS = 3
"""Of what was taken away, from grey to black or white."""
Image = NDArray[np.float32]


def first_image(stack: Stack, found: ValueRange) -> Image:
    """The first image (H, W, C) of a stack in [0, 1], without its alpha."""
    image: Image = to_unit(image_values(stack)[0], found, stack.white_is_zero).numpy()
    return np.nan_to_num(image).clip(0, 1)


def preview(views: dict[str, Image], graphics: Graphics, columns: int, rows: int) -> RenderableType:
    """Images (H, W, C) in [0, 1] under their names, grey and small enough for the terminal."""
    abreast = views_that_fit(columns, len(views))
    grid = Table.grid(padding=(0, GAP, 0, 0))
    names = list(views)
    width = columns // abreast - GAP
    for start in range(0, len(names), abreast):
        shown = names[start : start + abreast]
        grid.add_row(*(Text(name, style="bold") for name in shown))
        grid.add_row(
            *(picture(shrink(views[name].mean(axis=2), width, rows), graphics) for name in shown)
        )
    return grid


def comparison_png(rows: Sequence[dict[str, Image]], name: str) -> bytes:
    """A PNG with a row for each file: noisy, denoised, and the reference if there is one."""
    return _png([_beside([_rgb(image) for image in row.values()]) for row in rows], name)


def residual_png(rows: Sequence[dict[str, Image]], name: str) -> bytes:
    """A PNG with what was taken from each file, one below the other.

    Grey is nothing, black and white are `DEVIATIONS` standard deviations of it.
    """
    return _png([_rgb(_residual(row["before"], row["after"])) for row in rows], name)


def _residual(before: Image, after: Image) -> Image:
    taken = before - after
    deviation = float(taken.std())
    if not deviation:
        return np.full_like(taken, 0.5)
    return (0.5 + taken / (2 * DEVIATIONS * deviation)).clip(0, 1)


def _png(lines: Sequence[NDArray[np.uint8]], name: str) -> bytes:
    """A PNG with pictures (H, W, 3) one below the other."""
    width = max(line.shape[1] for line in lines)
    padded = []
    for line in lines:
        right = width - line.shape[1]
        padded.append(np.pad(line, ((0, 0), (0, right), (0, 0)), constant_values=255))
        padded.append(np.full((BETWEEN, width, 3), 255, np.uint8))
    picture_file = np.concatenate(padded[:-1])[None]
    return write("png", [Stack(picture_file)], About(), name)


def _beside(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = np.full((images[0].shape[0], BETWEEN, 3), 255, np.uint8)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _rgb(image: Image) -> NDArray[np.uint8]:
    """8-bit RGB; CMYK and other channels beyond three are shown as their mean."""
    coloured = image if image.shape[2] == 3 else image.mean(axis=2, keepdims=True)
    levels: NDArray[np.uint8] = np.rint(coloured * 255).astype(np.uint8)
    return np.broadcast_to(levels, (*image.shape[:2], 3))
