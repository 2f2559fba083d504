"""A command line to copy, for terminals that do not take it from a program."""

from typing import Any

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import Static

from dae_tui.dashboard.content.training_form import broken_into_lines
from dae_tui.system.printable import printable

WORDS = (
    "Sent to the clipboard of the terminal. Not every terminal takes it, and tmux only after\n"
    "set -g set-clipboard on. To select it here, hold shift and drag. Esc closes."
)


class ShownCommand(ModalScreen[None]):
    """The command from the left edge on and without a frame: what is selected can be pasted."""

    BINDINGS = [Binding("escape,q,enter,f6", "dismiss", "Close")]

    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def compose(self) -> ComposeResult:
        yield Static(WORDS, id="about", markup=False)
        yield Static(id="line", markup=False)

    def on_resize(self, event: events.Resize) -> None:
        lines = broken_into_lines(self._command, event.size.width)
        self.query_one("#line", Static).update(Text("\n".join(map(printable, lines))))

    async def action_dismiss(self, result: Any = None) -> None:
        """Close."""
        self.dismiss()
