"""IDX as MNIST is distributed, packed with gzip or not; written back as it was.

Two zero bytes, a type, the number of axes, their sizes, the values, all big endian
(http://yann.lecun.com/exdb/mnist/). By hand since (2026-11-26) torchvision 0.29 reads it from a
path alone, needs torch, and does not write it; idx2numpy has had no release since 2020.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.axes import as_stack, from_stack
from dae_tui.core.images.codecs.arrays import AGAIN, Header, claimed, joined, with_values
from dae_tui.core.images.file_content import FREE, MOST_SHRUNK, START, Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_TYPES = {0x08: ">u1", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def read(content: bytes, name: str) -> ImageFile:
    """The images of an IDX file of bytes or floats, (H, W), (N, H, W) or (N, C, H, W).

    It may be gzipped. Raises DataError for other types and shapes, and for one that is not whole.
    """
    header = _header(content, name)
    size = math.prod(header.shape) * header.dtype.itemsize
    packed = content.startswith(_GZIP)
    whole = _gunzipped(content, header.end + size, name) if packed else content
    if len(whole) - header.end != size:
        raise DataError(
            f"{name} is a broken IDX file: {len(whole) - header.end:,} bytes where {size:,} belong",
            AGAIN,
        )
    array = np.ndarray(header.shape, header.dtype, whole, header.end)
    return ImageFile(
        "idx",
        [_stack(array, name)],
        partial(_encode, array=array, header=whole[: header.end], packed=packed),
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header; raises DataError as `read`."""
    header = _header(source[:START], name)
    size = header.end + math.prod(header.shape) * header.dtype.itemsize
    if source[:2] == _GZIP:
        return size // MOST_SHRUNK, size + FREE
    return size, size


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """An IDX file (N, H, W), or (N, 3, H, W) in colour, of uint8, float32 or float64; 0 is black.

    bool becomes uint8. Raises DataError for other types, for alpha, and for several sizes or
    types. Drops `about`.
    """
    values = joined(stacks, "idx")
    if values.shape[3] not in (1, 3):
        raise DataError("idx cannot hold alpha", "write npy, png or tiff, which can")
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * np.uint8(255)
    code = {"uint8": 0x08, "float32": 0x0D, "float64": 0x0E}.get(values.dtype.name)
    if code is None:
        raise DataError(f"idx cannot hold {values.dtype}", "write npy, which can")
    values = values[..., 0] if values.shape[3] == 1 else values.transpose(0, 3, 1, 2)
    header = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return with_values(header, values, np.dtype(_TYPES[code]))


def _header(content: bytes, name: str) -> Header:
    """Raises DataError for what is no header, or one of no images or of too many pixels."""
    packed = content.startswith(_GZIP)
    start = zlib.decompressobj(31).decompress(content[:START], 1024) if packed else content
    if len(start) < 4 or start[:2] != b"\0\0":
        raise DataError(f"{name} is no IDX file")
    code, axes = start[2:4]
    if code not in _TYPES:
        raise DataError(
            f"{name} holds values of the IDX type 0x{code:02x}", "readable are bytes and floats"
        )
    if axes not in (2, 3, 4):
        raise DataError(f"{name} has {axes} axes, so that it holds no images")
    end = 4 + 4 * axes
    if len(start) < end:
        raise DataError(f"{name} is a truncated IDX file", AGAIN)
    shape = struct.unpack(f">{axes}I", start[4:end])
    dtype = np.dtype(_TYPES[code])
    if 0 in shape:
        raise DataError(f"{name} holds no images: its shape is {shape}")
    check_pixels(name, *_stack(claimed(shape, dtype), name).values.shape[:3])
    return Header(shape, "C", dtype, end)


def _stack(array: NDArray[Any], name: str) -> Stack:
    return Stack(array[..., None]) if array.ndim == 3 else as_stack(array, name)


def _gunzipped(content: bytes, size: int, name: str) -> bytes:
    """What is in a gzip file; one byte more than `size` where there is more."""
    if size > len(content) * MOST_SHRUNK:
        raise DataError(f"{name} is damaged: it cannot hold the {size:,} bytes it claims", AGAIN)
    unpacker = zlib.decompressobj(31)
    whole = unpacker.decompress(content, size + 1)
    if len(whole) == size and (not unpacker.eof or unpacker.unused_data):
        raise DataError(f"{name} is a broken gzip file", AGAIN)
    return whole


def _encode(stacks: Sequence[Stack], array: NDArray[Any], header: bytes, packed: bool) -> bytes:
    values = stacks[0].values
    # Three axes are many images, whatever they would be in other files.
    stored = values.reshape(array.shape) if array.ndim == 3 else from_stack(stacks[0], array)
    whole = with_values(header, stored, array.dtype)
    return gzip.compress(whole, mtime=0) if packed else whole
