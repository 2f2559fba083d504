"""A folder of runs on a host: what it holds, what is kept of it, what is to be read next."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock

from dae_tui.runs.folder.layout import METRICS, MOST_JSON, STATUS, State, read_json
from dae_tui.runs.folder.reader import list_runs
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.ssh_hosts.connection import Stamp
from dae_tui.runs.ssh_hosts.mirror import File, Mirror
from dae_tui.runs.ssh_hosts.remote_run import RemoteRun

# Metrics up to this size are read for the curve in the list; larger ones only if their run is alive
# or shown.
SMALL_METRICS = 256 << 10
# The newest runs of a folder; older ones are not shown.
MOST_RUNS = 2000
BATCH_FILES, BATCH_BYTES = 100, 4 << 20
# A run is shown for so long after it was last asked for.
WANTED_SECONDS = 10.0
# A file that changed in the second in which it was read may change again without a trace.
UNSETTLED_SECONDS = 2
_ALIVE = {str(state) for state in State if state.alive}


class HostFolder:
    """A folder of runs on a host. The thread of the host writes it, any other reads it."""

    def __init__(self, address: Address, mirror: Mirror, place: str) -> None:
        self.address, self.mirror, self.place = address, mirror, place
        # Until the host answers, a run that was alive at its last answer is taken to be so.
        self.heard, self.ahead = 0.0, 0.0
        self._listing = self.heard, self.ahead
        """What these become once the files of the last list are here."""
        self.reason = ""
        """Why the host, which answers, does not list this folder."""
        self.known: dict[File, Stamp] = {}
        """The files that the host has."""
        self.bases: dict[str, int] = {}
        """Where the metrics that are kept begin, of runs with long ones."""
        self.listed = 0.0
        """When all files were listed last; 0 makes the next look list them."""
        self._wanted: dict[tuple[str, bool], float] = {}
        """When a run was asked for last, or its curves only."""
        self._lock = Lock()
        self._alive: set[str] = set()
        self.asked: Callable[[], None] = lambda: None
        """Called when a run is wanted that was not."""

    @property
    def kept(self) -> Path:
        """Where the files of its runs are, as far as they have been read."""
        return self.mirror.folder

    def runs(self) -> list[RemoteRun]:
        """The runs of which something has been read, oldest first."""
        return [
            RemoteRun(run.folder, place=self.place, address=self.address, source=self)
            for run in list_runs(self.mirror.folder)
        ]

    def want(self, run: str, *, curves_only: bool = False) -> None:
        with self._lock:
            before = self._wanted.get((run, curves_only), 0.0)
            self._wanted[run, curves_only] = time.monotonic()
        if before < time.monotonic() - WANTED_SECONDS:
            self.asked()

    def wanted(self) -> set[str]:
        """The runs that are shown now."""
        return {run for run, _ in self._wanted_now()}

    def opened(self) -> set[str]:
        """Those of which more than the curves is shown."""
        return {run for run, curves_only in self._wanted_now() if not curves_only}

    def _wanted_now(self) -> list[tuple[str, bool]]:
        with self._lock:
            late = time.monotonic() - WANTED_SECONDS
            self._wanted = {key: at for key, at in self._wanted.items() if at > late}
            return list(self._wanted)

    def take(self, files: dict[File, Stamp], clock: int, *, all_of_them: bool) -> None:
        """Take what the host has listed."""
        self._listing = float(clock), time.time() - clock
        if all_of_them:
            self.listed = time.monotonic()
            runs = sorted({run for run, _ in files})[-MOST_RUNS:]
            newest = set(runs)
            self.known = {file: at for file, at in files.items() if file[0] in newest}
            self.mirror.forget(self.mirror.runs() - newest)
            self.mirror.trim(self.wanted())
            self.mirror.write_index()
        else:
            self.known |= files

    def caught_up(self) -> None:
        """Judge runs by the clock of the last list, as the files that had changed are here.

        Before, a heartbeat that was kept would look as old as the time without a connection.
        """
        self.heard, self.ahead = self._listing

    def keep(self, file: File, content: bytes) -> None:
        """Keep a small file that was just read."""
        self.mirror.write(file, self._settled(self.known[file]), content)
        if file[1] == STATUS:
            state = (read_json(self.mirror.folder / file[0] / STATUS) or {}).get("state")
            self._alive = {*self._alive, file[0]} if state in _ALIVE else self._alive - {file[0]}

    def outdated(self) -> list[list[File]]:
        """Small files that have changed, the newest runs first, in batches."""
        changed = [
            file
            for file, at in self.known.items()
            if file[1].endswith(".json")
            and at.size <= MOST_JSON
            and self.mirror.stamps.get(file) != at
        ]
        # The status last: a run that is only half here is none yet.
        changed.sort(key=lambda file: (file[0], file[1]), reverse=True)
        return _batches(changed, self.known)

    def _settled(self, at: Stamp) -> Stamp:
        """The stamp to keep of a file that was just read."""
        young = at.mtime >= self._listing[0] - UNSETTLED_SECONDS
        return Stamp(-1, at.size, at.inode) if young else at

    def needed(self) -> list[str]:
        """The runs of which more than a row is read: shown or alive ones, and small ones."""
        wanted = self.wanted()
        names = [run for run, name in self.known if name == METRICS]
        names.sort(reverse=True)
        first = [run for run in names if run in wanted]
        second = [run for run in names if run in self._alive - wanted]
        small = [run for run in names if self.known[run, METRICS].size <= SMALL_METRICS]
        return list(dict.fromkeys([*first, *second, *small]))


def _batches(files: Iterable[File], known: Mapping[File, Stamp]) -> list[list[File]]:
    """The files in the order given, so many and so large at once."""
    batches: list[list[File]] = []
    left = 0
    for file in files:
        left -= known[file].size
        if not batches or left < 0 or len(batches[-1]) >= BATCH_FILES:
            batches.append([])
            left = BATCH_BYTES - known[file].size
        batches[-1].append(file)
    return batches
