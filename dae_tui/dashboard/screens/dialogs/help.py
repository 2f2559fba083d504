"""Every key of the screen below, from its bindings."""

from typing import Any

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from dae_tui.system.printable import printable

# What every Textual app has.
EVERYWHERE = ("app.focus_next", "app.focus_previous", "screen.copy_text")


class Help(ModalScreen[None]):
    """The keys of the screen below; esc, q, ?, enter or F1 closes it."""

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


def actions_of(screen: Screen[Any]) -> dict[str, list[ActiveBinding]]:
    """Our actions on a screen with their bindings, the nearest first.

    Without the bindings of every Textual app, and those of Textual's widgets for editing text.
    """
    actions: dict[str, list[ActiveBinding]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        ours = type(active.node).__module__.startswith("dae_tui.")
        if not (ours and active.enabled and binding.description) or binding.system:
            continue
        action = binding.action
        if active.node is screen.app:
            action = f"app.{action}"  # As a screen calls the same action.
        if action not in EVERYWHERE:
            actions.setdefault(action, []).append(active)
    return actions


def keys_of(screen: Screen[Any]) -> list[tuple[str, str]]:
    """The keys of a screen and what they do; the keys of one action are in one row."""
    keys = []
    for bound in actions_of(screen).values():
        shown = dict.fromkeys(screen.app.get_key_display(active.binding) for active in bound)
        nearest = bound[0].binding
        keys.append((" ".join(shown), nearest.tooltip or nearest.description))
    return keys
