"""One run: its loss, the machine, a few digits denoised by the network, and its log."""

from dataclasses import dataclass

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.notifications import SeverityLevel
from textual.widgets import Footer

from dae_tui.dashboard.context import Failed, PlayWith
from dae_tui.dashboard.screens.chart import MARKS_KEY, ZOOM_KEYS, ChartScreen
from dae_tui.dashboard.screens.question import Question
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.digits import Digits, Picture, digits_of
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.log_tail import LogTail
from dae_tui.dashboard.widgets.loss_chart import LossChart, NamedLine, short
from dae_tui.dashboard.widgets.machine_panel import MachinePanel
from dae_tui.dashboard.widgets.run_metrics import RunMetrics
from dae_tui.devices.machine import Machine
from dae_tui.errors import DaeError
from dae_tui.runs.detached_training import detach
from dae_tui.runs.layout import Request, State
from dae_tui.runs.reader import Run
from dae_tui.runs.summary import duration
from dae_tui.runs.watching.run_watch import RunView, RunWatch
from dae_tui.runs.watching.samples import BrokenSample, SavedSample, load_sample
from dae_tui.system.printable import printable
from dae_tui.terminal.plot import Line

TIME = Binding.Group("time", compact=True)
DIGIT = Binding.Group("digit", compact=True)
# Lines of the log where the screen is high enough to show them beside all else.
TALL, LOG_LINES = 36, 5
WIDE = 110


@dataclass(frozen=True)
class _Seen:
    view: RunView
    machine: Machine
    sample: SavedSample | BrokenSample | None


