"""The app: what all screens share, and the way from one to another."""

import os
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console
from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.filter import LineFilter
from textual.notifications import Notify
from textual.pilot import Pilot
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import AwaitMount
from textual.worker import WorkerFailed

from dae_tui.dashboard.ascii_lines import KEY_NAMES, AsciiLines
from dae_tui.dashboard.context import Failed, MarkRuns, OpenRun, PlayWith
from dae_tui.dashboard.control_characters import Harmless
from dae_tui.dashboard.notifier import STALLED_MINUTES, Notifier
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.screens.shared.actions import Actions, offered_actions
from dae_tui.dashboard.screens.shared.live import LiveScreen
from dae_tui.dashboard.themes import TEXTUAL_NAMES, Theme
from dae_tui.errors import DaeError
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.places import Places
from dae_tui.terminal.graphics import Graphics

if TYPE_CHECKING:
    from dae_tui.devices.monitor import Monitor

# For a picture: enough to see how busy the machine is, and quick.
FEW_LOOKS = 4
SECONDS_OF_A_LOOK = 0.2
# So long after the start the other screens are imported, before anybody opens one.
PRELOAD_SECONDS = 1.0


# Screens are imported when they are opened: the list of runs needs none of what they need.


def _playground() -> Screen[None]:
    from dae_tui.dashboard.screens.playground import PlaygroundScreen

    return PlaygroundScreen()


def _compare() -> Screen[None]:
    from dae_tui.dashboard.screens.compare import CompareScreen

    return CompareScreen()


def _machine() -> Screen[None]:
    from dae_tui.dashboard.screens.machine import MachineScreen

    return MachineScreen()


def _run(run: Run, among: tuple[Run, ...] = ()) -> Screen[None]:
    from dae_tui.dashboard.screens.run import RunScreen

    return RunScreen(run, among)


def _load_screens() -> None:
    """Import in a thread what most screens need, so that the first key to one is quick as well."""
    names = ("run", "compare", "machine", "new_run")
    modules = [f"dae_tui.dashboard.screens.{name}" for name in names]
    Thread(target=lambda: [import_module(name) for name in modules], daemon=True).start()


