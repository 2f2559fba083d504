"""The folder of the cache that holds what is read of a host's runs.

It has the layout of a folder of runs, without locks and weights, so the readers of runs read it.
Only the user can read it, its size is bounded, and it can be deleted at any time. Every name in it
is checked; no link is made.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import METRICS, SAMPLES, read_json
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.ssh_hosts.connection import Stamp, is_run_name
from dae_tui.system.atomic import write_new
from dae_tui.system.regular_files import open_regular

INDEX, LOCK = ".index.json", ".lock"
MOST_INDEX = 64 << 20
# Of all files of a folder of runs.
MOST_BYTES = 512 << 20
# Dashboards that run at the same time; each has a folder of its own.
MOST_AT_ONCE = 16
# What was read of a host is removed so many days after it was last looked at.
DAYS_KEPT = 30

File = tuple[str, str]
"""The names of a run and of a file in it."""


class Mirror:
    """What is kept of the runs in a folder of a host. One thread at a time may write."""

    def __init__(self, address: Address, cache: Path) -> None:
        """Take a folder below `cache`. Raises RunError if none can be had."""
        try:
            _make_private(cache)
            _forget_old(cache)
            self.folder, self._lock = _take(cache, address)
        except OSError as failure:
            raise RunError(f"nothing can be kept in {cache}: {failure.strerror}") from failure
        self.stamps: dict[File, Stamp] = {}
        """What was known of each file when it was read."""
        self._read_index()

    def write(self, file: File, stamp: Stamp, content: bytes) -> None:
        """Keep a whole file."""
        path = self._path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, content, replace=True)
        self.stamps[file] = stamp

    def add(self, run: str, stamp: Stamp, offset: int, content: bytes) -> None:
        """Keep a piece of a run's metrics, behind what is there; 0 begins anew."""
        path = self._path((run, METRICS))
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.ftruncate(file, offset)
            os.pwrite(file, content, offset)
        finally:
            os.close(file)
        self.stamps[run, METRICS] = stamp

    def size(self, file: File) -> int:
        """Bytes of a file that is kept; 0 if there is none."""
        try:
            known = os.lstat(self._path(file))
        except OSError:
            return 0
        return known.st_size if stat.S_ISREG(known.st_mode) else 0

    def forget(self, runs: Collection[str]) -> None:
        """Remove runs that the host has no longer."""
        for run in runs:
            if is_run_name(run):
                shutil.rmtree(self.folder / run, ignore_errors=True)
        self.stamps = {file: at for file, at in self.stamps.items() if file[0] not in runs}

    def runs(self) -> set[str]:
        """The names of the runs that are kept."""
        return {name for name in os.listdir(self.folder) if is_run_name(name)}  # noqa: PTH208

    def trim(self, needed: Collection[str], most: int = MOST_BYTES) -> None:
        """Remove the largest metrics and samples of runs that are not needed, until all fit."""
        sizes = {file: self.size(file) for file in self.stamps}
        left = sum(sizes.values())
        for file in sorted(sizes, key=lambda each: -sizes[each]):
            if left <= most:
                return
            if file[0] not in needed and (file[1] == METRICS or file[1].startswith(SAMPLES)):
                with contextlib.suppress(OSError):
                    self._path(file).unlink()
                self.stamps.pop(file)
                left -= sizes[file]

    def write_index(self) -> None:
        """Keep the stamps, so that the next dashboard reads only what has changed."""
        known = [[*file, at.mtime, at.size, at.inode] for file, at in self.stamps.items()]
        with contextlib.suppress(OSError):
            write_new(self.folder / INDEX, json.dumps({"files": known}).encode(), replace=True)

    def close(self) -> None:
        """Let another dashboard have the folder."""
        self.write_index()
        os.close(self._lock)

    def _path(self, file: File) -> Path:
        run, name = file
        inner = name.removeprefix(f"{SAMPLES}/")
        if not is_run_name(run) or re.fullmatch(r"[A-Za-z0-9][\w.]*", inner) is None:
            raise OSError(f"not the name of a run's file: {run}/{name}")
        return self.folder / run / name

    def _read_index(self) -> None:
        known = (read_json(self.folder / INDEX, MOST_INDEX) or {}).get("files")
        for entry in known if isinstance(known, list) else []:
            match entry:
                case [str(run), str(name), int(mtime), int(size), int(inode)]:
                    with contextlib.suppress(OSError):
                        if os.path.lexists(self._path((run, name))):
                            self.stamps[run, name] = Stamp(mtime, size, inode)


def _make_private(folder: Path) -> None:
    """Make a folder that only the user can enter. Raises OSError for one of somebody else."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = os.lstat(folder)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        raise PermissionError(1, "it is not a folder of yours", str(folder))
    folder.chmod(0o700)


def _take(cache: Path, address: Address) -> tuple[Path, int]:
    """The first folder for an address that no other process has, and its lock."""
    known = hashlib.sha256(str(address).encode()).hexdigest()[:16]
    host = re.sub(r"[^A-Za-z0-9.-]", "_", address.host)[:60]
    for number in range(MOST_AT_ONCE):
        folder = cache / f"{host}-{known}{f'-{number + 1}' if number else ''}"
        _make_private(folder)
        lock = open_regular(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        return folder, lock
    raise BlockingIOError(11, f"{MOST_AT_ONCE} dashboards use it", str(cache))


def _forget_old(cache: Path) -> None:
    """Remove what was kept of hosts that nobody has looked at for long."""
    for folder in _folders(cache):
        try:
            used = os.lstat(folder / INDEX).st_mtime
        except OSError:
            continue
        if used < time.time() - DAYS_KEPT * 86_400:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(cache: Path) -> Iterable[Path]:
    return [Path(entry) for entry in os.scandir(cache) if entry.is_dir(follow_symlinks=False)]
