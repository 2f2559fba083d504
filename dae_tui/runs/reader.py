"""The reading side of runs, for any number of processes, on local and network file systems."""

import fcntl
import json
import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_tui.errors import RunError, UsageError, WeightsError
from dae_tui.runs.layout import (
    BEST_WEIGHTS,
    CONFIG,
    CONTROL,
    LOCK,
    META,
    METRICS,
    STATUS,
    Request,
    State,
    read_json,
    write_json,
)

# Another machine's lock may not be visible here; its heartbeat then decides.
SILENT_SECONDS = 60.0
START_SECONDS = 5.0
# Bytes that tell one metrics file from another: its first line holds the time it was written.
BEGINNING = 64


@dataclass(frozen=True)
class Run:
    """A run's folder. Every property reads the disk anew and survives missing files."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def weights(self) -> Path:
        return self.folder / BEST_WEIGHTS

    def best_weights(self) -> Path:
        """The weights. Raises WeightsError, which says what would help, where there are none."""
        if not self.weights.is_file():
            hint = "wait for its first epoch" if self.state().alive else self.how_to_go_on()
            raise WeightsError(f"the run {self.name} has no weights yet", hint)
        return self.weights

    def config(self) -> dict[str, Any]:
        return read_json(self.folder / CONFIG) or {}

    def meta(self) -> dict[str, Any]:
        return read_json(self.folder / META) or {}

    def status(self) -> dict[str, Any]:
        """The last status with `state` as it is now: `crashed` where the process is gone."""
        status = read_json(self.folder / STATUS) or {}
        try:
            state = State(status.get("state", ""))
        except ValueError:
            state = State.CRASHED
            status["reason"] = "its status.json is missing or broken"
        if state.alive and not self._process_lives(status):
            state = State.CRASHED
            status["reason"] = "its process is gone"
        return status | {"state": str(state)}

    def state(self) -> State:
        return State(self.status()["state"])

    def ask(self, request: Request) -> None:
        """Ask the training for something. Raises RunError where no process would hear it."""
        state = self.state()
        if not state.alive:
            raise RunError(
                f"the run {self.name} is {state}: there is nothing to {request}",
                self.how_to_go_on() if request is Request.RESUME else "",
            )
        try:
            write_json(self.folder / CONTROL, {"request": str(request), "time": time.time()})
        except OSError as failure:
            raise RunError(
                f"the run {self.name} cannot be asked to {request}: {failure.strerror}"
            ) from failure

    def how_to_go_on(self) -> str:
        """What goes on with a run whose process has ended."""
        if not self.config():
            return "train anew"
        if self.state() is State.FINISHED:
            return f"go further with: dae train --resume {self.folder} --epochs N"
        return f"go on with: dae train --resume {self.folder}"

    def delete(self) -> None:
        """Remove the folder. Raises RunError for a run that is alive."""
        # A run that goes on after its end holds the lock before its status says so.
        if self.state().alive or self._locked():
            raise RunError(
                f"the run {self.name} is being trained", f"stop it first: dae runs stop {self.name}"
            )
        try:
            shutil.rmtree(self.folder)
        except OSError as failure:
            raise RunError(
                f"{self.folder} cannot be removed: {failure.strerror or failure}"
            ) from failure

    def _process_lives(self, status: dict[str, Any]) -> bool:
        locked = self._locked()
        if locked is None or status.get("host") not in (None, socket.gethostname()):
            return _heard_of(status, SILENT_SECONDS)
        if status.get("state") == State.STARTING and status.get("pid") is None:
            # Said by who starts it: the process itself has yet to take the lock.
            return locked or _heard_of(status, START_SECONDS)
        return locked

    def _locked(self) -> bool | None:
        """Whether a process holds the lock; None where the file system cannot tell."""
        try:
            lock = os.open(self.folder / LOCK, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # No locks on this network file system.
            return None
        finally:
            os.close(lock)
        return False


class MetricsFollower:
    """Reads the lines that were added to a run's metrics since it last looked.

    Only whole lines are taken. A file that was replaced or cut is read from its start again, and
    `restarted` is then True until the next look. (A file system gives a new file the number of a
    deleted one, so its beginning is compared too.)

    A run that was killed and resumed repeats the steps after its checkpoint: an event `started`
    with a `step` says that what came before it, of later steps, did not last.
    """

    def __init__(self, run: Run) -> None:
        self._path = run.folder / METRICS
        self.offset = 0
        """How many bytes of the file have been read."""
        self._beginning = b""
        self.restarted = False

    def read(self, limit: int | None = None) -> list[dict[str, Any]]:
        """The new events, oldest first; lines that are not JSON objects are left out.

        Not more than `limit` bytes are read at once; the next look goes on from there.
        """
        self.restarted = False
        try:
            with self._path.open("rb") as file:
                beginning = file.read(BEGINNING)
                # Not BEGINNING: what was read may have been added after the beginning was.
                known = min(self.offset, len(self._beginning))
                size = os.fstat(file.fileno()).st_size
                if size < self.offset or beginning[:known] != self._beginning[:known]:
                    self.offset = 0
                    self.restarted = True
                self._beginning = beginning
                file.seek(self.offset)
                added = file.read(-1 if limit is None else limit)
                if limit is not None and len(added) == limit and b"\n" not in added:
                    added += file.readline()  # A line longer than the limit.
        except OSError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self.offset += len(whole)
        return parse_events(whole)


def list_runs(runs_dir: Path) -> list[Run]:
    """The runs in a folder, oldest first. A folder without a config or status is not a run."""
    try:
        # Not Path.is_dir: one entry that cannot be looked at would hide all others.
        folders = sorted(entry for entry in runs_dir.iterdir() if os.path.isdir(entry))  # noqa: PTH112
    except OSError:
        return []
    return [Run(folder) for folder in folders if _is_run(folder)]


def find_run(text: str, runs_dir: Path) -> Run:
    """The run that `text` means: a folder, a name, `latest`, or a part that only one name has.

    The word a run was given, or its four last digits, come before other parts of names.

    Raises RunError where there is none, UsageError where there are several.
    """
    if text != "latest" and _is_run(Path(text)):
        return Run(Path(text).resolve())
    runs = list_runs(runs_dir)
    if text == "latest" and runs:
        return runs[-1]
    found = (
        [run for run in runs if run.name == text]
        or [run for run in runs if text in _words(run.name)]
        or [run for run in runs if text in run.name]
    )
    if len(found) > 1:
        names = ", ".join(run.name for run in found[:4])
        raise UsageError(f"'{text}' means {len(found)} runs: {names}", "give more of the name")
    if not found:
        raise RunError(
            f"there is no run '{text}' in {runs_dir}",
            "see dae runs list; --runs-dir or DAE_RUNS chooses another folder",
        )
    return found[0]


def last_events(run: Run) -> dict[str, dict[str, Any]]:
    """The newest event of each kind."""
    return {str(event.get("event")): event for event in MetricsFollower(run).read()}


def _words(name: str) -> tuple[str, str]:
    """What a person calls a run: the label in 20260131-235959-LABEL-3f2a, and its last part."""
    label, _, last = "-".join(name.split("-")[2:]).rpartition("-")
    return label, last


def _heard_of(status: dict[str, Any], seconds: float) -> bool:
    heartbeat = status.get("heartbeat")
    # Compared, not subtracted: an integer beyond all floats has no difference from one.
    return isinstance(heartbeat, int | float) and heartbeat > time.time() - seconds


def _is_run(folder: Path) -> bool:
    # Not Path.exists: before Python 3.12 that raises for a name that is too long or unreadable.
    return os.path.exists(folder / STATUS) or os.path.exists(folder / CONFIG)  # noqa: PTH110


def parse_events(lines: bytes) -> list[dict[str, Any]]:
    """The JSON objects among whole lines; other lines are left out."""
    written = [line for line in lines.split(b"\n") if line]
    try:
        # As one array: parsing a million lines one by one takes three times as long.
        events = json.loads(b"[" + b",".join(written) + b"]")
    except (ValueError, RecursionError):
        events = []
    # A line that is no value of its own can make one with the next: then they are fewer.
    if len(events) != len(written):
        events = [_event(line) for line in written]
    return [event for event in events if isinstance(event, dict)]


def _event(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
