"""Watching all runs of a folder: up to thousands, of which few change."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dae_tui.runs.event_files.folders import EventRun, find_event_runs
from dae_tui.runs.folder.layout import CONFIG, METRICS, STATUS, TAGS
from dae_tui.runs.folder.reader import Run, Stamp, list_runs
from dae_tui.runs.folder.summary import Summary, summarize
from dae_tui.runs.watching.curves import glance

if TYPE_CHECKING:
    from dae_tui.runs.event_files.reader import EventLog

SPARKLINE_LOSSES = 24
# Sparklines cost the most to read: at most so many at each look, the newest runs first.
SPARKLINES_PER_LOOK = 50
# The first look reads so many runs, the newest: more than a screen shows, and quick to draw.
FIRST_RUNS = 40

# Folders of event files are searched for new trainings no more often.
SEARCH_SECONDS = 5.0

_Stamps = tuple[int, ...]


@dataclass(frozen=True)
class RunRow:
    """A run in the list; the next look gives the same object if nothing has changed."""

    run: Run
    summary: Summary
    losses: list[float] = field(default_factory=list)
    """Some training losses from the first to the last; empty until they are read."""
    config: Mapping[str, Any] = field(default_factory=dict)
    stale: bool = False
    """Whether its host does not answer: what is shown was read before."""


class RunsWatch:
    """Reads a folder of runs, and folders of event files of other programs, again and again.

    Only one thread at a time may call `look`.
    """

    def __init__(
        self,
        runs_dir: Path,
        event_dirs: Sequence[Path] = (),
        find: Callable[[], Sequence[Run]] | None = None,
    ) -> None:
        """Watch the runs in `runs_dir`, which `find` lists, oldest first; None for `list_runs`."""
        self.runs_dir = runs_dir
        self._find = find or (lambda: list_runs(runs_dir))
        self._logged = [_LoggedRuns(folder) for folder in event_dirs]
        self._rows: dict[str, RunRow] = {}
        self._stamps: dict[str, tuple[Stamp, ...]] = {}
        self._glanced: dict[str, Stamp] = {}
        self._looked = False
        self.whole = False
        """Whether every run has been read, and not only the newest ones."""
        self.complete = False
        """Whether they were, and every sparkline is up to date."""

    def look(self) -> list[RunRow]:
        """The runs, newest first. Files that have not changed are not read again.

        The first look gives only the newest of many runs, without sparklines: they are seen soon.
        """
        found = list(self._find())[::-1]
        self.whole = self._looked or len(found) <= FIRST_RUNS
        self._looked = True
        if not self.whole:
            del found[FIRST_RUNS:]
        rows = {run.name: self._row(run) for run in found}
        self._rows = rows
        self._stamps = {name: stamps for name, stamps in self._stamps.items() if name in rows}
        self._glanced = {name: stamp for name, stamp in self._glanced.items() if name in rows}
        if self.whole:
            self._read_sparklines()
        if not self._logged:
            return list(self._rows.values())
        logged = [row for watch in self._logged for row in watch.look(self._rows)]
        return sorted([*self._rows.values(), *logged], key=lambda row: -started(row.run))

    def _row(self, run: Run) -> RunRow:
        stamps = run.stamp(STATUS), run.stamp(CONFIG), run.stamp(TAGS)
        known = self._rows.get(run.name)
        # A run that is alive can crash without a change of its files.
        if known is not None and stamps == self._stamps[run.name] and not known.summary.state.alive:
            return known
        self._stamps[run.name] = stamps
        config = run.config()
        summary = summarize(run, config=config)
        if known is not None and summary == known.summary:
            return known
        return RunRow(run, summary, known.losses if known else [], config)

    def _read_sparklines(self) -> None:
        outdated = []
        for name, row in self._rows.items():
            stamp = row.run.stamp(METRICS)
            if self._glanced.get(name, ()) != stamp:
                outdated.append((name, stamp))
        outdated.sort(key=lambda one: one[0] in self._glanced)  # Runs without one come first.
        for name, stamp in outdated[:SPARKLINES_PER_LOOK]:
            self._glanced[name] = stamp
            losses = glance(self._rows[name].run, SPARKLINE_LOSSES)
            self._rows[name] = replace(self._rows[name], losses=losses)
        self.complete = self.whole and len(outdated) <= SPARKLINES_PER_LOOK


class _LoggedRuns:
    """The trainings of a folder of event files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._searched = -SEARCH_SECONDS
        self._runs: list[EventRun] = []
        self._seen: dict[EventRun, tuple[_Stamps, EventLog, RunRow]] = {}

    def look(self, taken: Mapping[str, object]) -> list[RunRow]:
        """Their rows, without those whose names are taken. Only files that grew are read again."""
        if time.monotonic() - self._searched >= SEARCH_SECONDS:
            self._runs, self._searched = find_event_runs(self._root), time.monotonic()
        self._seen = {run: self._look_at(run) for run in self._runs if run.name not in taken}
        return [row for _, _, row in self._seen.values()]

    def _look_at(self, run: EventRun) -> "tuple[_Stamps, EventLog, RunRow]":
        # Imported here: they need NumPy, and most lists have no event files.
        from dae_tui.runs.event_files.glance import glance_at, some_losses

        stamps = tuple(_size(path) for path, _ in run.files())
        known = self._seen.get(run)
        if known is None or known[0] != stamps:
            log = glance_at(run)
            row = RunRow(run, summarize(run, log.status(), {}), some_losses(log, SPARKLINE_LOSSES))
            return stamps, log, row
        _, log, row = known
        # It falls silent without a change of its files.
        summary = summarize(run, log.status(), {})
        return stamps, log, row if summary == row.summary else replace(row, summary=summary)


def started(run: Run) -> float:
    """When a run was started, in seconds since 1970, by its name; 0 if that does not say it."""
    if isinstance(run, EventRun):
        return run.started()
    try:
        return time.mktime(time.strptime(run.name[:15], "%Y%m%d-%H%M%S"))
    except (ValueError, OverflowError):
        return 0.0


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - hundreds of files, every second.
    except OSError:
        return -1
