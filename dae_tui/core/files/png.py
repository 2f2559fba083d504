"""PNG: 1, 8 and 16 bits, grey and colour; all that a file says beside its pixels stays.

The pixels go through libpng; every other chunk is copied byte by byte, as the rules for PNG
editors ask (PNG specification, third edition, section 14).
"""

import struct
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from imagecodecs import png_decode, png_encode
from numpy.typing import NDArray

from dae_tui.core.files.bmp import fitting_icc, only_image, spread_palette
from dae_tui.core.files.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_DEPTHS: dict[int, tuple[int, ...]] = dict.fromkeys((_RGB, _GREY_ALPHA, _RGBA), (8, 16))
_DEPTHS |= {_GREY: (1, 2, 4, 8, 16), _PALETTE: (1, 2, 4, 8)}
# The first column and row of each pass of an interlaced image, and the steps between.
_LEFT, _TOP = (0, 4, 0, 2, 0, 1, 0), (0, 0, 4, 0, 2, 0, 1)
_ACROSS, _DOWN = (8, 8, 4, 4, 2, 2, 1), (8, 8, 8, 4, 4, 2, 2)
_INTERLACED = tuple(zip(_LEFT, _TOP, _ACROSS, _DOWN, strict=True))
# Chunks that depend on the type of the pixels, and hold as long as that stays.
_OF_TYPE = (b"sBIT", b"bKGD")
# Chunks that others may not copy, but whose meaning does not depend on single pixels.
_STILL_TRUE = frozenset(b"cHRM gAMA iCCP sRGB sPLT cICP mDCV cLLI tIME pCAL sCAL sTER".split())
_ANIMATED = (b"acTL", b"fcTL", b"fdAT")
_HEADER = struct.Struct(">IIBBBBB")
_LAST_FILTER = 4
_LARGEST_PROFILE = 1 << 26
_METRES_PER_INCH = 0.0254
# Of libpng; higher ones take several times as long for 5 % of the size.
_LEVEL = 2


class _Parts(NamedTuple):
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


class _Pass(NamedTuple):
    """A part of an image that is packed by itself."""

    width: int
    rows: int
    length: int
    """Of a row in bytes, with the number of its filter."""
    place: tuple[slice, slice]
    """In the whole image."""


