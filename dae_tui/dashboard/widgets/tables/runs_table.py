"""A table of runs."""

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable


def row_keys(row: str) -> list[Binding]:
    """The keys that move through a table, described in our words: Textual's speak of cells."""
    return [
        Binding("up,k", "cursor_up", f"the {row} above", show=False),
        Binding("down,j", "cursor_down", f"the {row} below", show=False),
        Binding("left", "cursor_left", "table to the left", show=False),
        Binding("right", "cursor_right", "table to the right", show=False),
        Binding("pageup", "page_up", "a screenful up", show=False),
        Binding("pagedown", "page_down", "a screenful down", show=False),
        Binding("home,g", "scroll_top", f"the first {row}", show=False),
        Binding("end,G", "scroll_bottom", f"the last {row}", show=False),
    ]


class Table(DataTable[Text]):
    """A table that remembers how its rows were drawn until something changes how they look."""

    _drawn_for: tuple[object, ...] | None = None

    def notify_style_update(self) -> None:
        """Forget how rows were drawn where they would be drawn differently now.

        Textual applies all styles anew whenever a screen comes back, and drawing the rows of a
        table takes longer than all else then.
        """
        nodes = self.css_path_nodes
        now = (self.app.theme, *((node.classes, node.pseudo_classes) for node in nodes))
        if now != self._drawn_for:
            self._drawn_for = now
            super().notify_style_update()


class RunsTable(Table, inherit_bindings=False):
    """A table where Enter opens a run, and Home and End go to the first and the last."""

    BINDINGS = [
        Binding("enter", "select_cursor", "open", tooltip="Open the run"),
        *row_keys("run"),
    ]
