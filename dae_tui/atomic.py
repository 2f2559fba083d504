"""Files that are whole or absent, whenever a process is killed."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when there is no room left."""


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file so that a reader, or a crash at any moment, finds the old or the new whole.

    Raises OSError that names the file, and leaves no partial one, where it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as failure:
        if isinstance(failure, OSError):
            failure.filename = str(path)
        with suppress(OSError):
            beside.unlink()
        raise


def write_new(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write one of many files that can be made again; not even `kill -9` leaves a part of it.

    The content gets its name when it is complete: until then the file has none (O_TMPFILE of
    Linux). Where the system has no such files it is `write_whole`. Nothing is flushed to the disk:
    10 000 small files would take a minute longer. A file that is replaced keeps its permissions.

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
        if not replace and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from failure
        write_whole(path, content)


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
            # A name that exists cannot be given: where it may be replaced, another one goes first.
            name = f".dae-{os.getpid()}-{file}.tmp" if replace else path.name
            # Without a folder for the source os.link would not look through /proc.
            os.link(f"/proc/self/fd/{file}", name, src_dir_fd=folder, dst_dir_fd=folder)
            if replace:
                with suppress(FileNotFoundError):
                    os.fchmod(file, stat.S_IMODE(path.stat().st_mode))
                os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(file)
    finally:
        os.close(folder)
