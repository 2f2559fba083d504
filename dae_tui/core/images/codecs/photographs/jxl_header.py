"""The header of a JPEG XL codestream (ISO 18181-1, annexes A and D) and the boxes around it.

libjxl tells these facts, but imagecodecs does not hand them on, and an image must be known to be
reasonably small before it is decoded.
"""

import struct
from typing import NamedTuple

from dae_tui.core.images.codecs.photographs.boxes import boxes
from dae_tui.errors import DataError

BARE = b"\xff\x0a"
SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_CODE, _PARTS = b"jxlc", b"jxlp"
# Metadata that stays true for other pixels; brob is one of them, compressed.
_KEPT = (b"Exif", b"xml ", b"brob")
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDES = ((1, 9), (1, 13), (1, 18), (1, 30))
_INTEGER_BITS = ((8, 0), (10, 0), (12, 0), (1, 6))
_FLOAT_BITS = ((32, 0), (16, 0), (24, 0), (1, 6))
_EXTRA_CHANNELS = ((0, 0), (1, 0), (2, 4), (1, 12))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_SHIFT = ((0, 0), (3, 0), (4, 0), (1, 3))
_NAME = ((0, 0), (0, 4), (16, 5), (48, 10))
_ALPHA = 0
_GREY = 1
_OWN = 2


class JxlHeader(NamedTuple):
    """What the header says."""

    height: int
    width: int
    bits: int = 8
    floats: bool = False
    orientation: int = 1
    animated: bool = False
    extra_channels: int = 0
    lossless: bool = False
    """Whether pixels are stored as they are, and not in the colours of the eye (XYB)."""
    colours: tuple[int, ...] = ()
    """What space they are in; none is sRGB, and (-1,) any other profile."""


class _Bits:
    """Reads bits, the least first."""

    def __init__(self, content: bytes) -> None:
        self._number = int.from_bytes(content, "little")
        self._left = 8 * len(content)

    def take(self, count: int) -> int:
        if count > self._left:
            raise DataError("its header breaks off")
        found = self._number & ((1 << count) - 1)
        self._number >>= count
        self._left -= count
        return found

    def choose(self, forms: tuple[tuple[int, int], ...]) -> int:
        """A number in one of four forms: what is added, and how many bits follow."""
        base, count = forms[self.take(2)]
        return base + self.take(count)


def parse_header(codestream: bytes) -> JxlHeader:
    """Raises DataError for a header that breaks off."""
    bits = _Bits(codestream[2:1024])
    height, width = _size(bits)
    if bits.take(1):  # All is as usual: 8 bits of sRGB, as the eye sees it.
        return JxlHeader(height, width)
    orientation = 1
    if bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _size(bits)
        if bits.take(1) or bits.take(1):
            return JxlHeader(height, width, orientation=orientation, animated=True)
    depth, floats = _depth(bits)
    bits.take(1)
    extra = bits.choose(_EXTRA_CHANNELS)
    if extra > 16:
        raise DataError(f"it has {extra} further channels")
    for _ in range(extra):
        _skip_channel(bits)
    lossless = not bits.take(1)
    colours = _colours(bits)
    return JxlHeader(height, width, depth, floats, orientation, False, extra, lossless, colours)


def split_boxes(content: bytes, name: str) -> tuple[bytes, bytes]:
    """The codestream (of one in parts, its beginning), and the boxes of metadata.

    Raises DataError for a container without a codestream.
    """
    if content.startswith(BARE):
        return content, b""
    kept: list[bytes] = []
    code = b""
    for kind, _, start, end in boxes(content):
        if kind in _KEPT:
            kept.append(struct.pack(">I4s", end - start + 8, kind) + content[start:end])
        elif kind == _CODE or (kind == _PARTS and not code):
            code = content[start + (4 if kind == _PARTS else 0) : end]
    if not code.startswith(BARE):
        raise DataError(f"{name} is not a whole jxl file: it has no image")
    return code, b"".join(kept)


def boxed(codestream: bytes, kept: bytes) -> bytes:
    """A container with boxes of metadata before a codestream."""
    kind = struct.pack(">I4s4sI4s", 20, b"ftyp", b"jxl ", 0, b"jxl ")
    return b"".join(
        [SIGNATURE, kind, kept, struct.pack(">I4s", len(codestream) + 8, _CODE), codestream]
    )


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)
    height = 8 * (1 + bits.take(5)) if small else bits.choose(_SIDES)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height, height * across // down
    return height, 8 * (1 + bits.take(5)) if small else bits.choose(_SIDES)


def _colours(bits: _Bits) -> tuple[int, ...]:
    """Space, white, primaries and curve (annex E.2); own whites and primaries are not told."""
    if bits.take(1):
        return ()
    if bits.take(1):
        return (-1,)
    space = bits.choose(_ENUM)
    white = bits.choose(_ENUM)
    if white == _OWN:
        return (-1,)
    primaries = bits.choose(_ENUM) if space != _GREY else 0
    if primaries == _OWN:
        return (-1,)
    gamma = bits.take(24) if bits.take(1) else -bits.choose(_ENUM)
    return space, white, primaries, gamma


def _depth(bits: _Bits) -> tuple[int, bool]:
    if bits.take(1):
        depth = bits.choose(_FLOAT_BITS)
        bits.take(4)
        return depth, True
    return bits.choose(_INTEGER_BITS), False


def _skip_channel(bits: _Bits) -> None:
    """Of a further channel only that it is there matters."""
    if bits.take(1):
        return
    kind = bits.choose(_ENUM)
    _depth(bits)
    bits.choose(_SHIFT)
    bits.take(8 * bits.choose(_NAME))
    if kind == _ALPHA:
        bits.take(1)
    elif kind > 1:
        raise DataError(f"it has a channel of kind {kind}, which dae does not write")
