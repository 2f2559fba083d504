"""The runs of a group: the settings that differ, their results, a chart of one over the other."""

from collections.abc import Callable, Sequence

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import DataTable

from dae_tui.dashboard.content.comparison import NONE
from dae_tui.dashboard.content.group_table import (
    FIGURES,
    Figure,
    Group,
    Parameter,
    best_of,
    group_of,
    in_order_of_marks,
    sorted_members,
)
from dae_tui.dashboard.content.names import shortened_name
from dae_tui.dashboard.content.parallel_axes import parallel_of
from dae_tui.dashboard.context import MarkRuns
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.shared.live import LiveScreen
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.charts.parallel_chart import ParallelChart
from dae_tui.dashboard.widgets.charts.scatter_chart import Points, ScatterChart
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.dashboard.widgets.lines import theme_style
from dae_tui.dashboard.widgets.tables.runs_table import RunsTable
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.sweeps.watch import GroupWatch, Member
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics

# The most cells of a run's name and of a value, by whether the terminal has many columns.
WIDE, NAME, LONG_NAME, VALUE = 110, 16, 40, 18
NARROW, SHORT_NAME = 60, 8
NEED_A_RUN = ("select_cursor", "sort", "compare")
# Columns of words, which are aligned to the left.
WORDS = ("run", "state")


