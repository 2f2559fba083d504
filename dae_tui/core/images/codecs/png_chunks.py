"""The chunks of a PNG file: parsed, checked, and selected to be kept with new pixels.

Checksums, the header and the length of the unpacked pixels are checked before libpng gets them.
Which chunks are kept follows section 14 of the PNG specification, third edition.
"""

import struct
import zlib
from typing import NamedTuple

from dae_tui.errors import DataError

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_DEPTHS: dict[int, tuple[int, ...]] = dict.fromkeys((RGB, GREY_ALPHA, RGBA), (8, 16))
_DEPTHS |= {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}
# The first column and row of each pass of an interlaced image, and the steps between.
_LEFT, _TOP = (0, 4, 0, 2, 0, 1, 0), (0, 0, 4, 0, 2, 0, 1)
_ACROSS, _DOWN = (8, 8, 4, 4, 2, 2, 1), (8, 8, 8, 4, 4, 2, 2)
_INTERLACED = tuple(zip(_LEFT, _TOP, _ACROSS, _DOWN, strict=True))
# Chunks that depend on the type of the pixels, and hold as long as that stays.
_OF_TYPE = (b"sBIT", b"bKGD")
# Chunks that others may not copy, but whose meaning does not depend on single pixels.
_STILL_TRUE = frozenset(b"cHRM gAMA iCCP sRGB sPLT cICP mDCV cLLI tIME pCAL sCAL sTER".split())
_ANIMATED = (b"acTL", b"fcTL", b"fdAT")
_LAST_FILTER = 4
# Encoders write chunks of 8 KiB and more; some write one for each row of a small image.
_FREE_CHUNKS, _LEAST_CHUNK = 100_000, 256


class Parts(NamedTuple):
    """A PNG file taken to pieces."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: int
    before: list[tuple[bytes, bytes]]
    """Kind and whole chunk, of those before the pixels."""
    after: list[tuple[bytes, bytes]]
    pixels: list[bytes]
    """Whole chunks."""


class Pass(NamedTuple):
    """A part of an image that is packed by itself."""

    width: int
    rows: int
    length: int
    """Of a row in bytes, with the number of its filter."""
    place: tuple[slice, slice]
    """In the whole image."""


def split_chunks(content: bytes, name: str) -> Parts:
    """Parse a file into chunks and check their checksums.

    Raises DataError for broken and animated files, and for unknown critical chunks.
    """
    parts = read_header(content, name)
    position = 33
    for _ in range(_FREE_CHUNKS + len(content) // _LEAST_CHUNK):
        head = content[position : position + 8]
        end = position + int.from_bytes(head[:4], "big") + 12
        if len(head) < 8 or end > len(content):
            raise DataError(f"{name} is not a whole png file: it ends too early")
        kind = head[4:]
        whole = content[position:end]
        _check_chunk(kind, whole, name)
        if kind == b"IEND":
            return parts
        if kind == b"IDAT":
            parts.pixels.append(whole)
        else:
            (parts.after if parts.pixels else parts.before).append((kind, whole))
        position = end
    raise DataError(f"{name} is damaged: it is in too many pieces")


def read_header(content: bytes, name: str) -> Parts:
    """What the first 33 bytes of a file say, without any chunks. Raises DataError."""
    if content[:8] != _SIGNATURE or content[12:16] != b"IHDR" or len(content) < 33:
        raise DataError(f"{name} is not a whole png file: it ends or breaks in its header")
    width, height, depth, colour, packing, filters, interlaced = _HEADER.unpack_from(content, 16)
    _check_chunk(b"IHDR", content[8:33], name)
    if packing or filters or interlaced > 1 or depth not in _DEPTHS.get(colour, ()):
        raise DataError(f"{name} is damaged: its header is no png header")
    return Parts(width, height, depth, colour, interlaced, [], [], [])


def _check_chunk(kind: bytes, whole: bytes, name: str) -> None:
    if kind in _ANIMATED:
        raise DataError(f"{name} is an animated png", "save its pictures as single files")
    if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
        raise DataError(f"{name} is damaged: its chunk {shown_kind(kind)} has a wrong checksum")
    if not kind[0] & 32 and kind not in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
        raise DataError(f"{name} is no plain png: it has a chunk {shown_kind(kind)}")


def check_data(parts: Parts, name: str) -> None:
    """Raise DataError for packed pixels that libpng would refuse.

    libpng must not get any of these: imagecodecs (2026.3, 2026-11-26) releases a reference to None
    with each of its PNG errors, which ends the interpreter after some thousands of broken files.
    """
    size = unpacked_size(parts)
    inflater = zlib.decompressobj()
    try:
        # No more than this is unpacked, whatever the file says.
        data = inflater.decompress(packed_pixels(parts), size + 1)
    except zlib.error as failure:
        raise DataError(f"{name} is damaged: {failure}") from failure
    if len(data) != size or not inflater.eof:
        raise DataError(
            f"{name} is damaged: it does not hold the {parts.width}×{parts.height} pixels "
            "that its header says"
        )
    start = 0
    for part in passes(parts):
        end = start + part.rows * part.length
        if max(data[start : end : part.length]) > _LAST_FILTER:
            raise DataError(f"{name} is damaged: its rows are filtered in no known way")
        start = end


def passes(parts: Parts) -> list[Pass]:
    """One, or those with pixels of an interlaced image."""
    bits = parts.depth * CHANNELS[parts.colour]
    found = []
    for left, top, across, down in _INTERLACED if parts.interlaced else ((0, 0, 1, 1),):
        columns, rows = -((left - parts.width) // across), -((top - parts.height) // down)
        if columns > 0 and rows > 0:
            place = (slice(top, None, down), slice(left, None, across))
            found.append(Pass(columns, rows, 1 + (columns * bits + 7) // 8, place))
    return found


def unpacked_size(parts: Parts) -> int:
    """Bytes of the pixels before zlib has packed them."""
    return sum(part.rows * part.length for part in passes(parts))


def packed_pixels(parts: Parts) -> bytes:
    """As zlib packs them."""
    return b"".join(chunk[8:-4] for chunk in parts.pixels)


def make_chunk(kind: bytes, body: bytes) -> bytes:
    """A whole chunk, with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def plain_file(parts: Parts, extra: bytes = b"") -> bytes:
    """A file of pixels that are not interlaced, with an `extra` chunk before them."""
    header = make_chunk(b"IHDR", _HEADER.pack(*parts[:4], 0, 0, 0))
    return b"".join((_SIGNATURE, header, extra, *parts.pixels, make_chunk(b"IEND", b"")))


def is_unknown(kind: bytes) -> bool:
    """Whether a chunk may describe the pixels, and so may no longer be right."""
    known = kind in _STILL_TRUE or kind in (b"PLTE", b"tRNS", b"hIST", *_OF_TYPE)
    return not kind[3] & 32 and not known


def still_holds(kind: bytes, colour: int, same_type: bool) -> bool:
    """Whether a chunk of the file is right in one with other values."""
    if kind == b"PLTE":
        return colour in (RGB, RGBA)
    if kind in _OF_TYPE:
        return same_type
    return kind not in (b"tRNS", b"hIST") and not is_unknown(kind)


def shown_kind(kind: bytes) -> str:
    """The name of a chunk for messages, whatever its bytes are."""
    return kind.decode("ascii", "backslashreplace")
