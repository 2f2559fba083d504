"""One run: its loss, the machine, a few images denoised by the network, and its log."""

from dataclasses import dataclass

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.notifications import SeverityLevel
from textual.widgets import Footer

from dae_tui.dashboard.context import Failed, PlayWith
from dae_tui.dashboard.learning import NOISY_LOSS, Learning, learning_of
from dae_tui.dashboard.screens.chart import MARKS_KEY, ZOOM_KEYS, ChartScreen
from dae_tui.dashboard.screens.question import Question
from dae_tui.dashboard.shown_sample import ShownSample, shown_sample
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.log_tail import LogTail
from dae_tui.dashboard.widgets.loss_chart import LossChart, NamedLine, short
from dae_tui.dashboard.widgets.machine_panel import MachinePanel
from dae_tui.dashboard.widgets.pictures import Pictures
from dae_tui.dashboard.widgets.run_metrics import RunMetrics
from dae_tui.devices.machine import Machine
from dae_tui.errors import DaeError
from dae_tui.runs.detached_training import detach
from dae_tui.runs.layout import Request, State
from dae_tui.runs.reader import Run
from dae_tui.runs.summary import duration
from dae_tui.runs.watching.run_watch import RunView, RunWatch
from dae_tui.runs.watching.samples import BrokenSample
from dae_tui.system.printable import printable
from dae_tui.terminal.blocks import Graphics
from dae_tui.terminal.plot import Line

TIME = Binding.Group("time", compact=True)
IMAGE = Binding.Group("image", compact=True)
# Lines of the log where the screen is high enough to show them beside all else.
TALL, LOG_LINES = 36, 5
WIDE = 110
# Size and views of the images until some have come.
DIGITS = ((28, 28), 3)


@dataclass(frozen=True)
class _Seen:
    view: RunView
    machine: Machine
    sample: ShownSample | BrokenSample | None
    learning: Learning


