"""Where runs are on another host: `ssh://[user@]host[:port]/path`."""

import re
import shlex
from dataclasses import dataclass

from dae_tui.errors import UsageError
from dae_tui.system.printable import shortened

SCHEME = "ssh://"
HINT = "write ssh://[user@]host[:port]/path, or ssh://host/~/path for a path below the home folder"
# No part begins with a dash, so that ssh takes none for an option, and none means anything to a
# shell, as a ProxyCommand is given them.
_ADDRESS = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_.][A-Za-z0-9_.+-]*)@)?"
    r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/.*)?"
)


@dataclass(frozen=True)
class Address:
    """A folder of runs on another host."""

    host: str
    """A host name, an address or a name of the user's ssh configuration."""
    path: str
    """Absolute, or `~/…`."""
    user: str = ""
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{SCHEME}{user}{host}{port}{'/' * self.path.startswith('~')}{self.path}"

    @property
    def destination(self) -> str:
        """What ssh is given: `user@host`."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def connection(self) -> tuple[str, int | None]:
        """What decides the connection: folders of one host share it."""
        return self.destination, self.port

    def command(self, *words: str) -> str:
        """The line that runs `dae WORDS --runs-dir PATH` there, quoted for two shells."""
        path = self.path
        # The shell there must see the tilde.
        folder = f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)
        there = f"{shlex.join(['dae', *words])} --runs-dir {folder}"
        return self.login(there)

    def login(self, there: str) -> str:
        """The line that runs the line `there` on the host."""
        port = ["-p", str(self.port)] if self.port else []
        return shlex.join(["ssh", *port, self.destination, there])

    def copy_command(self, file: str) -> str:
        """The line that copies a file of the folder here."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        port = ["-P", str(self.port)] if self.port else []
        # A path that is not absolute is below the home folder.
        return shlex.join(
            ["scp", *port, f"{user}{host}:{self.path.removeprefix('~/')}/{file}", "."]
        )


def is_address(text: str) -> bool:
    """Whether a folder of runs is on another host."""
    return text.lower().startswith(SCHEME)


def parse_address(text: str) -> Address:
    """The address in `text`. Raises UsageError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not text.isprintable():
        raise UsageError(f"cannot read the address '{shortened(text)}'", HINT)
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 1 << 16:
        raise UsageError(f"there is no port {port}", HINT)
    path = (found["path"] or "").rstrip("/")
    if not path:
        raise UsageError(f"'{shortened(text)}' names no folder", HINT)
    if path == "/~" or path.startswith("/~/"):
        path = path[1:] if path != "/~" else "~/."
    return Address(found["host"].strip("[]"), path, found["user"] or "", port)
