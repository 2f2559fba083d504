"""What the axes of an array are: one image or many, channels first, last or none."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.files.image_file import Stack
from dae_tui.errors import DataError

SHAPES = "(H, W), (N, H, W), (H, W, 3), (H, W, 4), (N, H, W, C) or (N, C, H, W)"
# Sides of fewer pixels could as well be channels.
LEAST_SIDE = 5


def as_stack(array: NDArray[Any], name: str, channels_first: bool = False) -> Stack:
    """An array as a stack of images, without a copy where that can be had.

    Args:
        array: of one of the shapes that `SHAPES` names. Four channels are RGB and alpha.
        name: for messages.
        channels_first: three axes are (C, H, W) where the first is 1, 3 or 4, as torch has them.

    Raises DataError for other shapes and for types that are no images.
    """
    check_type(array.dtype, name)
    if 0 in array.shape or array.ndim not in (2, 3, 4):
        raise DataError(
            f"{name} holds no images: its shape is {array.shape}", f"it must be {SHAPES}"
        )
    if array.ndim == 2:
        return Stack(array[None, :, :, None])
    if array.ndim == 3:
        if channels_first and array.shape[0] in (1, 3, 4):
            return _with_alpha(array.transpose(1, 2, 0)[None])
        if array.shape[2] in (3, 4) and min(array.shape[:2]) >= LEAST_SIDE:
            return _with_alpha(array[None])
        return Stack(array[..., None])
    if array.shape[1] in (1, 3, 4) and (channels_first or array.shape[3] >= LEAST_SIDE):
        return _with_alpha(array.transpose(0, 2, 3, 1))
    if array.shape[3] in (1, 3, 4):
        return _with_alpha(array)
    raise DataError(f"{name} has the shape {array.shape}", f"it must be {SHAPES}")


def from_stack(stack: Stack, like: NDArray[Any], channels_first: bool = False) -> NDArray[Any]:
    """The values of a stack in the shape and memory order of the array that it came from."""
    values = stack.values
    if like.ndim == 3 and channels_first and like.shape[0] in (1, 3, 4):
        values = values[0].transpose(2, 0, 1)
    elif like.ndim == 4 and like.shape[1:] == (values.shape[3], *values.shape[1:3]):
        values = values.transpose(0, 3, 1, 2)
    values = values.reshape(like.shape)
    fortran = like.flags.f_contiguous and not like.flags.c_contiguous
    return np.asfortranarray(values) if fortran else np.ascontiguousarray(values)


def check_type(dtype: np.dtype[Any], name: str) -> None:
    """Raise DataError for values that are no greys."""
    if dtype.kind == "b" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return
    if dtype.kind != "u" or dtype.itemsize > 4:
        raise DataError(
            f"{name} holds values of type {dtype}",
            "values must be unsigned integers of up to 32 bits, or floats in [0, 1]: "
            "array.astype('uint8') makes them so",
        )


def _with_alpha(values: NDArray[Any]) -> Stack:
    return Stack(values, alpha=values.shape[-1] == 4)
