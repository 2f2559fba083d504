"""Files that are whole or absent, whenever a process is killed.

Where a file must be written under a temporary name, that name says which process writes it, so that
leftovers of a killed process can be told from the files of a living one.
"""

import errno
import itertools
import os
import re
import shutil
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from dae_tui.system.packed_folder import PackedFolder, name_folder, remove, write_folder

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The errors of a full disk or quota."""

# Machine, process and a number; short, as some file systems allow less than 255 bytes.
_BESIDE = re.compile(r"\.dae-([0-9a-f]{8})-([1-9][0-9]{0,8})-[0-9]+\.tmp")
_NUMBERS = itertools.count()
# No file takes so many seconds to write: its process number may have been reused by then.
_DAY = 86_400


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that readers find the old or the new one, even if it crashes meanwhile.

    Raises OSError that names the file, and leaves no partial file, if it cannot be written.
    """
    _write_beside(path, content)


def write_new(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write one of many files that can be made again; not even `kill -9` leaves a part of it.

    The file gets its name when it is complete (O_TMPFILE of Linux); elsewhere it is written under a
    temporary name, as by `write_whole`. Nothing is flushed to the disk: 10 000 small files would
    take a minute longer. A file that is replaced keeps its permissions. A `PackedFolder` becomes a
    folder, unless the name ends in .zip or a file is replaced.

    Raises FileExistsError for an existing file unless `replace`, OSError as `write_whole`.
    """
    if replace and path.exists():
        path = path.resolve()  # A link stays one.
        if not path.is_file() and not path.is_dir():
            path.write_bytes(content)  # A pipe or a device.
            return
    if isinstance(content, PackedFolder) and path.suffix.lower() != ".zip" and not path.is_file():
        write_folder(path, content, path.parent / _beside(), replace=replace)
        return
    try:
        _write_nameless(path, content, replace)
    except OSError as failure:
        failure.filename = str(path)
        if failure.errno in (errno.EEXIST, *FULL):
            raise
        _write_beside(path, content, new=not replace, keep_mode=replace)


@contextmanager
def written_beside(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary path for a file or folder that is too large to be written at once.

    What the block has made there gets the name `path` at its end; if the block raises, nothing
    stays. A killed process leaves what `remove_leftovers` removes. A file or folder that is
    replaced keeps its permissions, and a link stays one.

    Raises FileExistsError for an existing path unless `replace`, and OSError that names it if it
    cannot be written.
    """
    if replace and path.exists():
        path = path.resolve()
    beside = path.parent / _beside()
    try:
        yield beside
        if beside.is_dir():
            name_folder(beside, path, replace=replace)
        elif replace:
            with suppress(FileNotFoundError):
                beside.chmod(stat.S_IMODE(path.stat().st_mode))
            beside.replace(path)
        else:
            _name_new(beside, path)
    except OSError as failure:
        failure.filename = str(path)
        raise
    finally:
        remove(beside)


def remove_leftovers(folder: Path, *, owned: bool = False) -> int:
    """Remove the temporary files that killed processes have left in a folder.

    These are files and folders with a name of this module, directly in the folder, from a process
    of this machine that is gone, or older than a day. With `owned`, for a caller that knows that
    nobody else writes there, all of them are removed.

    Returns how many were removed. Those that cannot be read or removed stay, silently.
    """
    removed = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _BESIDE.fullmatch(entry.name)
            if found is None:
                continue
            with suppress(OSError):
                about = entry.stat(follow_symlinks=False)
                if not (owned or _is_left(found, about.st_mtime)):
                    continue
                if stat.S_ISREG(about.st_mode):
                    os.unlink(entry.path)  # noqa: PTH108
                    removed += 1
                elif stat.S_ISDIR(about.st_mode):
                    shutil.rmtree(entry.path)
                    removed += 1
    return removed


def _is_left(found: re.Match[str], written: float) -> bool:
    """Whether no process writes a file any more, by its name and when it was last written."""
    machine, process = found.groups()
    if time.time() - written > _DAY:
        return True
    if machine != _machine():
        return False  # Its processes are not visible here.
    try:
        os.kill(int(process), 0)  # Signal 0 only checks.
    except ProcessLookupError:
        return True
    except OSError:
        pass  # It runs, under another user.
    return False


@cache
def _machine() -> str:
    """The scope of process numbers: a machine, or one container on it."""
    numbering = ""
    with suppress(OSError):
        numbering = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    return f"{zlib.crc32(f'{os.uname().nodename} {numbering}'.encode()):08x}"


def _write_beside(
    path: Path, content: bytes, *, new: bool = False, keep_mode: bool = False
) -> None:
    """Write a file under a temporary name, flush it to the disk and rename it.

    Args:
        path: the final path.
        content: the whole content.
        new: whether nothing may be replaced.
        keep_mode: whether it gets the permissions of the file that it replaces.
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
        # An earlier process of the same number may have left one: O_EXCL neither overwrites it
        # nor writes through a link that somebody put there.
        with suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return os.open(beside, flags, 0o666), beside


def _name_new(beside: Path, path: Path) -> None:
    """Give a file its final name. Raises FileExistsError if that exists."""
    try:
        os.link(beside, path)  # Unlike a rename, it replaces nothing.
    except FileExistsError:
        raise
    except OSError as failure:  # File systems without hard links.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from failure
        beside.replace(path)
    else:
        beside.unlink()


def _beside() -> str:
    """A unique temporary name that `remove_leftovers` recognises."""
    return f".dae-{_machine()}-{os.getpid()}-{next(_NUMBERS)}.tmp"


def _write_nameless(path: Path, content: bytes, replace: bool) -> None:
    """Write a file without a name, then give it one. Raises OSError if that is impossible."""
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
            # A link cannot replace a file: it gets a temporary name first.
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
    # Only with a folder for the source does os.link follow the link in /proc.
    os.link(f"/proc/self/fd/{file}", name, src_dir_fd=folder, dst_dir_fd=folder)
    return name
