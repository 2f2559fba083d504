"""The rows of a table that compares: only cells that changed are touched, the best are bold."""

from collections.abc import Callable, Sequence

from rich.style import Style
from rich.text import Text
from textual.widgets import DataTable

from dae_tui.dashboard.content.comparison import ComparisonColumn, ComparisonRow
from dae_tui.dashboard.widgets.charts.loss_chart import ASCII_MARKS, COLOURS
from dae_tui.dashboard.widgets.lines import theme_style
from dae_tui.system.printable import printable

# On terminals of at least so many columns, a whole name is shown.
WIDE, NAME_LENGTH, LONG_NAME_LENGTH = 110, 18, 44


class ComparedRows:
    """Fills a table."""

    def __init__(self, table: "DataTable[Text]", columns: Sequence[ComparisonColumn]) -> None:
        self.table = table
        self.keys: list[str] = []
        self._columns = columns
        self._cells: list[list[Text]] = []
        self._titles: list[Text] = []
        for column in columns:
            # A gap before each but the first; numeric cells make theirs.
            title = column.title if column.numeric or column is columns[0] else f" {column.title}"
            heading = Text(title, justify="right" if column.numeric else "left", no_wrap=True)
            self._titles.append(heading)
            table.add_column(heading, key=column.title)

    def fill(
        self,
        rows: Sequence[ComparisonRow],
        finish: Callable[[ComparisonRow, list[Text]], None] | None = None,
    ) -> None:
        """Update the table; the cursor stays. `finish` may change the cells of a row."""
        table, old_keys, old_cells = self.table, self.keys, self._cells
        widths = [
            1 + max((len(row.cells[place].text) for row in rows), default=0)
            for place in range(len(self._columns))
        ]
        keys = [row.key for row in rows]
        cells = [self._cells_of(widths, row) for row in rows]
        if finish is not None:
            for row, row_cells in zip(rows, cells, strict=True):
                finish(row, row_cells)
        self.keys, self._cells = keys, cells
        if keys != old_keys:
            chosen = old_keys[table.cursor_row] if table.cursor_row < len(old_keys) else None
            table.clear()
            for key, row_cells in zip(keys, cells, strict=True):
                table.add_row(*row_cells, key=key)
            table.move_cursor(row=keys.index(chosen) if chosen in keys else 0)
        else:
            for key, row_cells, before in zip(keys, cells, old_cells, strict=True):
                for column, cell, old in zip(self._columns, row_cells, before, strict=True):
                    if (cell.plain, cell.style, cell.spans) != (old.plain, old.style, old.spans):
                        table.update_cell(key, column.title, cell, update_width=True)
        self._widen()

    def _widen(self) -> None:
        """Set the widths of the columns now.

        Textual does so when it is idle, and goes on showing lines that were drawn before that.
        """
        for place, column in enumerate(self.table.ordered_columns):
            cells = [row_cells[place].cell_len for row_cells in self._cells]
            column.content_width = max([self._titles[place].cell_len, *cells])

    def _cells_of(self, widths: Sequence[int], row: ComparisonRow) -> list[Text]:
        best = theme_style(self.table, "success") + Style(bold=True)
        cells = []
        for column, width, cell in zip(self._columns, widths, row.cells, strict=True):
            if column.numeric:
                # Padded here: a right-justified Text would move the mark.
                mark = "" if column.best is None else "*" if cell.best else " "
                text = cell.text.rjust(max(width, len(column.title) + 1 - len(mark))) + mark
                cells.append(Text(text, best if cell.best else "", no_wrap=True))
            else:
                gap = "" if column is self._columns[0] else " "
                cells.append(Text(f"{gap}{printable(cell.text)}", no_wrap=True))
        return cells

    def named(self, name: str, colour: int, *, drawn: bool, hidden: bool, ascii_only: bool) -> Text:
        """A name behind the mark of its curve."""
        style = theme_style(self.table, COLOURS[colour % len(COLOURS)])
        mark = " "
        if drawn:
            mark = ASCII_MARKS[colour % len(ASCII_MARKS)] if ascii_only else "━"
        elif hidden:
            mark, style = "-" if ascii_only else "○", Style(dim=True)
        name = printable(name)
        wide = self.table.screen.size.width >= WIDE
        room = LONG_NAME_LENGTH if wide else NAME_LENGTH
        if len(name) > room:
            name = f"{'~' if ascii_only else '…'}{name[1 - room :]}"
        return Text.assemble((mark, style), f" {name}", no_wrap=True)
