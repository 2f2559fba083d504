"""The list of runs, and beside it the one at the cursor."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import DataTable, Input, Static

from dae_tui.dashboard.content.runs_filter import EXAMPLE, listed, parse_filter
from dae_tui.dashboard.context import MarkRuns, OpenRun
from dae_tui.dashboard.run_list.runs_list import RunsList
from dae_tui.dashboard.screens.dialogs.question import Question
from dae_tui.dashboard.screens.dialogs.tag_question import TagQuestion
from dae_tui.dashboard.screens.shared.live import LiveScreen
from dae_tui.dashboard.screens.shared.run_actions import RunActions
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.runs.folder.layout import Request, State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.places import runs_dir_option
from dae_tui.runs.watching.places_watch import PlacesWatch
from dae_tui.runs.watching.runs_watch import RunRow
from dae_tui.system.printable import printable

if TYPE_CHECKING:
    from dae_tui.dashboard.run_list.run_pane import PaneView, PaneWatch

# On terminals of so many columns the run at the cursor is shown beside the list.
WIDE = 120
# The pane takes this share of a wide terminal, and so many columns at least: three digits.
PANE_SHARE, LEAST_PANE = 0.44, 64
REST_SECONDS = 0.1
# What does nothing to a run that can only be read.
WRITE = ("pause", "stop", "resume", "tag", "archive")
# What does nothing in an empty list.
NEED_A_RUN = ("select_cursor", "mark", "app.switch_mode", "sort", "tag")


@dataclass(frozen=True)
class _Seen:
    rows: list[RunRow]
    chosen: Run | None
    pane: "PaneView | None"


class RunsScreen(LiveScreen[_Seen], RunActions):
    """Every run of the folder: to open, steer, mark for comparison, tag or delete."""

    TITLE = "the list of runs"
    # Not the filter, which would take the keys: it comes first and may be hidden.
    AUTO_FOCUS = "RunsTable"

    BINDINGS = [
        Binding("n", "app.new_run", "new", tooltip="Start a training from a form"),
        Binding("slash", "filter", "filter", key_display="/", tooltip="Search, or filter the runs"),
        Binding("space", "mark", "mark", tooltip="Mark the run to compare, tag or delete it"),
        Binding("c", "app.switch_mode('compare')", "compare", tooltip="Compare the marked runs"),
        Binding("S", "group", "group", tooltip="The group of the run, such as that of a sweep"),
        Binding("p", "pause", "pause", tooltip="Pause the run, or let it go on"),
        Binding("s", "stop", "stop", tooltip="Stop the run"),
        Binding("r", "resume", "resume", tooltip="Resume a run that has ended"),
        Binding("x,delete", "delete", "delete", tooltip="Delete the run or the marked ones"),
        Binding("o", "sort(False)", "order", tooltip="Sort by the next column"),
        Binding("O", "sort(True)", "reverse order", show=False),
        Binding("T", "tag", "tag", tooltip="Tag the run or the marked ones"),
        Binding(
            "A",
            "archive",
            "archive",
            show=False,
            tooltip="Archive the run or the marked ones; undo it",
        ),
        Binding("U", "unmark", "forget the marks", show=False),
        Binding("v", "pane", "the run beside the list, or the list alone", show=False),
        Binding("escape", "no_filter", "every run", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._watch: PlacesWatch | None = None
        self._pane: PaneWatch | None = None
        self._wants_pane = True
        self._is_file = False
        """Whether the folder of runs is a file."""
        self._rows: list[RunRow] = []
        self._filter = ""
        self._chosen: Run | None = None
        """The run at the cursor, while the pane is shown."""
        self._rest: Timer | None = None
        self._asked_marks: tuple[str, ...] | None = None
        """What was marked, until the app has heard of it."""

    def compose(self) -> ComposeResult:
        yield Heading("reading the runs…")
        yield Input(placeholder=EXAMPLE, id="filter")
        with Horizontal(id="beside"):
            with Vertical(id="listed"):
                yield Static(id="hosts")
                yield RunsList(id="runs")
                yield Static(id="empty")
            yield Vertical(id="pane")  # The run itself is read and drawn after the list.
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#filter").display = False
        self.query_one("#empty").display = False
        self.query_one("#hosts").display = False
        self._table.focus()
        self.watch(self.app, "marked", self._marked, init=False)

    def look(self) -> _Seen:
        if self._watch is None:
            self._watch = PlacesWatch(self.context.places, self.context.event_dirs)
        self._is_file = os.path.isfile(self.context.runs_dir)  # noqa: PTH113 - Path may raise.
        rows = self._watch.look()
        chosen = self._chosen
        if self._pane is None and chosen is not None:
            from dae_tui.dashboard.run_list.run_pane import PaneWatch

            self._pane = PaneWatch()
        return _Seen(rows, chosen, None if self._pane is None else self._pane.look(chosen))

    def show(self, seen: _Seen) -> None:
        self._rows = seen.rows
        complete = self._watch is not None and self._watch.complete
        if complete:
            here = {row.run.key for row in seen.rows}
            self._mark(tuple(key for key in self._marks if key in here))
        self._fill()
        whole = seen.pane is None or seen.pane.view.whole
        if not self._show_pane(seen) or not complete or not whole:
            self.look_soon()

    def _show_pane(self, seen: _Seen) -> bool:
        """Show what was seen of the run at the cursor; whether there is a pane to show it in."""
        if self._pane is None:
            return True
        from dae_tui.dashboard.run_list.run_pane import RunPane

        beside = self.query_one("#pane")
        pane = next(iter(beside.query(RunPane)), None)
        if pane is None:
            beside.mount(RunPane())
        elif pane.is_mounted and (seen.pane is None or seen.chosen == self._at_cursor()):
            pane.show(seen.pane)
        return pane is not None and pane.is_mounted

    def fit(self) -> None:
        self._arrange()

    def offers(self, action: str) -> bool:
        """Whether an action does something now, and so has its key in the last line."""
        row = self._table.under_cursor
        if row is not None and row.run.read_only and action in WRITE:
            return False
        if action in ("pause", "stop"):
            return row is not None and row.summary.state.alive
        if action == "resume":
            state = row.summary.state if row else State.FINISHED
            return not state.alive and state is not State.FINISHED
        if action == "delete":
            alive = row is not None and row.summary.state.alive
            fixed = row is not None and row.run.read_only
            return row is not None and (bool(self.context.marked) or not (alive or fixed))
        if action == "group":
            return row is not None and bool(row.summary.group)
        return row is not None or action not in NEED_A_RUN

    @property
    def _table(self) -> RunsList:
        return self.query_one(RunsList)

    def _at_cursor(self) -> Run | None:
        row = self._table.under_cursor
        return row.run if row else None

    def _arrange(self) -> None:
        """Show the run at the cursor where there is room for it beside the list."""
        pane = self.query_one("#pane")
        pane.display = self._wants_pane and self.size.width >= WIDE and bool(self._rows)
        pane.styles.width = max(LEAST_PANE, round(self.size.width * PANE_SHARE))
        self._choose()

    @on(DataTable.RowHighlighted)
    def _choose(self) -> None:
        """Have the run at the cursor read, if it is shown."""
        row = self._table.under_cursor if self.query_one("#pane").display else None
        chosen = row.run if row else None
        if chosen != self._chosen:
            self._chosen = chosen
            if self._rest is not None:
                self._rest.stop()
            # Not at once: a key that is held down passes many runs.
            self._rest = self.set_timer(REST_SECONDS, self.look_soon)
        self.query_one(KeyBar).redraw_soon()

    def _fill(self) -> None:
        """Update the table, the heading, and what is shown where there are no rows."""
        rows = listed(parse_filter(self._filter), self._rows)
        self._table.show(rows)
        self._tell(len(rows))
        self._arrange()

    def _tell(self, shown: int) -> None:
        """Show the heading, and what to do where there are no rows."""
        alive = sum(row.summary.state.alive and not row.stale for row in self._rows)
        words = [(f"{len(self._rows)} run{'s' * (len(self._rows) != 1)}", "bold")]
        if self._watch is not None and not self._watch.whole:
            words.append(("reading…", "text-muted"))
        words.append((f"{alive} alive" if alive else "none alive", "success" if alive else ""))
        if self._filter:
            words.append((f"{shown} with '{self._filter}'", "warning"))
        if self.context.marked:
            words.append((f"{len(self.context.marked)} marked", ""))
        hidden = sum(row.summary.hidden for row in self._rows)
        if hidden:
            words.append((f"{hidden} archived", "text-muted"))
        folders = (self.context.places, *self.context.event_dirs)
        words.append((", ".join(map(str, folders)), "text-muted"))
        self.query_one(Heading).show(*words)
        troubles = self.context.places.troubles()
        hosts = self.query_one("#hosts", Static)
        hosts.display = bool(troubles)
        hosts.update(Text("\n".join(map(printable, troubles)), no_wrap=True, overflow="ellipsis"))
        empty = self.query_one("#empty", Static)
        empty.display = not shown
        self._table.display = bool(shown)
        if shown and self.focused is None:  # A hidden table loses the focus.
            self._table.focus()
        if not self._rows:
            empty.update(Text(self._what_to_do()))
        elif not shown and not self._filter:
            empty.update(
                Text("Every run is archived.\n\n/ is:archived shows them; A brings one back")
            )
        elif not shown:
            filtered = printable(self._filter)
            empty.update(
                Text(f"No run has '{filtered}'. Esc shows every run.\n\nFor example: {EXAMPLE}")
            )

    def _what_to_do(self) -> str:
        places = self.context.places
        folder = printable(places)
        option = "".join(f" {word}" for word in runs_dir_option(self.context.runs_dir))
        wrong = f"{folder} is a file, not a folder.\n\n"
        none = f"No runs in {folder} yet.\n\n"
        if places.local:
            shell = f"dae train --data digits{printable(option)}"
            none += f"n starts one here, or in a shell: {shell}\n"
        return (
            f"{wrong if self._is_file else none}"
            f"{self._no_events()}"
            "Another folder: dae dashboard --runs-dir DIR, or DAE_RUNS\n\n"
            "2 opens the playground with the published weights."
        )

    def _no_events(self) -> str:
        folders = ", ".join(printable(folder) for folder in self.context.event_dirs)
        return f"No event files in {folders} yet: they are waited for.\n\n" if folders else ""

    @on(DataTable.RowSelected)
    async def _open(self) -> None:
        """Open the run under the cursor."""
        row = self._table.under_cursor
        if row is not None:
            self.post_message(OpenRun(row.run, self._table.runs))

    def action_filter(self) -> None:
        """Type conditions; the list follows."""
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
            self._table.reverse()
        else:
            self._table.sort_by_next()

    def action_pane(self) -> None:
        """Show the run at the cursor beside the list, or the list alone."""
        self._wants_pane = not self._wants_pane
        self._arrange()

    def action_mark(self) -> None:
        """Mark or unmark the run, and move to the next."""
        run, marked = self._at_cursor(), self._marks
        if run is not None:
            others = tuple(each for each in marked if each != run.key)
            self._mark((*others, *(run.key not in marked) * (run.key,)))
            self._table.action_cursor_down()

    def action_unmark(self) -> None:
        """Mark no run."""
        self._mark(())

    @property
    def _marks(self) -> tuple[str, ...]:
        """The marked runs. Of keys that come together, as over a slow line, each counts."""
        return self.context.marked if self._asked_marks is None else self._asked_marks

    def _mark(self, names: tuple[str, ...]) -> None:
        if names != self._marks:
            self._asked_marks = names
            self.post_message(MarkRuns(names))

    def _marked(self) -> None:
        """The app has heard of other marks."""
        if self._asked_marks == self.context.marked:
            self._asked_marks = None
        self._fill()

    def _meant(self) -> list[Run]:
        """The marked runs, else the one at the cursor."""
        marked = [row.run for row in self._rows if row.run.key in self._marks]
        row = self._table.under_cursor
        return marked or ([row.run] if row else [])

    def action_pause(self) -> None:
        """Pause or resume the run under the cursor."""
        row = self._table.under_cursor
        if row is not None:
            paused = row.summary.state is State.PAUSED
            self.ask(row.run, Request.RESUME if paused else Request.PAUSE)

    @work
    async def action_stop(self) -> None:
        """Ask, then stop the run under the cursor."""
        row = self._table.under_cursor
        if row is None:
            return
        if row.run.read_only or not row.summary.state.alive:
            self.ask(row.run, Request.STOP)  # Says why it cannot be stopped.
            return
        detail = "It saves its state, evaluates its best weights, and ends. It can be resumed."
        if await self.app.push_screen_wait(Question(f"Stop {row.run.name}?", detail)):
            self.ask(row.run, Request.STOP)

    def action_resume(self) -> None:
        """Resume the run under the cursor in a process of its own."""
        row = self._table.under_cursor
        if row is not None and row.summary.state.alive:
            self.notify(printable(f"{row.run.name} is {row.summary.state}"), markup=False)
        elif row is not None:
            self.resume(row.run)

    @work
    async def action_delete(self) -> None:
        """Ask, then delete the marked runs, or the one under the cursor."""
        runs = self._meant()
        if any(run.foreign for run in runs):
            words = "another program's training is only watched: its files stay"
            self.notify(words, severity="warning")
        elsewhere = [run for run in runs if run.host]
        self.delete(elsewhere[:1])  # Says how it is done there.
        runs = [run for run in runs if not run.read_only]
        if not runs:
            return
        what = runs[0].name if len(runs) == 1 else f"{len(runs)} marked runs"
        where = str(runs[0].folder) if len(runs) == 1 else ", ".join(run.name for run in runs[:3])
        more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""
        detail = f"{where}{more}: deleted for good, weights and all; foreign files stay."
        if await self.app.push_screen_wait(Question(f"Delete {what}?", detail)):
            self.delete(runs)

    def action_group(self) -> None:
        """Show the group of the run under the cursor."""
        # Imported here: the list is there sooner.
        from dae_tui.dashboard.screens.group import GroupScreen

        row = self._table.under_cursor
        if row is not None and row.summary.group:
            folders, place = self.context.places.folders, row.run.place
            folder = next((each for each in folders if each.place == place), folders[0])
            self.app.push_screen(GroupScreen(folder.runs, row.summary.group))
        elif row is not None:
            self.notify("this run is in no group: dae sweep and dae runs group make some")

    def action_archive(self) -> None:
        """Archive the marked runs, or the one under the cursor; those that are so, bring back."""
        meant = {run.key for run in self._meant()}
        rows = [row for row in self._rows if row.run.key in meant]
        if rows:
            archived = not all(row.summary.archived for row in rows)
            self.archive([row.run for row in rows], archived)

    @work
    async def action_tag(self) -> None:
        """Ask for tags for the marked runs, or the one under the cursor."""
        runs = self._meant()
        if not runs:
            return
        about = runs[0].name if len(runs) == 1 else f"{len(runs)} marked runs"
        words = (await self.app.push_screen_wait(TagQuestion(about))).split()
        if words:
            add = [word for word in words if not word.startswith("-")]
            self.tag(runs, add, [word[1:] for word in words if word.startswith("-")])
