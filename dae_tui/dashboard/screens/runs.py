"""The list of runs."""

import os
from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import DataTable, Footer, Input, Static

from dae_tui.dashboard.context import Failed, MarkRuns, OpenRun
from dae_tui.dashboard.run_columns import COLUMNS, RunsColumn, cells_of, words_of
from dae_tui.dashboard.screens.live import LiveScreen
from dae_tui.dashboard.screens.question import Question
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.runs_table import RunsTable
from dae_tui.errors import DaeError
from dae_tui.runs.deletion import delete_run, deleted_words
from dae_tui.runs.layout import Request, State
from dae_tui.runs.watching.runs_watch import RunRow, RunsWatch
from dae_tui.system.printable import printable
from dae_tui.terminal.blocks import Graphics


class RunsScreen(LiveScreen[list[RunRow]]):
    """Every run of the folder: to open, steer, mark for comparison or delete."""

    TITLE = "the list of runs"
    BINDINGS = [
        Binding("n", "app.new_run", "new", tooltip="Start a training from a form"),
        Binding("slash", "filter", "filter", key_display="/", tooltip="Show the runs with a word"),
        Binding("o", "sort(False)", "order", tooltip="Sort by the next column"),
        Binding("O", "sort(True)", "reverse order", show=False),
        Binding("p", "pause", "pause", show=False, tooltip="Pause or resume the run"),
        Binding("s", "stop", "stop", show=False, tooltip="Stop the run"),
        Binding("space", "mark", "mark", tooltip="Mark the run to compare it"),
        Binding("c", "app.switch_mode('compare')", "compare", tooltip="Compare the marked runs"),
        Binding("x,delete", "delete", "delete", tooltip="Delete the run, weights and all"),
        Binding("escape", "no_filter", "every run", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._watch: RunsWatch | None = None
        self._is_file = False
        """Whether the folder of runs is a file."""
        self._rows: list[RunRow] = []
        self._shown: dict[str, tuple[RunRow, bool]] = {}
        """The rows that are in the table, and whether they were marked."""
        self._order: RunsColumn | None = None
        self._upside_down = False
        self._filter = ""

    def compose(self) -> ComposeResult:
        yield Heading("reading the runs…")
        yield Input(placeholder="a part of name, state, network, data or noise", id="filter")
        yield RunsTable(id="runs", cursor_type="row", cell_padding=0)
        yield Static(id="empty")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.query_one("#empty").display = False
        self._table.focus()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._rebuild())
        self.watch(self.app, "graphics", self._rebuild, init=False)
        self.watch(self.app, "marked", self._fill, init=False)

    def look(self) -> list[RunRow]:
        if self._watch is None:
            self._watch = RunsWatch(self.context.runs_dir)
        self._is_file = os.path.isfile(self.context.runs_dir)  # noqa: PTH113 - Path may raise.
        return self._watch.look()

    def show(self, seen: list[RunRow]) -> None:
        self._rows = seen
        complete = self._watch is not None and self._watch.complete
        if complete:
            here = {row.run.name for row in seen}
            self._mark(tuple(name for name in self.context.marked if name in here))
        self._fill()
        if not complete:
            self.look_soon()

    def on_resize(self) -> None:
        if [column.label.plain for column in self._table.columns.values()] != self._headings():
            self._rebuild()

    @property
    def _table(self) -> RunsTable:
        return self.query_one(RunsTable)

    def _columns(self) -> list[RunsColumn]:
        return [column for column in COLUMNS if column.needs <= self.size.width]

    def _headings(self) -> list[str]:
        down = "v" if self.context.graphics is Graphics.ASCII else "▼"
        up = "^" if self.context.graphics is Graphics.ASCII else "▲"
        arrow = up if self._upside_down else down
        return [
            column.name + (arrow if column is self._order else "") for column in self._columns()
        ]

    def _rebuild(self) -> None:
        """Rebuild the table with other columns, order or colours."""
        self._shown = {}
        self._fill()

    def _fill(self) -> None:
        """Update the table; only cells that changed are touched."""
        chosen = self._chosen()
        wanted = [row.run.name for row in chosen]
        if wanted != list(self._shown) or not self._table.columns:
            self._refill(chosen)
        else:
            for row in chosen:
                marked = row.run.name in self.context.marked
                before = self._shown[row.run.name]
                if before != (row, marked) or row.summary.state.alive:
                    self._update(row, marked)
        self._tell()

    def _refill(self, rows: list[RunRow]) -> None:
        table = self._table
        under = self._under_cursor()
        place = table.cursor_row
        table.clear(columns=True)
        for column, heading in zip(self._columns(), self._headings(), strict=True):
            table.add_column(heading, key=column.name, width=column.width)
        self._shown = {}
        for row in rows:
            marked = row.run.name in self.context.marked
            table.add_row(*self._cells(row, marked), key=row.run.name)
            self._shown[row.run.name] = row, marked
        if under is not None and under.run.name in self._shown:
            place = list(self._shown).index(under.run.name)
        if rows:
            table.move_cursor(row=min(place, len(rows) - 1), animate=False)

    def _update(self, row: RunRow, marked: bool) -> None:
        table = self._table
        self._shown[row.run.name] = row, marked
        for column, cell in zip(self._columns(), self._cells(row, marked), strict=True):
            if table.get_cell(row.run.name, column.name) != cell:
                table.update_cell(row.run.name, column.name, cell)

    def _cells(self, row: RunRow, marked: bool) -> list[Text]:
        utf8 = self.context.graphics is not Graphics.ASCII
        return cells_of(row, marked, self._columns(), self, utf8=utf8)

    def _chosen(self) -> list[RunRow]:
        """The rows that match the filter, in the chosen order."""
        words = self._filter.lower().split()
        rows = [row for row in self._rows if all(word in words_of(row) for word in words)]
        if self._order is not None:
            column = self._order
            known = [row for row in rows if column.order(row.summary) is not None]
            unknown = [row for row in rows if column.order(row.summary) is None]
            # Rows without a value come last, whichever way the others are sorted.
            known.sort(key=lambda row: column.order(row.summary), reverse=self._upside_down)  # type: ignore[arg-type, return-value]
            rows = known + unknown
        return rows

    def _tell(self) -> None:
        """Show the heading, and what to do where there are no rows."""
        alive = sum(row.summary.state.alive for row in self._rows)
        words = [(f"{len(self._rows)} run{'s' * (len(self._rows) != 1)}", "bold")]
        words.append((f"{alive} alive" if alive else "none alive", "success" if alive else ""))
        if self._filter:
            words.append((f"{len(self._shown)} with '{self._filter}'", "warning"))
        if self.context.marked:
            words.append((f"{len(self.context.marked)} marked", ""))
        words.append((str(self.context.runs_dir), "text-muted"))
        self.query_one(Heading).show(*words)
        empty = self.query_one("#empty", Static)
        empty.display = not self._shown
        self._table.display = bool(self._shown)
        if not self._rows:
            folder = printable(self.context.runs_dir)
            wrong = f"{folder} is a file, not a folder.\n\n"
            none = (
                f"No runs in {folder} yet.\n\n"
                "n starts one here, or in a shell: dae train --data digits\n"
            )
            empty.update(
                Text(
                    f"{wrong if self._is_file else none}"
                    "Another folder: dae dashboard --runs-dir DIR, or DAE_RUNS\n\n"
                    "2 opens the playground with the published weights."
                )
            )
        elif not self._shown:
            empty.update(Text(f"No run has '{printable(self._filter)}'. Esc shows every run."))

    def _under_cursor(self) -> RunRow | None:
        names = list(self._shown)
        row = self._table.cursor_row
        return self._shown[names[row]][0] if 0 <= row < len(names) else None

    @on(DataTable.RowSelected)
    async def _open(self) -> None:
        """Open the run under the cursor."""
        row = self._under_cursor()
        if row is not None:
            self.post_message(OpenRun(row.run))

    def action_filter(self) -> None:
        """Type a word; the list follows."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _filtered(self, changed: Input.Changed) -> None:
        self._filter = changed.value.strip()
        self._fill()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.query_one("#filter").display = bool(self._filter)
        self._table.focus()

    def action_no_filter(self) -> None:
        """Show every run again."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.display = False
        self._table.focus()

    def action_sort(self, upside_down: bool) -> None:
        """Sort by the next column, after the last by time again; or reverse the order."""
        if upside_down:
            self._upside_down = not self._upside_down
        else:
            columns: list[RunsColumn | None] = [None, *self._columns()]
            place = columns.index(self._order) if self._order in columns else 0
            self._order = columns[(place + 1) % len(columns)]
        self._rebuild()

    @on(DataTable.HeaderSelected)
    def _sort_by(self, chosen: DataTable.HeaderSelected) -> None:
        column = self._columns()[chosen.column_index]
        self._upside_down = column is self._order and not self._upside_down
        self._order = column
        self._rebuild()

    def action_mark(self) -> None:
        """Mark or unmark the run, and move to the next."""
        row = self._under_cursor()
        if row is None:
            return
        name, marked = row.run.name, self.context.marked
        self._mark((*(each for each in marked if each != name), *(name not in marked) * (name,)))
        self._table.action_cursor_down()

    def _mark(self, names: tuple[str, ...]) -> None:
        if names != self.context.marked:
            self.post_message(MarkRuns(names))

    def action_pause(self) -> None:
        """Pause or resume the run under the cursor."""
        row = self._under_cursor()
        if row is not None:
            paused = row.summary.state is State.PAUSED
            self._act(row, Request.RESUME if paused else Request.PAUSE)

    @work
    async def action_stop(self) -> None:
        """Ask, then stop the run under the cursor."""
        row = self._under_cursor()
        if row is None:
            return
        detail = "It saves its state, evaluates its best weights, and ends. It can be resumed."
        if await self.app.push_screen_wait(Question(f"Stop {row.run.name}?", detail)):
            self._act(row, Request.STOP)

    @work
    async def action_delete(self) -> None:
        """Ask, then delete the run under the cursor."""
        row = self._under_cursor()
        if row is None:
            return
        detail = f"{row.run.folder} is deleted for good, weights and all; foreign files stay."
        if await self.app.push_screen_wait(Question(f"Delete {row.run.name}?", detail)):
            self._act(row, None)

    @work(thread=True)
    def _act(self, row: RunRow, request: Request | None) -> None:
        """Ask something of a run, or delete it, which can take long on a network file system."""
        kept: list[Path] = []
        done = f"asked to {request}: {row.summary.label}"
        try:
            if request is None:
                kept = delete_run(row.run, self.context.runs_dir)
                done = deleted_words(row.run, kept) if kept else f"deleted {row.summary.label}"
            else:
                row.run.ask(request)
        except DaeError as failure:
            self.post_message(Failed(failure))
        else:
            self.notify(printable(done), timeout=10 if kept else 2, markup=False)
        self.look_soon_from_thread()
