"""The machine: every GPU with its history, the processes on it, processor, memory and disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import DataTable, Input, Static

from dae_tui.dashboard.context import OpenRun
from dae_tui.dashboard.screens.shared.live import LiveScreen
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.dashboard.widgets.machine.gpu_rows import GpuRows, reasons_of
from dae_tui.dashboard.widgets.machine.machine_panel import GIB
from dae_tui.dashboard.widgets.tables.runs_table import RunsTable
from dae_tui.devices.gpu_processes import HIDDEN, GpuProcess
from dae_tui.devices.machine import Machine
from dae_tui.devices.reading import Reading
from dae_tui.runs.folder.reader import Run
from dae_tui.system.printable import printable

# Columns of the processes, and their widths with a gap; the command takes the rest.
COLUMNS = (("GPU", 5), ("pid", 9), ("GiB", 7), ("user", 12), ("run", 26))
NONE = "–"


@dataclass(frozen=True)
class _Process:
    gpu: int
    process: GpuProcess
    run: Run | None
    """The run that is trained by it."""

    @property
    def words(self) -> str:
        """What the filter searches."""
        run = self.run.name if self.run else ""
        process = self.process
        return f"gpu{self.gpu} {process.pid} {process.user} {run} {process.command}".lower()


@dataclass(frozen=True)
class _Seen:
    machine: Machine
    disk: tuple[Reading, Reading]
    processes: list[_Process]


class MachineScreen(LiveScreen[_Seen]):
    """What `dae devices` prints, live, and which run each process trains."""

    # Not the filter, which would take the keys: it comes first and may be hidden.
    AUTO_FOCUS = "RunsTable"

    BINDINGS = [
        Binding("slash", "filter", "filter", key_display="/", tooltip="Filter the processes"),
        Binding("o", "sort", "order", tooltip="Sort the processes by the next column"),
        Binding("escape", "no_filter", "every process, or back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.title = "the machine"
        self._seen: _Seen | None = None
        self._filter = ""
        self._order = 0
        self._shown: list[_Process] = []
        self._drawn: tuple[list[list[Text]], int, int] | None = None

    def compose(self) -> ComposeResult:
        yield Heading("the machine")
        yield GpuRows(id="gpus")
        yield Input(placeholder="words of a process: user, run, pid, gpu0, command", id="filter")
        yield RunsTable(id="processes", cursor_type="row", cell_padding=0)
        yield Static(id="nothing", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self._table.focus()

    @property
    def _table(self) -> RunsTable:
        return self.query_one(RunsTable)

    def look(self) -> _Seen:
        machine = self.context.monitor.read(processes=True)
        runs: dict[int, Run] = {}
        if any(gpu.processes for gpu in machine.gpus):
            runs = _training(self.context.places.local_runs())
        processes = [
            _Process(gpu.index, each, runs.get(each.pid))
            for gpu in machine.gpus
            for each in gpu.processes
        ]
        return _Seen(machine, _disk(self.context.runs_dir), processes)

    def show(self, seen: _Seen) -> None:
        self._seen = seen
        rows = self.query_one(GpuRows)
        rows.show(seen.machine, seen.disk)
        self._arrange()
        self._fill()

    def fit(self) -> None:
        self._arrange()
        self._fill()

    def offers(self, action: str) -> bool:
        """Whether an action does something now, and so has its key in the last line."""
        return bool(self._shown) or action not in ("select_cursor", "sort", "filter")

    def _arrange(self) -> None:
        rows = self.query_one(GpuRows)
        rows.styles.height = rows.lines(self.size.height)

    def _fill(self) -> None:
        seen = self._seen
        if seen is None:
            return
        words = self._filter.lower().split()
        found = [each for each in seen.processes if all(word in each.words for word in words)]
        found.sort(key=self._sort_key)
        room = max(10, self.size.width - sum(width for _, width in COLUMNS) - 2)
        rows = [self._cells(each, room) for each in found]
        self._shown = found
        self._tell(seen, len(found))
        self.query_one(KeyBar).redraw()
        if (rows, self._order, room) == self._drawn:
            return
        self._drawn = rows, self._order, room
        table, chosen = self._table, self._table.cursor_row
        table.clear(columns=True)
        for place, (name, width) in enumerate((*COLUMNS, ("command", room))):
            arrow = "▲" if place == self._order else ""
            heading = f"{name}{arrow}"
            table.add_column(heading.rjust(width - 1) if place < 3 else heading, width=width)
        for row in rows:
            table.add_row(*row)
        if found:
            table.move_cursor(row=min(chosen, len(found) - 1), animate=False)

    def _sort_key(self, each: _Process) -> tuple[float | str, int]:
        """By the chosen column; most memory first."""
        process = each.process
        keys: tuple[float | str, ...] = (
            float(each.gpu),
            float(process.pid),
            -(process.memory.value or 0.0),
            process.user,
            each.run.name if each.run else "~",
            process.command,
        )
        return keys[self._order], process.pid

    def _cells(self, each: _Process, room: int) -> list[Text]:
        process = each.process
        memory = process.memory.value
        words = (
            f"{each.gpu:>4}",
            f"{process.pid:>8}",
            f"{NONE if memory is None else f'{memory / GIB:.1f}':>6}",
            process.user or NONE,
            each.run.name[16:] if each.run else NONE,
            process.command or HIDDEN,
        )
        widths = [*(width for _, width in COLUMNS), room]
        cells = [Text(printable(text), no_wrap=True) for text in words]
        for cell, width in zip(cells, widths, strict=True):
            cell.truncate(width - 1, overflow="ellipsis")
        return cells

    def _tell(self, seen: _Seen, shown: int) -> None:
        count = len(seen.processes)
        words = [("machine", "bold"), (seen.machine.host, "")]
        words.append((f"{count} process{'es' * (count != 1)} on GPUs", ""))
        if self._filter:
            words.append((f"{shown} with '{self._filter}'", "warning"))
        self.query_one(Heading).show(*words)
        nothing = self.query_one("#nothing", Static)
        reasons = reasons_of(seen.machine.gpus)
        if not seen.processes and not reasons and seen.machine.gpus:
            reasons = ["no process uses a GPU"]
        nothing.display = bool(reasons)
        nothing.update(Text(printable("; ".join(reasons))))
        self._table.display = bool(seen.processes)

    def action_filter(self) -> None:
        """Type words; the processes follow."""
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

    async def action_no_filter(self) -> None:
        """Show every process again, or go back where all are shown."""
        field = self.query_one("#filter", Input)
        if not field.display:
            await self.app.run_action("app.back")
            return
        field.value = ""
        field.display = False
        self._table.focus()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._order = (self._order + 1) % (len(COLUMNS) + 1)
        self._fill()

    @on(DataTable.RowSelected)
    def _open(self) -> None:
        """Open the run that the process trains."""
        row = self._table.cursor_row
        run = self._shown[row].run if row < len(self._shown) else None
        if run is not None:
            self.post_message(OpenRun(run))
        else:
            self.notify("this process trains no run of this folder", timeout=3)


def _training(runs: Iterable[Run]) -> dict[int, Run]:
    """The runs that are alive, by the number of their process."""
    found: dict[int, Run] = {}
    for run in runs:
        pid = run.status().get("pid")
        if isinstance(pid, int) and run.state().alive:
            found[pid] = run
    return found


def _disk(folder: Path) -> tuple[Reading, Reading]:
    """Used and whole space in bytes of the disk of a folder, or of the first above that exists."""
    try:
        place = folder.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        usage = psutil.disk_usage(str(place))
    except OSError as failure:
        reason = str(failure.strerror or failure).lower()
        return Reading(None, reason), Reading(None, reason)
    return Reading(float(usage.used)), Reading(float(usage.total))
