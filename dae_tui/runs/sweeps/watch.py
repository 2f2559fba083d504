"""Watching the runs of a group: what differs in their configs, and their figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dae_tui.runs.folder.layout import TAGS
from dae_tui.runs.folder.reader import Run, Stamp
from dae_tui.runs.folder.summary import Summary, summarize
from dae_tui.runs.folder.tags import read_tags
from dae_tui.runs.sweeps.results import Result, result_from
from dae_tui.runs.watching.known_runs import KnownRuns


@dataclass(frozen=True)
class Member:
    """A run of a group."""

    run: Run
    summary: Summary
    result: Result
    config: Mapping[str, Any] = field(default_factory=dict)


class GroupWatch:
    """Reads the runs of a group again and again. One thread at a time may look."""

    def __init__(self, runs: Callable[[], Sequence[Run]], group: str) -> None:
        """Watch those of `runs()`, oldest first, that are in a group."""
        self._runs, self._group = runs, group
        self._groups: dict[str, tuple[Stamp, str]] = {}
        self._known = KnownRuns()

    def look(self) -> list[Member]:
        """The runs, oldest first. Files that have not changed are not read again."""
        runs = [run for run in self._runs() if self._group_of(run) == self._group]
        return [self._look_at(run) for run in runs]

    def _group_of(self, run: Run) -> str:
        stamp = run.stamp(TAGS)
        if stamp is None:
            return ""
        if run.name not in self._groups or self._groups[run.name][0] != stamp:
            self._groups[run.name] = stamp, read_tags(run).group
        return self._groups[run.name][1]

    def _look_at(self, run: Run) -> Member:
        curves, config = self._known.curves(run), self._known.config(run)
        status = run.status()
        summary = summarize(run, status, config)
        return Member(run, summary, result_from(status, curves), config)
