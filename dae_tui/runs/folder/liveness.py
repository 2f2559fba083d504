"""Whether a process trains in a run's folder: lock, process, host and heartbeat decide together.

The lock (flock) is held while the training lives, and is reliable wherever it is visible. A lock
file that was removed or replaced says nothing: the training still holds the old one. So the status
also says which process took which file, and that process is checked in this case.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from dae_tui.runs.folder.layout import LOCK, State, heard_of
from dae_tui.system.regular_files import open_regular

# Another machine's lock may not be visible here; its heartbeat then decides.
SILENT_SECONDS = 60.0
# With a heartbeat this new, an invisible process is taken to live: it may be in a container.
FRESH_SECONDS = 5.0
# A process is known by its number and its start; setting the clock moves the latter a little.
SAME_START_SECONDS = 2.0


class Lock(Enum):
    """The state of a lock file."""

    HELD = "held"
    FREE = "free"
    MISSING = "missing"
    """There is none, or it is no regular file."""
    UNKNOWN = "unknown"
    """The file system has no locks."""


def look_at_lock(folder: Path) -> Lock:
    """Whether a process holds the lock of a run. Never waits, never raises."""
    try:
        lock = open_regular(folder / LOCK)
    except OSError:
        return Lock.MISSING
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.HELD
    except OSError:
        return Lock.UNKNOWN
    finally:
        os.close(lock)
    return Lock.FREE


def describe_holder(folder: Path) -> dict[str, Any]:
    """What the status says about the process that holds the lock: this one."""
    import psutil  # 50 ms, and needed only to train, or to check a doubtful run.

    return {
        "pid": os.getpid(),
        "process_started": round(psutil.Process().create_time(), 2),
        "host": socket.gethostname(),
        "inodes": _inodes(folder),
    }


def is_trained(folder: Path, status: Mapping[str, Any], lock: Lock) -> bool:
    """Whether the training that wrote `status`, with a state that is alive, still lives."""
    if lock is Lock.HELD:
        return True
    if lock is Lock.UNKNOWN or not _is_this_host(status):
        return heard_of(status, SILENT_SECONDS)
    if status.get("state") == State.STARTING and status.get("pid") is None:
        # Written by the parent process: the training has yet to take the lock.
        return heard_of(status, FRESH_SECONDS)
    if lock is Lock.FREE and not was_replaced(folder, status):
        return False
    return _process_lives(folder, status) or (
        lock is Lock.MISSING and heard_of(status, FRESH_SECONDS)
    )


def was_replaced(folder: Path, status: Mapping[str, Any]) -> bool:
    """Whether the lock file is not the one that the process of `status` took in this folder."""
    known = status.get("inodes")
    if not isinstance(known, list) or len(known) != 2:
        return False  # Written by a version without them.
    now = _inodes(folder)
    # A copied folder has another number, and its status is about the original.
    return bool(known[0] == now[0] and known[1] != now[1])


def _inodes(folder: Path) -> list[int | None]:
    """The inode numbers of the folder and its lock file."""
    found: list[int | None] = []
    for path in (folder, folder / LOCK):
        try:
            found.append(path.stat().st_ino)
        except OSError:
            found.append(None)
    return found


def _is_this_host(status: Mapping[str, Any]) -> bool:
    return status.get("host") in (None, socket.gethostname())


def _process_lives(folder: Path, status: Mapping[str, Any]) -> bool:
    """Whether the process that `status` names still lives and is the one that took the lock."""
    import psutil

    pid, started, known = (status.get(key) for key in ("pid", "process_started", "inodes"))
    if not isinstance(pid, int) or not isinstance(started, int | float) or pid <= 0:
        return False
    if not isinstance(known, list) or known[:1] != _inodes(folder)[:1]:
        return False  # The status was copied with its folder.
    try:
        process = psutil.Process(pid)
        began, state = process.create_time(), process.status()
    except (psutil.Error, OverflowError, ValueError):
        return False
    return bool(abs(began - started) < SAME_START_SECONDS and state != psutil.STATUS_ZOMBIE)


class HeldLock:
    """The lock of a run for this process. Raises OSError if it cannot be opened.

    `take` tries to lock it; `close` releases it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._file = self._open()

    def take(self) -> bool:
        """Try to lock the file that is at its path now; whether that worked."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if self.is_in_place():
            return True
        # Removed or replaced between opening and locking.
        os.close(self._file)
        self._file = self._open()
        return False

    def is_in_place(self) -> bool:
        """Whether the file at its path is still the one that is locked."""
        try:
            there = os.lstat(self._path)
        except OSError:
            return False
        held = os.fstat(self._file)
        same = (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)
        return same and stat.S_ISREG(there.st_mode)

    def is_gone(self) -> bool:
        """Whether nothing is at its path any more."""
        return not os.path.lexists(self._path)

    def close(self) -> None:
        os.close(self._file)

    def _open(self) -> int:
        return open_regular(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
