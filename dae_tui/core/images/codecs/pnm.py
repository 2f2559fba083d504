"""PBM, PGM, PPM and PAM, plain or raw, with 1 to 16 bits (Netpbm's manual pages).

The header is kept byte for byte when other values are written, and with it the largest value.

By hand since (2026-11-26) netpbmfile 2026.1 takes 21 s for a PAM header with 26 empty lines and 4
times as long for 2 more, takes 15 times the memory of a plain file, and lets values above the
largest pass. It does not write the comments of a file again.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.conversions import only_image
from dae_tui.core.images.file_content import FREE, START, Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_CHANNELS = {1: 1, 2: 1, 3: 3, 4: 1, 5: 1, 6: 3}
_PLAIN = (1, 2, 3)
_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])+([0-9]{1,10})")
_PAM_LINE = re.compile(rb"[ \t]*(?:#.*|([A-Z]+)(?:[ \t]+(\S+))?)?[ \t\r]*\n")
_PAM_KINDS = {
    b"BLACKANDWHITE": (1, False),
    b"GRAYSCALE": (1, False),
    b"RGB": (3, False),
    b"BLACKANDWHITE_ALPHA": (2, True),
    b"GRAYSCALE_ALPHA": (2, True),
    b"RGB_ALPHA": (4, True),
}
# Numbers of up to 5 digits; lines of plain files have at most 70 characters.
_A_LINE = 11
# Generous: digits and what is between them.
_LONGEST_VALUE = 32


class _Header(NamedTuple):
    magic: int
    """The digit after the P."""
    width: int
    height: int
    channels: int
    alpha: bool
    largest: int
    """Stands for white, 1 to 65535."""
    bilevel: bool
    end: int
    """Where the values start."""


def read(content: bytes, name: str) -> ImageFile:
    """The image of a Netpbm file: bool, uint8 or uint16, stretched to the whole of its type.

    Raises DataError for broken files and for several images in one.
    """
    header = _any_header(content, name)
    stored = (_plain if header.magic in _PLAIN else _raw)(content, header, name)
    if stored.max() > header.largest:
        raise DataError(f"{name} has values above {header.largest}, the largest that it allows")
    encode = partial(_encode, head=content[: header.end], header=header)
    return ImageFile("pnm", [Stack(_stretched(stored, header)[None], header.alpha)], encode)


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header; raises DataError as `read`."""
    header = _any_header(source[:START], name)
    values = header.height * header.width * header.channels
    if header.magic in _PLAIN:
        return header.end + values, header.end + _LONGEST_VALUE * values + FREE
    end = header.end + _across(header) * header.height * _sample(header).itemsize
    return end, end + FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A raw PBM, PGM or PPM, or a PAM with alpha, of one image: bool, uint8 or uint16.

    Drops `about`. Raises DataError for all other images.
    """
    values = only_image(stacks, "pnm", ("bool", "uint8", "uint16"))
    height, width, channels = values.shape
    bilevel = values.dtype.kind == "b"
    largest = 1 if bilevel else int(np.iinfo(values.dtype).max)
    alpha = channels in (2, 4)
    if alpha:
        kind = "GRAYSCALE_ALPHA" if channels == 2 else "RGB_ALPHA"
        head = (
            f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\n"
            f"MAXVAL {largest}\nTUPLTYPE {kind}\nENDHDR\n"
        )
        magic = 7
    else:
        magic = 4 if bilevel else 5 if channels == 1 else 6
        head = f"P{magic}\n{width} {height}\n" + ("" if bilevel else f"{largest}\n")
    header = _Header(magic, width, height, channels, alpha, largest, bilevel, len(head))
    return head.encode() + _data(values, header)


def _any_header(content: bytes, name: str) -> _Header:
    """Raises DataError for what is no header, or one of an image that dae does not read."""
    header = _pam_header(content, name) if content[:2] == b"P7" else _header(content, name)
    check_pixels(name, header.height, header.width)
    if not 0 < header.largest < 65536:
        raise DataError(f"{name} is no Netpbm file: its largest value is {header.largest}")
    return header


def _header(content: bytes, name: str) -> _Header:
    magic = int(content[1:2]) if content[1:2].isdigit() else 0
    if magic not in _CHANNELS:
        raise DataError(f"{name} is no Netpbm file: it does not begin with P1 to P7")
    bilevel = magic in (1, 4)
    numbers = []
    position = 2
    for _ in range(2 if bilevel else 3):
        found = _NUMBER.match(content, position, START)
        if found is None:
            raise DataError(f"{name} is no Netpbm file: its header breaks off")
        numbers.append(int(found[1]))
        position = found.end()
    if not content[position : position + 1].isspace():
        raise DataError(f"{name} is no Netpbm file: its header breaks off")
    width, height, largest = numbers if len(numbers) == 3 else (*numbers, 1)
    channels = _CHANNELS[magic]
    return _Header(magic, width, height, channels, False, largest, bilevel, position + 1)


def _pam_header(content: bytes, name: str) -> _Header:
    said: dict[bytes, bytes] = {}
    position = content.find(b"\n") + 1 or len(content)
    while b"ENDHDR" not in said:
        found = _PAM_LINE.match(content, position, START)
        if found is None:
            raise DataError(f"{name} is no PAM file: its header breaks off")
        if found[1]:
            said[found[1]] = found[2] or b""
        position = found.end()
    numbers = [said.get(key, b"") for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")]
    if not all(number.isdigit() and len(number) <= 10 for number in numbers):
        raise DataError(f"{name} is no PAM file: its header does not say its size")
    width, height, depth, largest = map(int, numbers)
    kind = said.get(b"TUPLTYPE", b"")
    if kind not in _PAM_KINDS or _PAM_KINDS[kind][0] != depth:
        shown = kind.decode("ascii", "backslashreplace")
        raise DataError(
            f"{name} is a PAM of a kind that dae does not read: '{shown}' of {depth} channels",
            "readable are grey, RGB and black and white, with alpha or without",
        )
    bilevel = kind == b"BLACKANDWHITE" and largest == 1
    return _Header(7, width, height, depth, _PAM_KINDS[kind][1], largest, bilevel, position)


def _plain(content: bytes, header: _Header, name: str) -> NDArray[Any]:
    """Values (H, W, C) as stored, from decimal numbers."""
    count = header.height * header.width * header.channels
    _check_length(len(content) - header.end >= count, name)
    text = re.sub(rb"#[^\r\n]*", b"", content[header.end :])
    if re.search(rb"[^0-9\s]", text):
        raise DataError(f"{name} holds more than numbers, or several images, which dae cannot read")
    if header.bilevel:
        digits = np.frombuffer(text, np.uint8)
        values = digits[digits >= ord("0")] - np.uint8(ord("0"))
    else:
        if re.search(rb"[0-9]{10}", text):
            raise DataError(f"{name} has values above {header.largest}, the largest it allows")
        # Not text.split(): a list of words takes 20 times the memory of the file.
        values = np.fromstring(text.strip(), np.uint32, sep=" ")
    _check_length(values.size >= count, name)
    if values.size > count:
        raise DataError(f"{name} goes on after its image", "dae reads one image a file")
    values = values.reshape(header.height, header.width, header.channels)
    # In PBM, 1 is black.
    return 1 - np.minimum(values, 2) if header.bilevel else values


def _raw(content: bytes, header: _Header, name: str) -> NDArray[Any]:
    """Values (H, W, C) as stored, from bytes."""
    packed = header.magic == 4
    sample = _sample(header)
    across = _across(header)
    count = header.height * across
    end = header.end + count * sample.itemsize
    _check_length(len(content) >= end, name)
    if content[end : end + 16].strip():
        raise DataError(f"{name} goes on after its image", "dae reads one image a file")
    values: NDArray[Any] = np.frombuffer(content, sample, count, header.end)
    if packed:
        # In PBM, 1 is black.
        rows = ~values.reshape(header.height, across)
        return np.unpackbits(rows, axis=1, count=header.width)[..., None]
    return values.reshape(header.height, header.width, header.channels)


def _across(header: _Header) -> int:
    """Raw values of a row; 8 pixels in each where they are bits."""
    return (header.width + 7) // 8 if header.magic == 4 else header.width * header.channels


def _sample(header: _Header) -> np.dtype[Any]:
    """The type of a raw value: 16 bits have the higher byte first."""
    return np.dtype(np.uint8 if header.largest < 256 else ">u2")


def _check_length(enough: bool, name: str) -> None:
    if not enough:
        raise DataError(f"{name} is not a whole pnm file: it ends too early")


def _stretched(stored: NDArray[Any], header: _Header) -> NDArray[Any]:
    """Stored values (H, W, C) as bool, or as the whole of uint8 or uint16."""
    if header.bilevel:
        return stored.astype(np.bool_)
    kind = np.uint8 if header.largest < 256 else np.uint16
    white = int(np.iinfo(kind).max)
    if header.largest == white:
        return stored.astype(kind)
    wide = stored.astype(np.uint32) * np.uint32(white) + np.uint32(header.largest // 2)
    return (wide // np.uint32(header.largest)).astype(kind)


def _encode(stacks: Sequence[Stack], head: bytes, header: _Header) -> bytes:
    return head + _data(stacks[0].values[0], header)


def _data(values: NDArray[Any], header: _Header) -> bytes:
    """What follows the header, for values (H, W, C) of the whole type."""
    if header.bilevel:
        stored = values.astype(np.uint8)
        if header.magic in (1, 4):
            stored = 1 - stored
        if header.magic == 4:
            return np.packbits(stored[..., 0], axis=1).tobytes()
    else:
        white = np.uint32(np.iinfo(values.dtype).max)
        stored = values
        if header.largest != white:
            stored = (values * np.uint32(header.largest) + white // np.uint32(2)) // white
    if header.magic in _PLAIN:
        flat = stored.ravel().tolist()
        lines = (flat[start : start + _A_LINE] for start in range(0, len(flat), _A_LINE))
        return b"".join(b" ".join(b"%d" % value for value in line) + b"\n" for line in lines)
    return stored.astype(_sample(header)).tobytes()
