"""Files that are whole or absent, whenever a process is killed."""

import os
from contextlib import suppress
from pathlib import Path


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
