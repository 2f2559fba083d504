"""NumPy's .npy and .npz, and IDX as MNIST is distributed; each written back as it was.

NPY: numpy.lib.format. IDX: two zero bytes, a type, the number of axes, their sizes, the values,
all big endian (http://yann.lecun.com/exdb/mnist/).
"""

import gzip
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dae_tui.core.files.conversions import swapped
from dae_tui.core.files.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.core.files.layout import SHAPES, as_stack, check_type, from_stack
from dae_tui.errors import DataError

_AGAIN = "fetch or copy it again"
_IDX_TYPES = {0x08: ">u1", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
# Deflate cannot make data smaller than this.
_MOST_SHRUNK = 1040
# What numpy's format allows before the values, in bytes.
_LONGEST_HEADER = 1 << 17


@dataclass(frozen=True)
class _Header:
    """What a .npy array says of itself."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]
    end: int
    """Where the values begin."""


@dataclass(frozen=True)
class _Member:
    """What an archive holds: an array of images, or anything else."""

    info: zipfile.ZipInfo
    start: bytes
    """The header of an array, or all that there is."""
    array: NDArray[Any] | None = None


def read_npy(content: bytes, name: str) -> ImageFile:
    """The images of a .npy array, of the shapes that `SHAPES` names; nothing is ever unpickled.

    The values are a view of `content`. Raises DataError for other shapes and types, and for a
    file that holds more or less than its header says.
    """
    header = _npy_header(content, name)
    check_type(header.dtype, name)
    array = _npy_array(content, header, name)
    stack = as_stack(array, name)
    check_pixels(name, *stack.values.shape[:3])
    member = _Member(zipfile.ZipInfo(), content[: header.end], array)
    return ImageFile("npy", [stack], lambda stacks: _npy_bytes(stacks[0], member))


def write_npy(stacks: Sequence[Stack], about: About) -> bytes:
    """A .npy array (H, W), (N, H, W), (H, W, C) or (N, H, W, C) where 0 is black.

    Raises DataError for images of several sizes or types. There is no place for `about`.
    """
    return _saved(_plain(_joined(stacks, "npy")))


def read_npz(content: bytes, name: str) -> ImageFile:
    """The arrays of an .npz that are images, in order; the others stay, which remarks say.

    Raises DataError for an archive without images, and for one that unpacks to more than its
    headers say or than can be true.
    """
    members: list[_Member] = []
    stacks: list[Stack] = []
    remarks = []
    pixels = 0
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if len({info.filename for info in infos}) != len(infos):
            raise DataError(f"{name} is damaged: it holds several arrays of one name")
        for info in infos:
            inner = info.filename.removesuffix(".npy")
            header = _header_inside(archive, info, f"{name}: '{inner}'")
            try:
                pixels += _pixels(header)
            except DataError as failure:
                check_pixels(name, max(1, info.file_size))
                members.append(_Member(info, archive.read(info)))
                remarks.append(f"'{inner}' stays as it is: {failure.message}")
                continue
            check_pixels(name, pixels)
            assert header is not None
            whole = archive.read(info)
            array = _npy_array(whole, header, f"{name}: '{inner}'")
            members.append(_Member(info, whole[: header.end], array))
            stacks.append(as_stack(array, name))
    if not stacks:
        raise DataError(f"{name} holds no array of images", f"the shape must be {SHAPES}")
    return ImageFile("npz", stacks, partial(_encode_npz, members=members), remarks=tuple(remarks))


def write_npz(stacks: Sequence[Stack], about: About) -> bytes:
    """A compressed .npz with an array for each stack, `arr_0` and so on, as numpy names them.

    Raises DataError for CMYK and grey with alpha. There is no place for `about`.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, stack in enumerate(stacks):
            archive.writestr(f"arr_{index}.npy", _saved(_plain(_joined([stack], "npz"))))
    return buffer.getvalue()


def read_idx(content: bytes, name: str) -> ImageFile:
    """The images of an IDX file of bytes or floats, (H, W), (N, H, W) or (N, C, H, W).

    It may be gzipped. Raises DataError for other types and shapes, and for one that is not whole.
    """
    packed = content.startswith(_GZIP)
    start = zlib.decompressobj(31).decompress(content, 1024) if packed else content
    if len(start) < 4 or start[:2] != b"\0\0":
        raise DataError(f"{name} is no IDX file")
    code, axes = start[2:4]
    if code not in _IDX_TYPES:
        raise DataError(
            f"{name} holds values of the IDX type 0x{code:02x}", "readable are bytes and floats"
        )
    if axes not in (2, 3, 4):
        raise DataError(f"{name} has {axes} axes, so that it holds no images")
    end = 4 + 4 * axes
    if len(start) < end:
        raise DataError(f"{name} is a truncated IDX file", _AGAIN)
    shape = struct.unpack(f">{axes}I", start[4:end])
    dtype = np.dtype(_IDX_TYPES[code])
    size = math.prod(shape) * dtype.itemsize
    whole = _gunzipped(content, end + size, name) if packed else content
    if size == 0 or len(whole) - end != size:
        raise DataError(
            f"{name} is a broken IDX file: {len(whole) - end:,} bytes where {size:,} belong", _AGAIN
        )
    array = np.ndarray(shape, dtype, whole, end)
    stack = Stack(array[..., None]) if axes == 3 else as_stack(array, name)
    check_pixels(name, *stack.values.shape[:3])
    return ImageFile(
        "idx", [stack], partial(_encode_idx, array=array, header=whole[:end], packed=packed)
    )


def write_idx(stacks: Sequence[Stack], about: About) -> bytes:
    """An IDX file (N, H, W), or (N, 3, H, W) in colour, of uint8, float32 or float64; 0 is black.

    bool becomes uint8. Raises DataError for other types, for alpha, and for several sizes or
    types. There is no place for `about`.
    """
    values = _joined(stacks, "idx")
    if values.shape[3] not in (1, 3):
        raise DataError("idx cannot hold alpha", "write npy, png or tiff, which can")
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * np.uint8(255)
    code = {"uint8": 0x08, "float32": 0x0D, "float64": 0x0E}.get(values.dtype.name)
    if code is None:
        raise DataError(f"idx cannot hold {values.dtype}", "write npy, which can")
    values = values[..., 0] if values.shape[3] == 1 else values.transpose(0, 3, 1, 2)
    header = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return _with_values(header, values, np.dtype(_IDX_TYPES[code]))


def _npy_header(content: bytes, name: str) -> _Header:
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
        raise DataError(f"{name} is not a whole .npy array: {what}", _AGAIN) from failure
    return _Header(shape, "F" if fortran else "C", dtype, opened.tell())


def _npy_array(content: bytes, header: _Header, name: str) -> NDArray[Any]:
    """The values as a view of `content`."""
    _check_size(len(content), header, name)
    return np.ndarray(header.shape, header.dtype, content, header.end, order=header.order)


def _check_size(size: int, header: _Header, name: str) -> None:
    wanted = math.prod(header.shape) * header.dtype.itemsize
    if size - header.end != wanted or min(header.shape, default=0) < 0:
        raise DataError(
            f"{name} is not a whole .npy array: {size - header.end:,} bytes of values where "
            f"{wanted:,} belong",
            _AGAIN,
        )


def _header_inside(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> _Header | None:
    """What an archive's member says it is, checked before it is unpacked; None for no array."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} is compressed in a way that .npz files are not")
    if info.file_size > max(1, info.compress_size) * _MOST_SHRUNK:
        raise DataError(f"{name} is damaged: it cannot hold the {info.file_size:,} bytes it claims")
    with archive.open(info) as opened:
        start = opened.read(_LONGEST_HEADER)
    if not start.startswith(npy.MAGIC_PREFIX):
        return None
    header = _npy_header(start, name)
    if header.dtype.hasobject:
        return None
    _check_size(info.file_size, header, name)
    return header


def _pixels(header: _Header | None) -> int:
    """The pixels that an array claims. Raises DataError for what is no array of images."""
    if header is None:
        raise DataError("it is no array of numbers")
    check_type(header.dtype, "it")
    claimed = np.broadcast_to(np.zeros((), header.dtype), header.shape)
    return math.prod(as_stack(claimed, "it").values.shape[:3])


def _gunzipped(content: bytes, size: int, name: str) -> bytes:
    """What is in a gzip file; one byte more than `size` where there is more."""
    if size > len(content) * _MOST_SHRUNK:
        raise DataError(f"{name} is damaged: it cannot hold the {size:,} bytes it claims", _AGAIN)
    unpacker = zlib.decompressobj(31)
    whole = unpacker.decompress(content, size + 1)
    if len(whole) == size and (not unpacker.eof or unpacker.unused_data):
        raise DataError(f"{name} is a broken gzip file", _AGAIN)
    return whole


def _npy_bytes(stack: Stack, member: _Member) -> bytes:
    """A .npy array like the one of `member`, header and all, with other values."""
    assert member.array is not None
    values = from_stack(stack, member.array)
    # Fortran's order is C's of the transposed array.
    turned = values.T if not values.flags.c_contiguous else values
    return _with_values(member.start, turned, member.array.dtype)


def _with_values(header: bytes, values: NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    return b"".join([header, np.ascontiguousarray(values, dtype).data])


def _encode_npz(stacks: Sequence[Stack], members: Sequence[_Member]) -> bytes:
    buffer = io.BytesIO()
    left = iter(stacks)
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in members:
            info = zipfile.ZipInfo(member.info.filename, member.info.date_time)
            info.compress_type = member.info.compress_type
            info.external_attr = member.info.external_attr
            whole = member.start if member.array is None else _npy_bytes(next(left), member)
            archive.writestr(info, whole)
    return buffer.getvalue()


def _encode_idx(stacks: Sequence[Stack], array: NDArray[Any], header: bytes, packed: bool) -> bytes:
    whole = _with_values(header, from_stack(stacks[0], array), array.dtype)
    return gzip.compress(whole, mtime=0) if packed else whole


def _joined(stacks: Sequence[Stack], kind: str) -> NDArray[Any]:
    """The values (N, H, W, C) of all stacks, 0 being black."""
    if not stacks:
        raise DataError(f"{kind} needs an image to hold")
    if len({(stack.values.shape[1:], stack.values.dtype, stack.alpha) for stack in stacks}) > 1:
        raise DataError(
            f"{kind} holds images of one size and type alone", "write npz or tiff, which hold more"
        )
    if stacks[0].values.shape[3] - stacks[0].alpha not in (1, 3):
        raise DataError(f"{kind} cannot hold CMYK", "write tiff, which can")
    parts = [
        swapped(stack.values, stack.alpha) if stack.white_is_zero else stack.values
        for stack in stacks
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """(N, H, W, C) without the axes that reading it needs not."""
    if values.shape[3] == 2:
        raise DataError("arrays of grey images cannot hold alpha", "write png or tiff, which can")
    short = values[0] if len(values) == 1 else values
    short = short[..., 0] if short.shape[-1] == 1 else short
    read = as_stack(short, "it").values
    return short if read.shape == values.shape else values


def _saved(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    npy.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
