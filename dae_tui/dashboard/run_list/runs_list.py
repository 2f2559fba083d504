"""The table of the list of runs: its columns as the width allows, its order, its marks."""

from collections.abc import Sequence

from rich.text import Text
from textual import on
from textual.widgets import DataTable

from dae_tui.dashboard.context import context_of
from dae_tui.dashboard.run_list.run_columns import (
    WHERE,
    RunsColumn,
    Scales,
    cells_of,
    columns_for,
    heading_of,
    scales_of,
)
from dae_tui.dashboard.widgets.tables.runs_table import RunsTable
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.watching.runs_watch import RunRow
from dae_tui.terminal.graphics import Graphics

SCROLL_BAR = 2


class RunsList(RunsTable):
    """Shows rows; a later `show` touches only the cells that changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=0)
        self._given: Sequence[RunRow] = ()
        self._shown: dict[str, tuple[RunRow, bool]] = {}
        """The rows that are in the table, and whether they were marked."""
        self._columns_shown: list[RunsColumn] = []
        self._scales: Scales = {}
        self._order: str | None = None
        """The name of the column that it is sorted by; None leaves the newest first."""
        self._descending = False

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.rebuild())
        self.watch(self.app, "graphics", self.rebuild, init=False)

    def on_resize(self) -> None:
        self._fill()

    def show(self, rows: Sequence[RunRow]) -> None:
        """Show these rows, in the chosen order."""
        self._given = rows
        self._fill()

    def rebuild(self) -> None:
        """Build the table again, with other colours or another order."""
        self._shown = {}
        self._fill()

    @property
    def under_cursor(self) -> RunRow | None:
        """The row at the cursor."""
        names = list(self._shown)
        row = self.cursor_row
        return self._shown[names[row]][0] if 0 <= row < len(names) else None

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that are in the table, in its order."""
        return tuple(row.run for row, _ in self._shown.values())

    def sort_by_next(self) -> None:
        """Sort by the next column, after the last by time again."""
        names = [None, *(column.name for column in self._columns_shown)]
        place = names.index(self._order) if self._order in names else 0
        self._order = names[(place + 1) % len(names)]
        self.rebuild()

    def reverse(self) -> None:
        """The other way round."""
        self._descending = not self._descending
        self.rebuild()

    @on(DataTable.HeaderSelected)
    def _sort_by(self, chosen: DataTable.HeaderSelected) -> None:
        name = self._columns_shown[chosen.column_index].name
        self._descending = name == self._order and not self._descending
        self._order = name
        self.rebuild()

    @property
    def _utf8(self) -> bool:
        return context_of(self).graphics is not Graphics.ASCII

    def _fitting(self) -> list[RunsColumn]:
        # The scroll bar for many runs takes its cells whether it is there or not.
        room = (self.outer_size.width or self.app.size.width) - SCROLL_BAR
        return columns_for(
            room,
            (row.summary.label for row in self._given),
            {row.run.place for row in self._given},
        )

    def _heading(self, column: RunsColumn) -> str:
        """The name of a column; an arrow that points up where values rise from the top."""
        ascending, descending = "▲▼" if self._utf8 else "^v"
        arrow = descending if self._descending else ascending
        return heading_of(column, arrow if column.name == self._order else "")

    def _fill(self) -> None:
        rows, columns, scales = self._ordered(), self._fitting(), scales_of(self._given)
        wanted = [row.run.key for row in rows]
        other_scales, self._scales = scales != self._scales, scales
        if wanted != list(self._shown) or columns != self._columns_shown:
            self._refill(rows, columns)
            return
        for row in rows:
            marked = row.run.key in context_of(self).marked
            before = self._shown[row.run.key]
            if other_scales or before != (row, marked) or row.summary.state.alive:
                self._update(row, marked)

    def _refill(self, rows: Sequence[RunRow], columns: list[RunsColumn]) -> None:
        under = self.under_cursor
        place = self.cursor_row
        self.clear(columns=True)
        self._columns_shown = columns
        for column in columns:
            self.add_column(self._heading(column), key=column.name, width=column.width)
        self._shown = {}
        for row in rows:
            marked = row.run.key in context_of(self).marked
            self.add_row(*self._cells(row, marked), key=row.run.key)
            self._shown[row.run.key] = row, marked
        if under is not None and under.run.key in self._shown:
            place = list(self._shown).index(under.run.key)
        if rows:
            self.move_cursor(row=min(place, len(rows) - 1), animate=False)

    def _update(self, row: RunRow, marked: bool) -> None:
        self._shown[row.run.key] = row, marked
        for column, cell in zip(self._columns_shown, self._cells(row, marked), strict=True):
            if self.get_cell(row.run.key, column.name) != cell:
                self.update_cell(row.run.key, column.name, cell)

    def _cells(self, row: RunRow, marked: bool) -> list[Text]:
        return cells_of(
            row, marked, self._columns_shown, self, utf8=self._utf8, scales=self._scales
        )

    def _ordered(self) -> list[RunRow]:
        """The rows in the chosen order. Those without a value come last, whichever it is."""
        column = next((each for each in self._fitting() if each.name == self._order), None)
        if column is None:
            return list(self._given)
        if column.name == WHERE:
            return sorted(self._given, key=lambda row: row.run.place, reverse=self._descending)
        known = [row for row in self._given if column.order(row.summary) is not None]
        unknown = [row for row in self._given if column.order(row.summary) is None]
        known.sort(key=lambda row: column.order(row.summary), reverse=self._descending)  # type: ignore[arg-type, return-value]
        return known + unknown
