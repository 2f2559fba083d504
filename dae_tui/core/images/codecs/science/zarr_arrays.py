"""The arrays of a Zarr store by their metadata, and what of them must not be decoded.

Zarr's filters include Python's pickle, which runs any code, and compressions that make gigabytes
of a few bytes: only known harmless ones are let through, and sizes are checked beforehand.
"""

import bz2
import json
import lzma
import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dae_tui.core.images.file_content import check_unpacked
from dae_tui.errors import DataError
from dae_tui.system.packed_folder import FolderFiles

_MARKS = (".zarray", "zarr.json")
_LONGEST_METADATA = 1 << 26
_PACKERS = frozenset(("blosc", "zstd", "lz4", "gzip", "zlib", "bz2", "lzma"))
_HARMLESS = (
    _PACKERS
    | {"bytes", "endian", "transpose", "crc32c", "crc32", "adler32", "fletcher32", "shuffle"}
    | {"delta", "bitround", "quantize", "fixedscaleoffset", "astype", "packbits"}
    | {"sharding_indexed"}
)
# Pieces that are not there are filled in one by one, too.
_FREE_PIECES = 10_000


@dataclass(frozen=True)
class Array:
    """An array of a store."""

    path: str
    version: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    """None for values that are no numbers."""
    chunks: tuple[int, ...]
    """Of what is stored in one file."""
    codecs: tuple[Mapping[str, Any], ...]
    """From the last, which is undone first."""
    inner: "Array | None" = None
    """The pieces of a shard."""

    @property
    def piece_bytes(self) -> int:
        """Of a decoded piece."""
        assert self.dtype is not None
        return self.dtype.itemsize * math.prod(self.chunks)


def find_arrays(store: Mapping[str, bytes], name: str) -> list[Array]:
    """All arrays of a store, in the order of their paths. Raises DataError for broken metadata."""
    found = []
    for key in sorted(store):
        folder, _, file = key.rpartition("/")
        if file not in _MARKS:
            continue
        said = metadata(store, key, name)
        if file == ".zarray":
            found.append(_second(said, folder, name))
        elif said.get("node_type") == "array":
            found.append(_third(said, folder, name))
    return found


def metadata(store: Mapping[str, bytes], key: str, name: str) -> dict[str, Any]:
    """A JSON object of the store. Raises DataError for what is none."""
    content = store.get(key, b"{}")
    if len(content) > _LONGEST_METADATA:
        raise DataError(f"{name} has too much metadata in {key}")
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as failure:
        raise DataError(f"{name} is damaged: {key} is no JSON") from failure
    if not isinstance(said, dict):
        raise DataError(f"{name} is damaged: {key} is no JSON object")
    return said


