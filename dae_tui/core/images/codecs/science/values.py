"""Arrays of any number of axes as images, for formats that say nothing of colour or pages."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.image_file import Stack
from dae_tui.errors import DataError

COLOURS = (3, 4)
# Axes shorter than this are not the sides of an image whose last axis is colour.
LEAST_SIDE = 5


def check_values(dtype: np.dtype[Any], name: str) -> None:
    """Raise DataError for types that hold no pixel values: complex, records, text, 128 bits."""
    if dtype.kind in "bui" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return
    if dtype.kind == "c":
        raise DataError(
            f"{name} holds complex numbers", "save their real and imaginary parts by themselves"
        )
    what = "records" if dtype.kind == "V" else f"values of type {dtype}"
    raise DataError(
        f"{name} holds {what}, not numbers that an image has",
        "readable are integers and floats of up to 64 bits",
    )


def image_shape(shape: Sequence[int], dtype: np.dtype[Any]) -> tuple[int, int, int, int] | None:
    """The shape (N, H, W, C) of an array of images; None for one that has no two sides.

    The last two axes are an image, and all before them count images. A last axis of 3 or 4
    unsigned bytes or 16-bit integers is colour.
    """
    sides = [int(size) for size in shape]
    if len(sides) < 2 or 0 in sides:
        return None
    colours = 1
    if (
        len(sides) >= 3
        and sides[-1] in COLOURS
        and min(sides[-3:-1]) >= LEAST_SIDE
        and dtype.kind == "u"
        and dtype.itemsize <= 2
    ):
        colours = sides.pop()
    count = 1
    for size in sides[:-2]:
        count *= size
    return count, sides[-2], sides[-1], colours


def as_images(array: NDArray[Any]) -> NDArray[Any]:
    """An array of the axes of `image_shape` as (N, H, W, C), in the byte order of this machine."""
    shape = image_shape(array.shape, array.dtype)
    assert shape is not None
    return np.ascontiguousarray(native(array).reshape(shape))


def native(array: NDArray[Any]) -> NDArray[Any]:
    """The values in the byte order of this machine, which torch needs; seldom a copy."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def grey_images(stacks: Sequence[Stack], kind: str, types: Sequence[str]) -> NDArray[Any]:
    """The values (N, H, W) of stacks for a new file that holds grey images of one size and type.

    bool becomes uint8. Raises DataError for other types, for colour, and for several sizes.
    """
    if len({(stack.values.shape[1:], stack.values.dtype) for stack in stacks}) != 1:
        raise DataError(f"{kind} holds images of one size and type only", "write tiff or npz")
    values = np.concatenate([stack.values for stack in stacks])
    if values.shape[3] != 1:
        raise DataError(f"{kind} as dae writes it holds grey images only", "write tiff or png")
    if any(stack.white_is_zero for stack in stacks):
        if values.dtype.kind not in "bu":
            raise DataError(f"{kind} cannot say that 0 is white", "write tiff")
        values = ~values
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * np.uint8(255)
    if values.dtype.name not in types:
        raise DataError(f"{kind} cannot hold {values.dtype}, only {', '.join(types)}", "write tiff")
    return values[..., 0]
