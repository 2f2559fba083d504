"""A question for the tags of runs."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from dae_tui.system.printable import printable


class TagQuestion(ModalScreen[str]):
    """Asks for words: `best -old` adds a tag and takes one away. The result is what was typed."""

    BINDINGS = [Binding("escape", "dismiss('')", "Cancel")]

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = printable(about)

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(f"Tags of {self._about}", markup=False)
            yield Input(placeholder="best -old: adds best, takes old away", id="words")
            yield Static("[b]enter[/b] tag    [b]esc[/b] cancel    then / tag:best finds them")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())