class RunScreen(ChartScreen[_Seen]):
    """Watches a run and steers it through its folder, without slowing the training."""

    BINDINGS = [
        Binding("p", "pause", "pause", tooltip="Pause or resume the training"),
        Binding("s", "stop", "stop", tooltip="Stop the training: it saves, evaluates, and ends"),
        Binding("r", "go_on", "go on", tooltip="Resume a run that has ended", show=False),
        Binding("left", "time(-1)", "earlier images", group=TIME, key_display="←"),
        Binding("right", "time(1)", "later images", group=TIME, key_display="→"),
        Binding("home", "time(-1000000)", "the first images", show=False),
        Binding("end,f", "live", "live", tooltip="Follow the newest images", show=False),
        Binding("up", "image(-1)", "image before", group=IMAGE, key_display="↑"),
        Binding("down", "image(1)", "next image", group=IMAGE, key_display="↓"),
        Binding("z", "whole", "all of a large image, or a part pixel by pixel", show=False),
        Binding("l", "log", "log", tooltip="Show the log in place of the images"),
        Binding("o", "play", "play", tooltip="Open the playground with this run's weights"),
        *ZOOM_KEYS,
        Binding("y", "log_scale", "logarithmic or linear loss", show=False),
        Binding("m", "smooth", "smooth the loss: more, most, not", show=False),
        MARKS_KEY,
        Binding("v", "next_view", "next view, on a narrow terminal", show=False),
        Binding("escape,backspace", "app.back", "back to the runs", show=False),
    ]

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.title = f"the run {run.name}"
        self.run_shown = run
        self._watch = RunWatch(run)
        self._scrubbed: int | None = None
        """The step whose images are shown; None follows the newest."""
        self._image = 0
        self._shown: tuple[ShownSample, list[int]] | None = None
        """The images that are drawn."""
        self._sample: ShownSample | BrokenSample | None = None
        self._learning: Learning | None = None
        """What the run learns from, once its config has been read."""
        self._seen: _Seen | None = None

    def compose(self) -> ComposeResult:
        yield Heading(self.run_shown.name)
        with Horizontal(id="top"):
            yield LossChart(id="loss")
            with Vertical(id="side"):
                yield MachinePanel(id="machine")
                yield RunMetrics(id="metrics")
        yield Pictures(id="pictures")
        yield LogTail(id="log")
        yield Heading(first="", id="which")
        yield Footer(show_command_palette=False, compact=True)

    def look(self) -> _Seen:
        view = self._watch.look()
        step = self._scrubbed
        if step is None and view.steps:
            step = view.steps[-1]
        learning = self._learning or learning_of(self.run_shown.config())
        sample = self._sample
        if step is None:
            sample = None
        elif not isinstance(sample, ShownSample) or sample.step != step:
            sample = shown_sample(self.run_shown, step, learning)
        return _Seen(view, self.context.monitor.read(), sample, learning)

    def show(self, seen: _Seen) -> None:
        before = self._seen.view if self._seen else None
        view = seen.view
        self._seen = seen
        if before is not None and before.exists and not view.exists:
            self._tell(f"{self.run_shown.name} was deleted", "warning")
        elif before is not None and before.summary.state != view.summary.state:
            self._tell_state(view)
        self._learning = seen.learning if seen.learning.noise else None
        self._show_heading()
        if view.changed or before is None or before.summary.state is not view.summary.state:
            self._show_curves(view, seen.learning)
        self.query_one(MachinePanel).show(seen.machine)
        self.query_one(RunMetrics).show(view, seen.learning)
        self.query_one(LogTail).show(view.log)
        old, self._sample = self._images, seen.sample
        if self._images != old:
            self._arrange()
        self._show_pictures()
        if not view.whole:
            self.look_soon()

    def on_resize(self) -> None:
        self._arrange()

    @property
    def _images(self) -> tuple[tuple[int, int], int]:
        """Height and width of the images, and the number of their views."""
        sample = self._sample
        return (sample.size, len(sample.names)) if isinstance(sample, ShownSample) else DIGITS

    def _arrange(self) -> None:
        """Give the images the lines they need, a high screen's log a few, the chart the rest."""
        width, height = self.size
        log_alone = self.has_class("-log")
        tall = height >= TALL
        pictures = self.query_one(Pictures)
        room = (height - 3 - (LOG_LINES if tall else 0)) * 5 // 8
        # Large images get as many lines as digits do at least.
        least = pictures.layout_for(width, room).lines
        shown = pictures.layout_for(width, max(room, least), *self._images)
        rows = shown.down * shown.lines
        pictures.display = not log_alone
        pictures.styles.height = rows
        log = self.query_one(LogTail)
        log.display = log_alone or tall
        log.styles.height = rows if log_alone else LOG_LINES
        side = self.query_one("#side")
        side.styles.width = 44 if width >= WIDE else min(36, width * 9 // 20)
        side.display = width >= 60
        top = height - 3 - rows - (LOG_LINES if tall and not log_alone else 0)
        self.query_one(RunMetrics).styles.height = 3 if top < 12 else 8
        self.call_after_refresh(self._show_pictures)

    def _show_heading(self) -> None:
        seen = self._seen
        if seen is None:
            return
        summary = seen.view.summary
        state = str(summary.state) if seen.view.exists else "deleted"
        words = [
            (summary.label, "bold"),
            (state, STATE_COLOURS[summary.state]),
        ]
        failed = summary.state in (State.FAILED, State.CRASHED) and seen.view.exists
        if failed and summary.reason:
            words.append((summary.reason, "text-muted"))
        words.append((f"epoch {summary.epoch or 0:.0f}/{_count(summary.epochs)}", ""))
        if summary.state.alive and summary.images_per_second:
            words.append((f"{short(summary.images_per_second)} img/s", ""))
        if summary.seconds_left is not None:
            words.append((f"{duration(summary.seconds_left)} left", ""))
        elif summary.seconds is not None:
            words.append((f"trained {duration(summary.seconds)}", ""))
        self.query(Heading).first().show(*words)

    def _show_curves(self, view: RunView, learning: Learning) -> None:
        lines = [
            NamedLine("train", Line(*view.curves.train.arrays()), 0),
            NamedLine("val", Line(*view.curves.validation.arrays(), smooth=False, dashed=True), 1),
        ]
        alive = view.summary.state.alive
        none = "waiting for the first loss…" if alive else "this run ended before its first loss"
        self.chart.show(lines, none, NOISY_LOSS if learning.noisy_loss else "")

    def _show_pictures(self) -> None:
        """Show the images that fit, from the chosen one on, and below them which they are."""
        pictures, below = self.query_one(Pictures), self.query_one("#which", Heading)
        seen, sample = self._seen, self._sample
        if seen is None:
            return
        if isinstance(sample, ShownSample):
            shown = pictures.layout_for(*pictures.size, *self._images)
            count = min(len(sample), shown.across * shown.down)
            numbers = [(self._image + n) % len(sample) for n in range(count)]
            # Drawing images costs more than all else, and they change only once per epoch.
            if self._shown != (sample, numbers):
                self._shown = sample, numbers
                pictures.show(sample.pictures(numbers), telling=sample.telling)
            which = f"image {numbers[0] + 1}" + (f"–{numbers[-1] + 1}" if count > 1 else "")
            which += f"/{len(sample)}"
        else:
            self._shown = None
            none = "this run kept no images"
            if seen.view.summary.state.alive:
                none = "no images yet: they come as it trains"
            pictures.show([], sample.reason if sample else none)
            which = ""
        below.show(*self._which(seen, which))

    def _which(self, seen: _Seen, which: str) -> list[tuple[str, str]]:
        """Which images are shown, from which step, and how much of them."""
        sample, steps = self._sample, seen.view.steps
        words = [(which, "")] if which else []
        if sample is not None and steps:
            place = steps.index(sample.step) + 1 if sample.step in steps else 0
            words.append((f"after step {sample.step:,}", ""))
            words.append((f"{place}/{len(steps)}", "text-muted"))
            live = self._scrubbed is None
            words.append(("live" if live else "f: live again", "success" if live else "warning"))
        pictures = self.query_one(Pictures)
        if isinstance(sample, ShownSample) and pictures.display:
            shown = pictures.layout_for(*pictures.size, *self._images)
            part = pictures.words(shown, sample.size)
            words += [(part, "text-muted")] if part else []
            coarse = sample.colour and self.context.graphics is Graphics.COLORS_256
            words += [("g: true colours", "text-muted")] if coarse else []
        return words

    def _tell_state(self, view: RunView) -> None:
        state = view.summary.state
        reason = f": {view.summary.reason}" if view.summary.reason else ""
        bad = state in (State.FAILED, State.CRASHED)
        self._tell(f"{view.summary.label} is {state}{reason}", "error" if bad else "information")

    def _tell(self, words: str, severity: SeverityLevel) -> None:
        """Notify with words that may be foreign."""
        self.notify(printable(words), severity=severity, markup=False)

    def action_time(self, by: int) -> None:
        """Show earlier or later images; beyond the newest, follow them again."""
        steps = self._seen.view.steps if self._seen else []
        if not steps:
            return
        now = self._sample.step if self._sample else steps[-1]
        later = [step for step in steps if step > now] if by > 0 else []
        earlier = [step for step in steps if step < now]
        if by > 0:
            self._scrubbed = later[0] if len(later) > 1 else None
        elif earlier:
            self._scrubbed = earlier[max(0, len(earlier) + by)]
        self.look_soon()

    def action_live(self) -> None:
        self._scrubbed = None
        self.look_soon()

    def action_image(self, by: int) -> None:
        """Start with the next image or the one before."""
        if isinstance(self._sample, ShownSample):
            self._image = (self._image + by) % len(self._sample)
            self._show_pictures()

    def action_whole(self) -> None:
        """Show all of each large image, or a part of it pixel by pixel."""
        self.query_one(Pictures).toggle_whole()
        self._arrange()

    def action_log(self) -> None:
        self.toggle_class("-log")
        self._arrange()

    def action_next_view(self) -> None:
        self.query_one(Pictures).next_view()

    def action_pause(self) -> None:
        """Pause the training, or resume it if it is paused."""
        paused = self.run_shown.state() is State.PAUSED
        self._ask(Request.RESUME if paused else Request.PAUSE)

    @work
    async def action_stop(self) -> None:
        """Ask, then stop the training."""
        detail = "It saves its state, evaluates its best weights, and ends. It can be resumed."
        if await self.app.push_screen_wait(Question(f"Stop {self.run_shown.name}?", detail)):
            self._ask(Request.STOP)

    @work(thread=True)
    def action_go_on(self) -> None:
        """Resume a run that has ended, in a process of its own."""
        state = self.run_shown.state()
        if state.alive:
            self._tell(f"{self.run_shown.name} is {state}", "warning")
            return
        self.notify("starting…", timeout=2)
        try:
            detach(self.run_shown, None, [])
        except DaeError as failure:
            self.post_message(Failed(failure))
        self.look_soon_from_thread()

    async def action_play(self) -> None:
        """Open the playground with the weights of this run."""
        self.post_message(PlayWith(self.run_shown))

    @work(thread=True)
    def _ask(self, request: Request) -> None:
        try:
            self.run_shown.ask(request)
        except DaeError as failure:
            self.post_message(Failed(failure))
        else:
            self.notify(f"asked to {request}", timeout=2)
        self.look_soon_from_thread()


def _count(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
