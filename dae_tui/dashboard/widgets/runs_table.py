"""A table of runs."""

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable


class RunsTable(DataTable[Text], inherit_bindings=False):
    """A table where Enter opens a run, and Home and End go to the first and the last."""

    # All of them, described in our words: Textual's speak of cells and pages.
    BINDINGS = [
        Binding("enter", "select_cursor", "open", tooltip="Open the run"),
        Binding("up,k", "cursor_up", "the run above", show=False),
        Binding("down,j", "cursor_down", "the run below", show=False),
        Binding("left", "cursor_left", "table to the left", show=False),
        Binding("right", "cursor_right", "table to the right", show=False),
        Binding("pageup", "page_up", "a screenful up", show=False),
        Binding("pagedown", "page_down", "a screenful down", show=False),
        Binding("home,g", "scroll_top", "the first run", show=False),
        Binding("end,G", "scroll_bottom", "the last run", show=False),
    ]
