"""Image files in and out: .npy stacks, IDX files and PNG, each written back as what it was.

A file becomes an `ImageFile`: float32 images (N, C, H, W) in [0, 1] and how they were stored.
"""

import io
import struct
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.image_folder import PILLOW_FAILURES
from dae_tui.errors import DataError

IDX_UINT8 = 0x08
# What numpy raises for headers that are not what they should be, as fuzzing found.
_NPY_FAILURES = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    MemoryError,
    RecursionError,
    tokenize.TokenError,
)
# Unclipped noise goes beyond 1, but not so far: such floats have another range than [0, 1].
HIGHEST_FLOAT = 16
_READABLE = "readable are .npy arrays (N, H, W), IDX files of bytes and PNG, grey or RGB"


@dataclass(frozen=True)
class ImageFile:
    """Images and what their file needs to be written as it was."""

    path: Path
    kind: str
    """`npy`, `idx` or `png`."""
    images: NDArray[np.float32]
    """(N, C, H, W); in [0, 1] where the stored values are integers."""
    shape: tuple[int, ...]
    """As stored: (H, W) or (N, H, W), or (H, W, 3) for a PNG in colour."""
    dtype: np.dtype[Any]


def read_images(path: Path) -> ImageFile:
    """Read a file by what it holds, not by its name. Raises DataError for what is no such image."""
    try:
        with path.open("rb") as opened:
            start = opened.read(32)
    except OSError as failure:
        raise DataError(f"{path} cannot be read: {failure.strerror}") from failure
    if not start:
        raise DataError(f"{path} is empty")
    if start.startswith(b"\x93NUMPY"):
        return _read_npy(path)
    if start.startswith(b"\x89PNG"):
        return _read_png(path, start)
    if start[:4] in (b"\0\0\x08\x02", b"\0\0\x08\x03"):
        return _read_idx(path)
    raise DataError(f"{path} is not an image file that dae can read", _READABLE)


def encode(file: ImageFile, images: NDArray[np.float32]) -> bytes:
    """The bytes of a file like `file` with other images (N, C, H, W) in [0, 1]."""
    stored = _from_unit(images, file.dtype)
    if file.kind == "png" and len(file.shape) == 3:
        stored = stored.transpose(0, 2, 3, 1)
    stored = np.ascontiguousarray(stored.reshape(file.shape))
    if file.kind == "idx":
        header = struct.pack(">HBB", 0, IDX_UINT8, stored.ndim)
        return header + struct.pack(f">{stored.ndim}I", *stored.shape) + stored.tobytes()
    buffer = io.BytesIO()
    if file.kind == "npy":
        np.save(buffer, stored)
    else:
        Image.fromarray(stored).save(buffer, format="PNG")
    return buffer.getvalue()


def _read_npy(path: Path) -> ImageFile:
    try:
        # Never unpickled: an array of objects is an error, not code that runs.
        array = np.load(path, allow_pickle=False)
    except _NPY_FAILURES as failure:
        raise DataError(f"{path} is not a whole .npy array: {failure}", _READABLE) from failure
    if array.size == 0:
        raise DataError(
            f"{path} holds no images: its shape is {array.shape}", "it must be (H, W) or (N, H, W)"
        )
    if array.ndim not in (2, 3):
        raise DataError(f"{path} has the shape {array.shape}", "it must be (H, W) or (N, H, W)")
    if array.dtype.kind not in "uf" or array.dtype == np.uint64:
        raise DataError(
            f"{path} holds values of type {array.dtype}",
            "values must be unsigned integers of up to 32 bits, or floats in [0, 1]",
        )
    images = _to_unit(array)
    if not np.isfinite(images).all():
        raise DataError(f"{path} holds values that are NaN or infinite", "replace them first")
    if images.max() > HIGHEST_FLOAT:
        raise DataError(
            f"{path} holds floats up to {images.max():g}, and 1 is white",
            "divide them by what is white in them, such as 255",
        )
    return ImageFile(
        path, "npy", images.reshape(-1, 1, *array.shape[-2:]), array.shape, array.dtype
    )


def _read_idx(path: Path) -> ImageFile:
    content = path.read_bytes()
    dimensions = content[3]
    end = 4 + 4 * dimensions
    if len(content) < end:
        raise DataError(f"{path} is a truncated IDX file", "fetch or copy it again")
    shape = struct.unpack(f">{dimensions}I", content[4:end])
    count = int(np.prod(shape, dtype=object))
    if count == 0 or len(content) - end != count:
        raise DataError(
            f"{path} is a broken IDX file: {len(content) - end:,} bytes where {count:,} belong",
            "fetch or copy it again",
        )
    array = np.frombuffer(content, np.uint8, offset=end).reshape(shape)
    images = _to_unit(array).reshape(-1, 1, *shape[-2:])
    return ImageFile(path, "idx", images, shape, array.dtype)


def _read_png(path: Path, start: bytes) -> ImageFile:
    depth, color = start[24:26] if len(start) >= 26 else (0, 0)
    if (depth, color) == (16, 2):  # Pillow would read it, and write it back, with 8 bits.
        raise DataError(f"{path} is a PNG in colour of 16 bits", _READABLE)
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "RGB", "I;16", "I"):
                raise DataError(f"{path} is a PNG of the kind {image.mode}", _READABLE)
            array = np.asarray(image)
            if image.mode == "I":
                array = array.astype(np.uint16)
    except PILLOW_FAILURES as failure:
        raise DataError(f"{path} is not a whole PNG: {failure}") from failure
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return ImageFile(path, "png", _to_unit(planes)[None], array.shape, array.dtype)


def _to_unit(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind == "u":
        return (array / np.float32(np.iinfo(array.dtype).max)).astype(np.float32)
    with np.errstate(over="ignore"):  # What overflows is found to be infinite.
        return array.astype(np.float32)


def _from_unit(images: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "u":
        limit = np.iinfo(dtype).max
        return np.round(images.astype(np.float64) * limit).clip(0, limit).astype(dtype)
    return images.astype(dtype)
