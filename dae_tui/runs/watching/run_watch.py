"""Watching one run: everything that a screen shows of it. It only reads the run's folder."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dae_tui.runs.event_files.series import Series
from dae_tui.runs.folder.checkpoints import SavedProgress, saved_progress
from dae_tui.runs.folder.layout import LOG
from dae_tui.runs.folder.reader import Run, Stamp
from dae_tui.runs.folder.summary import Summary, summarize
from dae_tui.runs.watching.curves import CurveFollower, Curves, is_long, overview
from dae_tui.runs.watching.samples import sample_steps
from dae_tui.system.printable import printable
from dae_tui.system.regular_files import open_regular

LOG_LINES = 1000
LOG_BYTES = 128_000
CATCH_UP_SECONDS = 0.25


@dataclass(frozen=True)
class RunView:
    """One look at a run."""

    exists: bool
    """Whether its folder is there."""
    summary: Summary
    status: dict[str, Any]
    meta: dict[str, Any]
    curves: Curves
    """The same object at later looks, which add to it."""
    whole: bool
    """Whether `curves` has every line, and is not the overview of a long file."""
    changed: bool
    """Whether the curves have changed since the last look."""
    steps: list[int]
    """The steps after which digits were saved."""
    log: list[str]
    """The last lines of the log."""
    has_config: bool = True
    """Whether its config can be read."""
    saved: SavedProgress | None = None
    """Where it would be resumed from; None without a checkpoint, and while it is alive."""
    series: Mapping[str, Series] = field(default_factory=dict)
    """The scalars that another program logged, by tag, in place of `curves`."""
    foreign: bool = False
    """Whether another program trains it."""
    elsewhere: str = ""
    """How a run of another host goes on there; empty for one of this machine."""


class RunWatch:
    """Reads one run again and again. Only one thread at a time may call `look`.

    The first look at a long run gives an overview of its curves. The next ones read the whole file,
    a quarter of a second each, and then what is added.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._follower = CurveFollower(run)
        self._overview: Curves | None = None
        self._looked = False
        self._log: tuple[Stamp, list[str]] = (None, [])

    def look(self) -> RunView:
        """Read what has changed. Never raises: missing or broken files are left out."""
        self.run.want()
        changed = self._read_curves()
        status = self.run.status()
        summary = summarize(self.run, status)
        return RunView(
            os.path.isdir(self.run.folder),  # noqa: PTH112 - Path.is_dir may raise.
            summary,
            status,
            self.run.meta(),
            self._overview or self._follower.curves,
            self._overview is None,
            changed,
            sample_steps(self.run),
            self._read_log(),
            summary.state.alive or bool(self.run.config()),
            None if summary.state.alive else saved_progress(self.run),
            elsewhere=self.run.how_to_go_on() if self.run.host else "",
        )

    def _read_log(self) -> list[str]:
        """The last lines of the log, which is read again only if it has changed."""
        stamp = self.run.stamp(LOG)
        if stamp is None or stamp != self._log[0]:
            self._log = stamp, tail(self.run)
        return self._log[1]

    def _read_curves(self) -> bool:
        """Continue reading; whether the curves that are shown have changed."""
        if not self._looked:
            self._looked = True
            if is_long(self.run):
                self._overview = overview(self.run)
                return True
        added = False
        until = time.monotonic() + CATCH_UP_SECONDS
        while self._follower.read():
            added = True
            if time.monotonic() > until:
                return self._overview is None
        caught_up, self._overview = self._overview is not None, None
        return added or caught_up


def tail(run: Run, lines: int = LOG_LINES) -> list[str]:
    """The last lines of a run's log, made printable; none without a log."""
    try:
        with os.fdopen(open_regular(run.folder / LOG), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read(LOG_BYTES).decode(errors="replace")
    except OSError:
        return []
    # Not splitlines: it also splits at U+2028, form feeds and others, which words may contain.
    found = re.split(r"\r\n?|\n", text)
    if not found[-1]:
        found.pop()  # After the end of the last line.
    if size > LOG_BYTES:
        found = found[1:] or found
    return [printable(line) for line in found[-lines:]]
