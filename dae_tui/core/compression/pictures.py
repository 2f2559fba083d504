"""Image files as patches for a coder, and patches as image files."""

import math
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.compression.container import DTYPES, MOST_VALUES, Picture, grid_of
from dae_tui.core.images.image_file import ImageFile, Stack
from dae_tui.core.images.value_range import (
    ValueRange,
    fill_unmeasured,
    find_range,
    from_unit,
    image_values,
    to_unit,
)
from dae_tui.errors import DataError
from dae_tui.models.autoassociative import cut, join


def pictures_of(file: ImageFile, name: str, *, named: bool) -> list[tuple[Picture, Tensor]]:
    """The pictures of a file, and their images (N, C, H, W) in [0, 1] without alpha.

    Raises DataError for a type of values that a `.dae` file does not hold.
    """
    found = []
    for number, stack in enumerate(file.stacks):
        label = f"{PurePath(name).stem}-{number}" if len(file.stacks) > 1 else PurePath(name).stem
        given = label if named or len(file.stacks) > 1 else ""
        found.append(_picture(stack, file.kind, name, given[:80]))
    return found


def _picture(stack: Stack, kind: str, name: str, label: str) -> tuple[Picture, Tensor]:
    values = image_values(stack)
    if values.dtype.name not in DTYPES:
        raise DataError(f"{name} holds values of the type {values.dtype.name}")
    if values.size > MOST_VALUES:
        raise DataError(
            f"{name} holds {values.size:,} values; dae compress takes up to {MOST_VALUES:,}",
            "cut it into parts",
        )
    span = find_range(stack, name)
    unit = to_unit(values, span, stack.white_is_zero, stack.no_data)
    images = fill_unmeasured(unit.permute(0, 3, 1, 2).contiguous()).clamp(0, 1)
    pages, height, width, channels = values.shape
    alpha = np.ascontiguousarray(stack.values[..., -1]).tobytes() if stack.alpha else b""
    picture = Picture(pages, height, width, channels, values.dtype.name, span.black, span.white,
                      kind, label, alpha)  # fmt: skip
    return picture, images


def patches_of(picture: Picture, images: Tensor, channels: int, side: int) -> Tensor:
    """The patches (M, P) of images (N, C, H, W), for a coder of so many channels.

    Grey images are seen by a coder for colour as equal channels; other images whose channels do
    not fit are seen channel by channel.
    """
    if picture.channels == 1 and channels > 1:
        images = images.expand(-1, channels, -1, -1)
    elif picture.channels != channels:
        images = images.reshape(-1, 1, *images.shape[-2:])
    patches = cut(images, side)
    return patches.reshape(-1, patches.shape[-1])


def images_of(picture: Picture, patches: Tensor, channels: int, side: int) -> Tensor:
    """The images (N, C, H, W) of a picture from its patches (M, P)."""
    count, rows, columns = grid_of(picture, channels, side)
    size = (picture.height, picture.width)
    images = join(patches.reshape(count, rows * columns, -1), (count, channels, *size), side)
    if picture.channels == 1 and channels > 1:
        return images.mean(1, keepdim=True)
    return images.reshape(picture.pages, picture.channels, *size)


def stack_of(picture: Picture, images: Tensor) -> Stack:
    """A picture as a file stores it, of images (N, C, H, W) in [0, 1]."""
    dtype = np.dtype(picture.dtype)
    span = ValueRange(picture.black, picture.white, "file", picture.black, picture.white)
    channels_last = images.permute(0, 2, 3, 1).contiguous()
    like = np.zeros(tuple(channels_last.shape), dtype)
    values: NDArray[np.generic] = from_unit(channels_last, like, span)
    if picture.alpha:
        shape = (picture.pages, picture.height, picture.width, 1)
        opacity = np.frombuffer(picture.alpha, dtype).reshape(shape)
        values = np.concatenate([values, opacity], axis=-1)
    return Stack(values, alpha=bool(picture.alpha))


def codec_channels(pictures: Sequence[Picture]) -> int:
    """The channels of a network for pictures: their own, if all have the same, else 1."""
    counts = {picture.channels for picture in pictures}
    return counts.pop() if len(counts) == 1 else 1


def nominal_ratio(pictures: Sequence[Picture], channels: int, side: int, units: int) -> float:
    """Values by codes, each code counted as a value, and partial patches as whole ones."""
    values = sum(
        math.prod(grid_of(each, channels, side)) * side**2 * min(each.channels, channels)
        for each in pictures
    )
    codes = units * sum(math.prod(grid_of(each, channels, side)) for each in pictures)
    return values / codes
