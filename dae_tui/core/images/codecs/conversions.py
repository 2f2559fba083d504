"""Conversions that several formats share: palettes, resolutions, profiles, inverted values.

Also checks the images to be written, for formats that hold only one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.image_file import About, Stack
from dae_tui.errors import DataError

_METRES_PER_INCH = 0.0254


def only_image(
    stacks: Sequence[Stack],
    kind: str,
    types: Sequence[str],
    channels: Sequence[int] = (1, 3),
    alpha: bool = True,
) -> NDArray[Any]:
    """The values (H, W, C) of the one image that a file of some `kind` can hold, 0 being black.

    bool values in colour or with alpha become uint8 where that is among the `types`.
    Raises DataError, which says what such a file cannot hold.
    """
    images = sum(len(stack.values) for stack in stacks)
    if images != 1:
        raise DataError(f"{kind} holds one image, not {images}", "write tiff, which holds several")
    stack = next(stack for stack in stacks if len(stack.values))
    values: NDArray[Any] = stack.values[0]
    if values.dtype.name not in types:
        raise DataError(
            f"{kind} cannot hold {values.dtype.name}, only {' and '.join(types)}",
            "write tiff, which holds every type",
        )
    if stack.alpha and not alpha:
        raise DataError(f"{kind} cannot hold alpha", "write png or tiff, which can")
    if (colours := values.shape[-1] - stack.alpha) not in channels:
        raise DataError(f"{kind} cannot hold images of {colours} channels", "write tiff")
    if stack.white_is_zero:
        values = swapped(values, stack.alpha)
    if values.dtype.kind == "b" and values.shape[-1] > 1:
        return values.astype(np.uint8) * np.uint8(255)
    return values


def swapped(values: NDArray[Any], alpha: bool) -> NDArray[Any]:
    """A copy of stored values (..., C) with black and white exchanged, but not alpha.

    Floats are exchanged around 0.5, integers around the middle of their type.
    """
    copied = values.copy()
    image = copied[..., : values.shape[-1] - alpha]
    if values.dtype.kind == "f":
        np.subtract(values.dtype.type(1), image, out=image)
    else:
        np.invert(image, out=image)
    return copied


def spread_palette(
    indexes: NDArray[np.uint8], palette: NDArray[np.uint8], name: str, colour: bool = False
) -> NDArray[np.uint8]:
    """The colours (H, W, C) for the indexes (H, W) of a palette (colours, 3, or 4 with alpha).

    The result is grey if all used colours are, unless `colour` is set. Raises DataError for indexes
    that the palette does not have.
    """
    used = np.flatnonzero(np.bincount(indexes.ravel(), minlength=256))
    if used[-1] >= len(palette):
        raise DataError(f"{name} uses colour {used[-1]} of a palette that has {len(palette)}")
    seen = palette[used]
    if not colour and (seen[:, :1] == seen[:, 1:3]).all():
        palette = palette[:, [0, *range(3, palette.shape[1])]]
    return palette[indexes]


def fitting_icc(about: About, colours: int) -> bytes | None:
    """The ICC profile, if it is for images with so many colour channels."""
    space = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}.get(colours)
    return about.icc if about.icc and about.icc[16:20] == space else None


def dots_per_inch(across: int, down: int) -> tuple[float, float]:
    """From dots per metre."""
    return across * _METRES_PER_INCH, down * _METRES_PER_INCH


def dots_per_metre(dpi: tuple[float, float]) -> tuple[int, int]:
    """From dots per inch, as whole numbers."""
    return round(dpi[0] / _METRES_PER_INCH), round(dpi[1] / _METRES_PER_INCH)