class GroupScreen(LiveScreen[Group]):
    """A group, such as that of a sweep. It is opened over the list of runs."""

    AUTO_FOCUS = "RunsTable"

    BINDINGS = [
        Binding("X", "axis", "parameter", tooltip="Chart over the next parameter that differs"),
        Binding(
            "v",
            "view",
            "points/lines",
            tooltip="A point for each run over one parameter, or a line over all (parallel "
            "coordinates)",
        ),
        Binding("M", "metric", "metric", tooltip="Chart: loss, PSNR or accuracy"),
        Binding("y", "log_scale", "log", tooltip="Logarithmic or linear figure"),
        Binding("o", "sort(False)", "order", tooltip="Sort by the next column"),
        Binding("O", "sort(True)", "reverse order", show=False),
        Binding("c", "compare", "compare", tooltip="Compare the curves of these runs"),
        Binding("escape,backspace", "app.back", "back to the runs", show=False),
    ]

    def __init__(self, runs: Callable[[], Sequence[Run]], name: str) -> None:
        """Show those of `runs()` that are in the group `name`."""
        super().__init__()
        self.title = "a group of runs"
        self._name = name
        self._watch = GroupWatch(runs, name)
        self._group = Group()
        self._parameter, self._figure = "", FIGURES[0]
        self._linear: set[str] = set()
        """The figures whose axis was made linear."""
        self._order, self._descending = FIGURES[0].name, False
        self._rows: list[tuple[Member, tuple[str, ...]]] = []
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        yield Heading(f"group {self._name}")
        yield ScatterChart(id="scatter")
        yield ParallelChart(id="parallel")
        yield RunsTable(id="members", cursor_type="row", cell_padding=0)
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#parallel").display = False
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_all())
        self.watch(self.app, "graphics", self._show_all, init=False)

    def look(self) -> Group:
        return group_of(self._watch.look())

    def show(self, seen: Group) -> None:
        self._group = seen
        self._show_all()

    def fit(self) -> None:
        self._show_all()

    def offers(self, action: str) -> bool:
        """Whether an action does something now, and so has its key in the last line."""
        if action in ("axis", "metric"):
            several = self._group.parameters if action == "axis" else self._group.figures
            return len(several) > 1
        return bool(self._rows) or action not in NEED_A_RUN

    @property
    def _table(self) -> RunsTable:
        return self.query_one(RunsTable)

    def _show_all(self) -> None:
        self._rows = sorted_members(self._group, self._order, descending=self._descending)
        self._tell()
        self._fill()
        # The rows that they need, up to a half; the chart has the rest.
        self._table.styles.height = min(len(self._rows) + 2, max(4, self.size.height // 2))
        self._draw()
        self.query_one(KeyBar).redraw()

    def _tell(self) -> None:
        states = [member.summary.state for member, _ in self._rows]
        count = f"{len(states)} run{'s' * (len(states) != 1)}"
        words = [(f"group {self._name}", "bold"), (count, "")]
        words += [
            (f"{states.count(state)} {state}", STATE_COLOURS[state])
            for state in dict.fromkeys(sorted(states))
        ]
        if not states and self.looks:
            words.append(("no run is in this group any more", "warning"))
        self.query_one(Heading).show(*words)

    def _columns(self) -> list[str]:
        parameters = [parameter.name for parameter in self._group.parameters]
        figures = [figure.name for figure in self._group.figures]
        if self.size.width < NARROW:  # The figures come before it.
            return ["run", *parameters, *figures, "state"]
        return ["run", "state", *parameters, *figures]

    def _fill(self) -> None:
        """Fill the table anew if anything in it has changed; the cursor stays at its run."""
        headings = self._columns()
        best = {
            figure.name: best_of(self._group, figure) if len(self._rows) > 1 else None
            for figure in self._group.figures
        }
        cells = [self._cells(member, values, best) for member, values in self._rows]
        widths = [
            1 + max([len(name) + 1, *(row[place].cell_len for row in cells)])
            for place, name in enumerate(headings)
        ]
        for row in cells:
            for name, width, cell in zip(headings, widths, row, strict=True):
                cell.pad_left(0 if name in WORDS else width - 1 - cell.cell_len)
        drawn = headings, widths, cells, self._order, self._descending
        if drawn == self._drawn:
            return
        table, chosen = self._table, self._at_cursor()
        self._drawn = drawn
        table.clear(columns=True)
        for name, width in zip(headings, widths, strict=True):
            heading = name + self._arrow(name)
            heading = heading if name in WORDS else heading.rjust(width - 1)
            table.add_column(heading, key=name, width=width)
        for (member, _), row in zip(self._rows, cells, strict=True):
            table.add_row(*row, key=member.run.name)
        names = [member.run.name for member, _ in self._rows]
        if names:
            at = names.index(chosen) if chosen in names else 0
            table.move_cursor(row=at, animate=False)

    def _arrow(self, column: str) -> str:
        arrows = "^v" if self._ascii else "▲▼"
        return arrows[self._descending] if column == self._order else ""

    def _cells(
        self, member: Member, values: tuple[str, ...], best: dict[str, Member | None]
    ) -> list[Text]:
        summary, width = member.summary, self.size.width
        room = LONG_NAME if width >= WIDE else SHORT_NAME if width < NARROW else NAME
        cells = {
            "run": Text(self._short(summary.label, room), no_wrap=True),
            "state": Text(summary.state, theme_style(self, STATE_COLOURS[summary.state])),
        }
        for parameter, value in zip(self._group.parameters, values, strict=True):
            cells[parameter.name] = Text(self._short(value, VALUE), no_wrap=True)
        for figure in self._group.figures:
            known = figure.of(member)
            is_best = best.get(figure.name) is member
            style = theme_style(self, "success") if is_best else ""
            words = NONE if known is None else f"{known:.{figure.digits}f}"
            # Not by its colour alone.
            cells[figure.name] = Text(words + ("*" if is_best else " "), style, no_wrap=True)
        return [cells[name] for name in self._columns()]

    def _short(self, words: str, width: int) -> str:
        return shortened_name(printable(words), width, utf8=not self._ascii)

    @property
    def _ascii(self) -> bool:
        return self.context.graphics is Graphics.ASCII

    def _at_cursor(self) -> str:
        """The name of the run at the cursor."""
        table = self._table
        if not 0 <= table.cursor_row < table.row_count:
            return ""
        return table.ordered_rows[table.cursor_row].key.value or ""

    def _draw(self) -> None:
        """Draw the chart that is shown."""
        scatter, parallel = self.query_one(ScatterChart), self.query_one(ParallelChart)
        chart, group = parallel if parallel.display else scatter, self._group
        if not group.members:
            chart.show(None, "no runs" if self.looks else "reading the runs…")
            return
        if not group.parameters:
            chart.show(None, "these runs have the same settings")
            return
        parameter, figure = self._chosen_parameter(), self._chosen_figure()
        values = [figure.of(member) for member in group.members]
        if all(value is None for value in values):
            chart.show(None, f"no run has a {figure.name} yet")
            return
        chosen, log = self._at_cursor(), figure.log and figure.name not in self._linear
        if parallel.display:
            first = parameter.name
            parallel.show(parallel_of(group, figure, log=log, first=first, chosen=chosen))
            return
        known = [float("nan") if value is None else value for value in values]
        best = best_of(group, figure)
        order = in_order_of_marks(group, figure, chosen)
        shown = [group.members[place].run.name for place in order]
        scatter.show(
            Points(
                [parameter.places[place] for place in order],
                [known[place] for place in order],
                parameter.name,
                figure.name,
                (parameter.log, log),
                parameter.ticks,
                shown.index(chosen) if chosen in shown else None,
                shown.index(best.run.name) if best else None,
            )
        )

    def _chosen_parameter(self) -> Parameter:
        names = [parameter.name for parameter in self._group.parameters]
        place = names.index(self._parameter) if self._parameter in names else 0
        return self._group.parameters[place]

    def _chosen_figure(self) -> Figure:
        return self._figure if self._figure in self._group.figures else self._group.figures[0]

    def action_axis(self) -> None:
        """Show the chart over the next parameter."""
        if self._group.parameters:
            names = [parameter.name for parameter in self._group.parameters]
            now = names.index(self._chosen_parameter().name)
            self._parameter = names[(now + 1) % len(names)]
            self._draw()

    def action_view(self) -> None:
        """Show lines over all parameters, or points over one again."""
        scatter, parallel = self.query_one(ScatterChart), self.query_one(ParallelChart)
        scatter.display, parallel.display = parallel.display, scatter.display
        self.call_after_refresh(self._draw)

    def action_metric(self) -> None:
        """Show the next figure that some run has."""
        figures = self._group.figures
        self._figure = figures[(figures.index(self._chosen_figure()) + 1) % len(figures)]
        self._draw()

    def action_log_scale(self) -> None:
        """Make the axis of a loss linear, or logarithmic again; other figures are always linear."""
        self._linear ^= {self._chosen_figure().name}
        self._draw()

    def action_sort(self, upside_down: bool) -> None:
        """Sort by the next column, or the other way round."""
        columns = self._columns()
        if upside_down:
            self._descending = not self._descending
        else:
            place = columns.index(self._order) if self._order in columns else -1
            self._order = columns[(place + 1) % len(columns)]
        self._show_all()

    async def action_compare(self) -> None:
        """Mark these runs, and no others, and compare them."""
        keys = tuple(member.run.key for member, _ in self._rows)
        if keys:
            self.post_message(MarkRuns(keys))
            await self.app.run_action("app.switch_mode('compare')")

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self._draw()

    @on(DataTable.RowSelected)
    def _open(self) -> None:
        """Open the run at the cursor; back from it is here."""
        runs = {member.run.name: member.run for member, _ in self._rows}
        chosen = runs.get(self._at_cursor())
        if chosen is not None:
            self.app.push_screen(RunScreen(chosen))