class DashboardApp(App[None]):
    """Watches the runs of a folder. Whatever happens to it, the trainings go on."""

    TITLE = "dae"
    CSS_PATH = "dashboard.tcss"
    COMMAND_PALETTE_BINDING = "f2"
    COMMANDS: ClassVar = {Actions}
    MODES: ClassVar = {
        "runs": RunsScreen,
        "playground": _playground,
        "compare": _compare,
        "machine": _machine,
    }
    DEFAULT_MODE = "runs"
    BINDINGS: ClassVar = [
        Binding("q", "quit", "quit", tooltip="Leave; every training goes on"),
        Binding(
            "ctrl+c,ctrl+q", "quit", "quit", show=False, tooltip="Leave; every training goes on"
        ),
        Binding("question_mark,f1", "keys", "help", key_display="?", tooltip="These keys"),
        Binding("1", "switch_mode('runs')", "runs", show=False, tooltip="The list of runs"),
        Binding(
            "2", "switch_mode('playground')", "playground", show=False, tooltip="The playground"
        ),
        Binding("3", "switch_mode('compare')", "compare", show=False, tooltip="Compare runs"),
        Binding(
            "4", "switch_mode('machine')", "machine", show=False, tooltip="GPUs and who uses them"
        ),
        Binding("n", "new_run", "new run", show=False, tooltip="Start a training"),
        Binding(
            "f3", "graphics", "graphics", show=False, tooltip="Graphics: true colours, 256, ASCII"
        ),
        Binding(
            "t", "next_theme", "theme", show=False, tooltip="Theme: dark, light, the terminal's"
        ),
    ]

    graphics: reactive[Graphics] = reactive(Graphics.COLORS_256)
    marked: reactive[tuple[str, ...]] = reactive(())

    def __init__(
        self,
        runs_dir: Path,
        data_dir: Path,
        graphics: Graphics,
        *,
        run: Run | None = None,
        refresh_seconds: float = 1.0,
        monitor: "Monitor | None" = None,
        theme: Theme = Theme.DARK,
        notify: Sequence[str] = (),
        stalled_minutes: float = STALLED_MINUTES,
        event_dirs: Sequence[Path] = (),
        places: Places | None = None,
    ) -> None:
        """Watch the runs in `runs_dir`.

        Args:
            runs_dir: the folder of runs.
            data_dir: where the playground looks for data sets.
            graphics: what the terminal can show.
            run: a run to open at once.
            refresh_seconds: how often to look.
            monitor: reads the machine; None makes one.
            theme: the colours.
            notify: whom to tell of what happens to runs; see `notifier.Notifier`.
            stalled_minutes: after so long without a step a run is said to be stalled.
            event_dirs: folders with event files of other programs.
            places: the folders whose runs are shown; None for `runs_dir` alone.
        """
        super().__init__()
        self.places = places or Places([runs_dir])
        self.runs_dir = runs_dir
        self.event_dirs = tuple(event_dirs)
        self.data_dir = data_dir
        self.refresh_seconds = refresh_seconds
        self._monitor = monitor
        self.theme = TEXTUAL_NAMES[theme]
        self.set_reactive(DashboardApp.graphics, graphics)
        self._run = run
        self._notify, self._stalled_minutes = notify, stalled_minutes
        self._notifiers: list[Notifier] = []
        self._harmless, self._ascii = Harmless(), AsciiLines()
        self._opened = {self.DEFAULT_MODE}
        """The modes whose screens have been shown."""
        self._masked = True

        self._console = self.console

    def watch_graphics(self, graphics: Graphics) -> None:
        """Send true colours where they are wanted, though the terminal may not claim to have them.

        Plain SSH drops COLORTERM, and Rich would then turn every colour into one of the 256.
        """
        wanted = graphics is Graphics.TRUECOLOR
        self.console = _truecolor_console() if wanted else self._console
        # Lines pass other filters now, whether they themselves have changed or not.
        for screen in (screen for stack in self._screen_stacks.values() for screen in stack):
            for widget in screen.walk_children(with_self=True):
                widget.refresh()

    def on_mount(self) -> None:
        self.watch_graphics(self.graphics)
        self.places.start()
        self._start_to_notify()
        if self._run is not None:
            self.push_screen(_run(self._run))
        self.set_timer(PRELOAD_SECONDS, _load_screens)

    def on_unmount(self) -> None:
        for notifier in self._notifiers:
            notifier.close()
        self.places.close()
        if self._monitor is not None:
            self._monitor.close()

    def _start_to_notify(self) -> None:
        """Tell of what happens to the runs from now on, in a thread."""
        if not self._notify:
            return

        def soon(act: Callable[..., object], *arguments: object) -> None:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(act, *arguments)

        for folder in self.places.local:
            try:
                notifier = Notifier(
                    folder.path,
                    self._notify,
                    60 * self._stalled_minutes,
                    seconds=max(1.0, self.refresh_seconds),
                    bell=lambda: soon(self.bell),
                    tell=lambda failure: soon(self.post_message, Failed(failure)),
                )
            except DaeError as failure:
                self.post_message(Failed(failure))
            else:
                self._notifiers.append(notifier)
                notifier.start()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The filters that every line of every widget passes on its way to the terminal."""
        ascii_only = [self._ascii] if self.graphics is Graphics.ASCII else []
        return [*super().get_line_filters(), self._harmless, *ascii_only]

    def get_key_display(self, binding: Binding) -> str:
        """A key as it is shown: as a sign, or where there is none as a word."""
        shown = super().get_key_display(binding)
        return KEY_NAMES.get(shown, shown) if self.graphics is Graphics.ASCII else shown

    @on(OpenRun)
    async def _open_run(self, wanted: OpenRun) -> None:
        """Show one run over the list."""
        await self.switch_mode("runs")
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        await self.push_screen(_run(wanted.run, wanted.among))

    @on(PlayWith)
    async def _play_with(self, wanted: PlayWith) -> None:
        from dae_tui.dashboard.screens.playground import PlaygroundScreen

        await self.switch_mode("playground")
        if isinstance(self.screen, PlaygroundScreen):
            self.screen.choose_weights(wanted.run)

    @on(MarkRuns)
    def _mark_runs(self, wanted: MarkRuns) -> None:
        self.marked = wanted.names

    @on(Failed)
    def _tell_of(self, failed: Failed) -> None:
        words = f"{failed.failure.message}\n{failed.failure.hint}".strip()
        self.notify(words, severity="error", markup=False)

    @property
    def monitor(self) -> "Monitor":
        """Reads the machine; made when a screen first asks for it."""
        if self._monitor is None:
            from dae_tui.devices.monitor import Monitor

            self._monitor = Monitor()
        return self._monitor

    @property
    def failure(self) -> Exception | None:
        """The error that ended the app, for the command line to report."""
        error = self._exception
        return error.error if isinstance(error, WorkerFailed) else error  # type: ignore[return-value]

    def picture(self, size: tuple[int, int]) -> str:
        """The screen after a few looks as SVG; runs without a terminal, at `size` cells."""
        drawn: list[str] = []
        self.refresh_seconds = SECONDS_OF_A_LOOK

        async def look(pilot: Pilot[object]) -> None:
            while isinstance(self.screen, LiveScreen) and self.screen.looks < FEW_LOOKS:
                await pilot.pause(self.refresh_seconds / FEW_LOOKS)
            drawn.append(self.export_screenshot(title="dae dashboard"))
            self.exit()

        self.run(headless=True, size=size, auto_pilot=look)
        return "".join(drawn)

    def leave(self, code: int) -> None:
        """End the app with an exit code; from a signal handler."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self.exit, None, code)

    def _print_error_renderables(self) -> None:
        # The command line prints one line and a hint instead; DAE_DEBUG=1 shows the traceback.
        self._exit_renderables.clear()

    def on_notify(self, event: Notify) -> None:
        """Show one confirmation at a time, the newest, and no error twice."""
        new = event.notification
        for old in list(self._notifications):
            if old.message == new.message or old.severity == new.severity == "information":
                self._unnotify(old, refresh=False)
                # Left to Textual, the frame of the toast would stay there, empty.
                self.screen.query(f"#--textual-toast-{old.identity}").remove()

    def switch_mode(self, mode: str) -> AwaitMount:
        """Go to another screen, at once if it has been open before."""
        self._masked = mode not in self._opened
        self._opened.add(mode)
        try:
            return super().switch_mode(mode)
        finally:
            self._masked = True

    def delay_update(self, delay: float = 0.05) -> None:
        """Draw nothing for so many seconds, while a new screen is put together.

        One that is whole already needs no such mask.
        """
        if self._masked:
            super().delay_update(delay)

    async def action_switch_mode(self, mode: str) -> None:
        """Go to another screen; Compare compares runs at first, whatever was left open there."""
        # Imported here: the list of runs is there sooner.
        from dae_tui.dashboard.screens.compressions import CompressionsScreen

        await self.switch_mode(mode)
        while isinstance(self.screen, CompressionsScreen):
            await self.pop_screen()

    async def action_back(self) -> None:
        """Return to the screen below, or from the lowest to the list of runs."""
        if len(self.screen_stack) > 1:
            await self.pop_screen()
        else:
            await self.switch_mode("runs")

    def action_new_run(self) -> None:
        from dae_tui.dashboard.screens.new_run import NewRunScreen

        try:
            self.places.check_new_run()
        except DaeError as failure:
            self.post_message(Failed(failure))
            return
        self.push_screen(NewRunScreen())

    def action_keys(self) -> None:
        from dae_tui.dashboard.screens.dialogs.help import Help

        self.push_screen(Help(self.screen))

    def action_graphics(self) -> None:
        """Draw images in the next finer mode, after the finest in the coarsest."""
        every = list(Graphics)
        self.graphics = every[every.index(self.graphics) - 1]
        self.notify(f"graphics: {self.graphics}", timeout=2)

    def action_next_theme(self) -> None:
        """Dark, light, or the colours of the terminal."""
        every = list(Theme)
        now = list(TEXTUAL_NAMES.values()).index(self.theme)
        theme = every[(now + 1) % len(every)]
        self.theme = TEXTUAL_NAMES[theme]
        self.notify(f"theme: {theme}", timeout=2)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: an entry for every action that has a key here."""
        for action in offered_actions(screen):
            yield SystemCommand(action.title, action.help, action.act)


def _truecolor_console() -> Console:
    """The console that Textual makes for itself, but with true colours whatever the terminal says.

    It writes nothing: Textual asks it for the codes of its lines.
    """
    return Console(
        color_system="truecolor",
        file=StringIO(),
        highlight=False,
        emoji=False,
        legacy_windows=False,
        force_terminal=True,
        safe_box=False,
        soft_wrap=False,
        _environ={name: value for name, value in os.environ.items() if name != "NO_COLOR"},
    )