def check_array(array: Array, store: Mapping[str, bytes], name: str) -> None:
    """Raise DataError for an array that would run code, or exhaust memory or time."""
    label = f"{name}, {array.path or 'array'},"
    for codec in (*array.codecs, *(array.inner.codecs if array.inner else ())):
        if _name(codec) not in _HARMLESS:
            raise DataError(f"{label} is stored with {_name(codec)!r}, which dae does not decode")
    assert array.dtype is not None
    prefix = f"{array.path}/" if array.path else ""
    pieces = [
        key for key in store if key.startswith(prefix) and not key.endswith((*_MARKS, ".zattrs"))
    ]
    packed = sum(_size(store, key) for key in pieces)
    check_unpacked(label, packed, array.dtype.itemsize * math.prod(array.shape))
    check_unpacked(label, packed, array.piece_bytes)
    smallest = array.inner or array
    count = math.prod(
        -(-side // piece) for side, piece in zip(array.shape, smallest.chunks, strict=True)
    )
    inside = math.prod(array.chunks) // math.prod(smallest.chunks)
    if count > _FREE_PIECES + 10 * len(pieces) * inside:
        raise DataError(f"{label} is in {count:,} pieces, most of which are missing")
    for key in pieces:
        for piece in _inner_pieces(array, store[key], label):
            _check_piece(smallest, piece, label)


def _size(store: Mapping[str, bytes], key: str) -> int:
    return store.size(key) if isinstance(store, FolderFiles) else len(store[key])


def _second(said: Mapping[str, Any], path: str, name: str) -> Array:
    """An array of Zarr v2."""
    codecs = [said["compressor"]] if said.get("compressor") else []
    codecs += reversed(said.get("filters") or [])
    chunks = tuple(map(int, said["chunks"]))
    shape = tuple(map(int, said["shape"]))
    return _checked(Array(path, 2, shape, _dtype(said["dtype"]), chunks, tuple(codecs)), name)


def _third(said: Mapping[str, Any], path: str, name: str) -> Array:
    """An array of Zarr v3."""
    chunks = tuple(map(int, said["chunk_grid"]["configuration"]["chunk_shape"]))
    shape = tuple(map(int, said["shape"]))
    dtype = _dtype(said["data_type"])
    codecs = tuple(reversed(said["codecs"]))
    inner = None
    if codecs and _name(codecs[0]) == "sharding_indexed":
        options = codecs[0]["configuration"]
        within = tuple(map(int, options["chunk_shape"]))
        inner = Array(path, 3, chunks, dtype, within, tuple(reversed(options["codecs"])))
        plain = [_name(codec) for codec in options["index_codecs"]] == ["bytes", "crc32c"]
        if not plain or options.get("index_location", "end") != "end":
            raise DataError(f"{name} has shards with an index that dae does not read")
        _checked(inner, name)
    return _checked(Array(path, 3, shape, dtype, chunks, codecs, inner), name)


def _checked(array: Array, name: str) -> Array:
    if len(array.chunks) != len(array.shape) or min(array.chunks, default=1) < 1:
        raise DataError(f"{name}, {array.path}, is damaged: it has pieces of {array.chunks}")
    return array


def _dtype(said: Any) -> np.dtype[Any] | None:
    """The type of values that are numbers."""
    try:
        found = np.dtype(said) if isinstance(said, str) else None
    except TypeError:
        return None
    return found if found is not None and found.kind in "buifc" else None


def _name(codec: Mapping[str, Any]) -> str:
    return str(codec.get("id", codec.get("name", ""))).removeprefix("numcodecs.")


def _inner_pieces(array: Array, content: bytes, label: str) -> Iterable[bytes]:
    """The pieces that a file holds: itself, or those that the index at the end of a shard names."""
    if array.inner is None:
        return [content]
    count = math.prod(
        side // piece for side, piece in zip(array.chunks, array.inner.chunks, strict=True)
    )
    size = 16 * count
    if len(content) < size + 4:
        raise DataError(f"{label} is damaged: a shard breaks off")
    index = np.frombuffer(content, "<u8", 2 * count, len(content) - size - 4).reshape(-1, 2)
    there = [(int(offset), int(length)) for offset, length in index if offset != 2**64 - 1]
    if any(offset + length > len(content) for offset, length in there):
        raise DataError(f"{label} is damaged: the index of a shard points beyond it")
    return [content[offset : offset + length] for offset, length in there]


def _check_piece(array: Array, content: bytes, label: str) -> None:
    """Raise DataError if a piece would become larger than it can be."""
    most = 2 * array.piece_bytes + 1024
    packers = [codec for codec in array.codecs if _name(codec) in _PACKERS]
    if len(packers) > 1:
        raise DataError(f"{label} is compressed several times over")
    if packers and _unpacked_size(_name(packers[0]), content, most) > most:
        raise DataError(f"{label} is damaged: a piece unpacks to more than its {most:,} bytes")


def _unpacked_size(packer: str, content: bytes, most: int) -> int:
    """The bytes that a packed piece becomes, counted up to a little more than `most`."""
    if packer == "blosc":
        return int.from_bytes(content[4:8], "little")
    if packer == "lz4":
        return int.from_bytes(content[:4], "little")
    if packer == "zstd":
        return _zstd_size(content, most)
    if packer in ("gzip", "zlib") and len(content) * 1040 <= most:
        return 0
    openers: dict[str, Callable[[], Any]] = {
        "gzip": lambda: zlib.decompressobj(31),
        "zlib": zlib.decompressobj,
        "bz2": bz2.BZ2Decompressor,
        "lzma": lzma.LZMADecompressor,
    }
    try:
        return len(openers[packer]().decompress(content, most + 1))
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return 0  # The library says what is wrong with it.


def _zstd_size(content: bytes, most: int) -> int:
    """The size of a frame's content (RFC 8878, section 3.1.1.1); without one it is unpacked."""
    if len(content) < 6:
        return 0
    flags = content[4]
    single, kind = flags >> 5 & 1, flags >> 6
    start = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    length = (1 if single else 0, 2, 4, 8)[kind]
    if not length:
        # Frames without a size are rare, and each block of one has up to 128 KiB in 4 bytes.
        return most if len(content) * 32_768 <= most else most + (len(content) > most)
    return int.from_bytes(content[start : start + length], "little") + 256 * (kind == 1)
