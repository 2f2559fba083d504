"""HDF5: one data set of a file as images, through h5py; the rest of the file stays as it is.

`file.h5:/path/to/set` names the data set. Without it the file must have exactly one like images.
"""

import math
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import h5py
import numpy as np

from dae_tui.core.images.codecs.arrays import joined, plain
from dae_tui.core.images.codecs.science.values import as_images, check_values, image_shape, native
from dae_tui.core.images.file_content import (
    FREE,
    FREE_UNPACKED,
    MOST_SHRUNK,
    PartOfFile,
    Source,
    check_unpacked,
)
from dae_tui.core.images.image_file import (
    MOST_PIXELS,
    MOST_STACKS,
    About,
    ImageFile,
    Stack,
    check_pixels,
)
from dae_tui.errors import DataError

# Shorter sides are those of tables and coordinates.
_LEAST_SIDE = 8
_NAMED = 10
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NEW_SET = "/images"
# Values without a measurement, as netCDF marks them.
_NO_DATA = ("_FillValue", "missing_value")
_MOST_CHUNKS = 1_000_000
# The filter deflate makes so many bytes at most of smaller chunks.
_DEFLATE, _HARMLESS_CHUNK = 1, FREE_UNPACKED // MOST_SHRUNK


def read(content: bytes, name: str) -> ImageFile:
    """The images of a data set: its last two axes are an image, and others count images.

    A last axis of 3 or 4 unsigned values is colour. `content` may be a `PartOfFile`.
    Raises DataError if the data set is missing, ambiguous, or has no numbers; for values that lie
    in other files; and for files that are not whole.
    """
    _bounds(content, name)
    part = content.part if isinstance(content, PartOfFile) else ""
    with h5py.File.in_memory(content) as opened:
        found = _data_set(opened, part, name)
        _check(found, len(content), name)
        path = str(found.name)
        no_data = _no_data(found)
        array = found[()]
    values = as_images(array)
    stack = Stack(values, alpha=values.shape[-1] == 4, no_data=no_data)
    encode = partial(_encode, content=bytes(content), path=path)
    return ImageFile("hdf5", [stack], encode)


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The bytes that its beginning says it has, and as many more as may follow."""
    end = _bounds(source, name)
    return end, end + FREE


def write(stacks: Sequence[Stack], about: About, part: str = _NEW_SET) -> bytes:
    """A file with one data set, `/images` if it is not named. Drops `about`.

    Raises DataError for images of several sizes or types.
    """
    values = plain(joined(stacks, "hdf5"))
    with h5py.File.in_memory() as made:
        made.create_dataset(part, data=values, compression="gzip", shuffle=True)
        return _image(made)


def _bounds(source: Source, name: str) -> int:
    """Where the file ends, as its superblock has it (HDF5 file format, section II.A)."""
    base = 0 if source[:8] == _SIGNATURE else 512
    start = source[base : base + 128]
    version = start[8] if len(start) > 64 else 255
    if version > 3:
        raise DataError(f"{name} is not a whole hdf5 file: its header breaks off")
    size = start[13] if version < 2 else start[9]
    if size not in (2, 4, 8):
        raise DataError(f"{name} is damaged: its addresses have {size} bytes")
    first = {0: 24, 1: 28}.get(version, 12)
    end = int.from_bytes(start[first + 2 * size : first + 3 * size], "little")
    limit = 16 * MOST_PIXELS
    if end > limit:
        raise DataError(f"{name} has more than {limit:,} bytes", "copy the data set out of it")
    return end


def _data_set(opened: Any, part: str, name: str) -> Any:
    """The data set of a path, or the only one that is like images."""
    if part:
        found = opened.get(part.rstrip("/")) if part.strip("/") else None
        if isinstance(found, h5py.Dataset):
            if not _like_images(found):
                check_values(found.dtype, name)
                raise DataError(f"{name} holds no images: its shape is {found.shape}")
            return found
        raise DataError(f"{name} is no data set", _choices(_all(opened)))
    every = _all(opened)
    found = [entry for entry in every if _like_images(entry)]
    if len(found) == 1:
        return found[0]
    if not found:
        for entry in every:
            if entry.dtype.kind == "c" and len(entry.shape or ()) >= 2:
                check_values(entry.dtype, name)
        raise DataError(f"{name} has no data set of images", _choices(every))
    raise DataError(f"{name} has {len(found)} data sets of images", _choices(found))


def _all(opened: Any) -> list[Any]:
    """All data sets; links to other files are not followed."""
    found: list[Any] = []
    seen = [0]

    def visit(_: str, entry: Any) -> bool | None:
        seen[0] += 1
        if isinstance(entry, h5py.Dataset):
            found.append(entry)
        return True if seen[0] > MOST_STACKS else None

    opened.visititems(visit)
    return found


def _choices(entries: Sequence[Any]) -> str:
    names = [f":{entry.name}" for entry in entries[:_NAMED]]
    more = f" and {len(entries) - _NAMED} more" if len(entries) > _NAMED else ""
    return f"name one behind the file: {' '.join(names)}{more}" if names else ""


def _like_images(entry: Any) -> bool:
    if entry.dtype.kind not in "buif" or entry.shape is None:
        return False
    shape = image_shape(entry.shape, entry.dtype)
    return shape is not None and min(shape[1:3]) >= _LEAST_SIDE


def _check(entry: Any, size: int, name: str) -> None:
    """Raise DataError for what must not, or cannot, be read."""
    check_values(entry.dtype, name)
    check_pixels(name, *entry.shape)
    made = entry.id.get_create_plist()
    if made.get_external_count() or entry.is_virtual:
        raise DataError(f"{name} has its values in other files", "copy them into one with h5repack")
    check_unpacked(name, size, entry.dtype.itemsize * math.prod(entry.shape))
    if entry.chunks is not None:
        chunk = entry.dtype.itemsize * math.prod(entry.chunks)
        check_unpacked(name, size, chunk)
        count = math.prod(
            -(-side // piece) for side, piece in zip(entry.shape, entry.chunks, strict=True)
        )
        if count > _MOST_CHUNKS:
            raise DataError(f"{name} is in {count:,} pieces", "make its chunks larger: h5repack -l")
        _check_chunks(entry, chunk, name)


def _check_chunks(entry: Any, size: int, name: str) -> None:
    """Raise DataError for chunks that unpack to more than `size` bytes: HDF5 would go on."""
    made = entry.id.get_create_plist()
    if _DEFLATE not in [made.get_filter(number)[0] for number in range(made.get_nfilters())]:
        return
    large: list[tuple[int, ...]] = []

    def look(chunk: Any) -> None:
        if chunk.size > _HARMLESS_CHUNK:
            large.append(chunk.chunk_offset)

    entry.id.chunk_iter(look)
    most = size + 16  # Checksums of other filters.
    for offset in large:
        packed = entry.id.read_direct_chunk(offset)[1]
        with suppress(zlib.error):  # Another filter comes last.
            if len(zlib.decompressobj().decompress(packed, most + 1)) > most:
                raise DataError(f"{name} is damaged: a chunk unpacks to more than {size:,} bytes")


def _no_data(entry: Any) -> float | None:
    """The value of pixels that were not measured, if an attribute has it."""
    for word in _NO_DATA:
        if word in entry.attrs:
            value = np.asarray(entry.attrs[word])
            if value.size == 1 and value.dtype.kind in "uif":
                return float(value.ravel()[0])
    return None


def _encode(stacks: Sequence[Stack], content: bytes, path: str) -> bytes:
    with h5py.File.in_memory(content) as made:
        found = made[path]
        found[...] = native(stacks[0].values).reshape(found.shape)
        return _image(made)


def _image(made: Any) -> bytes:
    made.flush()
    return bytes(made.id.get_file_image())