def read(content: bytes, name: str) -> ImageFile:
    """The image of a PNG file; uint8, uint16 or, for 1-bit grey, bool.

    Palettes, 2 and 4 bits become 8 bits, a transparent colour becomes alpha, which remarks say.
    Raises DataError for broken and animated files.
    """
    parts = _split(content, name)
    width, height, depth, colour, interlaced, before, after, _ = parts
    check_pixels(name, height, width)
    _check_data(parts, name)
    said = dict(before + after) if before or after else {}
    values, remarks = _decode(content, name, parts, said)
    if interlaced:
        remarks.append("it is no longer interlaced")
    alpha = values.shape[-1] in (2, 4)
    same_type = colour != _PALETTE and alpha == (colour >= _GREY_ALPHA) and depth not in (2, 4)
    kept = [
        b"".join(whole for kind, whole in chunks if _holds(kind, colour, same_type))
        for chunks in (before, after)
    ]
    remarks += [
        f"its chunk {_shown(kind)} may no longer be true, and is left out"
        for kind, _ in before + after
        if _is_unknown(kind)
    ]
    return ImageFile(
        "png",
        [Stack(values[None], alpha)],
        partial(_encode, before=kept[0], after=kept[1]),
        _about(said) if said else About(),
        tuple(remarks),
    )


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A PNG of one image, bool (1 bit), uint8 or uint16. Raises DataError for all others."""
    values = only_image(stacks, "png", ("bool", "uint8", "uint16"))
    before = b""
    if icc := fitting_icc(about, 1 if values.shape[-1] < 3 else 3):
        before += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if about.dpi:
        per_metre = (round(dots / _METRES_PER_INCH) for dots in about.dpi)
        before += _chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1))
    if about.exif:
        before += _chunk(b"eXIf", about.exif)
    return _spliced(values, before, b"")


def _split(content: bytes, name: str) -> _Parts:
    if content[:8] != _SIGNATURE or content[12:16] != b"IHDR" or len(content) < 33:
        raise DataError(f"{name} is not a whole png file: it ends or breaks in its header")
    width, height, depth, colour, packing, filters, interlaced = _HEADER.unpack_from(content, 16)
    _check_chunk(b"IHDR", content[8:33], name)
    if packing or filters or interlaced > 1 or depth not in _DEPTHS.get(colour, ()):
        raise DataError(f"{name} is damaged: its header is no png header")
    parts = _Parts(width, height, depth, colour, interlaced, [], [], [])
    position = 33
    while True:
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


def _check_chunk(kind: bytes, whole: bytes, name: str) -> None:
    if kind in _ANIMATED:
        raise DataError(f"{name} is an animated png", "save its pictures as single files")
    if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
        raise DataError(f"{name} is damaged: its chunk {_shown(kind)} has a wrong checksum")
    if not kind[0] & 32 and kind not in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
        raise DataError(f"{name} is no plain png: it has a chunk {_shown(kind)}")


def _check_data(parts: _Parts, name: str) -> None:
    """Raise DataError for packed pixels that libpng would refuse.

    It has to get none of these: imagecodecs (2026.3) gives up a reference to None with each of its
    PNG errors, which ends the interpreter after some thousands of broken files.
    """
    size = sum(part.rows * part.length for part in _passes(parts))
    inflater = zlib.decompressobj()
    try:
        # No more than this is unpacked, whatever the file says.
        data = inflater.decompress(_packed(parts), size + 1)
    except zlib.error as failure:
        raise DataError(f"{name} is damaged: {failure}") from failure
    if len(data) != size or not inflater.eof:
        raise DataError(
            f"{name} is damaged: it does not hold the {parts.width}×{parts.height} pixels "
            "that its header says"
        )
    start = 0
    for part in _passes(parts):
        end = start + part.rows * part.length
        if max(data[start : end : part.length]) > _LAST_FILTER:
            raise DataError(f"{name} is damaged: its rows are filtered in no known way")
        start = end


def _passes(parts: _Parts) -> list[_Pass]:
    """One, or those with pixels of an interlaced image."""
    bits = parts.depth * _CHANNELS[parts.colour]
    found = []
    for left, top, across, down in _INTERLACED if parts.interlaced else ((0, 0, 1, 1),):
        columns, rows = -((left - parts.width) // across), -((top - parts.height) // down)
        if columns > 0 and rows > 0:
            place = (slice(top, None, down), slice(left, None, across))
            found.append(_Pass(columns, rows, 1 + (columns * bits + 7) // 8, place))
    return found


def _packed(parts: _Parts) -> bytes:
    return b"".join(chunk[8:-4] for chunk in parts.pixels)


def _shown(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")


def _decode(
    content: bytes, name: str, parts: _Parts, said: dict[bytes, bytes]
) -> tuple[NDArray[Any], list[str]]:
    """Values (H, W, C) and remarks."""
    depth, colour = parts.depth, parts.colour
    if colour == _PALETTE:
        spread = _decode_palette(name, parts, said)
        what = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}[spread.shape[-1]]
        return spread, [f"its palette becomes {what}"]
    plain = not said and not parts.interlaced
    values = png_decode(content) if plain else _decoded(parts, said.get(b"tRNS", b""))
    if values.ndim == 2:
        values = values[..., None]
    remarks = []
    if values.shape[-1] != _CHANNELS[colour]:
        remarks.append("its transparent colour becomes alpha")
    if depth == 1 and values.shape[-1] == 1:
        return values != 0, remarks
    if depth < 8:
        remarks.append(f"its {depth}-bit grey becomes 8-bit")
    return values, remarks


def _decode_palette(name: str, parts: _Parts, said: dict[bytes, bytes]) -> NDArray[np.uint8]:
    if b"PLTE" not in said:
        raise DataError(f"{name} is damaged: it has no palette for its colours")
    # As grey, libpng gives the indexes, though stretched to 8 bits, and not yet the colours.
    indexes = _decoded(parts._replace(colour=_GREY))
    indexes //= np.uint8(255 // (2**parts.depth - 1))
    palette = np.frombuffer(said[b"PLTE"][8:-4], np.uint8).reshape(-1, 3)
    if b"tRNS" in said:
        opaque = np.full((len(palette), 1), 255, np.uint8)
        given = np.frombuffer(said[b"tRNS"][8:-4], np.uint8)[: len(palette)]
        opaque[: len(given), 0] = given
        palette = np.concatenate([palette, opaque], axis=1)
    return spread_palette(indexes, palette, name, colour=b"iCCP" in said)


def _decoded(parts: _Parts, extra: bytes = b"") -> NDArray[Any]:
    """The values as libpng gives them, for the pixels and an `extra` chunk alone.

    It prints warnings about other chunks and interlaced images, so it does not get them.
    """
    if not parts.interlaced:
        header = _chunk(b"IHDR", _HEADER.pack(*parts[:4], 0, 0, 0))
        end = _chunk(b"IEND", b"")
        decoded: NDArray[Any] = png_decode(
            b"".join((_SIGNATURE, header, extra, *parts.pixels, end))
        )
        return decoded
    data = zlib.decompress(_packed(parts))
    values: NDArray[Any] | None = None
    start = 0
    for width, height, length, place in _passes(parts):
        pixels = _chunk(b"IDAT", zlib.compress(data[start : start + height * length], 1))
        start += height * length
        part = _decoded(
            _Parts(width, height, parts.depth, parts.colour, 0, [], [], [pixels]), extra
        )
        if values is None:
            values = np.empty((parts.height, parts.width, *part.shape[2:]), part.dtype)
        values[place] = part
    assert values is not None
    return values


def _is_unknown(kind: bytes) -> bool:
    """Whether a chunk may say things about the pixels that no longer hold."""
    known = kind in _STILL_TRUE or kind in (b"PLTE", b"tRNS", b"hIST", *_OF_TYPE)
    return not kind[3] & 32 and not known


def _holds(kind: bytes, colour: int, same_type: bool) -> bool:
    """Whether a chunk of the file is right in one with other values."""
    if kind == b"PLTE":
        return colour in (_RGB, _RGBA)
    if kind in _OF_TYPE:
        return same_type
    return kind not in (b"tRNS", b"hIST") and not _is_unknown(kind)


def _about(said: dict[bytes, bytes]) -> About:
    icc = exif = dpi = None
    if b"iCCP" in said:
        packed = said[b"iCCP"][8:-4].partition(b"\0")[2][1:]
        try:
            icc = zlib.decompressobj().decompress(packed, _LARGEST_PROFILE)
        except zlib.error:  # Viewers ignore it as well, and the chunk stays as it is.
            icc = None
    if b"eXIf" in said:
        exif = said[b"eXIf"][8:-4].removeprefix(b"Exif\0\0")
    if len(said.get(b"pHYs", b"")) == 21:
        across, down, unit = struct.unpack(">IIB", said[b"pHYs"][8:-4])
        if unit == 1:
            dpi = (across * _METRES_PER_INCH, down * _METRES_PER_INCH)
    return About(icc, exif, dpi)


def _encode(stacks: Sequence[Stack], before: bytes, after: bytes) -> bytes:
    return _spliced(stacks[0].values[0], before, after)


def _spliced(values: NDArray[Any], before: bytes, after: bytes) -> bytes:
    """A file of values (H, W, C) with ready chunks before and after the pixels."""
    if values.dtype.kind == "b":
        made = _bits(values[..., 0])
    else:
        made = bytes(png_encode(values if values.shape[-1] > 1 else values[..., 0], _LEVEL))
    if not before and not after:
        return made
    # libpng writes the signature and header, 33 bytes, then the pixels, then the end, 12 bytes.
    return b"".join((made[:33], before, made[33:-12], after, made[-12:]))


def _bits(white: NDArray[np.bool_]) -> bytes:
    """A plain file of 1-bit grey."""
    height, width = white.shape
    rows = np.pad(np.packbits(white, axis=1), ((0, 0), (1, 0)))  # Filter 0 for each row.
    header = struct.pack(">IIBBBBB", width, height, 1, _GREY, 0, 0, 0)
    pixels = zlib.compress(rows.tobytes())
    return b"".join(
        (_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", pixels), _chunk(b"IEND", b""))
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
