"""NumPy's .npy (numpy.lib.format), and what .npz and IDX have in common with it."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dae_tui.core.images.axes import as_stack, check_type, from_stack
from dae_tui.core.images.codecs.conversions import swapped
from dae_tui.core.images.digit_rows import as_digits
from dae_tui.core.images.file_content import Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

AGAIN = "fetch or copy it again"
LONGEST_HEADER = 10_000 + 12
"""Longest header in bytes; numpy refuses longer ones."""


@dataclass(frozen=True)
class Header:
    """The header of a .npy array."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]
    end: int
    """Where the values begin."""


def read_npy(content: bytes, name: str) -> ImageFile:
    """The images of a .npy array, of the shapes that `SHAPES` names; nothing is ever unpickled.

    The values are a view of `content`. Raises DataError for other shapes and types, and for a
    file that holds more or less than its header says.
    """
    header = npy_header(content, name)
    check_type(header.dtype, name)
    array = npy_array(content, header, name)
    stack = as_stack(array, name)
    check_pixels(name, *stack.values.shape[:3])
    start = content[: header.end]
    remarks = []
    if (digits := as_digits(array)) is not None:
        stack = Stack(digits)
        remarks.append(f"its rows are taken for {len(digits):,} images of 28×28 pixels")
    return ImageFile(
        "npy",
        [stack],
        lambda stacks: npy_bytes(stacks[0], start, array),
        remarks=tuple(remarks),
    )


def bounds_npy(source: Source, name: str) -> tuple[int, int]:
    """The bytes of a file with such a header, twice; raises DataError as `read_npy`."""
    header = npy_header(source[:LONGEST_HEADER], name)
    check_type(header.dtype, name)
    check_pixels(name, claimed_pixels(header))
    size = header.end + math.prod(header.shape) * header.dtype.itemsize
    return size, size


def write_npy(stacks: Sequence[Stack], about: About) -> bytes:
    """A .npy array (H, W), (N, H, W), (H, W, C) or (N, H, W, C) where 0 is black.

    Raises DataError for images of several sizes or types. Drops `about`.
    """
    return saved(plain(joined(stacks, "npy")))


def npy_header(content: bytes, name: str) -> Header:
    """Parse the header of an array. Raises DataError."""
    opened = io.BytesIO(content)
    version = npy.read_magic(opened)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{name} is a .npy array of version {version[0]}, which holds records")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = read(opened)
    # The header is Python text: broken ones raise what its parser raises.
    except Exception as failure:
        what = (str(failure) or type(failure).__name__).splitlines()[0]
        raise DataError(f"{name} is not a whole .npy array: {what}", AGAIN) from failure
    return Header(shape, "F" if fortran else "C", dtype, opened.tell())


def npy_array(content: bytes, header: Header, name: str) -> NDArray[Any]:
    """The values as a view of `content`."""
    check_size(len(content), header, name)
    return np.ndarray(header.shape, header.dtype, content, header.end, order=header.order)


def check_size(size: int, header: Header, name: str) -> None:
    """Raise DataError unless `size` bytes are exactly one whole array."""
    wanted = math.prod(header.shape) * header.dtype.itemsize
    if size - header.end != wanted or min(header.shape, default=0) < 0:
        raise DataError(
            f"{name} is not a whole .npy array: {size - header.end:,} bytes of values where "
            f"{wanted:,} belong",
            AGAIN,
        )


def claimed_pixels(header: Header | None) -> int:
    """The pixels that an array claims. Raises DataError for what is no array of images."""
    if header is None:
        raise DataError("it is no array of numbers")
    check_type(header.dtype, "it")
    return math.prod(as_stack(claimed(header.shape, header.dtype), "it").values.shape[:3])


def claimed(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of a shape and type that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def npy_bytes(stack: Stack, start: bytes, like: NDArray[Any]) -> bytes:
    """A .npy array that begins so, with the values of a stack laid out as those of `like`."""
    values = from_stack(stack, like)
    # Fortran's order is C's of the transposed array.
    turned = values.T if not values.flags.c_contiguous else values
    return with_values(start, turned, like.dtype)


def with_values(header: bytes, values: NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    """A header and the values after it."""
    return b"".join([header, np.ascontiguousarray(values, dtype).data])


def joined(stacks: Sequence[Stack], kind: str) -> NDArray[Any]:
    """The values (N, H, W, C) of all stacks, 0 being black."""
    if not stacks:
        raise DataError(f"{kind} needs an image to hold")
    if len({(stack.values.shape[1:], stack.values.dtype, stack.alpha) for stack in stacks}) > 1:
        raise DataError(
            f"{kind} holds images of one size and type only", "write npz or tiff, which hold more"
        )
    if stacks[0].values.shape[3] - stacks[0].alpha not in (1, 3):
        raise DataError(f"{kind} cannot hold CMYK", "write tiff, which can")
    parts = [
        swapped(stack.values, stack.alpha) if stack.white_is_zero else stack.values
        for stack in stacks
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def plain(values: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W, C) without the axes that are not needed to read it."""
    if values.shape[3] == 2:
        raise DataError("arrays of grey images cannot hold alpha", "write png or tiff, which can")
    short = values[0] if len(values) == 1 else values
    short = short[..., 0] if short.shape[-1] == 1 else short
    read = as_stack(short, "it").values
    return short if read.shape == values.shape else values


def saved(array: NDArray[Any]) -> bytes:
    """A .npy array as numpy writes it."""
    buffer = io.BytesIO()
    npy.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
