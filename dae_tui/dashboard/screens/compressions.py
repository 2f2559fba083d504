"""Kept tables of `dae compress`: the error and other figures over the units that were left."""

from dataclasses import dataclass, field

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from dae_tui.dashboard.content.chart_lines import Axis, NamedLine
from dae_tui.dashboard.content.comparison import ComparisonRow, give_colours
from dae_tui.dashboard.content.compression_curves import (
    COLUMNS,
    LOGARITHMIC,
    Compression,
    CompressionsWatch,
    Figure,
    compression_rows,
    figures_in,
)
from dae_tui.dashboard.screens.shared.chart import MARKS_KEY, ZOOM_KEYS, ZoomScreen, after
from dae_tui.dashboard.widgets.charts.loss_chart import COLOURS, LossChart
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.dashboard.widgets.tables.compared_rows import ComparedRows
from dae_tui.dashboard.widgets.tables.runs_table import Table, row_keys
from dae_tui.terminal.plot import Marks

NOTHING = (
    "no compressions: dae compress IMAGE -o FILE.dae --progress keeps one\n"
    "(--keep does without showing its steps)"
)
NEED_A_TABLE = ("hide", "metric", "log_scale", "zoom", "add", "drop", "newest")


class CompressionsTable(Table, inherit_bindings=False):
    """A table whose rows can be chosen, but not opened."""

    BINDINGS = [*row_keys("row")]


@dataclass(frozen=True)
class _Seen:
    here: list[Compression] = field(default_factory=list)
    another: str | None = None
    """The newest table that is not here."""


class CompressionsScreen(ZoomScreen[_Seen]):
    """The newest tables, or those that were chosen. It is opened over the comparison of runs."""

    AUTO_FOCUS = "CompressionsTable"

    BINDINGS = [
        Binding("space", "hide", "hide", tooltip="Hide or show the curve of the compression"),
        Binding("M", "metric", "metric", tooltip="Chart: error, sum of squares, PSNR, SSIM, angle"),
        Binding("y", "log_scale", "log", tooltip="Logarithmic or linear figure"),
        Binding("C", "app.back", "runs", tooltip="Back to the comparison of runs"),
        *ZOOM_KEYS,
        MARKS_KEY,
        Binding("a", "add", "compare one more, the newest that is not here", show=False),
        Binding("u", "drop", "unmark: take this one out of the comparison", show=False),
        Binding("U", "newest", "forget the marks: compare the newest", show=False),
        Binding("escape,backspace", "app.back", "back to the comparison of runs", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.title = "the compressions"
        self._seen = _Seen()
        self._figure = Figure.ERROR
        self._chosen: list[str] | None = None
        """The names of the tables that are compared; None for the newest."""
        self._colours: dict[str, int] = {}
        self._hidden: set[str] = set()
        self._watch: CompressionsWatch | None = None
        self._rows: ComparedRows | None = None

    def compose(self) -> ComposeResult:
        yield Heading("compressions")
        yield LossChart(id="units", logarithmic=LOGARITHMIC)
        yield CompressionsTable(id="compressions", cursor_type="row", cell_padding=0)
        yield Static(NOTHING, id="nothing", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        self._rows = ComparedRows(self._table, COLUMNS)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_all())
        self.watch(self.app, "graphics", self._show_all, init=False)
        self._show_all()

    def look(self) -> _Seen:
        if self._watch is None:
            self._watch = CompressionsWatch(self.context.runs_dir)
        here = self._watch.look(self._chosen)
        return _Seen(here, self._watch.another([each.name for each in here]))

    def show(self, seen: _Seen) -> None:
        self._seen = seen
        self._show_all()

    def fit(self) -> None:
        self._show_all()

    def offers(self, action: str) -> bool:
        """Whether an action does something now, and so has its key in the last line."""
        return bool(self._seen.here) or action not in NEED_A_TABLE

    @property
    def _table(self) -> CompressionsTable:
        return self.query_one(CompressionsTable)

    def _show_all(self) -> None:
        if self._rows is None:
            return
        here = self._seen.here
        give_colours(self._colours, [each.name for each in here], len(COLOURS))
        self._rows.fill(compression_rows(here), self._finish)
        self.chart.show(
            [
                NamedLine(each.label, each.curve(self._figure), self._colours[each.name])
                for each in self._drawn()
            ],
            self._why_no_curves(),
            metric=self._figure,
            axis=Axis.UNITS,
        )
        self.chart.display = self._table.display = bool(here)
        self.query_one("#nothing").display = bool(self.looks) and not here
        self._table.styles.max_height = max(3, (self.size.height - 3) // 2)
        chosen = "newest" if self._chosen is None else "marked"
        self.query_one(Heading).show(
            ("compare", "bold"),
            (f"{len(here)} compression{'s' * (len(here) != 1)}, {chosen}" if here else "none", ""),
            (self._figure if here else "", ""),
            ("* best" if here else "", "success"),
        )
        if here and not self._table.has_focus:
            self._table.focus()
        self.query_one(KeyBar).redraw()

    def _drawn(self) -> list[Compression]:
        return [
            each
            for each in self._seen.here
            if each.name not in self._hidden and len(each.curve(self._figure).x)
        ]

    def _why_no_curves(self) -> str:
        if all(each.name in self._hidden for each in self._seen.here):
            return "every curve is hidden: space shows it again"
        return f"none of these has {self._figure}"

    def _finish(self, row: ComparisonRow, cells: list[Text]) -> None:
        """The mark of a curve before its name."""
        if self._rows is not None:
            cells[0] = self._rows.named(
                row.cells[0].text,
                self._colours[row.key],
                drawn=row.key in [each.name for each in self._drawn()],
                hidden=row.key in self._hidden,
                ascii_only=self.chart.marks is Marks.ASCII,
            )

    def _at_cursor(self) -> Compression | None:
        row, here = self._table.cursor_row, self._seen.here
        return here[row] if row < len(here) else None

    def action_hide(self) -> None:
        """Hide the curve, or show it again."""
        chosen = self._at_cursor()
        if chosen is not None:
            self._hidden ^= {chosen.name}
            self._show_all()

    def action_metric(self) -> None:
        """Show the next figure that was measured."""
        if self._seen.here:
            self._figure = after(figures_in(self._seen.here), self._figure)
            self._show_all()
            self.notify(f"chart: {self._figure}", timeout=2)

    def action_add(self) -> None:
        """Add the newest table that is not here."""
        if self._seen.another is None:
            self.notify("every compression is here", timeout=2)
        else:
            self._compare([*(each.name for each in self._seen.here), self._seen.another])

    def action_drop(self) -> None:
        """Take the table at the cursor out of the comparison."""
        chosen = self._at_cursor()
        if chosen is not None:
            self._compare([each.name for each in self._seen.here if each is not chosen] or None)

    def action_newest(self) -> None:
        self._compare(None)

    def _compare(self, names: list[str] | None) -> None:
        self._chosen = names
        self.look_soon()

    def action_marks(self) -> None:
        super().action_marks()
        self._show_all()
