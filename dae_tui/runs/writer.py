"""The writing side of a run, held by the training process alone."""

import fcntl
import io
import os
import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.atomic import write_whole
from dae_tui.errors import RunError
from dae_tui.runs.layout import (
    CONFIG,
    CONTROL,
    HEARTBEAT_SECONDS,
    LOCK,
    LOG,
    META,
    METRICS,
    METRICS_VERSION,
    SAMPLES,
    STATUS,
    Request,
    State,
    dump_json,
    read_json,
    write_json,
)

LOCK_PATIENCE_SECONDS = 2.0


class RunWriter:
    """Writes a run's folder; the lock is held from construction until `close`.

    Use as a context manager: an error that leaves it is noted in the folder. Before a training was
    described there was none: then a new folder is removed, and a run that was to go on stays as it
    was. Raises RunError where the folder cannot be made or written, or where another process holds
    it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._status = read_json(folder / STATUS) or {}  # A resumed run keeps its figures.
        self._before = dict(self._status)
        self._described = False
        self._written = 0.0
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
        """Take the lock and open the files; what is `opened` is closed again if one fails."""
        for part in (SAMPLES, "checkpoints/best", "checkpoints/last"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        opened.callback(os.close, self._lock)
        self._take_lock()
        self._metrics = os.open(self.folder / METRICS, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        opened.callback(os.close, self._metrics)
        self._end_partial_line()
        self._log = opened.enter_context(
            (self.folder / LOG).open("a", buffering=1, encoding="utf-8")
        )
        (self.folder / CONTROL).unlink(missing_ok=True)  # What was asked of an earlier process.

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
        """Let go of the folder; a state that still says running now reads as crashed."""
        self._opened.close()

    def describe(self, config: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Write what was asked for and under what circumstances.

        A run that goes on keeps how it began, and lists under `resumed` how it went on.
        """
        write_json(self.folder / CONFIG, config)
        began = read_json(self.folder / META)
        if began is not None:
            resumed = [*began.get("resumed", []), dict(meta)]
            meta = began | {"command": meta.get("command"), "resumed": resumed}
        write_json(self.folder / META, meta)
        self._described = True

    def status(self, state: State, reason: str = "", **figures: Any) -> None:
        """Say at once what the run is doing; figures stay until they are given again."""
        self._status |= {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "state": str(state),
            "reason": reason,
            **figures,
        }
        self._write_status()

    def heartbeat(self, **figures: Any) -> None:
        """Note newer figures, and write them when the last ones on disk are a second old."""
        self._status |= figures
        if time.monotonic() - self._written >= HEARTBEAT_SECONDS:
            self._write_status()

    def record(self, event: Mapping[str, Any]) -> None:
        """Append one line to the metrics, with a single write: readers see whole lines."""
        line = dump_json({"v": METRICS_VERSION, "time": round(time.time(), 3), **event})
        remaining = memoryview(f"{line}\n".encode())
        while remaining:  # A full disk can take half a line; the next write then fails.
            remaining = remaining[os.write(self._metrics, remaining) :]

    def log(self, message: str) -> None:
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n")

    def sample(self, step: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the views of a few digits after `step` steps."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_whole(self.folder / SAMPLES / f"{step:08d}.npz", buffer.getvalue())

    def checkpoint(self, kind: str, files: Mapping[str, bytes]) -> None:
        """Replace the files of the checkpoint `last` or `best`, each whole."""
        for name, content in files.items():
            write_whole(self.folder / "checkpoints" / kind / name, content)

    def request(self) -> Request | None:
        """What others last asked of this run."""
        asked = read_json(self.folder / CONTROL)
        try:
            return Request((asked or {}).get("request", ""))
        except ValueError:
            return None

    def _note_failure(self, error: BaseException) -> None:
        if not (self.folder / CONFIG).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        # One that was started as a process of its own has nobody else to tell.
        if not self._described and self._before.get("state") not in (None, State.STARTING):
            with suppress(OSError):
                write_json(self.folder / STATUS, self._before)
            return
        reason = str(error) or type(error).__name__
        with suppress(OSError):  # The disk may be what failed.
            self.log(f"failed: {reason}")
            self.status(State.FAILED, reason=reason)

    def _write_status(self) -> None:
        self._written = time.monotonic()
        write_json(self.folder / STATUS, self._status | {"heartbeat": round(time.time(), 3)})

    def _take_lock(self) -> None:
        # A reader that looks whether the lock is free holds it for a moment itself.
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunError(
                        f"the run {self.folder.name} is being trained by another process",
                        f"stop it with: dae runs stop {self.folder.name}",
                    ) from None
                time.sleep(0.02)

    def _end_partial_line(self) -> None:
        """A process that was killed while it wrote may have left half a line: close it off."""
        size = os.fstat(self._metrics).st_size
        if size and os.pread(self._metrics, 1, size - 1) != b"\n":
            os.write(self._metrics, b"\n")
