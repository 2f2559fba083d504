"""The bytes of image files: never more than a file's beginning says that it needs.

Files that are no images are recognised by their first bytes and not read further. Beyond `FREE`
bytes each format tells by its `bounds` how many bytes a whole file with such a beginning has,
before the rest is read: a gigabyte that claims to be a digit costs neither memory nor time.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from dae_tui.errors import DataError
from dae_tui.system.packed_folder import PackedFolder, pack
from dae_tui.system.regular_files import open_regular

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

START = 1 << 16
"""Bytes that tell what a file is."""
FREE = 1 << 26
"""So many bytes are always read; a file may have as many besides its pixels."""
STREAM_MOST = 1 << 30
"""Of standard input, where a kind of file tells at its end alone how large it is."""
MOST_SHRUNK = 1040
"""Deflate cannot make data smaller than this."""

FREE_UNPACKED = 1 << 28
"""So many bytes may be unpacked out of anything, however small it is."""
FOLDER_MOST = 1 << 33
"""Of all files of a folder that is an image: twice as many as the largest that is decoded."""

_AT_ONCE = 1 << 24


class Source(Protocol):
    """Bytes in memory or on disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


StartCheck = Callable[[bytes], object]
"""Raises DataError for bytes with which no image begins."""
Check = Callable[[Source, bool], tuple[int, int]]
"""The least and the most bytes of a whole file; True where there is only the beginning here.

Raises DataError for a file that cannot be what it says.
"""


class PartOfFile(bytes):
    """The bytes of a file of which one part is meant, such as a data set."""

    part: str = ""
    """Its path within the file."""

    @classmethod
    def of(cls, content: bytes, part: str) -> Self:
        """The same bytes, with the path of a part."""
        made = cls(content)
        made.part = part
        return made


class AsFile(io.RawIOBase):
    """A `Source` for libraries that want an open file: it reads what they ask for."""

    def __init__(self, source: Source) -> None:
        self._source, self._position = source, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill a buffer from here on, as far as there are bytes."""
        room = memoryview(buffer).cast("B")
        part = self._source[self._position : self._position + len(room)]
        room[: len(part)] = part
        self._position += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to an offset from the beginning, from here, or from the end."""
        base = (0, self._position, len(self._source))[whence]
        self._position = max(0, base + offset)
        return self._position


class OnDisk:
    """An open file, of which only the requested parts are read."""

    def __init__(self, file: int) -> None:
        self.file = file
        self._size = os.fstat(file).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.file)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        return os.pread(self.file, max(0, stop - start), start)


def read_path(path: Path, check_start: StartCheck, check: Check, name: str) -> bytes:
    """The bytes of a regular file.

    Args:
        path: of the file.
        check_start: raises DataError for a file that does not begin as an image.
        check: gives the allowed size of files of more than `FREE` bytes.
        name: of the file, for messages.

    Raises DataError, which names the file, if it cannot be read or is no regular file.
    """
    try:
        with OnDisk(open_regular(path)) as source:
            start = _start(source, check_start, check, name)
            if len(start) < START:
                return start
            with os.fdopen(os.dup(source.file), "rb") as file:
                file.seek(0)
                return file.read(len(source))  # Not to the end of one that grows.
    except (OSError, ValueError) as failure:  # ValueError: a NUL in its name.
        raise unreadable(name, failure) from failure


def read_folder(path: Path, name: str) -> PackedFolder:
    """The files of a folder as an archive. Raises DataError, which names it, as `read_path`."""
    try:
        return pack(path, FOLDER_MOST)
    except (OSError, ValueError) as failure:
        raise unreadable(name, failure) from failure


def check_unpacked(name: str, packed: int, unpacked: int) -> None:
    """Raise DataError for a small file that claims to hold far more than it can.

    Args:
        name: of the file.
        packed: its bytes.
        unpacked: the bytes that its header claims for the values.
    """
    if unpacked > FREE_UNPACKED + packed * MOST_SHRUNK:
        raise DataError(
            f"{name} is damaged: {packed:,} bytes cannot hold the {unpacked:,} that it claims",
            "fetch or copy it again",
        )


def check_path(path: Path, check_start: StartCheck, check: Check, name: str) -> None:
    """Raise DataError like `read_path`, without reading the file."""
    try:
        with OnDisk(open_regular(path)) as source:
            _start(source, check_start, check, name)
    except (OSError, ValueError) as failure:
        raise unreadable(name, failure) from failure


def _start(source: OnDisk, check_start: StartCheck, check: Check, name: str) -> bytes:
    """The first bytes of a file that may well be an image of its size."""
    start = os.read(source.file, START)
    check_start(start)
    size = len(source)
    if size > FREE:
        least, most = check(source, False)
        if not least <= size <= most:
            raise _not_so_large(name, size, least, most)
    return start


def read_stream(stream: BinaryIO, check_start: StartCheck, check: Check, name: str) -> bytes:
    """All that comes through a pipe, as `read_path`; what does not end is not waited for."""
    start = stream.read(START)
    check_start(start)
    parts = [start, stream.read(FREE - START)]
    size = len(start) + len(parts[1])
    if size == FREE:
        least, most = check(b"".join(parts), True)
        while size <= most and (part := stream.read(min(_AT_ONCE, most + 1 - size))):
            parts.append(part)
            size += len(part)
        if size > most == STREAM_MOST:
            raise DataError(f"{name} goes on after {most:,} bytes", "name the file instead")
        if not least <= size <= most:
            raise _not_so_large(name, size, least, most)
    return b"".join(parts)


def unreadable(name: str, failure: Exception) -> DataError:
    """The error for a file that cannot be opened or read."""
    reason = failure.strerror if isinstance(failure, OSError) else str(failure)
    reason = (reason or type(failure).__name__).lower()
    if not reason.endswith("not a regular file"):
        return DataError(f"{name} cannot be read: {reason}")
    hint = "only files are read" if "pipe" not in reason else "a pipe: dae denoise - < PIPE"
    return DataError(f"{name} {reason}", hint)


def _not_so_large(name: str, size: int, least: int, most: int) -> DataError:
    if size < least:
        return DataError(
            f"{name} is not whole: it has {size:,} bytes instead of at least {least:,}",
            "fetch or copy it again",
        )
    return DataError(
        f"{name} has more than the {most:,} bytes that its beginning can need",
        "it is damaged, or holds something else behind its image",
    )
