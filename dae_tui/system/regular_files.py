"""Reading foreign files: only regular ones, and only up to a limit of size.

A pipe would wait for a writer that never comes, a device such as /dev/zero never ends, and a file
of a gigabyte in place of a kilobyte would fill the memory. Each is an OSError here, at once.
"""

import errno
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "is a pipe",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFDIR: "is a folder",
}


def open_regular(path: str | Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """A descriptor of a regular file; `flags` and `mode` are those of `os.open`.

    Never waits, whatever is at `path`. Raises OSError if it is missing, cannot be opened or is no
    regular file; `strerror` then says what it is.
    """
    try:
        # A pipe without a reader would make opening wait; O_NONBLOCK changes nothing for files.
        file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, mode)
    except OSError as failure:
        # A pipe without a reader, or a socket: the system's own message explains nothing.
        if failure.errno == errno.ENXIO:
            raise _no_file(path, os.stat(path).st_mode) from failure  # noqa: PTH116
        raise
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        os.close(file)
        raise _no_file(path, found.st_mode)
    return file


def read_regular(path: str | Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises OSError as `open_regular`, and for a file that is larger.
    """
    with os.fdopen(open_regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = b""
        if size <= most:  # Otherwise nothing is read.
            content = file.read(size + 1)
            if len(content) > size:  # It grew, or has no known size, as under /proc.
                content += file.read(most + 1 - len(content))
    if size > most or len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {_size(most)}", str(path))
    return content


def _no_file(path: str | Path, mode: int) -> OSError:
    what = _KINDS.get(stat.S_IFMT(mode), "is something else")
    return OSError(errno.EINVAL, f"{what}, not a regular file", str(path))


def _size(count: int) -> str:
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def is_folder(path: str | Path) -> bool:
    """Whether a path leads to a folder; False, unlike `Path.is_dir`, where that cannot be known.

    So it is for names that are too long and for what lies in folders that must not be entered.
    """
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises.


def is_file(path: str | Path) -> bool:
    """Whether a path leads to a regular file; see `is_folder`."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises.
