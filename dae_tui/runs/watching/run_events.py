"""What happens to the runs of a folder, told once each, also over a restart of the one who tells.

What was last known of each run, and what has still to be told, is kept in a file in the folder of
runs. Only one process at a time holds its lock and tells.
"""

import fcntl
import os
import socket
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import STATUS, State, read_json, write_json
from dae_tui.runs.folder.reader import Run, Stamp, list_runs
from dae_tui.runs.folder.summary import Summary, summarize
from dae_tui.system.regular_files import open_regular

RECORD, LOCK = ".notified.json", ".notified.lock"
ENDED = {
    State.FINISHED: "finished",
    State.STOPPED: "stopped",
    State.FAILED: "failed",
    State.CRASHED: "crashed",
}
# A loss is a spike above so many times the median of the last ones, until it is below again.
SPIKE, CALM = 3.0, 1.5
LAST_LOSSES, LEAST_LOSSES = 30, 5


@dataclass
class _Known:
    """What is remembered of a run from one look to the next."""

    step: float | None = None
    since: float = 0.0
    """When it last made a step."""
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=LAST_LOSSES))


class RunEvents:
    """Looks at a folder of runs again and again. Only one thread at a time may look.

    Raises RunError where another process tells of this folder already, or the folder cannot be
    written.
    """

    def __init__(self, runs_dir: Path, stalled_seconds: float) -> None:
        self._runs_dir = runs_dir
        self._stalled_seconds = stalled_seconds
        self._known: dict[str, _Known] = {}
        self._stamps: dict[str, Stamp] = {}
        self._suspected: set[str] = set()
        """The runs that seemed to have crashed at the last look."""
        self._lock = self._take_lock()
        record = read_json(runs_dir / RECORD)
        self._first = record is None
        """Whether nobody has looked yet: what has ended before is no news."""
        alive, ended, pending = ((record or {}).get(key) for key in ("alive", "ended", "pending"))
        self._alive: dict[str, list[str]] = _words(alive)
        """What was told of each run that was alive, by its name."""
        self._ended = {name for name in ended if isinstance(name, str)} if ended else set()
        """The runs whose end is known."""
        self.pending: list[dict[str, Any]] = _events(pending)
        """What has still to be told, oldest first."""
        self._changed = self._first
        self._old: set[str] = set()
        """The runs that had ended before anybody looked."""

    def look(self) -> None:
        """Add to `pending` what has happened since the last look."""
        found = list_runs(self._runs_dir)
        if self._first:
            self._old = {run.name for run in found if not run.state().alive}
        for run in found:
            stamp = run.stamp(STATUS)
            if run.name in self._ended and self._stamps.get(run.name, ()) == stamp:
                continue
            self._stamps[run.name] = stamp
            self._look_at(run)
        names = {run.name for run in found}
        if not self._ended | self._alive.keys() <= names:
            self._ended &= names
            self._alive = {name: told for name, told in self._alive.items() if name in names}
            self._changed = True
        self._first = False
        if self._changed:
            self.save()

    def told(self, event: Mapping[str, Any]) -> None:
        """An event was delivered."""
        self.pending = [each for each in self.pending if each is not event]
        self.save()

    def save(self) -> None:
        """Write the record. Raises RunError if that fails."""
        content = {"alive": self._alive, "ended": sorted(self._ended), "pending": self.pending}
        try:
            write_json(self._runs_dir / RECORD, content)
        except OSError as failure:
            raise RunError(
                f"{self._runs_dir / RECORD} cannot be written: {str(failure.strerror).lower()}"
            ) from failure
        self._changed = False

    def close(self) -> None:
        """Leave the folder to others."""
        os.close(self._lock)

    def _look_at(self, run: Run) -> None:
        """Notice what has happened to a run."""
        summary = summarize(run)
        if summary.state is State.CRASHED and run.name not in self._suspected | self._ended:
            # Perhaps its status is about to be written. A crash is still there at the next look.
            self._suspected.add(run.name)
            return
        self._suspected.discard(run.name)
        if not summary.state.alive:
            if run.name not in self._ended:
                if run.name not in self._old:
                    self._add(ENDED[summary.state], run, summary)
                self._ended.add(run.name)
                self._changed = True
            self._alive.pop(run.name, None)
            self._known.pop(run.name, None)
            return
        self._changed |= run.name in self._ended or run.name not in self._alive
        self._ended.discard(run.name)  # It was resumed.
        self._old.discard(run.name)
        told = self._alive.setdefault(run.name, [])
        known = self._known.setdefault(run.name, _Known(since=time.time()))
        before = list(told)
        self._notice_stall(run, summary, known, told)
        self._notice_spike(run, summary, known, told)
        self._changed |= before != told
        known.step = summary.step

    def _notice_stall(self, run: Run, summary: Summary, known: _Known, told: list[str]) -> None:
        """Whether it makes no step any more. Pausing and evaluating are no stalls."""
        if summary.step != known.step or summary.state is not State.RUNNING:
            known.since = time.time()
            _forget(told, "stalled")
        elif time.time() - known.since >= self._stalled_seconds and "stalled" not in told:
            told.append("stalled")
            self._add("stalled", run, summary)

    def _notice_spike(self, run: Run, summary: Summary, known: _Known, told: list[str]) -> None:
        """Whether the loss is far above the last ones."""
        loss = summary.loss
        if loss is None or summary.step == known.step:
            return
        usual = median(known.losses) if len(known.losses) >= LEAST_LOSSES else None
        if usual is not None and loss > SPIKE * usual:
            if "spiked" not in told:
                told.append("spiked")
                self._add("spiked", run, summary, usual_loss=usual)
            return  # The median is of what is usual.
        if usual is None or loss < CALM * usual:
            _forget(told, "spiked")
        known.losses.append(loss)

    def _add(self, what: str, run: Run, summary: Summary, **more: Any) -> None:
        event = {
            "event": what,
            "run": run.name,
            "folder": str(run.folder.resolve()),
            "host": socket.gethostname(),
            "time": round(time.time(), 3),
        }
        kept = ("state", "reason", "epoch", "epochs", "step", "loss", "val_loss", "test_accuracy")
        self.pending.append(event | {key: getattr(summary, key) for key in kept} | more)

    def _take_lock(self) -> int:
        try:
            self._runs_dir.mkdir(parents=True, exist_ok=True)
            lock = open_regular(self._runs_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        except OSError as failure:
            raise RunError(
                f"{self._runs_dir} cannot be written: {str(failure.strerror).lower()}",
                "leave --notify out, or name another --runs-dir",
            ) from failure
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            os.close(lock)
            raise RunError(
                f"another dashboard notifies about the runs in {self._runs_dir}",
                "leave --notify out here",
            ) from failure
        except OSError:
            pass  # A file system without locks: better told twice than never.
        return lock


def _forget(told: list[str], what: str) -> None:
    if what in told:
        told.remove(what)


def _words(runs: Any) -> dict[str, list[str]]:
    """The remembered runs of a record, which may hold anything."""
    if not isinstance(runs, dict):
        return {}
    return {
        str(name): [word for word in told if isinstance(word, str)]
        for name, told in runs.items()
        if isinstance(told, list)
    }


def _events(pending: Any) -> list[dict[str, Any]]:
    found = pending if isinstance(pending, list) else []
    return [event for event in found if isinstance(event, dict) and "event" in event]
