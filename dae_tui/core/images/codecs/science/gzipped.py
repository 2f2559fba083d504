"""Files that are distributed in gzip: unpacked within limits, and packed again."""

import gzip
import zlib

from dae_tui.core.images.file_content import FREE, MOST_SHRUNK, START, Source
from dae_tui.errors import DataError

_GZIP = b"\x1f\x8b"


def is_packed(content: Source) -> bool:
    """Whether a file begins as gzip does."""
    return content[:2] == _GZIP


def start_of(content: Source, count: int) -> bytes:
    """The first bytes of what a file holds, packed or not."""
    if not is_packed(content):
        return content[:count]
    return zlib.decompressobj(31).decompress(content[:START], count)


def unpacked(content: bytes, most: int, name: str) -> bytes:
    """What a file holds, packed or not.

    Args:
        content: of the file.
        most: the bytes that it may become.
        name: for messages.

    Raises DataError for a broken gzip file, and for one that becomes larger.
    """
    if not is_packed(content):
        return content
    unpacker = zlib.decompressobj(31)
    whole = unpacker.decompress(content, most)
    if not unpacker.eof:
        raise DataError(
            f"{name} is a broken gzip file, or holds more than it says", "fetch or copy it again"
        )
    return whole


def packed_like(made: bytes, content: Source) -> bytes:
    """A file packed if another is."""
    return gzip.compress(made, mtime=0) if is_packed(content) else made


def bounds_of(size: int, content: Source) -> tuple[int, int]:
    """The least and the most bytes of a file that holds `size` bytes, packed or not."""
    return size // MOST_SHRUNK if is_packed(content) else size, size + FREE
