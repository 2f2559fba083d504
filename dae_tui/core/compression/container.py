"""The bytes of a `.dae` file: pictures as codes, and the decoder or the name of a codec.

    4 bytes   89 64 61 65
    1 byte    version, 1
    …         see `_Writer` and `_Reader`; numbers are little-endian or LEB128
    4 bytes   CRC-32 of all before

Nothing is made before the sizes in the header have been compared with the length of the file.
"""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dae_tui.core.compression.coder import Coder
from dae_tui.core.compression.entropy import (
    SYMBOLS_A_BYTE,
    Codes,
    Model,
    decode_codes,
    encode_codes,
    geometric_tables,
    predictions,
)
from dae_tui.core.compression.limits import MOST_FILE
from dae_tui.errors import DataError
from dae_tui.models.autoassociative import grid

MAGIC = b"\x89dae"
VERSION = 1
MOST_VALUES = 2**27
"""The most values of all pictures of a file, and of their codes."""
MOST_PICTURES = 10_000
DTYPES = ("uint8", "uint16", "float32", "bool", "int8", "int16", "int32", "uint32", "float16",
          "float64", "int64", "uint64")  # fmt: skip
_SIDES, _CHANNELS, _UNITS = 64, 4, 4096
_LEVEL = 4.0
"""Levels of sizes per factor of two."""
_MIDDLE_LEVEL = 64


@dataclass(frozen=True)
class Picture:
    """What a file holds of one picture."""

    pages: int
    height: int
    width: int
    channels: int
    dtype: str = "uint8"
    black: float = 0.0
    white: float = 255.0
    kind: str = "png"
    """The kind of the file it came from."""
    name: str = ""
    alpha: bytes = b""
    """Opacity, (pages, height, width) of the type, in bytes."""

    @property
    def count(self) -> int:
        """The number of its values, alpha apart."""
        return self.pages * self.height * self.width * self.channels


@dataclass(frozen=True)
class Contents:
    """All that a file holds."""

    pictures: Sequence[Picture]
    codes: Sequence[Codes]
    """Of each picture, (pages, rows, columns, units)."""
    step: float
    codec: str = ""
    """The name of the codec; empty where the decoder is in the file."""
    fingerprint: bytes = b""
    """Four bytes that tell the codec from others of its name."""
    coder: Coder | None = None
    """The decoder, where it is in the file."""


def planes(picture: Picture, channels: int) -> int:
    """How many images of so many channels a picture is: one, or one for each of its channels."""
    same = picture.channels in (channels, 1)
    return picture.pages * (1 if same else picture.channels)


def grid_of(picture: Picture, channels: int, side: int) -> tuple[int, int, int]:
    """Images, rows and columns of the patches of a picture."""
    return planes(picture, channels), *grid(picture.height, picture.width, side)


def pack(contents: Contents, coder: Coder) -> bytes:
    """The bytes of a file; `coder` is that of the codec, or that of the contents."""
    units = contents.codes[0].shape[-1]
    out = _Writer()
    out.raw(MAGIC + bytes([VERSION]))
    out.text(contents.codec)
    if contents.codec:
        out.raw(contents.fingerprint)
    out.raw(bytes([coder.side, coder.channels, coder.sigmoid]))
    out.number(units)
    out.raw(struct.pack("<f", contents.step))
    out.number(len(contents.pictures))
    for picture in contents.pictures:
        _write_picture(out, picture)
    if not contents.codec:
        count = sum(math.prod(codes.shape[:-1]) for codes in contents.codes)
        packed = _packed_coder(coder, contents.step, count)
        out.block(packed)
        coder = _unpacked_coder(
            packed, coder.channels, coder.side, coder.sigmoid, units, _float32(contents.step), count
        )
    probabilities = coder.model(units, _float32(contents.step))
    for codes in contents.codes:
        out.block(encode_codes(codes, probabilities))
    whole = bytes(out.content)
    return whole + struct.pack("<I", zlib.crc32(whole))


@dataclass(frozen=True)
class Header:
    """What is known of a file before its codes are decoded."""

    codec: str
    fingerprint: bytes
    side: int
    channels: int
    sigmoid: bool
    units: int
    step: float
    pictures: tuple[Picture, ...]
    rest: bytes
    """The decoder and the codes, still packed."""


