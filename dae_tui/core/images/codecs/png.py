"""PNG: 1, 8 and 16 bits, grey and colour; the metadata of a file is kept.

The pixels go through libpng; every other chunk is copied byte by byte. Tried on 2026-11-26: Pillow
13 makes 8 bits of 16-bit colours; libspng in imagecodecs 2026.3 decodes no 16 bits and no tRNS.
"""

import struct
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from imagecodecs import png_decode, png_encode
from numpy.typing import NDArray

from dae_tui.core.images.codecs.conversions import (
    dots_per_inch,
    dots_per_metre,
    fitting_icc,
    only_image,
    spread_palette,
)
from dae_tui.core.images.codecs.png_chunks import (
    CHANNELS,
    GREY,
    GREY_ALPHA,
    PALETTE,
    Parts,
    check_data,
    is_unknown,
    make_chunk,
    packed_pixels,
    passes,
    plain_file,
    read_header,
    shown_kind,
    split_chunks,
    still_holds,
    unpacked_size,
)
from dae_tui.core.images.file_content import FREE, MOST_SHRUNK, Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_LARGEST_PROFILE = 1 << 26
# Compression level of libpng; higher ones take several times as long to save 5 % of the size.
_LEVEL = 2


def read(content: bytes, name: str) -> ImageFile:
    """The image of a PNG file; uint8, uint16 or, for 1-bit grey, bool.

    Palettes, 2 and 4 bits become 8 bits, a transparent colour becomes alpha, which remarks say.
    Raises DataError for broken and animated files.
    """
    parts = split_chunks(content, name)
    width, height, depth, colour, interlaced, before, after, _ = parts
    check_pixels(name, height, width)
    check_data(parts, name)
    said = dict(before + after) if before or after else {}
    values, remarks = _decode(content, name, parts, said)
    if interlaced:
        remarks.append("it is no longer interlaced")
    alpha = values.shape[-1] in (2, 4)
    same_type = colour != PALETTE and alpha == (colour >= GREY_ALPHA) and depth not in (2, 4)
    kept = [
        b"".join(whole for kind, whole in chunks if still_holds(kind, colour, same_type))
        for chunks in (before, after)
    ]
    remarks += [
        f"its chunk {shown_kind(kind)} may no longer be true, and is left out"
        for kind, _ in before + after
        if is_unknown(kind)
    ]
    return ImageFile(
        "png",
        [Stack(values[None], alpha)],
        partial(_encode, before=kept[0], after=kept[1]),
        _about(said) if said else About(),
        tuple(remarks),
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header.

    Raises DataError for one that is no header or has too many pixels.
    """
    parts = read_header(source[:33], name)
    check_pixels(name, parts.height, parts.width)
    size = unpacked_size(parts)
    return size // MOST_SHRUNK, 2 * size + FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A PNG of one image, bool (1 bit), uint8 or uint16. Raises DataError for all others."""
    values = only_image(stacks, "png", ("bool", "uint8", "uint16"))
    before = b""
    if icc := fitting_icc(about, 1 if values.shape[-1] < 3 else 3):
        before += make_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if about.dpi:
        before += make_chunk(b"pHYs", struct.pack(">IIB", *dots_per_metre(about.dpi), 1))
    if about.exif:
        before += make_chunk(b"eXIf", about.exif)
    if about.xmp:
        before += make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + about.xmp)
    return _spliced(values, before, b"")


def _decode(
    content: bytes, name: str, parts: Parts, said: dict[bytes, bytes]
) -> tuple[NDArray[Any], list[str]]:
    """Values (H, W, C) and remarks."""
    depth, colour = parts.depth, parts.colour
    if colour == PALETTE:
        spread = _decode_palette(name, parts, said)
        what = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}[spread.shape[-1]]
        return spread, [f"its palette becomes {what}"]
    plain = not said and not parts.interlaced
    values = png_decode(content) if plain else _decoded(parts, said.get(b"tRNS", b""))
    if values.ndim == 2:
        values = values[..., None]
    remarks = []
    if values.shape[-1] != CHANNELS[colour]:
        remarks.append("its transparent colour becomes alpha")
    if depth == 1 and values.shape[-1] == 1:
        return values != 0, remarks
    if depth < 8:
        remarks.append(f"its {depth}-bit grey becomes 8-bit")
    return values, remarks


def _decode_palette(name: str, parts: Parts, said: dict[bytes, bytes]) -> NDArray[np.uint8]:
    if b"PLTE" not in said:
        raise DataError(f"{name} is damaged: it has no palette for its colours")
    # As grey, libpng gives the indexes, though stretched to 8 bits, and not yet the colours.
    indexes = _decoded(parts._replace(colour=GREY))
    indexes //= np.uint8(255 // (2**parts.depth - 1))
    palette = np.frombuffer(said[b"PLTE"][8:-4], np.uint8).reshape(-1, 3)
    if b"tRNS" in said:
        opaque = np.full((len(palette), 1), 255, np.uint8)
        given = np.frombuffer(said[b"tRNS"][8:-4], np.uint8)[: len(palette)]
        opaque[: len(given), 0] = given
        palette = np.concatenate([palette, opaque], axis=1)
    return spread_palette(indexes, palette, name, colour=b"iCCP" in said)


def _decoded(parts: Parts, extra: bytes = b"") -> NDArray[Any]:
    """The values as decoded by libpng, for the pixels and an `extra` chunk only.

    libpng prints warnings about other chunks and interlaced images, so it does not get them.
    """
    if not parts.interlaced:
        decoded: NDArray[Any] = png_decode(plain_file(parts, extra))
        return decoded
    data = zlib.decompress(packed_pixels(parts))
    values: NDArray[Any] | None = None
    start = 0
    for width, height, length, place in passes(parts):
        pixels = make_chunk(b"IDAT", zlib.compress(data[start : start + height * length], 1))
        start += height * length
        part = _decoded(Parts(width, height, parts.depth, parts.colour, 0, [], [], [pixels]), extra)
        if values is None:
            values = np.empty((parts.height, parts.width, *part.shape[2:]), part.dtype)
        values[place] = part
    assert values is not None
    return values


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
            dpi = dots_per_inch(across, down)
    return About(icc, exif, dpi)


def _encode(stacks: Sequence[Stack], before: bytes, after: bytes) -> bytes:
    return _spliced(stacks[0].values[0], before, after)


def _spliced(values: NDArray[Any], before: bytes, after: bytes) -> bytes:
    """A file of values (H, W, C) with ready chunks before and after the pixels."""
    if values.dtype.kind == "b":
        made = _bits(values[..., 0])
    else:
        pixels = values if values.shape[-1] > 1 else values[..., 0]
        made = bytes(png_encode(np.ascontiguousarray(pixels), _LEVEL))
    if not before and not after:
        return made
    # libpng writes the signature and header, 33 bytes, then the pixels, then the end, 12 bytes.
    return b"".join((made[:33], before, made[33:-12], after, made[-12:]))


def _bits(white: NDArray[np.bool_]) -> bytes:
    """A plain file of 1-bit grey."""
    height, width = white.shape
    rows = np.pad(np.packbits(white, axis=1), ((0, 0), (1, 0)))  # Filter 0 for each row.
    pixels = make_chunk(b"IDAT", zlib.compress(rows.tobytes()))
    return plain_file(Parts(width, height, 1, GREY, 0, [], [], [pixels]))
