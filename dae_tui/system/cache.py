"""What can be computed again, kept in files: bounded in size, whole or absent, checked when read.

Any number of processes may use a folder at the same time. What cannot be read is computed again,
what cannot be written is not kept, and a folder that is deleted costs nothing but time.
"""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from dae_tui.system.atomic import remove_leftovers, write_new
from dae_tui.system.regular_files import read_regular

_SUFFIX = ".kept"
_DIGEST_BYTES = hashlib.sha256().digest_size


class Cache:
    """Contents by key, in a folder of at most so many bytes; the longest unused go first."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes

    def get(self, key: str) -> bytes | None:
        """What was kept under a key; None if it is not there, or damaged."""
        path = self._path(key)
        try:
            stored = read_regular(path, self._most_bytes)
        except OSError:
            return None
        digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if digest != _checksum(key, content):
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep a content, unless it would fill the folder alone."""
        if len(content) + _DIGEST_BYTES > self._most_bytes:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_new(self._path(key), _checksum(key, content) + content, replace=True)
            self._tidy()

    def _tidy(self) -> None:
        """Remove what has not been used for the longest time, until the rest fits."""
        remove_leftovers(self._folder)
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):  # Another process removes it.
                about = path.lstat()
                # A clock that was wrong must not keep a file for ever.
                kept.append((min(about.st_mtime, time.time()), about.st_size, path))
        left = sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if left <= self._most_bytes:
                break
            with suppress(OSError):
                path.unlink()
            left -= size

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}{_SUFFIX}"


def _checksum(key: str, content: bytes) -> bytes:
    """Of the key, too: a file under the name of another is as good as none."""
    return hashlib.sha256(key.encode() + b"\0" + content).digest()