def read_header(content: bytes) -> Header:
    """The header of a file. Raises DataError for anything that is not a whole file."""
    if content[:4] != MAGIC:
        raise DataError("it was not written by dae compress")
    if len(content) > MOST_FILE:
        raise DataError(f"it is larger than {MOST_FILE >> 20} MiB")
    if content[4:5] != bytes([VERSION]):
        raise DataError("it was written by another version of dae", "update dae-tui")
    if len(content) < 9 or struct.pack("<I", zlib.crc32(content[:-4])) != content[-4:]:
        raise DataError("it is damaged or cut off: its checksum is wrong")
    reader = _Reader(content[5:-4])
    codec = reader.text(200)
    fingerprint = reader.raw(4) if codec else b""
    side, channels, sigmoid = reader.raw(3)
    units = reader.number(_UNITS)
    [step] = struct.unpack("<f", reader.raw(4))
    if not (1 <= side <= _SIDES and 1 <= channels <= _CHANNELS and units >= 1):
        raise DataError("its header makes no sense")
    if units > channels * side**2 or not (math.isfinite(step) and step > 0):
        raise DataError("its header makes no sense")
    count = reader.number(MOST_PICTURES)
    pictures = tuple(_read_picture(reader) for _ in range(count))
    _check_sizes(pictures, channels, side, units, len(content))
    return Header(codec, fingerprint, side, channels, bool(sigmoid), units, step, pictures,
                  reader.rest())  # fmt: skip


def _check_sizes(
    pictures: Sequence[Picture], channels: int, side: int, units: int, length: int
) -> None:
    """Raise DataError for more values or codes than there can be."""
    if not pictures:
        raise DataError("it holds no picture")
    values = sum(picture.count for picture in pictures)
    patches = sum(math.prod(grid_of(picture, channels, side)) for picture in pictures)
    # One of the patches is never smaller than its pixels; a long strip has many more.
    if max(values, patches * channels * side**2, patches * units) > MOST_VALUES:
        raise DataError(f"it claims to hold more than {MOST_VALUES:,} values")
    if patches * units > SYMBOLS_A_BYTE * length:
        raise DataError("it is too short for what it claims to hold")


def unpack(header: Header, coder: Coder | None) -> Contents:
    """The contents of a file, with the coder of its codec. Raises DataError if it is damaged."""
    reader = _Reader(header.rest)
    shapes = [grid_of(each, header.channels, header.side) for each in header.pictures]
    made = coder
    if not header.codec:
        count = sum(math.prod(shape) for shape in shapes)
        made = _unpacked_coder(reader.block(), header.channels, header.side, header.sigmoid,
                               header.units, header.step, count)  # fmt: skip
    assert made is not None
    if header.units > made.units:
        raise DataError("it uses more units than its codec has")
    model = made.model(header.units, header.step)
    codes = [decode_codes(reader.block(), (*shape, header.units), model) for shape in shapes]
    if reader.rest():
        raise DataError("there is something behind its end")
    return Contents(header.pictures, codes, header.step, header.codec, header.fingerprint, made)


def _float32(value: float) -> float:
    """A number as a file holds it."""
    return float(np.float32(value))


