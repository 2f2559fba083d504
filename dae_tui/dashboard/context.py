"""What screens and widgets know of the app, and what they ask of it.

Attributes go down: the `context_of` a widget says where the runs are and how to draw. Messages go
up: a screen posts one, and the app does what no screen can do alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from textual.dom import DOMNode
from textual.message import Message

from dae_tui.errors import DaeError
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.places import Places
from dae_tui.terminal.graphics import Graphics

if TYPE_CHECKING:
    from dae_tui.devices.monitor import Monitor


class Context(Protocol):
    """What the app tells every screen and widget."""

    @property
    def places(self) -> Places:
        """The folders whose runs are shown."""

    @property
    def runs_dir(self) -> Path:
        """The first of them of this machine, where new runs go."""

    @property
    def event_dirs(self) -> tuple[Path, ...]:
        """Folders with TensorBoard's event files, whose trainings are shown as well."""

    @property
    def data_dir(self) -> Path:
        """Where the playground and new runs look for data sets."""

    @property
    def refresh_seconds(self) -> float:
        """How long a screen waits between two looks at the disk."""

    @property
    def monitor(self) -> "Monitor": ...

    @property
    def graphics(self) -> Graphics:
        """What the terminal can show. Screens that draw by it watch it."""

    @property
    def marked(self) -> tuple[str, ...]:
        """Keys of the runs that are marked for comparison, in the order of marking."""


def context_of(node: DOMNode) -> Context:
    """The part of the app that its screens and widgets may use."""
    return cast(Context, node.app)


@dataclass
class OpenRun(Message):
    """Show a run on a screen of its own."""

    run: Run
    among: tuple[Run, ...] = ()
    """The runs before and after it, in the order of the list that it was opened from."""


@dataclass
class PlayWith(Message):
    """Open the playground with the weights of a run."""

    run: Run


@dataclass
class MarkRuns(Message):
    """Mark these runs, and no others, for comparison."""

    names: tuple[str, ...]


@dataclass
class Failed(Message):
    """Show an error and its hint."""

    failure: DaeError
