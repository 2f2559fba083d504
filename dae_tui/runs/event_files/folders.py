"""Which trainings a folder of event files holds, and which files belong to each."""

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dae_tui.errors import RunError, WeightsError
from dae_tui.runs.event_files.tags import STAGES
from dae_tui.runs.folder.layout import Request, State
from dae_tui.runs.folder.reader import Run

EVENTS = "tfevents"
# Folders are searched to this depth, and at most so many.
DEEPEST, MOST_FOLDERS = 8, 20_000
# SummaryWriter and Keras write every two minutes.
QUIET_SECONDS = 300.0
_STARTED = re.compile(rf"{EVENTS}\.(\d{{9,11}})\b")
# Parts of one training that writers keep in folders of their own: stages (Keras), curves of one
# chart (`add_scalars`), and settings (`add_hparams`, which names them by the time).
_PART = re.compile(rf"(.+_)?({'|'.join(STAGES)})\d*|\d{{10}}(\.\d+)?")


@dataclass(frozen=True)
class EventRun(Run):
    """A training of another program, by its event files. It is only read, and asked nothing."""

    root: Path
    """The folder that was searched, from which it is named."""

    @property
    def name(self) -> str:
        return str(self.folder.relative_to(self.root)) if self.folder != self.root else _name(self)

    @property
    def foreign(self) -> bool:
        return True

    def best_weights(self) -> Path:
        raise WeightsError(f"{self.name} was trained by another program: no weights are known")

    def config(self) -> dict[str, Any]:
        return {}

    def meta(self) -> dict[str, Any]:
        return {}

    def status(self) -> dict[str, Any]:
        """The state alone, by the age of the files; `EventLog.status` has the figures too."""
        newest = 0.0
        for path, _ in self.files():
            with suppress(OSError):
                newest = max(newest, path.stat().st_mtime)
        silent = time.time() - newest > QUIET_SECONDS
        return {"state": str(State.SILENT if silent else State.RUNNING), "heartbeat": newest}

    def check_writable(self, done: str, *command: str) -> NoReturn:
        raise RunError(
            f"{self.name} cannot be {done}: another program trains it",
            "the dashboard only reads its event files",
        )

    def ask(self, request: Request) -> NoReturn:
        """Raise RunError: nothing can be asked of another program."""
        self.check_writable(f"asked to {request}")

    def files(self) -> list[tuple[Path, str]]:
        """The event files, oldest first, and for each the folder below this one, or ""."""
        found = [(path, "") for path in _event_files(self.folder)]
        for part in sorted(_folders(self.folder)):
            if _PART.fullmatch(part.name):
                found += [(path, part.name) for path in _event_files(part)]
        return sorted(found, key=lambda each: (started_at(each[0]), each[0]))

    def started(self) -> float:
        """When the first file was begun, in seconds since 1970, by its name; 0 if unknown."""
        files = self.files()
        return started_at(files[0][0]) if files else 0.0


def started_at(path: Path) -> float:
    """When an event file was begun, by its name; 0 if it does not say so."""
    found = _STARTED.search(path.name)
    return float(found[1]) if found else 0.0


def find_event_runs(root: Path) -> list[EventRun]:
    """The trainings whose event files are in a folder, or below it, sorted by name."""
    root = Path(os.path.abspath(root))  # noqa: PTH100 - keeps links.
    holding: set[Path] = set()
    left = MOST_FOLDERS
    for folder, below, files in os.walk(root):
        left -= 1
        path = Path(folder)
        if left < 0 or len(path.relative_to(root).parts) >= DEEPEST:
            below.clear()
        below[:] = [name for name in below if not name.startswith(".")]
        if any(EVENTS in name for name in files):
            is_part = path != root and _PART.fullmatch(path.name)
            holding.add(path.parent if is_part else path)
    return [EventRun(folder, root) for folder in sorted(holding)]


def has_events(root: Path) -> bool:
    """Whether a folder holds event files, itself or below it."""
    return bool(find_event_runs(root))


def _name(run: EventRun) -> str:
    return run.folder.name or str(run.folder)


def _event_files(folder: Path) -> list[Path]:
    try:
        return [Path(entry) for entry in os.scandir(folder) if EVENTS in entry.name]
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        return [Path(entry) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []
