"""A run on another host, by the files of it that are kept here. It is only read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

from dae_tui.errors import RunError, WeightsError
from dae_tui.runs.folder.layout import BEST_WEIGHTS, Request
from dae_tui.runs.folder.liveness import SILENT_SECONDS
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import number
from dae_tui.runs.ssh_hosts.address import Address

# Clocks that differ by less are taken to agree, so that a row stays the same.
SAME_CLOCK_SECONDS = 2.0


class Source(Protocol):
    """What a run asks of the folder that it is in."""

    @property
    def heard(self) -> float:
        """The clock of the host at its last answer, in seconds since 1970."""

    @property
    def ahead(self) -> float:
        """Seconds by which the clock here is ahead of the host's."""

    def want(self, run: str, *, curves_only: bool = False) -> None:
        """Have what is shown of a run brought here soon."""


@dataclass(frozen=True)
class RemoteRun(Run):
    """The state is that of the host's last answer; its heartbeat is in the time of this machine."""

    address: Address = field(kw_only=True)
    source: Source = field(kw_only=True, compare=False, repr=False)

    @property
    def host(self) -> str:
        return self.address.host

    @property
    def where(self) -> str:
        return f"{self.address}/{self.name}"

    def want(self, *, curves_only: bool = False) -> None:
        self.source.want(self.name, curves_only=curves_only)

    def status(self) -> dict[str, Any]:
        status = super().status()
        heartbeat = number(status.get("heartbeat"))
        if heartbeat is not None and abs(self.source.ahead) > SAME_CLOCK_SECONDS:
            status["heartbeat"] = heartbeat + self.source.ahead
        return status

    def lives(self, status: Mapping[str, Any]) -> bool:
        """Whether its heartbeat was new when the host last answered: its lock is not seen here."""
        heartbeat = number(status.get("heartbeat"))
        return heartbeat is not None and heartbeat > self.source.heard - SILENT_SECONDS

    def ask(self, request: Request) -> NoReturn:
        self.check_writable(f"asked to {request}", "runs", str(request), self.name)

    def check_writable(self, done: str, *command: str) -> NoReturn:
        raise RunError(
            f"{self.name} cannot be {done} from here: it is on {self.host}",
            f"run there: {self.address.command(*(command or ('runs', 'show', self.name)))}",
        )

    def best_weights(self) -> Path:
        raise WeightsError(
            f"the weights of {self.name} are on {self.host}",
            f"copy them: {self.address.copy_command(f'{self.name}/{BEST_WEIGHTS}')}",
        )

    def how_to_go_on(self) -> str:
        return f"go on there with: {self.address.command('train', '--resume', self.name)}"
