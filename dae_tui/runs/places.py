"""The folders whose runs are shown together: of this machine, and of other hosts."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dae_tui.errors import RunError
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.ssh_hosts.address import Address, is_address, parse_address

if TYPE_CHECKING:  # Most dashboards show this machine alone, and start without them.
    from dae_tui.runs.ssh_hosts.host_folder import HostFolder
    from dae_tui.runs.ssh_hosts.host_watch import HostWatch

Place = Path | Address


def parse_place(text: str) -> Place:
    """A folder of this machine, or `ssh://host/path`. Raises UsageError."""
    return parse_address(text) if is_address(text) else Path(text)


@dataclass(frozen=True)
class LocalFolder:
    """A folder of runs of this machine."""

    path: Path
    place: str = ""
    """What it is called beside others; empty for the only one."""

    @property
    def kept(self) -> Path:
        """Where the files of its runs are."""
        return self.path

    def runs(self) -> list[Run]:
        """Its runs, oldest first."""
        return list_runs(self.path, self.place)


class Places:
    """Folders of runs, without those that are named twice."""

    def __init__(
        self,
        places: Sequence[Place],
        *,
        default: Path | None = None,
        cache: Path | None = None,
        refresh_seconds: float = 1.0,
    ) -> None:
        """Take the folders; nothing is read yet.

        Args:
            places: at least one.
            default: where new runs go if none of them is of this machine.
            cache: where to keep what is read of other hosts; None for the user's cache folder.
            refresh_seconds: how often to look at hosts.

        Raises RunError if nothing can be kept in the cache.
        """
        known = {_whole(place): place for place in places}
        names = _names(list(known.values()))
        pairs = list(zip(known.values(), names, strict=True))
        self.local = [LocalFolder(place, name) for place, name in pairs if isinstance(place, Path)]
        self.remote: list[HostFolder] = []
        self.runs_dir = self.local[0].path if self.local else default or Path("runs")
        """Where new runs go."""
        self.hosts: list[HostWatch] = []
        addresses = {place: name for place, name in pairs if isinstance(place, Address)}
        if addresses:
            self._take_hosts(addresses, cache or _cache(), refresh_seconds)

    def _take_hosts(
        self, addresses: Mapping[Address, str], cache: Path, refresh_seconds: float
    ) -> None:
        from dae_tui.runs.ssh_hosts.host_folder import HostFolder
        from dae_tui.runs.ssh_hosts.host_watch import HostWatch
        from dae_tui.runs.ssh_hosts.mirror import Mirror

        shared: dict[object, list[HostFolder]] = {}
        for address, name in addresses.items():
            folder = HostFolder(address, Mirror(address, cache), name)
            self.remote.append(folder)
            shared.setdefault(address.connection, []).append(folder)
        self.hosts += [HostWatch(folders, refresh_seconds) for folders in shared.values()]

    def __str__(self) -> str:
        """The folders as they were named."""
        places = [each.path for each in self.local], [each.address for each in self.remote]
        return ", ".join(str(place) for some in places for place in some)

    @property
    def folders(self) -> "list[LocalFolder | HostFolder]":
        return [*self.local, *self.remote]

    def runs(self) -> list[Run]:
        """The runs of all folders, oldest first."""
        found = [run for folder in self.folders for run in folder.runs()]
        # Their names begin with the time.
        return sorted(found, key=lambda run: run.name) if len(self.folders) > 1 else found

    def local_runs(self) -> list[Run]:
        """Those of this machine, oldest first."""
        return sorted((run for each in self.local for run in each.runs()), key=lambda run: run.name)

    def listed(self, run: Run) -> Run:
        """A run of this machine as the list has it, which says in which of the folders it is."""
        path = run.folder.absolute()
        return next((each for each in self.local_runs() if each.folder.absolute() == path), run)

    def folder_of(self, run: Run) -> Path:
        """The folder of this machine that a run is in; the first one if it is in none."""
        for folder in self.local:
            if run.folder.parent.absolute() == folder.path.absolute():
                return folder.path
        return self.runs_dir

    def check_new_run(self) -> None:
        """Raise RunError if a new run would not be seen, as all folders are on other hosts."""
        if not self.local and self.remote:
            address = self.remote[0].address
            raise RunError(
                "the folders that are shown are on other hosts",
                f"start it there: {address.command('train')}; or add --runs-dir DIR",
            )

    def is_stale(self, run: Run) -> bool:
        """Whether the host of a run does not answer: what is shown was read before."""
        if not run.host:
            return False
        found = [host for host in self.hosts if run.folder.parent in host.kept]
        return not any(host.state.connected for host in found)

    def troubles(self) -> list[str]:
        """What is wrong with the hosts, a line each."""
        words = [host.state.words() for host in self.hosts]
        refused = [f"{each.address.host}: {each.reason}" for each in self.remote if each.reason]
        return [each for each in words if each] + refused

    def read_now(self, run: str = "") -> None:
        """Read other hosts once, and of one run more than a row. Raises RunError."""
        for host in self.hosts:
            host.read_now(run)

    def start(self) -> None:
        """Begin to read other hosts, in a thread for each."""
        for host in self.hosts:
            host.start()

    def close(self) -> None:
        """End all connections, at the same time."""
        for host in self.hosts:
            host.end()
        for host in self.hosts:
            host.close()


def runs_dir_option(runs_dir: Path) -> list[str]:
    """`--runs-dir DIR`, unless a command without it would take the same folder."""
    usual = os.path.abspath(os.environ.get("DAE_RUNS") or "runs")  # noqa: PTH100
    folder = os.path.abspath(runs_dir)  # noqa: PTH100 - keeps links.
    return [] if folder == usual else ["--runs-dir", folder]


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("dae-tui") / "hosts"


def _whole(place: Place) -> str:
    """What tells a place from others."""
    return str(place) if isinstance(place, Address) else os.path.realpath(place)


def _names(places: Sequence[Place]) -> list[str]:
    """A short name for each place, unlike all others; none where there is but one."""
    if len(places) < 2:
        return [""] * len(places)
    levels = [
        [_short(place) for place in places],
        [_longer(place) for place in places],
        [_whole(place) for place in places],
    ]
    return [
        next(level[n] for level in levels if level.count(level[n]) == 1 or level is levels[-1])
        for n in range(len(places))
    ]


def _short(place: Place) -> str:
    return place.host if isinstance(place, Address) else Path(_whole(place)).name or "/"


def _longer(place: Place) -> str:
    last = _last(place)
    return f"{place.host}/{last}" if isinstance(place, Address) else last


def _last(place: Place) -> str:
    """The last part of the path of an address, the last two of a folder."""
    if isinstance(place, Address):
        return place.path.rsplit("/", 1)[-1]
    return "/".join(Path(_whole(place)).parts[-2:])
