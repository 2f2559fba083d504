"""The meaning of an array's axes: one image or many, channels first, last or none."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.image_file import Stack
from dae_tui.errors import DataError

SHAPES = "(H, W), (N, H, W), (H, W, C), (N, H, W, C) or (N, C, H, W), C of 1, 3 or 4"
CHANNELS = (1, 3, 4)
# Axes shorter than this could also be channels.
LEAST_SIDE = 5


def as_stack(array: NDArray[Any], name: str, channels_first: bool = False) -> Stack:
    """An array as a stack of images, without a copy if possible.

    Args:
        array: of one of the shapes that `SHAPES` names. Four channels are RGB and alpha.
        name: for messages.
        channels_first: three axes are (C, H, W) if the first is 1, 3 or 4, as in torch.

    Raises DataError for other shapes and for types that are no images.
    """
    check_type(array.dtype, name)
    axes = _axes(array.shape, channels_first)
    if axes is None or 0 in array.shape:
        raise DataError(
            f"{name} holds no images: its shape is {array.shape}", f"it must be {SHAPES}"
        )
    values = array.transpose(axes.to_stack).reshape(axes.shape)
    return Stack(values, alpha=values.shape[-1] == 4)


def from_stack(stack: Stack, like: NDArray[Any], channels_first: bool = False) -> NDArray[Any]:
    """The values of a stack in the shape and memory order of its original array."""
    axes = _axes(like.shape, channels_first)
    assert axes is not None  # `as_stack` has read it.
    back = [axes.to_stack.index(axis) for axis in range(like.ndim)]
    shape = [like.shape[axis] for axis in axes.to_stack]
    values = stack.values.reshape(shape).transpose(back)
    fortran = like.flags.f_contiguous and not like.flags.c_contiguous
    return np.asfortranarray(values) if fortran else np.ascontiguousarray(values)


class _Axes(NamedTuple):
    """How an array becomes (N, H, W, C): its axes in another order, then another shape."""

    to_stack: tuple[int, ...]
    shape: tuple[int, int, int, int]


def _axes(shape: tuple[int, ...], channels_first: bool) -> _Axes | None:
    """None for a shape that is not that of images."""
    if len(shape) == 2:
        return _Axes((0, 1), (1, *shape, 1))
    if len(shape) == 3:
        a, b, c = shape
        if channels_first and a in CHANNELS:
            return _Axes((1, 2, 0), (1, b, c, a))
        colours = c < LEAST_SIDE <= min(a, b)
        known = not colours or c in CHANNELS
        found = (1, a, b, c) if colours else (a, b, c, 1)
        return _Axes((0, 1, 2), found) if known else None
    if len(shape) == 4:
        n, b, c, d = shape
        if b in CHANNELS and (channels_first or d >= LEAST_SIDE):
            return _Axes((0, 2, 3, 1), (n, c, d, b))
        return _Axes((0, 1, 2, 3), (n, b, c, d)) if d in CHANNELS else None
    return None


def check_type(dtype: np.dtype[Any], name: str) -> None:
    """Raise DataError for types that cannot hold pixel values."""
    if dtype.kind in "bui" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return
    hints = {
        "c": "denoise the real and the imaginary part, or the magnitude: numpy.abs(array)",
        "f": "array.astype('float64') makes them so",
    }
    raise DataError(
        f"{name} holds values of type {dtype}",
        hints.get(dtype.kind, "values must be integers, or floats of at most 64 bits"),
    )