def _level(sizes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Positive sizes as levels of a factor of 2^(1/4), in a byte."""
    logs = np.rint(_LEVEL * np.log2(np.maximum(sizes, 1e-9))) + _MIDDLE_LEVEL
    levels: NDArray[np.uint8] = logs.clip(0, 127).astype(np.uint8)
    return levels


def _size(levels: NDArray[np.integer]) -> NDArray[np.float64]:
    sizes: NDArray[np.float64] = 2.0 ** ((levels.astype(np.float64) - _MIDDLE_LEVEL) / _LEVEL)
    return sizes


def _weight_steps(spread: NDArray[np.float64], step: float, patches: int) -> NDArray[np.float64]:
    """The steps of the bias and of each unit's weights, (1 + x,).

    An error of a weight is multiplied by the codes of all patches; it may do as much harm as an
    error of a code, which is in one patch alone.
    """
    lengths = np.concatenate([[1.0], np.maximum(spread * 1.25, step / 4)])
    steps: NDArray[np.float64] = (step / math.sqrt(patches)) / lengths
    return steps


def _packed_coder(coder: Coder, step: float, patches: int) -> bytes:
    """The decoder: three bytes a unit for the sizes of its codes and weights, then the weights."""
    step = _float32(step)
    usual = _level(coder.spreads[0] / step)
    rest = _level(coder.spreads[1] / step)
    rest = np.where(coder.predicted, np.minimum(rest, usual - 3), usual).astype(np.uint8)
    steps = _weight_steps(_size(usual) * step, step, patches)
    weights = np.column_stack([coder.bias.numpy() - 0.5, coder.columns.numpy()]) / steps
    codes = np.rint(weights.clip(-(2**18), 2**18)).astype(np.int32)
    planes_ = codes.reshape(coder.channels, coder.side, coder.side, -1)
    direct = np.abs(codes).mean(0)
    left = np.abs(planes_ - predictions(planes_)).mean((0, 1, 2))
    predicted = left < direct
    levels = (_level(np.where(predicted, left, direct)) | 128 * predicted).astype(np.uint8)
    model = Model(_size(levels & 127), predicted, geometric_tables())
    head: bytes = usual.tobytes() + rest.tobytes() + levels.tobytes()
    return head + encode_codes(planes_, model)


def _unpacked_coder(
    content: bytes, channels: int, side: int, sigmoid: bool, units: int, step: float, patches: int
) -> Coder:
    """The decoder of `_packed_coder`. Raises DataError if it is damaged."""
    reader = _Reader(content)
    usual, rest = (np.frombuffer(reader.raw(units), np.uint8) & 127 for _ in range(2))
    levels = np.frombuffer(reader.raw(units + 1), np.uint8)
    model = Model(_size(levels & 127), levels > 127, geometric_tables())
    codes = decode_codes(reader.rest(), (channels, side, side, units + 1), model)
    steps = _weight_steps(_size(usual) * step, step, patches)
    weights = torch.from_numpy((codes.reshape(-1, units + 1) * steps).astype(np.float32))
    return Coder(channels, side, sigmoid, weights[:, 0] + 0.5, weights[:, 1:].contiguous(),
                 step * np.stack([_size(usual), _size(rest)]))  # fmt: skip


_ALPHA, _RANGE, _NAMED = 1, 2, 4


def _write_picture(out: "_Writer", picture: Picture) -> None:
    plain = picture.dtype == "uint8" and (picture.black, picture.white) == (0.0, 255.0)
    flags = _ALPHA * bool(picture.alpha) + _RANGE * (not plain) + _NAMED * bool(picture.name)
    for number in (picture.pages, picture.height, picture.width, picture.channels, flags):
        out.number(number)
    out.text(picture.kind)
    if not plain:
        out.raw(bytes([DTYPES.index(picture.dtype)]))
        out.raw(struct.pack("<dd", picture.black, picture.white))
    if picture.name:
        out.text(picture.name)
    if picture.alpha:
        out.block(zlib.compress(picture.alpha, 9))


def _read_picture(reader: "_Reader") -> Picture:
    pages, height, width, channels = (reader.number(MOST_VALUES) for _ in range(4))
    flags = reader.number(255)
    if not (min(pages, height, width) >= 1 and 1 <= channels <= _CHANNELS):
        raise DataError("its header makes no sense")
    made = Picture(pages, height, width, channels, kind=reader.text(40))
    if made.count > MOST_VALUES:
        raise DataError(f"it claims to hold more than {MOST_VALUES:,} values")
    if flags & _RANGE:
        [number] = reader.raw(1)
        black, white = struct.unpack("<dd", reader.raw(16))
        if number >= len(DTYPES) or not (math.isfinite(black) and math.isfinite(white)):
            raise DataError("its header makes no sense")
        if not (black < white and math.isfinite(white - black)):
            raise DataError("its header makes no sense")
        made = replace(made, dtype=DTYPES[number], black=black, white=white)
    if flags & _NAMED:
        made = replace(made, name=reader.text(255))
    if flags & _ALPHA:
        size = pages * height * width * np.dtype(made.dtype).itemsize
        unpacker = zlib.decompressobj()
        try:
            alpha = unpacker.decompress(reader.block(), size + 1)
        except zlib.error as failure:
            raise DataError("its opacity is damaged") from failure
        if len(alpha) != size:
            raise DataError("its opacity is damaged")
        made = replace(made, alpha=alpha)
    return made


class _Writer:
    """Bytes that grow."""

    def __init__(self) -> None:
        self.content = bytearray()

    def raw(self, content: bytes) -> None:
        self.content += content

    def number(self, value: int) -> None:
        """Seven bits a byte, the lowest first; the highest bit says that another follows."""
        while value > 127:
            self.content.append(128 | (value & 127))
            value >>= 7
        self.content.append(value)

    def block(self, content: bytes) -> None:
        self.number(len(content))
        self.raw(content)

    def text(self, text: str) -> None:
        self.block(text.encode())


class _Reader:
    """Takes apart what `_Writer` wrote. Raises DataError where the bytes end, or make no sense."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def raw(self, count: int) -> bytes:
        taken = self._content[self._at : self._at + count]
        if len(taken) < count:
            raise DataError("it is cut off")
        self._at += count
        return taken

    def number(self, most: int) -> int:
        value = 0
        for shift in range(0, 35, 7):
            [byte] = self.raw(1)
            value |= (byte & 127) << shift
            if byte < 128:
                break
        else:
            raise DataError("its header makes no sense")
        if value > most:
            raise DataError("its header makes no sense")
        return value

    def block(self) -> bytes:
        return self.raw(self.number(MOST_FILE))

    def text(self, most: int) -> str:
        content = self.raw(self.number(most))
        try:
            return content.decode()
        except UnicodeDecodeError as failure:
            raise DataError("its header makes no sense") from failure

    def rest(self) -> bytes:
        taken = self._content[self._at :]
        self._at = len(self._content)
        return taken
