"""The boxes of ISO media files, of which JPEG 2000, JPEG XL and HEIF files consist."""

import struct
from collections.abc import Iterator

MOST_BOXES = 10_000


def boxes(content: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """The kind of each box, and where it, its content and the next box begin.

    Ends at a box that is not whole, and after `MOST_BOXES` of them.
    """
    position = 0
    for _ in range(MOST_BOXES):
        if position + 8 > len(content):
            return
        size, kind = struct.unpack_from(">I4s", content, position)
        start = position + 8
        if size == 1 and start + 8 <= len(content):
            (size,) = struct.unpack_from(">Q", content, start)
            start += 8
        end = len(content) if size == 0 else position + size
        if end < start or end > len(content):
            return
        yield kind, position, start, end
        position = end
