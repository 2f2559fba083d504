"""Every key of the screen below, from its bindings."""

from typing import Any

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from dae_tui.dashboard.widgets.lines import printable

# What every Textual app has.
EVERYWHERE = ("app.focus_next", "app.focus_previous", "screen.copy_text")


class Help(ModalScreen[None]):
    """The keys that work where one is; any of them closes it again."""

    BINDINGS = [Binding("escape,q,question_mark,enter,f1", "dismiss", "Close")]

    def __init__(self, asked_on: Screen[Any]) -> None:
        super().__init__()
        self._title = printable(f"Keys of {asked_on.title or 'this screen'}")
        self._rows = keys_of(asked_on)

    def compose(self) -> ComposeResult:
        table = Table.grid(padding=(0, 2))
        for key, what in self._rows:
            table.add_row(f"[bold]{key.replace('[', chr(92) + '[')}[/bold]", what)
        with VerticalScroll(id="help"):
            yield Static(Text.assemble((self._title, "bold"), "    esc closes"))
            yield Static(table)


def described_bindings(screen: Screen[Any]) -> list[ActiveBinding]:
    """The bindings that work on a screen and that we describe; not those Textual has everywhere."""
    return [
        active
        for active in screen.active_bindings.values()
        if active.enabled
        and active.binding.description
        and not active.binding.system
        and active.binding.action not in EVERYWHERE
    ]


def keys_of(screen: Screen[Any]) -> list[tuple[str, str]]:
    """The keys that a screen answers to with what they do; keys of one action stand together."""
    keys: dict[str, list[str]] = {}
    described: dict[str, str] = {}
    for active in described_bindings(screen):
        binding = active.binding
        keys.setdefault(binding.action, []).append(screen.app.get_key_display(binding))
        described[binding.action] = active.tooltip or binding.tooltip or binding.description
    return [(" ".join(dict.fromkeys(keys[action])), what) for action, what in described.items()]
