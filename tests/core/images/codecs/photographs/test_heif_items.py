"""The lists of a HEIF file are checked before libheif sees them."""

import struct

import heic_files
import pytest

from dae_tui.core.images.codecs.photographs.heif_items import read_items
from dae_tui.errors import DataError


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", len(content) + 8, kind) + content


def listing(*parts: bytes, primary: bool = True) -> bytes:
    """A file of a list of items alone."""
    start = [box(b"pitm", bytes(4), struct.pack(">H", 1))] if primary else []
    return box(b"ftyp", b"heic", bytes(4)) + box(b"meta", bytes(4), *start, *parts)


def entry(kind: bytes, names: bytes, version: int = 2) -> bytes:
    item = struct.pack(">B3xIH" if version > 2 else ">B3xHH", version, 1, 0)
    return box(b"infe", item, kind, names)


def entries(*parts: bytes) -> bytes:
    return box(b"iinf", bytes(4), struct.pack(">H", len(parts)), *parts)


def sizes(length: int, version: int = 0) -> bytes:
    """Where item 1 is: an extent of `length` bytes."""
    number = ">I" if version > 1 else ">H"
    source = struct.pack(">H", 0) if version else b""
    return box(
        b"iloc",
        struct.pack(">B3xBB", version, 0x44, 0x00),
        struct.pack(number, 1),
        struct.pack(number, 1) + source + struct.pack(">HHII", 0, 1, 100, length),
    )


def described(count: int, version: int = 0) -> bytes:
    """Item 1 describes so many pictures."""
    number = "I" if version else "H"
    reference = struct.pack(f">{number}H{count}{number}", 1, count, *range(2, count + 2))
    return box(b"iref", struct.pack(">B3x", version), box(b"cdsc", reference))


@pytest.mark.parametrize("content", [heic_files.COLOUR, heic_files.TURNED, heic_files.TWO])
def test_whole_files(content: bytes) -> None:
    assert read_items(content, "x") == (False, 64, 64)  # Blocks of 64×64, cropped to 48×32.
    assert read_items(content + box(b"moov"), "x").moves


def test_names_that_are_no_text_are_damage() -> None:
    # pi_heif 1.4 reads at address 0 for such names of metadata.
    for version in (2, 3):
        for kind, names in ((b"mime", b"\0application/rdf\xff\0"), (b"mi\xffe", b"\0")):
            assert read_items(listing(entries(entry(b"mime", b"\0a/b\0", version))), "x")
            with pytest.raises(DataError, match="x is damaged"):
                read_items(listing(entries(entry(kind, names, version))), "x")
    name = heic_files.TURNED.replace(b"application/rdf", b"applicat\xff\xff\xff/rdf")
    with pytest.raises(DataError, match="x is damaged"):
        read_items(name, "x")


@pytest.mark.parametrize("version", [0, 1, 2])
def test_what_is_said_of_many_pictures_may_not_be_larger_than_the_file(version: int) -> None:
    def file(length: int, count: int) -> bytes:
        return listing(sizes(length, version), described(count, int(version > 1)))

    assert read_items(file(60_000, 1000), "x")
    with pytest.raises(DataError, match="x is damaged: what it says is larger than the file"):
        read_items(file(80_000, 1000), "x")
    with pytest.raises(DataError, match="larger than the file"):
        read_items(file(2**31, 1), "x")
    assert read_items(file(0, 1), "x")  # As far as the file goes.


def test_lists_that_break_off_or_come_twice() -> None:
    with pytest.raises(DataError, match="it has no picture"):
        read_items(listing(primary=False), "x")
    with pytest.raises(DataError, match="breaks off"):
        read_items(listing(entries(entry(b"hvc1", b"\0"), b"\xff" * 9)), "x")
    with pytest.raises(DataError, match="breaks off"):
        read_items(listing(box(b"iloc", bytes(6), b"\xff" * 3)), "x")
    with pytest.raises(DataError, match="twice"):
        read_items(listing(entries(), entries()), "x")
    with pytest.raises(DataError, match="twice"):
        read_items(listing() + listing(), "x")
