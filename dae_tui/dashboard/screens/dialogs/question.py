"""A question before something that cannot be undone."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from dae_tui.system.printable import printable


class Question(ModalScreen[bool]):
    """A yes-or-no question; the result is True for yes."""

    BINDINGS = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, question: str, detail: str = "") -> None:
        super().__init__()
        self._question = printable(question)
        self._detail = printable(detail)

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(self._question, id="asked", markup=False)
            if self._detail:
                yield Static(self._detail, id="detail", markup=False)
            yield Static("[b]y[/b] yes    [b]n[/b] no")

    def action_answer(self, yes: bool) -> None:
        """Leave with the answer."""
        self.dismiss(yes)
