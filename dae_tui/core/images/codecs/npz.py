"""NumPy's .npz: a zip archive of .npy arrays; arrays that are no images are kept unchanged.

Not by numpy.load and numpy.savez (2.4, 2026-11-26): the one unpacks 100 MB of an archive of 97 kB
before it shows their header, the other keeps neither what is no array nor how each was compressed.
"""

import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from numpy.lib import format as npy
from numpy.typing import NDArray

from dae_tui.core.images.axes import SHAPES, as_stack
from dae_tui.core.images.codecs.arrays import (
    LONGEST_HEADER,
    Header,
    check_size,
    claimed_pixels,
    joined,
    npy_array,
    npy_bytes,
    npy_header,
    plain,
    saved,
)
from dae_tui.core.images.file_content import FREE, MOST_SHRUNK, OnDisk
from dae_tui.core.images.image_file import (
    MOST_PIXELS,
    About,
    ImageFile,
    Stack,
    check_pixels,
    check_stacks,
)
from dae_tui.errors import DataError

# Bytes of the table of contents: 500 for each of as many arrays as are taken.
_MOST_CONTENTS = 1 << 24
# Arrays that are named as being no images.
_NAMED = 8


@dataclass(frozen=True)
class _Member:
    """What an archive holds: an array of images, or anything else."""

    info: zipfile.ZipInfo
    start: bytes
    """The header of an array, or all that there is."""
    array: NDArray[Any] | None = None


@dataclass(frozen=True)
class _Claim:
    """What the header of a member claims, before it is unpacked."""

    info: zipfile.ZipInfo
    header: Header | None
    """None for what is no array of images."""
    reason: str = ""
    """Why it is none."""


class _Archive:
    """A file for zipfile, which reads the table of contents at once: one of a bounded size."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.is_open = False
        """Whether the table is read."""

    def read(self, size: int = -1, /) -> bytes:
        if size > _MOST_CONTENTS and not self.is_open:
            raise DataError(
                f"{self._name} has a table of contents of {size:,} bytes; dae takes up to "
                f"{_MOST_CONTENTS:,}",
                "cut it into parts",
            )
        return self._file.read(size)


def read(content: bytes, name: str) -> ImageFile:
    """The arrays of an .npz that are images, in order; remarks name the others, which are kept.

    Raises DataError for an archive without images, and for one that unpacks to more than its
    headers say or than is plausible.
    """
    members: list[_Member] = []
    stacks: list[Stack] = []
    left: list[str] = []
    with _opened(io.BytesIO(content), name) as archive:
        for claim in _claims(archive, name):
            inner = _inner(claim.info)
            whole = _unpacked(archive, claim.info, claim.info.file_size)
            if claim.header is None:
                members.append(_Member(claim.info, whole))
                left.append(f"'{inner}' stays as it is: {claim.reason}")
                continue
            array = npy_array(whole, claim.header, f"{name}: '{inner}'")
            members.append(_Member(claim.info, whole[: claim.header.end], array))
            stacks.append(as_stack(array, name))
    if not stacks:
        raise DataError(f"{name} holds no array of images", f"the shape must be {SHAPES}")
    if len(left) > _NAMED:
        left[_NAMED:] = [f"{len(left) - _NAMED:,} more arrays stay as they are"]
    return ImageFile("npz", stacks, partial(_encode, members=members), remarks=tuple(left))


def bounds(source: OnDisk, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a table of contents.

    Raises DataError for an implausible table.
    """
    with os.fdopen(os.dup(source.file), "rb") as file, _opened(file, name) as archive:
        return 0, 2 * sum(claim.info.file_size for claim in _claims(archive, name)) + FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A compressed .npz with an array for each stack, `arr_0` and so on, as numpy names them.

    Raises DataError for CMYK and grey with alpha. Drops `about`.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for index, stack in enumerate(stacks):
            archive.writestr(f"arr_{index}.npy", saved(plain(joined([stack], "npz"))))
    return buffer.getvalue()


def _opened(file: BinaryIO, name: str) -> zipfile.ZipFile:
    bounded = _Archive(file, name)
    archive = zipfile.ZipFile(bounded)
    bounded.is_open = True
    return archive


def _claims(archive: zipfile.ZipFile, name: str) -> list[_Claim]:
    """The claims of all members. Raises DataError if they are too large in total."""
    infos = archive.infolist()
    check_stacks(name, len(infos), "arrays")
    if len({info.filename for info in infos}) != len(infos):
        raise DataError(f"{name} is damaged: it holds several arrays of one name")
    claims: list[_Claim] = []
    pixels = beside = 0
    for info in infos:
        header = _header_inside(archive, info, f"{name}: '{_inner(info)}'")
        try:
            pixels += claimed_pixels(header)
            claims.append(_Claim(info, header))
        except DataError as failure:
            beside += info.file_size
            claims.append(_Claim(info, None, failure.message))
        check_pixels(name, max(1, pixels))
    if beside > MOST_PIXELS:
        raise DataError(
            f"{name} holds {beside:,} bytes that are no images",
            f"dae takes up to {MOST_PIXELS:,}: take them out",
        )
    return claims


def _inner(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _header_inside(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Header | None:
    """What an archive's member says it is, checked before it is unpacked; None for no array."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} is compressed in a way that .npz files are not")
    if info.file_size > max(1, info.compress_size) * MOST_SHRUNK:
        raise DataError(f"{name} is damaged: it cannot hold the {info.file_size:,} bytes it claims")
    start = _unpacked(archive, info, LONGEST_HEADER)
    if not start.startswith(npy.MAGIC_PREFIX):
        return None
    header = npy_header(start, name)
    if header.dtype.hasobject:
        return None
    check_size(info.file_size, header, name)
    return header


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    """The first bytes of a member, or all of them; its checksum is then right."""
    with archive.open(info) as opened:
        # Not ZipFile.read: that unpacks first, up to 2 GiB, and then keeps what was claimed.
        return opened.read(size)


def _encode(stacks: Sequence[Stack], members: Sequence[_Member]) -> bytes:
    buffer = io.BytesIO()
    left = iter(stacks)
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in members:
            info = zipfile.ZipInfo(member.info.filename, member.info.date_time)
            info.compress_type = member.info.compress_type
            info.external_attr = member.info.external_attr
            whole = member.start
            if member.array is not None:
                whole = npy_bytes(next(left), member.start, member.array)
            archive.writestr(info, whole)
    return buffer.getvalue()
