"""JPEG 2000, as boxes (JP2) or as a bare codestream, through OpenJPEG.

In a JP2 only the codestream is replaced: profile, resolution, XML and all other boxes are kept.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.conversions import only_image
from dae_tui.core.images.codecs.photographs.boxes import MOST_BOXES, boxes
from dae_tui.core.images.file_content import FREE, START, Source, check_unpacked
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_CODESTREAM = b"\xff\x4f\xff\x51"
_COD, _SOT = 0xFF52, 0xFF90
_REVERSIBLE = 1
_CODE, _HEADER, _PALETTE, _CHANNELS = b"jp2c", b"jp2h", b"pclr", b"cdef"
# Decibels: what is lost is beyond what 8 bits show.
_LOSSY_LEVEL = 50
# Colour spaces by number.
_CMYK, _SYCC = (b"\1\0\0" + struct.pack(">I", number) for number in (12, 18))


class _Header(NamedTuple):
    """What a codestream says of itself (ISO 15444-1, annex A.5)."""

    height: int
    width: int
    depths: list[int]
    signed: bool
    lossless: bool


def read(content: bytes, name: str) -> ImageFile:
    """The image of a JPEG 2000 file: integers of up to 32 bits, grey or RGB, alpha or not.

    Raises DataError for palettes, YCC and subsampled components, and for broken files.
    """
    before, start, end = _split(content, name)
    header = _header(content[start : start + START], name)
    check_pixels(name, header.height, header.width)
    inside = dict(_boxes(before, name, _HEADER))
    for word, what in ((_PALETTE, "a palette"), (b"colr", "YCC")):
        if word in inside and (word == _PALETTE or inside[word].startswith(_SYCC)):
            raise DataError(f"{name} has {what}, which dae does not write", "convert it to png")
    check_unpacked(
        name,
        len(content),
        header.height * header.width * len(header.depths) * (-(-max(header.depths) // 8)),
    )
    values = np.asarray(imagecodecs.jpeg2k_decode(content[start:end]))
    values = values if values.ndim == 3 else values[..., None]
    if values.shape != (header.height, header.width, len(header.depths)):
        raise DataError(f"{name} is damaged: its headers contradict each other")
    channels = values.shape[-1]
    if channels > 4:
        raise DataError(f"{name} has {channels} components", "dae reads up to 4")
    depth = header.depths[0]
    stated = None
    if depth < 8 * values.dtype.itemsize:
        half = 1 << (depth - 1)
        stated = (-float(half), half - 1.0) if header.signed else (0.0, 2.0 * half - 1)
    ink = channels == 4 and inside.get(b"colr", b"").startswith(_CMYK)
    alpha = channels in (2, 4) and not ink
    stack = Stack(values[None], alpha, white_is_zero=ink, stated=stated)
    remarks = [] if header.lossless else [f"it is compressed anew, to {_LOSSY_LEVEL} dB"]
    encode = partial(_encode, before=before, after=content[end:], header=header, boxed=start > 0)
    return ImageFile("jp2", [stack], encode, About(), tuple(remarks))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header."""
    content = source[:START]
    at = content.find(_CODESTREAM)
    if at < 0:
        raise DataError(f"{name} has more than {START:,} bytes before its image")
    header = _header(content[at:], name)
    check_pixels(name, header.height, header.width)
    return 0, 8 * len(header.depths) * header.height * header.width + FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A lossless JP2 of one image of uint8 or uint16. Drops `about`."""
    values = only_image(stacks, "jp2", ("uint8", "uint16"))
    return _packed(values, 8 * values.dtype.itemsize, lossless=True, boxed=True)


def _split(content: bytes, name: str) -> tuple[bytes, int, int]:
    """The boxes before the codestream, and where it begins and ends."""
    if content.startswith(_CODESTREAM):
        return b"", 0, len(content)
    for kind, position, start, end in boxes(content):
        if kind == _CODE:
            return content[:position], start, end
    raise DataError(f"{name} is not a whole jp2 file: it has no image")


def _boxes(content: bytes, name: str, within: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes, and of those within one of them; the first of each kind."""
    position = 0
    found: dict[bytes, bytes] = {}
    for _ in range(MOST_BOXES):
        if position + 8 > len(content):
            break
        size, kind = struct.unpack_from(">I4s", content, position)
        if size < 8 or position + size > len(content):
            break
        found.setdefault(kind, content[position + 8 : position + size])
        # The boxes of a header box follow its own head.
        position += 8 if kind == within else size
    yield from found.items()


def _header(content: bytes, name: str) -> _Header:
    """The sizes and the transform of a codestream. Raises DataError."""
    if len(content) < 42 or not content.startswith(_CODESTREAM):
        raise DataError(f"{name} is not a whole jp2 file: its codestream breaks off")
    width, height, left, top = struct.unpack_from(">IIII", content, 8)
    (count,) = struct.unpack_from(">H", content, 40)
    parts = [content[42 + 3 * number : 45 + 3 * number] for number in range(min(count, 8))]
    if not 0 < count <= 4 or any(len(part) < 3 for part in parts):
        raise DataError(f"{name} has {count} components", "dae reads 1 to 4")
    if any(part[1:] != b"\1\1" for part in parts):
        raise DataError(f"{name} has colours that are coarser than its brightness")
    depths = [(part[0] & 0x7F) + 1 for part in parts]
    signs = {part[0] >> 7 for part in parts}
    if len(set(depths)) > 1 or len(signs) > 1 or depths[0] > 32:
        raise DataError(f"{name} has components of {depths} bits", "dae reads those of one type")
    return _Header(height - top, width - left, depths, bool(signs.pop()), _is_lossless(content))


def _is_lossless(content: bytes) -> bool:
    """Whether the coding style has the reversible transform; quantisation may still have cut."""
    position = 2
    while position + 4 <= len(content):
        marker, size = struct.unpack_from(">HH", content, position)
        if marker == _COD and position + 14 <= len(content):
            return content[position + 13] == _REVERSIBLE
        if marker == _SOT or size < 2:
            break
        position += 2 + size
    return False


def _packed(values: NDArray[Any], depth: int, *, lossless: bool, boxed: bool) -> bytes:
    height, width, channels = values.shape
    made = imagecodecs.jpeg2k_encode(
        np.ascontiguousarray(values if channels > 1 else values[..., 0]),
        level=0 if lossless else _LOSSY_LEVEL,
        reversible=lossless,
        codecformat="jp2" if boxed else "j2k",
        bitspersample=depth,
        # Each halves the image.
        resolutions=max(1, min(6, int(np.log2(min(height, width))) + 1)),
        mct=channels >= 3,
    )
    return bytes(made)


def _encode(
    stacks: Sequence[Stack], before: bytes, after: bytes, header: _Header, boxed: bool
) -> bytes:
    values = stacks[0].values[0]
    made = _packed(values, header.depths[0], lossless=header.lossless, boxed=False)
    if not boxed:
        return made
    return b"".join([before, struct.pack(">I4s", len(made) + 8, _CODE), made, after])
