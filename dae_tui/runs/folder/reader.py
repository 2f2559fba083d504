"""The reading side of runs: for any number of processes, on local and network file systems."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from dae_tui.errors import RunError, UsageError, WeightsError
from dae_tui.runs.folder.layout import (
    BEST_WEIGHTS,
    CONFIG,
    CONTROL,
    META,
    METRICS,
    STATUS,
    Request,
    State,
    read_json,
    write_json,
)
from dae_tui.runs.folder.liveness import is_trained, look_at_lock
from dae_tui.system.regular_files import open_regular

# Bytes that tell one metrics file from another: its first line holds the time it was written.
BEGINNING = 64
# No line of ours is as long; longer ones are skipped.
LONGEST_LINE = 1 << 20
# The most bytes of metrics that are read, or searched from their end, at once.
MOST_AT_ONCE = 8 << 20
# A search gives up after so many lines that contain the word but are not the event.
MOST_MISTAKEN = 100

Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class Run:
    """A run's folder. Every method reads the disk again and tolerates missing files."""

    folder: Path
    place: str = field(default="", kw_only=True)
    """Which of several folders or hosts it is in; empty where there is but one."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def key(self) -> str:
        """Tells it from all other runs that are shown, also where two have the same name."""
        return f"{self.place}:{self.name}" if self.place else self.name

    @property
    def host(self) -> str:
        """The host whose runs are read; empty for this one."""
        return ""

    @property
    def where(self) -> str:
        """The address of its folder on another host; empty for one of this machine."""
        return ""

    @property
    def read_only(self) -> bool:
        """Whether it can only be read: another program trains it, or it is on another host."""
        return self.foreign or bool(self.host)

    def check_writable(self, done: str, *command: str) -> None:
        """Raise RunError if it can only be read.

        Args:
            done: what cannot be done: `paused`, `tagged`.
            command: the words after `dae` that do it where it can be done.
        """

    def stamp(self, name: str) -> Stamp:
        """Time and size of one of its files, which tell of changes; None if inaccessible."""
        try:
            known = os.stat(f"{self.folder}/{name}")  # noqa: PTH116 - a thousand runs, every second.
        except OSError:
            return None
        return known.st_mtime_ns, known.st_size

    def want(self, *, curves_only: bool = False) -> None:
        """Say that it is shown: a run on another host is brought here piece by piece.

        Args:
            curves_only: whether its images and its log are not shown.
        """

    def lives(self, status: Mapping[str, Any]) -> bool:
        """Whether the process lives that wrote a status whose state is alive."""
        return is_trained(self.folder, status, look_at_lock(self.folder))

    @property
    def foreign(self) -> bool:
        """Whether another program trains it, so that it can only be read."""
        return False

    @property
    def weights(self) -> Path:
        return self.folder / BEST_WEIGHTS

    def best_weights(self) -> Path:
        """The best weights. Raises WeightsError with a hint if there are none."""
        if not self.weights.is_file():
            hint = "wait for its first epoch" if self.state().alive else self.how_to_go_on()
            raise WeightsError(f"the run {self.name} has no weights yet", hint)
        return self.weights

    def config(self) -> dict[str, Any]:
        return read_json(self.folder / CONFIG) or {}

    def meta(self) -> dict[str, Any]:
        return read_json(self.folder / META) or {}

    def data_checksum(self) -> str | None:
        """Identifies the images of a folder that the run is trained on; None if unknown.

        Runs of version 0.1.0 have none until they are resumed.
        """
        found = self._recorded("data_checksum")
        return found[0] if found else None

    def recorded_folder(self) -> Path | None:
        """Where this folder was when it was last trained in; None if unknown.

        Runs of version 0.1.0 have said so at their end alone.
        """
        found = self._recorded("folder")
        if not found:
            done = (last_event(self, "done") or {}).get("run")
            found = [done] if isinstance(done, str) else []
        path = Path(found[-1]) if found else None
        return path if path is not None and path.is_absolute() else None

    def _recorded(self, key: str) -> list[str]:
        """The texts that the start and the resumptions have recorded, oldest first."""
        meta = self.meta()
        resumed = meta.get("resumed", [])
        entries = [meta, *(resumed if isinstance(resumed, list) else [])]
        found = [entry.get(key) for entry in entries if isinstance(entry, dict)]
        return [each for each in found if isinstance(each, str) and each]

    def status(self) -> dict[str, Any]:
        """The last status with the present `state`: `crashed` if the process is gone."""
        status = self._status()
        if status["state"] == State.CRASHED:
            # It may have ended well after the file was read and before the lock was looked at.
            status = self._status()
        return status

    def _status(self) -> dict[str, Any]:
        status = read_json(self.folder / STATUS) or {}
        try:
            state = State(status.get("state", ""))
        except ValueError:
            state = State.CRASHED
            status["reason"] = "its status.json is missing or broken"
        if state.alive and not self.lives(status):
            state = State.CRASHED
            status["reason"] = "its process is gone"
        return status | {"state": str(state)}

    def state(self) -> State:
        return State(self.status()["state"])

    def ask(self, request: Request) -> None:
        """Ask something of the training. Raises RunError if no process would see it."""
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
        """The hint how to resume a run whose process has ended."""
        if not self.config():
            return "start a new training"
        if self.state() is State.FINISHED:
            return f"train longer with: dae train --resume {self.folder} --epochs N"
        return f"go on with: dae train --resume {self.folder}"


class MetricsFollower:
    """Reads the lines that were added to a run's metrics since the last read.

    Only whole lines are taken, of at most about `LONGEST_LINE` bytes. A file that was replaced or
    cut is read again from its start, and `restarted` is then True until the next read. (A file
    system can reuse the number of a deleted file, so the beginning is compared too.)

    A run that was killed and resumed repeats the steps after its checkpoint: an event `started`
    with a `step` makes earlier events of later steps invalid.
    """

    def __init__(self, run: Run) -> None:
        self._path = run.folder / METRICS
        self.offset = 0
        """How many bytes of the file have been read."""
        self._beginning = b""
        self._skipping = False
        """Whether the next bytes are the rest of a line that is too long."""
        self.restarted = False

    def skip(self) -> None:
        """Take the whole lines that are there as read."""
        with suppress(OSError), os.fdopen(open_regular(self._path), "rb") as file:
            self._beginning = file.read(BEGINNING)
            size = file.seek(0, os.SEEK_END)
            begin = max(0, size - LONGEST_LINE)
            file.seek(begin)
            self.offset = begin + file.read(size - begin).rfind(b"\n") + 1

    def read(self, limit: int = MOST_AT_ONCE) -> list[dict[str, Any]]:
        """The new events, oldest first; lines that are not JSON objects are left out.

        About `limit` bytes are read at once; the next call continues from there.
        """
        self.restarted = False
        try:
            with os.fdopen(open_regular(self._path), "rb") as file:
                beginning = file.read(BEGINNING)
                # Not BEGINNING: the file may have been shorter at the last read.
                known = min(self.offset, len(self._beginning))
                size = os.fstat(file.fileno()).st_size
                if size < self.offset or beginning[:known] != self._beginning[:known]:
                    self.offset = 0
                    self.restarted = True
                    self._skipping = False
                self._beginning = beginning
                file.seek(self.offset)
                added = file.read(limit)
                if len(added) == limit and b"\n" not in added:
                    added += file.readline(LONGEST_LINE)  # A line longer than the limit.
        except OSError:
            return []
        begin, end = 0, added.rfind(b"\n") + 1
        if end == 0 and len(added) >= max(limit, LONGEST_LINE):
            self._skipping = True
            self.offset += len(added)
            return []
        if self._skipping and end > 0:
            self._skipping = False
            begin = added.index(b"\n") + 1
        self.offset += end
        return parse_events(added[begin:end])


def list_runs(runs_dir: Path, place: str = "") -> list[Run]:
    """The runs in a folder, oldest first; `place` is what it is called beside others.

    A folder without config and status is not a run, nor is one whose name begins with a dot.
    """
    try:
        entries = [entry for entry in runs_dir.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
    # Not Path.is_dir: one inaccessible entry would hide all others.
    folders = sorted(entry for entry in entries if os.path.isdir(entry))  # noqa: PTH112
    return [Run(folder, place=place) for folder in folders if holds_run(folder)]


def find_run(text: str, runs_dir: Path) -> Run:
    """The run that `text` means: a folder, a name, `latest`, or a part of only one name.

    The label of a run and its last four digits take precedence over other parts of names.

    Raises RunError if there is none, UsageError if there are several.
    """
    if text != "latest" and holds_run(Path(text)):
        return Run(Path(os.path.abspath(text)))  # noqa: PTH100 - keeps links.
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
        raise UsageError(f"'{text}' means {len(found)} runs: {names}", "type more of the name")
    if not found:
        raise RunError(
            f"there is no run '{text}' in {runs_dir}",
            "see dae runs list; --runs-dir or DAE_RUNS chooses another folder",
        )
    return found[0]


def last_event(run: Run, kind: str) -> dict[str, Any] | None:
    """The newest event of a kind, searched from the end of the metrics; None if there is none."""
    try:
        file = open_regular(run.folder / METRICS)
    except OSError:
        return None
    try:
        for line in islice(_lines_with(file, f'"{kind}"'.encode()), MOST_MISTAKEN):
            event = _event(line)
            if isinstance(event, dict) and event.get("event") == kind:
                return event
    except OSError:
        pass
    finally:
        os.close(file)
    return None


def _lines_with(file: int, word: bytes) -> Iterator[bytes]:
    """The whole lines that contain a word, from the last to the first, without too long ones."""
    end = os.fstat(file).st_size
    while end > 0:
        # Pieces overlap by the longest line, so that each line is whole in one of them.
        begin = max(0, end - MOST_AT_ONCE)
        piece = os.pread(file, end - begin, begin)
        searched = len(piece)
        while (at := piece.rfind(word, 0, searched)) >= 0:
            start = piece.rfind(b"\n", 0, at) + 1
            stop = piece.find(b"\n", at)
            if start == 0 and begin > 0 and at < LONGEST_LINE:
                break  # It begins in the piece before.
            if stop >= 0:
                yield piece[start:stop]
            searched = start
        if begin == 0:
            return
        # The next piece ends with the first line of this one, which may have begun before it.
        first = piece.find(b"\n", 0, LONGEST_LINE)
        end = begin + (first + 1 if first >= 0 else 0)


def _words(name: str) -> tuple[str, str]:
    """The label in 20260131-235959-LABEL-3f2a, and the last part."""
    label, _, last = "-".join(name.split("-")[2:]).rpartition("-")
    return label, last


def holds_run(folder: Path) -> bool:
    """Whether a folder is that of a run of ours."""
    # Not Path.exists: before Python 3.12 it raises for names that are too long or unreadable.
    return os.path.exists(folder / STATUS) or os.path.exists(folder / CONFIG)  # noqa: PTH110


def parse_events(lines: bytes) -> list[dict[str, Any]]:
    """The JSON objects among whole lines; other lines are left out."""
    written = [line for line in lines.split(b"\n") if line]
    try:
        # As one array: a million lines one by one take three times as long.
        events = json.loads(b"[" + b",".join(written) + b"]")
    except (ValueError, RecursionError):
        events = []
    # Broken lines can form one value together: then there are fewer values than lines.
    if len(events) != len(written):
        events = [_event(line) for line in written]
    return [event for event in events if isinstance(event, dict)]


def _event(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
