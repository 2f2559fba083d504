"""A table of runs."""

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable


class RunsTable(DataTable[Text]):
    """A table whose Enter opens, and whose Home and End are the first and the last run."""

    BINDINGS = [
        Binding("enter", "select_cursor", "open", tooltip="Open the run"),
        Binding("home", "scroll_top", "the first run", show=False),
        Binding("end", "scroll_bottom", "the last run", show=False),
    ]
