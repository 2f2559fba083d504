"""Files that are whole or absent, whenever a process is killed.

Where one has to be written beside and renamed, the file beside it has a name that tells whose it
is, so that what a killed process has left can be told from what a living one is writing.
"""

import errno
import itertools
import os
import re
import stat
import time
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when there is no room left."""

# Machine, process and a number: short, as a file system may allow less than 255 bytes.
_BESIDE = re.compile(r"\.dae-([0-9a-f]{8})-([1-9][0-9]{0,8})-[0-9]+\.tmp")
_NUMBERS = itertools.count()
# Nothing here is written for so many seconds: the number of its process is another's by now.
_DAY = 86_400


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash at any moment, finds the old or the new whole.

    Raises OSError that names the file, and leaves no partial one, where it cannot be written.
    """
    _write_beside(path, content)


def write_new(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write one of many files that can be made again; not even `kill -9` leaves a part of it.

    The content gets its name when it is complete: until then the file has none (O_TMPFILE of
    Linux). Where the system has no such files it is written beside, as by `write_whole`. Nothing
    is flushed to the disk: 10 000 small files would take a minute longer. A file that is replaced
    keeps its permissions.

    Raises FileExistsError for an existing file unless `replace`, OSError as `write_whole`.
    """
    if replace and path.exists():
        path = path.resolve()  # A link stays one.
        if not path.is_file():
            path.write_bytes(content)  # A pipe or a device.
            return
    try:
        _write_nameless(path, content, replace)
    except OSError as failure:
        failure.filename = str(path)
        if failure.errno in (errno.EEXIST, *FULL):
            raise
        _write_beside(path, content, new=not replace, keep_mode=replace)


def remove_leftovers(folder: Path, *, owned: bool = False) -> int:
    """Remove what killed processes have left in a folder beside the files they were writing.

    These are regular files of the pattern of this module, in the folder itself, of a process of
    this machine that is gone, or older than a day. Whoever knows that nobody else is writing
    there says `owned`: then all of the pattern go.

    Returns how many were removed. What cannot be read or removed stays, silently.
    """
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _BESIDE.fullmatch(entry.name)
            if found is None:
                continue
            with suppress(OSError):
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(about.st_mode) and (owned or _is_left(found, about.st_mtime)):
                    os.unlink(entry.path)  # noqa: PTH108
                    removed += 1
    return removed


def _is_left(found: re.Match[str], written: float) -> bool:
    """Whether nobody is writing a file any more, by its name and when it was last written."""
    machine, process = found.groups()
    if time.time() - written > _DAY:
        return True
    if machine != _machine():
        return False  # Its processes cannot be seen from here.
    try:
        os.kill(int(process), 0)  # Nothing is sent: it only asks.
    except ProcessLookupError:
        return True
    except OSError:
        pass  # It runs, and is another person's.
    return False


@cache
def _machine() -> str:
    """Where the number of a process means something: a machine, or one container of it."""
    numbering = ""
    with suppress(OSError):
        numbering = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    return f"{zlib.crc32(f'{os.uname().nodename} {numbering}'.encode()):08x}"


def _write_beside(
    path: Path, content: bytes, *, new: bool = False, keep_mode: bool = False
) -> None:
    """Write a file under another name, flush it to the disk and give it its own.

    Args:
        path: where it belongs.
        content: all of it.
        new: whether nothing may be replaced.
        keep_mode: whether it gets the permissions of the file it replaces.
    """
    beside = None
    try:
        file, beside = _open_beside(path.parent)
        with os.fdopen(file, "wb") as opened:
            opened.write(content)
            opened.flush()
            if keep_mode:
                with suppress(FileNotFoundError):
                    os.fchmod(file, stat.S_IMODE(path.stat().st_mode))
            os.fsync(file)
        if new:
            _name_new(beside, path)
        else:
            beside.replace(path)
    except BaseException as failure:
        if isinstance(failure, OSError):
            failure.filename = str(path)
        if beside is not None:
            with suppress(OSError):
                beside.unlink()
        raise


def _open_beside(folder: Path) -> tuple[int, Path]:
    """A descriptor of a new file in a folder, and its path."""
    while True:
        beside = folder / _beside()
        # A process of the same number may have left one: O_EXCL writes neither over it nor
        # through a link that somebody has put there.
        with suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return os.open(beside, flags, 0o666), beside


def _name_new(beside: Path, path: Path) -> None:
    """Give a file its own name. Raises FileExistsError where it has been given already."""
    try:
        os.link(beside, path)  # Unlike renaming, this replaces nothing.
    except FileExistsError:
        raise
    except OSError as failure:  # File systems without hard links.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from failure
        beside.replace(path)
    else:
        beside.unlink()


def _beside() -> str:
    """A name that no other file has, and that `remove_leftovers` knows."""
    return f".dae-{_machine()}-{os.getpid()}-{next(_NUMBERS)}.tmp"


def _write_nameless(path: Path, content: bytes, replace: bool) -> None:
    """Write a file without a name, then give it one. Raises OSError where that cannot be done."""
    if not hasattr(os, "O_TMPFILE"):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        file = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o666, dir_fd=folder)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(file, left) :]
            if not replace:
                _name_nameless(file, folder, path.name)
                return
            with suppress(FileNotFoundError):
                os.fchmod(file, stat.S_IMODE(path.stat().st_mode))
            # A name that exists cannot be given: another one goes first.
            beside = None
            while beside is None:
                with suppress(FileExistsError):
                    beside = _name_nameless(file, folder, _beside())
            try:
                os.replace(beside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(beside, dir_fd=folder)
                raise
        finally:
            os.close(file)
    finally:
        os.close(folder)


def _name_nameless(file: int, folder: int, name: str) -> str:
    # Without a folder for the source os.link would not look through /proc.
    os.link(f"/proc/self/fd/{file}", name, src_dir_fd=folder, dst_dir_fd=folder)
    return name
