"""BMP: 1 to 32 bits, with or without a palette, alpha and an ICC profile.

Read and written by hand, as Microsoft documents the headers (BITMAPINFOHEADER to BITMAPV5HEADER).
Tried on 2026-11-26: Pillow 13 fails on grey palettes of 16 colours and on unusual masks, writes no
alpha that it reads, and takes twice as long to write grey; imagecodecs 2026.3 reads no run lengths
and no OS/2 headers, leaves white of 16 bits at 248, writes neither 1 bit nor ICC, and damaged
headers end the interpreter.
"""

import struct
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.conversions import (
    dots_per_inch,
    dots_per_metre,
    fitting_icc,
    only_image,
    spread_palette,
)
from dae_tui.core.images.file_content import FREE, START, Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_RAW, _RLE8, _RLE4, _FIELDS, _FIELDS_ALPHA = 0, 1, 2, 3, 6
_DEPTHS = {
    _RAW: (1, 2, 4, 8, 16, 24, 32),
    _RLE8: (8,),
    _RLE4: (4,),
    _FIELDS: (16, 32),
    _FIELDS_ALPHA: (16, 32),
}
_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
_EMBEDDED, _SRGB = 0x4D424544, 0x73524742
# Run lengths make blank images small, but not so small.
_MOST_SHRUNK = 1000


class _Header(NamedTuple):
    size: int
    """Of the header in bytes, which tells its version."""
    width: int
    height: int
    upwards: bool
    """The last row comes first."""
    bits: int
    packing: int
    per_metre: tuple[int, int]
    colours: int
    """Of the palette; 0 for all that the bits allow."""
    start: int
    """Where the pixels are."""


def read(content: bytes, name: str) -> ImageFile:
    """The image of a BMP file: bool for black and white, else uint8.

    Raises DataError for broken files and for very rare kinds (JPEG or PNG inside).
    """
    header = _header(content, name)
    if header.bits <= 8:
        values, remarks = _indexed(content, header, name)
    else:
        values, remarks = _direct(content, header, name)
    icc = _icc(content, header)
    dpi = None
    if min(header.per_metre) > 0:
        dpi = dots_per_inch(*header.per_metre)
    encode = partial(_encode, per_metre=header.per_metre, icc=icc)
    stack = Stack(values[None], values.shape[-1] in (2, 4))
    return ImageFile("bmp", [stack], encode, About(icc, None, dpi), tuple(remarks))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header; raises DataError as `read`."""
    header = _header(source[:START], name)
    pixels = header.height * header.width
    if header.packing in (_RLE8, _RLE4):  # Badly packed they take up to 3 bytes a pixel.
        return pixels // _MOST_SHRUNK, 3 * pixels + FREE
    end = header.start + _row_bytes(header) * header.height
    return end, end + FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A BMP of one image: 1 bit for bool, 8 for grey, 24 for RGB, 32 with alpha.

    Grey with alpha becomes RGBA. Drops EXIF. Raises DataError for all other images.
    """
    values = only_image(stacks, "bmp", ("bool", "uint8"))
    per_metre = dots_per_metre(about.dpi) if about.dpi else (0, 0)
    return _made(values, per_metre, fitting_icc(about, 1 if values.shape[-1] == 1 else 3))


def _header(content: bytes, name: str) -> _Header:
    """Raises DataError for what is no header, or one of an image that dae does not read."""
    header = _any_header(content, name)
    check_pixels(name, header.height, header.width)
    if header.bits not in _DEPTHS.get(header.packing, ()):
        raise DataError(
            f"{name} is a bmp of a kind that dae does not read: {header.bits} bits, "
            f"compression {header.packing}"
        )
    return header


def _any_header(content: bytes, name: str) -> _Header:
    if len(content) < 26:
        raise DataError(f"{name} is not a whole bmp file: it ends in its header")
    start, size = struct.unpack_from("<II", content, 10)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
        return _Header(size, width, height, True, bits, _RAW, (0, 0), 0, start)
    if size < 40 or len(content) < 14 + size:
        raise DataError(f"{name} is not a whole bmp file: its header is broken")
    width, height, _, bits, packing, _, across, down, colours = struct.unpack_from(
        "<iiHHIIiiI", content, 18
    )
    return _Header(
        size, width, abs(height), height > 0, bits, packing, (across, down), colours, start
    )


