"""Watching the runs of several folders, some of them on other hosts, in one list."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dae_tui.runs.places import Places
from dae_tui.runs.watching.runs_watch import RunRow, RunsWatch, started


class PlacesWatch:
    """Reads all folders again and again. Only one thread at a time may call `look`."""

    def __init__(self, places: Places, event_dirs: Sequence[Path] = ()) -> None:
        self._places = places
        self._watches = [
            RunsWatch(folder.kept, event_dirs if number == 0 else (), find=folder.runs)
            for number, folder in enumerate(places.folders)
        ]

    @property
    def whole(self) -> bool:
        """Whether every run has been read, and not only the newest ones."""
        return all(watch.whole for watch in self._watches)

    @property
    def complete(self) -> bool:
        """Whether they were, and every sparkline is up to date."""
        return all(watch.complete for watch in self._watches)

    def look(self) -> list[RunRow]:
        """The runs, newest first. Those of a host that does not answer are stale."""
        found = [watch.look() for watch in self._watches]
        stale = {
            kept for host in self._places.hosts if not host.state.connected for kept in host.kept
        }
        rows = [
            replace(row, stale=True) if row.run.host and row.run.folder.parent in stale else row
            for one in found
            for row in one
        ]
        if len(found) > 1:
            rows.sort(key=lambda row: -started(row.run))
        return rows
