"""Watching all runs of a folder: up to thousands, of which few change."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dae_tui.runs.layout import CONFIG, METRICS, STATUS, TAGS
from dae_tui.runs.reader import Run, list_runs
from dae_tui.runs.summary import Summary, summarize
from dae_tui.runs.watching.curves import glance

SPARKLINE_LOSSES = 24
# Sparklines cost the most to read: at most so many at each look, the newest runs first.
SPARKLINES_PER_LOOK = 50

_Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class RunRow:
    """A run in the list; the next look gives the same object if nothing has changed."""

    run: Run
    summary: Summary
    losses: list[float] = field(default_factory=list)
    """Some training losses from the first to the last; empty until they are read."""
    config: Mapping[str, Any] = field(default_factory=dict)


class RunsWatch:
    """Reads a folder of runs again and again. Only one thread at a time may call `look`."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._rows: dict[str, RunRow] = {}
        self._stamps: dict[str, tuple[_Stamp, ...]] = {}
        self._glanced: dict[str, _Stamp] = {}
        self.complete = False
        """Whether every sparkline is up to date."""

    def look(self) -> list[RunRow]:
        """The runs, newest first. Files that have not changed are not read again."""
        found = list_runs(self.runs_dir)[::-1]
        rows = {run.name: self._row(run) for run in found}
        self._rows = rows
        self._stamps = {name: stamps for name, stamps in self._stamps.items() if name in rows}
        self._glanced = {name: stamp for name, stamp in self._glanced.items() if name in rows}
        self._read_sparklines()
        return list(self._rows.values())

    def _row(self, run: Run) -> RunRow:
        stamps = _stamp(run, STATUS), _stamp(run, CONFIG), _stamp(run, TAGS)
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
            stamp = _stamp(row.run, METRICS)
            if self._glanced.get(name, ()) != stamp:
                outdated.append((name, stamp))
        outdated.sort(key=lambda one: one[0] in self._glanced)  # Runs without one come first.
        for name, stamp in outdated[:SPARKLINES_PER_LOOK]:
            self._glanced[name] = stamp
            losses = glance(self._rows[name].run, SPARKLINE_LOSSES)
            self._rows[name] = replace(self._rows[name], losses=losses)
        self.complete = len(outdated) <= SPARKLINES_PER_LOOK


def _stamp(run: Run, name: str) -> _Stamp:
    """Time and size of a run's file, which tell whether it changed; None if inaccessible."""
    try:
        known = os.stat(f"{run.folder}/{name}")  # noqa: PTH116 - a thousand runs, every second.
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size