def _indexed(content: bytes, header: _Header, name: str) -> tuple[NDArray[Any], list[str]]:
    """Values (H, W, C) and remarks, of an image with a palette."""
    bits = header.bits
    entry = 3 if header.size == 12 else 4
    first = 14 + header.size
    count = min(header.colours or 2**bits, 2**bits, max(header.start - first, 0) // entry)
    stored = np.frombuffer(content, np.uint8, count * entry, first).reshape(count, entry)
    palette = stored[:, 2::-1]
    indexes = _rows(content, header, name) if header.packing == _RAW else _runs(content, header)
    if bits < 8 and header.packing == _RAW:
        split = np.unpackbits(indexes, axis=1).reshape(header.height, -1, bits)
        indexes = np.packbits(split, axis=2)[..., 0] >> np.uint8(8 - bits)
    indexes = indexes[:, : header.width]
    if bits == 1 and count == 2 and (palette[0] == palette[0, 0]).all():
        black_first = palette.tolist() == [[0] * 3, [255] * 3]
        if black_first or palette.tolist() == [[255] * 3, [0] * 3]:
            return (indexes == (1 if black_first else 0))[..., None], []
    values = spread_palette(indexes, palette, name, colour=_icc(content, header) is not None)
    if values.shape[-1] == 3:
        return values, ["its palette becomes RGB"]
    return values, [] if bits == 8 else [f"its {bits}-bit grey becomes 8-bit"]


def _runs(content: bytes, header: _Header) -> NDArray[np.uint8]:
    """Indexes (H, W) of an image packed as run lengths."""
    if header.height * header.width > _MOST_SHRUNK * len(content):
        raise ValueError("it is too short for its size")
    from PIL.BmpImagePlugin import BmpImageFile  # PNG needs this module, but not Pillow.

    image = BmpImageFile(BytesIO(content))
    indexes = np.asarray(image)
    if indexes.dtype != np.uint8 or indexes.shape != (header.height, header.width):
        raise ValueError("its run lengths do not fit its header")
    return indexes


def _direct(content: bytes, header: _Header, name: str) -> tuple[NDArray[np.uint8], list[str]]:
    """Values (H, W, 3 or 4) and remarks, of an image without a palette."""
    rows = _rows(content, header, name)
    used = rows[:, : header.width * header.bits // 8]
    if header.bits == 24:
        pixels = used.reshape(header.height, header.width, 3)
        return np.ascontiguousarray(pixels[..., ::-1]), []
    masks = _MASKS[header.bits]
    if header.packing != _RAW:
        # A fourth mask, for alpha, is there in headers from the third version on.
        four = header.size >= 56 or header.packing == _FIELDS_ALPHA
        read = struct.unpack_from("<IIII" if four else "<III", content, 54)
        masks = (*read[:3], read[3] if four else 0)
    whole = np.ascontiguousarray(used).view(f"<u{header.bits // 8}")
    values = np.stack([_field(whole, mask, name) for mask in masks if mask], axis=-1)
    if values.shape[-1] != 3 + bool(masks[3]):
        raise DataError(f"{name} is damaged: it does not say where its colours are")
    remarks = [] if header.bits == 32 else ["its 16-bit colours become 24-bit"]
    if header.bits == 32 and not masks[3] and rows[:, 3::4].any():
        remarks.append("its fourth byte is left out: nothing says that it is alpha")
    return values, remarks


def _field(whole: NDArray[Any], mask: int, name: str) -> NDArray[np.uint8]:
    """The bits under a mask, stretched to 8."""
    shift = (mask & -mask).bit_length() - 1
    largest = mask >> shift
    if largest & (largest + 1) or largest > 0xFFFF:
        raise DataError(f"{name} is damaged: the bits of its colours are scattered")
    field = whole.astype(np.uint32) >> np.uint32(shift) & np.uint32(largest)
    if largest != 255:
        field = (field * np.uint32(255) + np.uint32(largest // 2)) // np.uint32(largest)
    return field.astype(np.uint8)


def _rows(content: bytes, header: _Header, name: str) -> NDArray[np.uint8]:
    """The stored rows (H, bytes) from the top, with what fills them to 4 bytes."""
    across = _row_bytes(header)
    count = across * header.height
    if header.start < 14 + header.size or header.start + count > len(content):
        raise DataError(f"{name} is not a whole bmp file: it ends too early")
    rows = np.frombuffer(content, np.uint8, count, header.start).reshape(header.height, across)
    return rows[::-1] if header.upwards else rows


def _row_bytes(header: _Header) -> int:
    """With what fills a row to 4 bytes."""
    return (header.width * header.bits + 31) // 32 * 4


def _icc(content: bytes, header: _Header) -> bytes | None:
    if header.size < 124 or struct.unpack_from("<I", content, 70)[0] != _EMBEDDED:
        return None
    start, size = struct.unpack_from("<II", content, 126)
    return content[14 + start : 14 + start + size] or None


def _encode(stacks: Sequence[Stack], per_metre: tuple[int, int], icc: bytes | None) -> bytes:
    return _made(stacks[0].values[0], per_metre, icc)


def _made(values: NDArray[Any], per_metre: tuple[int, int], icc: bytes | None) -> bytes:
    """A file of values (H, W, C)."""
    height, width, channels = values.shape
    palette = b""
    if values.dtype.kind == "b":
        bits, rows = 1, np.packbits(values[..., 0], axis=1)
        palette = bytes((0, 0, 0, 0, 255, 255, 255, 0))
    elif channels == 1:
        bits, rows = 8, values[..., 0]
        palette = bytes(shade for level in range(256) for shade in (level, level, level, 0))
    else:
        order = {2: [0, 0, 0, 1], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
        bits, rows = 8 * len(order), values[..., order].reshape(height, -1)
    pixels = np.pad(rows[::-1], ((0, 0), (0, -rows.shape[1] % 4))).tobytes()
    newest = bits == 32 or icc is not None
    start = 14 + (124 if newest else 40) + len(palette)
    packing = _FIELDS if bits == 32 else _RAW
    head = struct.pack(
        "<IiiHHIIiiII", 124 if newest else 40, width, height, 1, bits, packing, len(pixels),
        *per_metre, len(palette) // 4, 0,
    )  # fmt: skip
    if newest:
        masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000) if bits == 32 else (0, 0, 0, 0)
        profile = (start - 14 + len(pixels), len(icc)) if icc else (0, 0)
        head += struct.pack("<5I48x4I", *masks, _EMBEDDED if icc else _SRGB, 4, *profile, 0)
    body = b"".join((head, palette, pixels, icc or b""))
    return struct.pack("<2sIII", b"BM", 14 + len(body), 0, start) + body
