"""Runs, the images that they denoise, and benchmark tables side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import DataTable, Static

from dae_tui.dashboard.content.chart_lines import Metric, NamedLine, curve_of, line_of
from dae_tui.dashboard.content.comparison import (
    RUN_COLUMNS,
    TABLE_COLUMNS,
    Compared,
    ComparedRun,
    ComparisonRow,
    ComparisonWatch,
    benchmark_rows,
    config_differences,
    give_colours,
    run_rows,
    state_of,
)
from dae_tui.dashboard.content.learning import NOISY_LOSS
from dae_tui.dashboard.context import MarkRuns, OpenRun
from dae_tui.dashboard.screens.compressions import CompressionsScreen
from dae_tui.dashboard.screens.shared.chart import AXES_KEYS, MARKS_KEY, ZOOM_KEYS, ChartScreen
from dae_tui.dashboard.screens.shared.image_keys import WHOLE_KEY
from dae_tui.dashboard.shown.compared_pictures import ComparedPictures, NewestSamples, Samples
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.charts.loss_chart import COLOURS, LossChart
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.dashboard.widgets.lines import theme_style
from dae_tui.dashboard.widgets.tables.compared_rows import ComparedRows
from dae_tui.dashboard.widgets.tables.differences import Differences
from dae_tui.dashboard.widgets.tables.runs_table import RunsTable, Table
from dae_tui.runs.folder.tags import read_tags
from dae_tui.runs.watching.curves import Curve, Curves
from dae_tui.system.printable import printable
from dae_tui.terminal.plot import Marks

# On terminals of at least so many lines, runs and benchmarks are shown together.
TALL = 36


@dataclass(frozen=True)
class _Seen:
    compared: Compared
    samples: Samples | None
    """The newest images of the runs; None while the curves are shown."""


class CompareScreen(ChartScreen[_Seen]):
    """The marked runs, else the newest, with their curves or images; saved benchmarks.

    Kept compressions have a screen of their own over this one.
    """

    BINDINGS = [
        Binding("space", "hide", "hide", tooltip="Hide or show the curve of the run"),
        Binding("v", "curve", "val/train", tooltip="Validation or training loss"),
        Binding("b", "benchmarks", "benchmarks", tooltip="Benchmark tables, or the runs again"),
        Binding("i", "images", "images", tooltip="What the run at the cursor makes of an image"),
        Binding("y", "log_scale", "log", tooltip="Logarithmic or linear loss"),
        Binding("D", "differences", "settings", tooltip="The settings in which the runs differ"),
        Binding(
            "C",
            "compressions",
            "compressions",
            tooltip="Kept tables of dae compress: error and PSNR over units",
        ),
        *ZOOM_KEYS,
        *AXES_KEYS,
        MARKS_KEY,
        Binding("m", "smooth", "smooth the loss: more, most, not", show=False),
        WHOLE_KEY,
        Binding("a", "add", "compare one more run, the newest that is not here", show=False),
        Binding("u", "drop", "unmark: take this run out of the comparison", show=False),
        Binding("U", "newest", "forget the marks: compare the newest runs", show=False),
        Binding("escape", "app.back", "back to the runs", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.title = "the comparison"
        self._seen: Compared | None = None
        self._samples: Samples | None = None
        self._newest = NewestSamples()
        self._images = False
        self._differences = False
        """Whether the settings that differ are shown in place of curves and images."""
        self._colours: dict[str, int] = {}
        """The colour of each run that was ever shown here; it never changes."""
        self._hidden: set[str] = set()
        self._validation = True
        self._benchmarks = False
        self._watch: ComparisonWatch | None = None
        self._rows: dict[str, ComparedRows] = {}
        """What fills each table."""

    def compose(self) -> ComposeResult:
        yield Heading("compare")
        yield LossChart(id="overlaid")
        yield ComparedPictures(id="pictures")
        yield Differences(id="differences")
        yield RunsTable(id="compared", cursor_type="row", cell_padding=0)
        yield Table(id="tables", cursor_type="row", cell_padding=0)
        yield Static(id="nothing", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        for table, columns in (("#compared", RUN_COLUMNS), ("#tables", TABLE_COLUMNS)):
            self._rows[table] = ComparedRows(self.query_one(table, DataTable), columns)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_all())
        self.watch(self.app, "graphics", self._show_all, init=False)
        self._arrange()

    def look(self) -> _Seen:
        if self._watch is None:
            self._watch = ComparisonWatch(self.context.places)
        compared = self._watch.look(list(self.context.marked))
        return _Seen(compared, self._newest.look(compared.runs) if self._images else None)

    def show(self, seen: _Seen) -> None:
        self._seen, self._samples = seen.compared, seen.samples
        self._show_all()

    def fit(self) -> None:
        self._show_all()

    def on_screen_resume(self) -> None:
        self.look_soon()  # Other runs may have been marked.

    def _show_all(self) -> None:
        if self._seen is None:
            return
        give_colours(self._colours, [each.run.key for each in self._seen.runs], len(COLOURS))
        runs, tables = self._seen.runs, self._seen.tables
        self._rows["#compared"].fill(run_rows(runs), self._finish)
        self._rows["#tables"].fill(benchmark_rows(tables))
        self.chart.show(
            self._lines(), self._why_no_curves(runs), metric=self.metric, axis=self.axis
        )
        self.query_one(Differences).show(
            [(each.label, self._colours[each.run.key]) for each in runs],
            config_differences([each.config for each in runs]),
        )
        self._show_heading()
        self._arrange()

    def _show_heading(self) -> None:
        runs = self._seen.runs if self._seen else []
        count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
        chosen = "marked" if self.context.marked else "newest"
        shown = "validation loss" if self._validation else "training loss"
        if self.metric is not Metric.LOSS:
            shown = str(self.metric)
        if self._differences:
            shown = "settings that differ"
        elif self._images:
            shown = self.query_one(ComparedPictures).about()
        self.query_one(Heading).show(
            ("compare", "bold"),
            (f"{count}, {chosen}" if runs else "no runs", ""),
            (shown, ""),
            (f"benchmark rows: {len(self._rows['#tables'].keys)}", "text-muted"),
            ("* best", "success"),
        )

    def _arrange(self) -> None:
        """Give the tables the lines they need, up to a half, and the chart the rest."""
        height = self.size.height
        seen = self._seen or Compared()
        tall = height >= TALL
        runs, tables = self.query_one("#compared"), self.query_one("#tables")
        nothing = self.query_one("#nothing", Static)
        runs.display = bool(seen.runs) and (tall or not self._benchmarks)
        tables.display = bool(seen.tables) and (tall or self._benchmarks)
        pictured = self._images and not self._differences
        self.chart.display = bool(seen.runs) and not (pictured or self._differences)
        self.query_one(ComparedPictures).display = bool(seen.runs) and pictured
        self.query_one(Differences).display = bool(seen.runs) and self._differences
        share = max(3, (height - 3) * (2 if tall else 3) // 6)
        runs.styles.max_height = tables.styles.max_height = share
        missing = []
        if self._seen is not None and not seen.runs:
            missing.append("no runs yet: n starts one")
        if self._seen is not None and not seen.tables and (tall or self._benchmarks):
            missing.append("no benchmark tables: dae benchmark quality saves one")
        nothing.display = bool(missing)
        nothing.update("\n".join(missing))
        wanted = tables if self._benchmarks and tables.display else runs
        if wanted.display and not wanted.has_focus:
            wanted.focus()
        if self._images:
            self.call_after_refresh(self._show_images)

    def _show_images(self) -> None:
        """Show an image in the views of the run at the cursor, and as others denoise it."""
        chosen, pictures = self._at_cursor(), self.query_one(ComparedPictures)
        if self._seen is None or chosen is None or self._samples is None:
            pictures.show([], "reading the images…")
        else:
            pictures.compare(chosen, self._seen.runs, self._samples)
        self._show_heading()

    def _curve(self, compared: ComparedRun) -> Curve:
        """The metric; as loss that of validation once it has two points, unless told otherwise."""
        curves = compared.curves
        if self.metric is not Metric.LOSS:
            return curve_of(curves, self.metric)
        enough = len(curves.validation) >= 2
        return curves.validation if self._validation and enough else curves.train

    def _drawn(self) -> list[ComparedRun]:
        runs = self._seen.runs if self._seen else []
        return [
            each for each in runs if each.run.key not in self._hidden and len(self._curve(each))
        ]

    def _why_no_curves(self, runs: Sequence[ComparedRun]) -> str:
        seen = [each for each in runs if each.run.key not in self._hidden]
        if not seen:
            return "every curve is hidden: space shows it again"
        if any(each.summary.state.alive for each in seen):
            return "waiting for the first loss…"
        return "these runs ended before their first loss"

    def curves_shown(self) -> list[Curves]:
        runs = self._seen.runs if self._seen else []
        return [each.curves for each in runs if each.run.key not in self._hidden]

    def redraw_chart(self) -> None:
        self._show_all()

    def _lines(self) -> list[NamedLine]:
        lines = []
        for each in self._drawn():
            curve = self._curve(each)
            smooth = curve is each.curves.train or self.metric is Metric.SPEED
            line = line_of(each.curves, curve, self.axis, smooth=smooth)
            name = each.label
            name += f" ({NOISY_LOSS})" if each.learning.noisy_loss else ""
            lines.append(NamedLine(name, line, self._colours[each.run.key]))
        return lines

    def _finish(self, row: ComparisonRow, cells: list[Text]) -> None:
        """The mark of a run's curve before its name, and the colour of its state."""
        cells[0] = self._rows["#compared"].named(
            row.cells[0].text,
            self._colours[row.key],
            drawn=row.key in [each.run.key for each in self._drawn()],
            hidden=row.key in self._hidden,
            ascii_only=self.chart.marks is Marks.ASCII,
        )
        state = state_of(row)
        if state is not None:
            cells[1].stylize(theme_style(self, STATE_COLOURS[state]))

    def _at_cursor(self) -> ComparedRun | None:
        """The run at the cursor, wherever the focus is."""
        row = self.query_one("#compared", DataTable).cursor_row
        runs = self._seen.runs if self._seen else []
        return runs[row] if row < len(runs) else None

    def _chosen(self) -> ComparedRun | None:
        """The run at the cursor, if the keys are for the runs."""
        table = self.query_one("#compared", DataTable)
        return self._at_cursor() if table.display and table.has_focus else None

    def on_data_table_row_highlighted(self) -> None:
        if self._images:
            self._show_images()

    def on_data_table_row_selected(self, event: "DataTable.RowSelected") -> None:
        """Enter, or a click on the row of the cursor."""
        if event.data_table.id == "compared":
            self.run_worker(self.action_open(), name="open")

    async def action_open(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        if chosen.exists:
            self.post_message(OpenRun(chosen.run))
        else:
            gone = printable(f"{chosen.run.name} was deleted")
            self.notify(gone, severity="warning", markup=False)

    def action_hide(self) -> None:
        """Hide the curve of the run, or show it again."""
        chosen = self._chosen()
        if chosen is not None:
            self._hidden ^= {chosen.run.key}
            self._show_all()

    def action_curve(self) -> None:
        self._validation = not self._validation
        self._show_all()

    def action_images(self) -> None:
        """Show images in place of the curves, or the curves again."""
        self._images = self._differences or not self._images
        self._differences = False
        self._arrange()
        self.look_soon()

    def action_differences(self) -> None:
        """Show the settings in which the runs differ, or the curves or images again."""
        self._differences = not self._differences
        self._show_all()

    def action_pan(self, direction: int) -> None:
        """Move the chart, or show the next image or the one before where those are shown."""
        if self._images:
            self.query_one(ComparedPictures).move(direction)
            self._show_images()
        else:
            super().action_pan(direction)

    def action_whole(self) -> None:
        """Show all of each large image, or a part of it pixel by pixel."""
        self.query_one(ComparedPictures).toggle_whole()
        self._show_all()

    def action_benchmarks(self) -> None:
        self._benchmarks = not self._benchmarks
        self._arrange()

    def action_compressions(self) -> None:
        """Compare compressions; back from it is here."""
        self.app.push_screen(CompressionsScreen())

    def action_add(self) -> None:
        """Add the newest run that is not yet compared."""
        here = [each.run.key for each in self._seen.runs] if self._seen else []
        others = [
            run.key
            for run in self.context.places.runs()
            if run.key not in here and not read_tags(run).archived
        ]
        if others:
            self._compare([*here, others[-1]])
        else:
            self.notify("every run is here", timeout=2)

    def action_drop(self) -> None:
        """Take the run out of the comparison."""
        chosen = self._chosen()
        if chosen is not None and self._seen is not None:
            self._compare([each.run.key for each in self._seen.runs if each is not chosen])

    def action_newest(self) -> None:
        self._compare([])

    def _compare(self, names: list[str]) -> None:
        """Mark other runs; no marks mean the newest runs."""
        self.post_message(MarkRuns(tuple(names)))
        self.look_soon()

    def action_marks(self) -> None:
        super().action_marks()
        self._show_all()