class RunScreen(ChartScreen[_Seen]):
    """Watches a run and steers it through its folder, without slowing the training."""

    BINDINGS = [
        Binding("p", "pause", "pause", tooltip="Pause or resume the training"),
        Binding("s", "stop", "stop", tooltip="Stop the training: it saves, evaluates, and ends"),
        Binding("r", "go_on", "go on", tooltip="Resume a run that has ended", show=False),
        Binding("left", "time(-1)", "earlier digits", group=TIME, key_display="←"),
        Binding("right", "time(1)", "later digits", group=TIME, key_display="→"),
        Binding("home", "time(-1000000)", "the first digits", show=False),
        Binding("end,f", "live", "live", tooltip="Follow the newest digits", show=False),
        Binding("up", "digit(-1)", "digit before", group=DIGIT, key_display="↑"),
        Binding("down", "digit(1)", "next digit", group=DIGIT, key_display="↓"),
        Binding("l", "log", "log", tooltip="Show the log in place of the digits"),
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
        """The step whose digits are shown; None follows the newest."""
        self._digit = 0
        self._shown: tuple[SavedSample, list[int]] | None = None
        """The digits that are drawn."""
        self._sample: SavedSample | BrokenSample | None = None
        self._seen: _Seen | None = None

    def compose(self) -> ComposeResult:
        yield Heading(self.run_shown.name)
        with Horizontal(id="top"):
            yield LossChart(id="loss")
            with Vertical(id="side"):
                yield MachinePanel(id="machine")
                yield RunMetrics(id="metrics")
        yield Digits(id="digits")
        yield LogTail(id="log")
        yield Heading(first="", id="which")
        yield Footer(show_command_palette=False, compact=True)

    def look(self) -> _Seen:
        view = self._watch.look()
        step = self._scrubbed
        if step is None and view.steps:
            step = view.steps[-1]
        sample = self._sample
        if step is None:
            sample = None
        elif not isinstance(sample, SavedSample) or sample.step != step:
            sample = load_sample(self.run_shown, step)
        return _Seen(view, self.context.monitor.read(), sample)

    def show(self, seen: _Seen) -> None:
        before = self._seen.view if self._seen else None
        view = seen.view
        self._seen = seen
        if before is not None and before.exists and not view.exists:
            self._tell(f"{self.run_shown.name} was deleted", "warning")
        elif before is not None and before.summary.state != view.summary.state:
            self._tell_state(view)
        self._show_heading()
        if view.changed or before is None or before.summary.state is not view.summary.state:
            self._show_curves(view)
        self.query_one(MachinePanel).show(seen.machine)
        self.query_one(RunMetrics).show(view)
        self.query_one(LogTail).show(view.log)
        self._sample = seen.sample
        self._show_digits()
        if not view.whole:
            self.look_soon()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Give the digits the lines they need, a high screen's log a few, the chart the rest."""
        width, height = self.size
        log_alone = self.has_class("-log")
        tall = height >= TALL
        digits = self.query_one(Digits)
        rows = digits.rows_for(width, (height - 3 - (LOG_LINES if tall else 0)) * 5 // 8)
        digits.display = not log_alone
        digits.styles.height = rows
        log = self.query_one(LogTail)
        log.display = log_alone or tall
        log.styles.height = rows if log_alone else LOG_LINES
        side = self.query_one("#side")
        side.styles.width = 44 if width >= WIDE else min(36, width * 9 // 20)
        side.display = width >= 60
        top = height - 3 - rows - (LOG_LINES if tall and not log_alone else 0)
        self.query_one(RunMetrics).styles.height = 3 if top < 12 else 8
        self.call_after_refresh(self._show_digits)

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

    def _show_curves(self, view: RunView) -> None:
        lines = [
            NamedLine("train", Line(*view.curves.train.arrays()), 0),
            NamedLine("val", Line(*view.curves.validation.arrays(), smooth=False, dashed=True), 1),
        ]
        alive = view.summary.state.alive
        none = "waiting for the first loss…" if alive else "this run ended before its first loss"
        self.chart.show(lines, none)

    def _show_digits(self) -> None:
        """Show the digits that fit, from the chosen one on, and below them which they are."""
        digits, below = self.query_one(Digits), self.query_one("#which", Heading)
        seen, sample = self._seen, self._sample
        if seen is None:
            return
        if isinstance(sample, SavedSample):
            count = min(len(sample), digits.capacity(*digits.size))
            numbers = [(self._digit + n) % len(sample) for n in range(count)]
            # Drawing digits costs more than all else, and they change only once per epoch.
            if self._shown != (sample, numbers):
                self._shown = sample, numbers
                digits.show(_pictures(sample, numbers))
            which = f"digit {numbers[0] + 1}" + (f"–{numbers[-1] + 1}" if count > 1 else "")
            which += f"/{len(sample)}"
        else:
            self._shown = None
            none = "this run kept no digits"
            if seen.view.summary.state.alive:
                none = "no digits yet: they come as it trains"
            digits.show([], sample.reason if sample else none)
            which = ""
        steps = seen.view.steps
        words = [(which, "")] if which else []
        if sample is not None and steps:
            place = steps.index(sample.step) + 1 if sample.step in steps else 0
            words.append((f"after step {sample.step:,}", ""))
            words.append((f"{place}/{len(steps)}", "text-muted"))
            live = self._scrubbed is None
            words.append(("live" if live else "f: live again", "success" if live else "warning"))
        below.show(*words)

    def _tell_state(self, view: RunView) -> None:
        state = view.summary.state
        reason = f": {view.summary.reason}" if view.summary.reason else ""
        bad = state in (State.FAILED, State.CRASHED)
        self._tell(f"{view.summary.label} is {state}{reason}", "error" if bad else "information")

    def _tell(self, words: str, severity: SeverityLevel) -> None:
        """Notify with words that may be foreign."""
        self.notify(printable(words), severity=severity, markup=False)

    def action_time(self, by: int) -> None:
        """Show earlier or later digits; beyond the newest, follow them again."""
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

    def action_digit(self, by: int) -> None:
        """Start with the next digit or the one before."""
        if isinstance(self._sample, SavedSample):
            self._digit = (self._digit + by) % len(self._sample)
            self._show_digits()

    def action_log(self) -> None:
        self.toggle_class("-log")
        self._arrange()

    def action_next_view(self) -> None:
        self.query_one(Digits).next_view()

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


def _pictures(sample: SavedSample, numbers: list[int]) -> list[list[Picture]]:
    """Digits with their captions: what they are, and how near to the original."""
    labels = [] if sample.labels is None else sample.labels.tolist()
    captions = {"original": [f"original {label}" for label in labels] or ["original"] * len(sample)}
    for view, decibels in sample.psnr.items():
        captions[view] = [f"{view} {value:.1f} dB" for value in decibels.tolist()]
    predictions = {view: read.tolist() for view, read in sample.predictions.items()}
    return digits_of(sample.views, captions, predictions, labels or None, numbers)


def _count(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"
