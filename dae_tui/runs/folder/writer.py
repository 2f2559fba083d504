"""The writing side of a run, for the training process alone."""

import io
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.errors import RunError
from dae_tui.runs.folder.deletion import remove_new_run
from dae_tui.runs.folder.layout import (
    CONFIG,
    CONTROL,
    HEARTBEAT_SECONDS,
    LOG,
    META,
    METRICS,
    METRICS_VERSION,
    SAMPLES,
    STATUS,
    Request,
    State,
    dump_json,
    make_folder,
    read_json,
    write_json,
)
from dae_tui.runs.folder.liveness import HeldLock, Lock, describe_holder, is_trained, was_replaced
from dae_tui.system.atomic import remove_leftovers, write_whole
from dae_tui.system.printable import printable
from dae_tui.system.regular_files import open_regular

LOCK_PATIENCE_SECONDS = 2.0
LOCK_POLL_SECONDS = 0.02


# The folders of a run in which files are replaced.
_FOLDERS = ("", SAMPLES, "checkpoints/best", "checkpoints/last")


class RunWriter:
    """Writes a run's folder; the lock is held from construction until `close`.

    A lock file that is removed meanwhile is created again. If it is replaced by another file,
    `lock_replaced` tells the training to stop; if another process has locked that file, nothing
    more is written, and every method that would write raises RunError.

    Use as a context manager: an error that leaves it is recorded in the folder. An error before
    `describe` removes a new folder, and leaves a run that was to be resumed as it was. Raises
    RunError if the folder cannot be created or written, or another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._status = read_json(folder / STATUS) or {}  # A resumed run keeps its metrics.
        self._before = dict(self._status)
        self._described = False
        self._written = 0.0
        self._lost = False
        """Whether another process has the folder now."""
        self.lock_replaced = False
        with ExitStack() as opened:
            try:
                self._open(opened)
            except OSError as failure:
                raise RunError(
                    f"the run folder {folder} cannot be written: {failure.strerror}",
                    "choose another folder with --runs-dir or DAE_RUNS",
                ) from failure
            self._opened = opened.pop_all()

    def _open(self, opened: ExitStack) -> None:
        """Take the lock and open the files; those `opened` are closed if a later one fails."""
        self._new = not self.folder.exists()
        if self._new:
            make_folder(self.folder)
        for part in _FOLDERS:
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # Before a lock file is created: the other training would take it for a replaced one.
        self._refuse_a_second_training()
        self._lock = HeldLock(self.folder)
        opened.callback(self._close_lock)
        self._take_lock()
        append = os.O_RDWR | os.O_APPEND | os.O_CREAT
        self._metrics = open_regular(self.folder / METRICS, append)
        opened.callback(os.close, self._metrics)
        self._end_partial_line()
        self._log = opened.enter_context(
            os.fdopen(open_regular(self.folder / LOG, append), "a", buffering=1, encoding="utf-8")
        )
        (self.folder / CONTROL).unlink(missing_ok=True)  # A request to an earlier process.
        for part in _FOLDERS:  # Left by a process that was killed.
            remove_leftovers(self.folder / part, owned=True)

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                self._note_failure(error)
        finally:
            self.close()

    def close(self) -> None:
        """Release the folder; a status that still says running now counts as crashed."""
        self._opened.close()

    def _close_lock(self) -> None:
        self._lock.close()  # Not the first one: it may have been replaced.

    def describe(self, config: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Write the config and the circumstances of the training.

        A resumed run keeps those of its start, and lists those of each resumption in `resumed`.
        """
        self._check_lock()
        write_json(self.folder / CONFIG, config)
        began = read_json(self.folder / META) or {}
        if began.keys() - {"run"}:
            resumed = [*began.get("resumed", []), dict(meta)]
            meta = began | {"command": meta.get("command"), "resumed": resumed}
        write_json(self.folder / META, {**meta, "run": self.folder.name})
        self._described = True

    def status(self, state: State, reason: str = "", **metrics: Any) -> None:
        """Write at once what the run is doing; metrics stay until they are given again."""
        self._status |= {"state": str(state), "reason": reason, **metrics}
        self._write_status()

    def heartbeat(self, **metrics: Any) -> None:
        """Take newer metrics, and write them if those on disk are a second old."""
        self._status |= metrics
        if time.monotonic() - self._written >= HEARTBEAT_SECONDS:
            self._write_status()

    def record(self, event: Mapping[str, Any]) -> None:
        """Append one line to the metrics, with a single write: readers see whole lines."""
        self._check_lock()
        line = dump_json({"v": METRICS_VERSION, "time": round(time.time(), 3), **event})
        remaining = memoryview(f"{line}\n".encode())
        while remaining:  # A full disk may take half a line; the next write then fails.
            remaining = remaining[os.write(self._metrics, remaining) :]

    def log(self, message: str) -> None:
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {printable(message)}\n")

    def sample(self, step: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Save the views of a few digits after `step` steps."""
        self._check_lock()
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_whole(self.folder / SAMPLES / f"{step:08d}.npz", buffer.getvalue())

    def checkpoint(self, kind: str, files: Mapping[str, bytes]) -> None:
        """Replace the files of the checkpoint `last` or `best`, each whole."""
        self._check_lock()
        for name, content in files.items():
            write_whole(self.folder / "checkpoints" / kind / name, content)

    def request(self) -> Request | None:
        """What another process last asked of this run."""
        asked = read_json(self.folder / CONTROL)
        try:
            return Request((asked or {}).get("request", ""))
        except ValueError:
            return None

    def _note_failure(self, error: BaseException) -> None:
        if self._lost:
            return
        if self._new and not (self.folder / CONFIG).exists():
            remove_new_run(self.folder)
            return
        # A detached process (STARTING) can tell of its failure only here.
        if not self._described and self._before.get("state") not in (None, State.STARTING):
            with suppress(OSError):
                write_json(self.folder / STATUS, self._before)
            return
        reason = str(error) or type(error).__name__
        with suppress(OSError, RunError):  # The disk may be what failed.
            self.log(f"failed: {reason}")
            self.status(State.FAILED, reason=reason)

    def _write_status(self) -> None:
        self._check_lock()
        self._written = time.monotonic()
        status = self._status | {"heartbeat": round(time.time(), 3)}
        write_json(self.folder / STATUS, status | self._holder)

    def _take_lock(self) -> None:
        # A reader that checks the lock holds it for a moment itself.
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while not self._lock.take():
            if time.monotonic() > deadline:
                raise self._taken()
            time.sleep(LOCK_POLL_SECONDS)
        self._refuse_a_second_training()
        self._holder = describe_holder(self.folder)

    def _refuse_a_second_training(self) -> None:
        """Raise RunError if a process lives that holds a lock file which was replaced."""
        status = self._before
        alive = status.get("state") in [state for state in State if state.alive]
        if not alive or status.get("pid") in (None, os.getpid()):
            return
        if not was_replaced(self.folder, status):
            return
        # A process that is invisible in a container shows itself by its next heartbeat.
        while is_trained(self.folder, status, Lock.MISSING):
            newer = read_json(self.folder / STATUS) or {}
            if is_trained(self.folder, status, Lock.FREE) or newer != status:
                raise self._taken()
            time.sleep(LOCK_POLL_SECONDS)

    def _check_lock(self) -> None:
        """Notice if the lock file is not the one that is held; see the class."""
        if self._lost:
            raise self._taken()
        if self.lock_replaced or self._lock.is_in_place():
            return
        if not self.folder.is_dir():
            return  # The whole folder is gone: writing will fail.
        removed = self._lock.is_gone()
        before, self._lock = self._lock, HeldLock(self.folder)
        before.close()
        if not self._lock.take():
            self._lost = True
            raise self._taken()
        self._holder = describe_holder(self.folder)
        self.lock_replaced = not removed
        self.log(f"the lock file was {'removed' if removed else 'replaced'}; it is locked again")

    def _taken(self) -> RunError:
        return RunError(
            f"the run {self.folder.name} is being trained by another process",
            f"stop it with: dae runs stop {self.folder.name}",
        )

    def _end_partial_line(self) -> None:
        """End the half line that a killed process may have left."""
        size = os.fstat(self._metrics).st_size
        if size and os.pread(self._metrics, 1, size - 1) != b"\n":
            os.write(self._metrics, b"\n")
