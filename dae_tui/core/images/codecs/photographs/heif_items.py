"""The items of a HEIF file (ISO 23008-12): its pictures, and what is said about them.

pi_heif hands over what libheif finds in these boxes. But it ends the process where the name of a
type is no UTF-8, and copies what is said about several pictures for each of them, so both is
checked before.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from dae_tui.core.images.codecs.photographs.boxes import boxes
from dae_tui.core.images.file_content import FREE
from dae_tui.errors import DataError

AGAIN = "fetch or copy it again"
_DESCRIBES = b"cdsc"
# Bytes of an entry's header: version and flags, number, protection; later versions are longer.
_BEFORE_NAMES = {0: 8, 1: 8, 2: 8, 3: 10}


class Items(NamedTuple):
    """What is known of a file without decoding it."""

    moves: bool
    """Whether there is an image sequence beside the pictures."""
    height: int
    width: int
    """Of the largest picture, before it is cropped and turned."""


def read_items(content: bytes, name: str) -> Items:
    """Raises DataError for an image sequence alone, and for a file whose items are damaged."""
    found: dict[bytes, bytes] = {}
    moves = False
    for kind, _, start, end in boxes(content):
        moves |= kind == b"moov"
        if kind == b"meta":
            inside = _inside(content[start:end], 4, name)
            if not found.keys().isdisjoint(inside):
                raise DataError(f"{name} is damaged: it lists its pictures twice", AGAIN)
            found |= inside
    if b"pitm" not in found:
        if moves:
            raise DataError(
                f"{name} is an image sequence without a still picture",
                "save its pictures as single files",
            )
        raise DataError(f"{name} is not a whole heif file: it has no picture", AGAIN)
    try:
        _check_entries(found.get(b"iinf", b""), name)
        height, width = _largest(found.get(b"iprp", b""), name)
        said = _said(found.get(b"iref", b""), _sizes(found.get(b"iloc", b""), len(content)), name)
    except (struct.error, IndexError, UnicodeDecodeError) as failure:
        raise _damaged(name) from failure
    if said > 4 * len(content) + FREE:
        raise DataError(f"{name} is damaged: what it says is larger than the file", AGAIN)
    return Items(moves, height, width)


def _damaged(name: str) -> DataError:
    return DataError(f"{name} is damaged: the list of its pictures breaks off", AGAIN)


def _inside(content: bytes, first: int, name: str) -> dict[bytes, bytes]:
    """The boxes from a place of a box on, each with its content. Each kind may come once."""
    found: dict[bytes, bytes] = {}
    for kind, inner in _children(content[first:], name):
        if kind in found and kind in (b"pitm", b"iinf", b"iloc", b"iref", b"iprp"):
            raise DataError(f"{name} is damaged: it lists its pictures twice", AGAIN)
        found[kind] = inner
    return found


def _children(content: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes that fill a box. Raises DataError if they do not."""
    reached = 0
    for kind, _, start, end in boxes(content):
        yield kind, content[start:end]
        reached = end
    if reached != len(content):
        raise _damaged(name)


def _check_entries(content: bytes, name: str) -> None:
    """Raise UnicodeDecodeError for a type or name that is no text."""
    if not content:
        return
    for kind, entry in _children(content[8 if content[0] else 6 :], name):
        if kind == b"infe":
            entry[_BEFORE_NAMES[min(entry[0], 3)] :].decode()


def _sizes(content: bytes, most: int) -> dict[int, int]:
    """How many bytes each item has; `most` where it goes on to the end of the file."""
    if not content:
        return {}
    version = content[0]
    offset, length = content[4] >> 4, content[4] & 15
    base, index = content[5] >> 4, content[5] & 15 if version else 0
    number = struct.Struct(">I" if version > 1 else ">H")
    (count,) = number.unpack_from(content, 6)
    place = 6 + number.size
    sizes: dict[int, int] = {}
    for _ in range(count):
        (item,) = number.unpack_from(content, place)
        place += number.size + (4 if version else 2) + base
        (extents,) = struct.unpack_from(">H", content, place)
        place += 2
        size = 0
        for _ in range(extents):
            place += index + offset
            if place + length > len(content):
                raise struct.error
            size += int.from_bytes(content[place : place + length], "big") or most
            place += length
        sizes[item] = sizes.get(item, 0) + size
    return sizes


def _said(content: bytes, sizes: dict[int, int], name: str) -> int:
    """The bytes of what is said about pictures, counted for each of them."""
    if not content:
        return 0
    number = struct.Struct(">I" if content[0] else ">H")
    total = 0
    for kind, reference in _children(content[4:], name):
        if kind == _DESCRIBES:
            (item,) = number.unpack_from(reference)
            (count,) = struct.unpack_from(">H", reference, number.size)
            total += count * sizes.get(item, 0)
    return total


def _largest(content: bytes, name: str) -> tuple[int, int]:
    """Height and width of the largest picture that is described."""
    sizes = [(0, 0)]
    for kind, properties in _children(content, name):
        if kind == b"ipco":
            for of, inner in _children(properties, name):
                if of == b"ispe":
                    width, height = struct.unpack_from(">II", inner, 4)
                    sizes.append((height, width))
    return max(sizes, key=lambda size: size[0] * size[1])
