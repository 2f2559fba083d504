"""Where the records of an event file are: TFRecord framing, many records at once.

A record is its length (8 bytes, little-endian), a checksum of that (4), the message, and a
checksum of it (4). Walking a million of them one by one takes a second; here they are found by the
zeros in their lengths and then checked to follow each other. Checksums are not compared.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

HEADER, FOOTER = 12, 4
FRAME = HEADER + FOOTER
# No message is as long; a length above it is a damaged file.
MOST_RECORD = 256 << 20
# The first byte of a message that has a time, which all of them do.
TIME_FIELD = 0x09
_LENGTH = struct.Struct("<Q")


class DamagedError(ValueError):
    """A length that no record has."""


@dataclass(frozen=True)
class Records:
    """The whole records in a piece of a file."""

    offsets: Ints
    """Where each message begins in the piece, (N,)."""
    lengths: Ints
    """Their bytes, (N,)."""
    end: int
    """Where the first record begins that is not whole."""
    wanted: int
    """How many bytes that record takes; 0 if its length is not there either."""


def find_records(piece: bytes, start: int = 0) -> Records:
    """The whole records of a piece of a file, of which one begins at `start`.

    Raises DamagedError if the length of the first one cannot be one.
    """
    begins, ends = _likely(piece)
    # Where the next likely record is not the one that follows.
    breaks = np.flatnonzero(ends[:-1] != begins[1:])
    found: list[Ints] = []
    place, wanted, size = start, 0, len(piece)
    while place + HEADER <= size:
        first = int(np.searchsorted(begins, place))
        if first < len(begins) and begins[first] == place:
            at = int(np.searchsorted(breaks, first))
            last = int(breaks[at]) if at < len(breaks) else len(begins) - 1
            whole = last if ends[last] > size else last + 1
            found.append(begins[first:whole])
            place = int(ends[whole - 1]) if whole > first else place
            if whole > last:
                continue
        (length,) = _LENGTH.unpack_from(piece, place)
        if length > MOST_RECORD and not found:
            raise DamagedError(place)
        if length > MOST_RECORD:
            break  # What stands before it is whole.
        wanted = FRAME + length
        if place + wanted > size:
            break
        found.append(np.array([place]))
        place += wanted
    records = np.concatenate(found) if found else np.empty(0, np.int64)
    after = np.append(records[1:], place)
    return Records(records + HEADER, after - records - FRAME, place, wanted)


def first_record(piece: bytes) -> int | None:
    """Where a record begins in a piece from the middle of a file; None if that is not sure.

    It is taken for one if two others follow it.
    """
    begins, ends = _likely(piece)
    if not len(begins):
        return None
    follower = np.searchsorted(begins, ends).clip(max=len(begins) - 1)
    followed = begins[follower] == ends
    sure = np.flatnonzero(followed & followed[follower])
    return int(begins[sure[0]]) if len(sure) else None


def _likely(piece: bytes) -> tuple[Ints, Ints]:
    """Where records of less than 16 MiB may begin and end, by their zeros and first byte."""
    content = np.frombuffer(piece, np.uint8)
    count = len(content) - HEADER
    if count <= 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    begins = np.flatnonzero(content[HEADER : HEADER + count] == TIME_FIELD)
    for place in range(7, 2, -1):
        begins = begins[content[begins + place] == 0]
    lengths = sum(content[begins + n].astype(np.int64) << 8 * n for n in range(3))
    return begins, begins + FRAME + lengths
