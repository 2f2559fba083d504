"""A table of runs."""

from itertools import accumulate

from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding
from textual.strip import Strip
from textual.widgets import DataTable

from dae_tui.dashboard.context import context_of
from dae_tui.terminal.graphics import Graphics


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
    """A table whose columns are whole or out of sight.

    It remembers how its rows were drawn until something changes how they look.
    """

    _drawn_for: tuple[object, ...] | None = None

    def render_line(self, y: int) -> Strip:
        """A line without the cells of a column that is cut: half a figure is another figure.

        An arrow in the heading says that there are more columns to the right.
        """
        strip, width = super().render_line(y), self.size.width
        edges = [edge - round(self.scroll_x) for edge in self._edges()]
        first = next((edge for edge in edges if edge >= 0), 0)
        last = max((edge for edge in edges if first < edge <= width), default=width)
        if first == 0 and edges[-1] <= width:
            return strip
        line = [_blank(strip.crop(0, first)), strip.crop(first, last)]
        line.append(_blank(strip.crop(last, width)))
        if y == 0 and self.show_header and last < width and edges[-1] > width:
            ascii_only = context_of(self).graphics is Graphics.ASCII
            more = Segment(">" if ascii_only else "›", self.rich_style)
            line[-1] = Strip([*line[-1].crop(0, width - last - 1), more])
        return Strip.join(line)

    def _edges(self) -> list[int]:
        """Where columns begin, and where the last one ends."""
        widths = (column.get_render_width(self) for column in self.ordered_columns)
        return [0, *accumulate(widths)]

    def action_cursor_right(self) -> None:
        """Begin with the next column."""
        edges = self._edges()
        later = [edge for edge in edges if edge > self.scroll_x]
        if edges[-1] - self.scroll_x > self.size.width and later:
            self.scroll_to(x=later[0], animate=False)

    def action_cursor_left(self) -> None:
        """Begin with the column before."""
        earlier = [edge for edge in self._edges() if edge < self.scroll_x]
        if earlier:
            self.scroll_to(x=earlier[-1], animate=False)

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


def _blank(strip: Strip) -> Strip:
    """As many cells in the same styles, without what is in them."""
    return Strip([Segment(" " * part.cell_length, part.style) for part in strip])
