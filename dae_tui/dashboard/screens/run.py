"""One run: its loss, the machine, a few images denoised by the network, and its log."""

import os
from dataclasses import dataclass, replace

import numpy as np
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.notifications import SeverityLevel

from dae_tui.dashboard.content.chart_lines import places
from dae_tui.dashboard.content.ending import ending_of
from dae_tui.dashboard.content.learning import Learning, learning_of
from dae_tui.dashboard.content.names import short
from dae_tui.dashboard.context import Failed, OpenRun, PlayWith
from dae_tui.dashboard.screens.dialogs.question import Question
from dae_tui.dashboard.screens.shared.chart import AXES_KEYS, MARKS_KEY, ZOOM_KEYS, ChartScreen
from dae_tui.dashboard.screens.shared.image_keys import VIEW_KEY, WHOLE_KEY
from dae_tui.dashboard.shown.shown_curves import ShownCurves
from dae_tui.dashboard.shown.shown_sample import SHOWN, Shown, is_current, shown_at
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.dashboard.widgets.charts.metric_charts import MetricCharts
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.key_bar import KeyBar
from dae_tui.dashboard.widgets.log_tail import LogTail
from dae_tui.dashboard.widgets.machine.machine_panel import MachinePanel
from dae_tui.dashboard.widgets.paragraphs import Paragraphs
from dae_tui.dashboard.widgets.pictures import Pictures
from dae_tui.dashboard.widgets.run_metrics import RunMetrics
from dae_tui.devices.machine import Machine
from dae_tui.errors import DaeError
from dae_tui.runs.detached_training import detach
from dae_tui.runs.folder.layout import Request, State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import Summary, duration
from dae_tui.runs.watching.curves import Curves
from dae_tui.runs.watching.event_watch import watch_run
from dae_tui.runs.watching.run_watch import RunView
from dae_tui.runs.watching.samples import BrokenSample
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics

TIME = Binding.Group("time", compact=True)
IMAGE = Binding.Group("image", compact=True)
# Lines of the log where the screen is high enough to show them beside all else.
TALL, LOG_LINES = 36, 5
WIDE, NARROW = 110, 60
# Where it is also so wide, charts of all metrics, if the loss keeps so many lines.
ALL_METRICS_WIDTH, ALL_METRICS_LINES, LEAST_LOSS_LINES = 150, 8, 10
# There the figures lie beside so many GPUs, each with its history, in place of below them.
MANY_GPUS, GPU_COLUMNS, FIGURE_COLUMNS = 3, 60, 44
# With fewer lines for chart and figures, images take turns with them.
LEAST_TOP, MACHINE_LINES = 4, 3
# Size and views of the images until some have come.
DIGITS = ((28, 28), 3)
# What only our own runs can be asked, or have.
STEERING = ("pause", "stop", "go_on", "play")
# More than there are images or lines.
ALL = 1_000_000


@dataclass(frozen=True)
class _Seen:
    view: RunView
    machine: Machine
    sample: Shown | BrokenSample | None
    learning: Learning


class RunScreen(ChartScreen[_Seen]):
    """Watches a run and steers it through its folder, without slowing the training."""

    BINDINGS = [
        Binding("p", "pause", "pause", tooltip="Pause the training, or let it go on"),
        Binding("s", "stop", "stop", tooltip="Stop the training: it saves, evaluates, and ends"),
        Binding("r", "go_on", "resume", tooltip="Resume a run that has ended"),
        Binding("l", "log", "log", tooltip="Show the log in place of the images"),
        Binding(
            "left", "time(-1)", "earlier", group=TIME, key_display="←", tooltip="Earlier images"
        ),
        Binding("right", "time(1)", "later", group=TIME, key_display="→", tooltip="Later images"),
        Binding("home,g", "first", "first", show=False, tooltip="The first images, or lines"),
        Binding("end,G,f", "live", "live", tooltip="Follow the newest images, or lines"),
        Binding("up,k", "up", "up", group=IMAGE, tooltip="Image before; log: up"),
        Binding("down,j", "down", "down", group=IMAGE, tooltip="Next image"),
        Binding("pageup", "page(-1)", "log: a screenful up", show=False),
        Binding("pagedown", "page(1)", "log: a screenful down", show=False),
        *ZOOM_KEYS,
        *AXES_KEYS,
        Binding("y", "log_scale", "logarithmic or linear loss", show=False),
        Binding("m", "smooth", "smooth the loss: more, most, not", show=False),
        MARKS_KEY,
        Binding("a", "another", "curves", tooltip="The curves of another measure"),
        Binding("w", "play", "weights", tooltip="Try its weights in the playground"),
        WHOLE_KEY,
        VIEW_KEY,
        Binding("left_square_bracket", "other_run(-1)", "run before", show=False, key_display="["),
        Binding("right_square_bracket", "other_run(1)", "next run", show=False, key_display="]"),
        Binding("escape,backspace", "app.back", "back to the runs", show=False),
    ]

    def __init__(self, run: Run, among: tuple[Run, ...] = ()) -> None:
        super().__init__()
        self._among = among
        self.title = f"the run {run.name}"
        self.run_shown = run
        self._watch = watch_run(run)
        self._curves: ShownCurves | None = None
        self._scrubbed: int | None = None
        """The step whose images are shown; None follows the newest."""
        self._image = 0
        self._shown: tuple[Shown, list[int]] | None = None
        """The images that are drawn."""
        self._sample: Shown | BrokenSample | None = None
        self._learning: Learning | None = None
        """What the run learns from, once its config has been read."""
        self._seen: _Seen | None = None
        self._ending: list[tuple[str, str]] = []
        self._low = False
        """Whether there is too little room for chart and images together."""
        self._low_images = False
        """Whether the images are shown there, and not the chart."""
        self._beside = False
        """Whether there are so many GPUs that figures lie beside them, on a wide screen."""

    def compose(self) -> ComposeResult:
        yield Heading(self.run_shown.name)
        yield Paragraphs(id="ended")
        with Horizontal(id="top"):
            yield LossChart(id="loss")
            with Vertical(id="side"):
                yield MachinePanel(id="machine")
                yield RunMetrics(id="metrics")
        yield MetricCharts(id="all-metrics")
        yield Pictures(id="pictures")
        yield LogTail(id="log")
        yield Heading(first="", id="which")
        yield KeyBar()

    def look(self) -> _Seen:
        view = self._watch.look()
        step = self._scrubbed
        if step is None and view.steps:
            step = view.steps[-1]
        learning = self._learning or learning_of(self.run_shown.config())
        sample = self._sample
        if step is None:
            sample = None
        elif not is_current(sample, self._watch, step):
            sample = shown_at(self._watch, step, learning)
        return _Seen(view, self.context.monitor.read(), sample, learning)

    def show(self, seen: _Seen) -> None:
        before = self._seen.view if self._seen else None
        if before is not None and not seen.view.exists:
            # What was last seen stays.
            last = replace(before, exists=False, changed=before.exists, whole=True)
            seen = replace(seen, view=last, sample=self._sample)
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
        if self.run_shown.host:
            self.query_one(MachinePanel).tell(f"on {self.run_shown.host}, not read")
        else:
            self.query_one(MachinePanel).show(seen.machine)
        self.query_one(RunMetrics).show(view, seen.learning)
        self.query_one(LogTail).show(view.log)
        self._show_ending(view)
        old, self._sample = (self._images, self._beside), seen.sample
        self._beside = len(seen.machine.gpus) > MANY_GPUS and not self.run_shown.host
        if (self._images, self._beside) != old:
            self._arrange()
        self.query_one(KeyBar).redraw()
        self._show_pictures()
        if not view.whole:
            self.look_soon()

    def fit(self) -> None:
        self._arrange()

    def offers(self, action: str) -> bool:
        """Whether an action does something now, and so has its key in the last line."""
        view = self._seen.view if self._seen else None
        if view is None:
            return action not in ("go_on", "another")
        if action in STEERING and self.run_shown.read_only:
            return False
        state, images = view.summary.state, not self.has_class("-log")
        steered = view.exists and state.alive
        ended = view.exists and not state.alive and state is not State.FINISHED
        offered = {
            "pause": steered,
            "stop": steered,
            "go_on": ended and view.has_config,
            "play": view.exists,
            "another": self._curves is not None and self._curves.several,
            # Arrows scroll the log while that is shown, which is said below it.
            "time": images and view.exists and bool(view.steps),
            "up": images and isinstance(self._sample, SHOWN),
            "down": images and isinstance(self._sample, SHOWN),
            "live": self._scrubbed is not None,
        }
        return offered.get(action, True)

    def _show_ending(self, view: RunView) -> None:
        """Say why the run has ended and how it goes on, in the lines that takes."""
        ended = self.query_one("#ended", Paragraphs)
        said = ending_of(view)
        if said != self._ending:
            self._ending = said
            ended.show(said)
            self._arrange()

    @property
    def _images(self) -> tuple[tuple[int, int], int]:
        """Height and width of the images, and the number of their views."""
        sample = self._sample
        return (sample.size, len(sample.names)) if isinstance(sample, SHOWN) else DIGITS

    def _arrange(self) -> None:
        """Give the images the lines they need, a high screen's log a few, the chart the rest.

        Where that leaves too little for the chart, it is shown in place of the images.
        """
        width = self.size.width
        height = self.size.height - self._arrange_ending()
        log_alone, tall = self.has_class("-log"), height >= TALL
        pictures, log, top = self.query_one(Pictures), self.query_one(LogTail), self._top
        free = height - 3 - (LOG_LINES if tall else 0)
        # Large images get as many lines as digits do at least.
        least = pictures.layout_for(width, free * 5 // 8).lines
        shown = pictures.layout_for(width, max(free * 5 // 8, least), *self._images)
        rows = shown.down * shown.lines
        self._low = free - rows < LEAST_TOP
        if self._low:
            # On a narrow screen figures lie below the chart: both need more lines than these.
            kept = LEAST_TOP * (log_alone and width >= NARROW)
            rows = free - kept if self._low_images or log_alone else 0
        pictures.display = not log_alone and rows > 0
        pictures.styles.height = rows
        top.display = rows < free
        log.display = log_alone or tall
        log.styles.height = rows if log_alone else LOG_LINES
        every = width >= ALL_METRICS_WIDTH and free - rows >= ALL_METRICS_LINES + LEAST_LOSS_LINES
        appears = every and not self._all_metrics.display
        self._all_metrics.display = every
        if appears and self._seen is not None:
            self._all_metrics.show(self._seen.view.curves, self.axis)
        self._arrange_side(free - rows - (ALL_METRICS_LINES if every else 0))
        self.call_after_refresh(self._show_pictures)

    @property
    def _top(self) -> Horizontal:
        return self.query_one("#top", Horizontal)

    def _arrange_ending(self) -> int:
        """Give the words about the end their lines; returns how many."""
        ended = self.query_one("#ended", Paragraphs)
        most = max(2, self.size.height // 5)
        lines = min(ended.lines_for(self.size.width), most) if self._ending else 0
        ended.display, ended.styles.height = lines > 0, lines
        return lines

    def _arrange_side(self, height: int) -> None:
        """Machine and figures beside the chart, or on a narrow screen the figures below it."""
        width = self.size.width
        side, narrow = self.query_one("#side"), width < NARROW
        self._top.styles.layout = "vertical" if narrow else "horizontal"
        lines = 3 if height < 12 else 8
        if narrow:
            lines = 2 if height >= LEAST_TOP else 1
        beside = self._beside and width >= ALL_METRICS_WIDTH
        columns = FIGURE_COLUMNS if width >= WIDE else min(36, width * 9 // 20)
        side.styles.layout = "horizontal" if beside else "vertical"
        side.styles.width = "1fr" if narrow else (columns + GPU_COLUMNS * beside)
        side.styles.height = lines if narrow else "1fr"
        machine, figures = self.query_one(MachinePanel), self.query_one(RunMetrics)
        machine.display = not narrow and (beside or height - lines >= MACHINE_LINES)
        machine.styles.width = GPU_COLUMNS if beside else "1fr"
        machine.styles.padding = (0, 2 * beside, 0, 0)
        figures.styles.height = "1fr" if beside else lines

    def _show_heading(self) -> None:
        seen = self._seen
        if seen is None:
            return
        summary = seen.view.summary
        where = self.run_shown.place or self.run_shown.host
        state = str(summary.state) if seen.view.exists else "deleted"
        words = [
            (f"{where}:{summary.label}" if where else summary.label, "bold"),
            (state, STATE_COLOURS[summary.state] if seen.view.exists else "warning"),
        ]
        if self.context.places.is_stale(self.run_shown):
            words.append((f"{self.run_shown.host} does not answer", "warning"))
        words.append((_progress(summary), ""))
        if summary.state.alive and summary.images_per_second:
            words.append((f"{short(summary.images_per_second)} img/s", ""))
        if summary.seconds_left is not None:
            words.append((f"{duration(summary.seconds_left)} left", ""))
        elif summary.seconds is not None:
            words.append((f"trained {duration(summary.seconds)}", ""))
        self.query(Heading).first().show(*words)

    def _show_curves(self, view: RunView, learning: Learning) -> None:
        if self._curves is None:
            self._curves = ShownCurves(self.chart)
        self._curves.show(view, learning, self.metric, self.axis)
        if self._all_metrics.display:
            self._all_metrics.show(view.curves, self.axis)

    @property
    def _all_metrics(self) -> MetricCharts:
        return self.query_one(MetricCharts)

    def curves_shown(self) -> list[Curves]:
        return [self._seen.view.curves] if self._seen else []

    def redraw_chart(self) -> None:
        if self._seen is not None:
            self._show_curves(self._seen.view, self._seen.learning)
            self._mark_step()

    def action_cursor(self, by: int) -> None:
        super().action_cursor(by)
        self._all_metrics.read_at(self.chart.cursor)

    def action_show_all(self) -> None:
        super().action_show_all()
        self._all_metrics.read_at(None)

    def _mark_step(self) -> None:
        """Mark the step of earlier images in the chart."""
        sample = self._sample
        if sample is None or self._scrubbed is None or self._seen is None:
            self.chart.mark(None)
            return
        step = np.array([float(sample.step)])
        self.chart.mark(float(places(self._seen.view.curves, step, self.axis)[0]))

    @on(Pictures.Resized)
    def _show_pictures(self) -> None:
        """Show the images that fit, from the chosen one on, and below them which they are."""
        if not self.stands:
            return
        pictures, below = self.query_one(Pictures), self.query_one("#which", Heading)
        seen, sample = self._seen, self._sample
        if seen is None:
            return
        if self._low and not self._low_images:
            which = "v: the images" if isinstance(sample, SHOWN) else ""
        elif isinstance(sample, SHOWN):
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
        self._mark_step()
        below.show(*self._which(seen, which))

    def _which(self, seen: _Seen, which: str) -> list[tuple[str, str]]:
        """Which images are shown, from which step, and how much of them."""
        if self.has_class("-log"):
            said = self.query_one(LogTail).place
            return [(said, ""), ("arrows scroll, l: images again", "text-muted")]
        sample, steps = self._sample, seen.view.steps
        pictures = self.query_one(Pictures)
        words = [(which, "")] if which else []
        if sample is not None and steps and pictures.display:
            place = steps.index(sample.step) + 1 if sample.step in steps else 0
            words.append((f"after step {sample.step:,}", ""))
            words.append((f"{place}/{len(steps)}", "text-muted"))
            live = self._scrubbed is None
            words.append(("live" if live else "f: live again", "success" if live else "warning"))
        if isinstance(sample, SHOWN) and pictures.display:
            shown = pictures.layout_for(*pictures.size, *self._images)
            part = pictures.words(shown, sample.size)
            words += [(part, "text-muted")] if part else []
            coarse = sample.colour and self.context.graphics is Graphics.COLORS_256
            words += [("F3: true colours", "text-muted")] if coarse else []
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
        steps = self._seen.view.steps if self._seen and self._seen.view.exists else []
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

    def action_first(self) -> None:
        """Show the first images, or the first lines of the log."""
        if self.has_class("-log"):
            self._scroll(-ALL)
        else:
            self.action_time(-ALL)

    def action_live(self) -> None:
        """Follow the newest images, and the end of the log."""
        if self.has_class("-log"):
            self._scroll(ALL)
        self._scrubbed = None
        self.look_soon()

    def action_up(self) -> None:
        self._up_or_down(-1)

    def action_down(self) -> None:
        self._up_or_down(1)

    def action_page(self, direction: int) -> None:
        """Scroll the log by a screenful."""
        if self.has_class("-log"):
            self._scroll(direction * max(1, self.query_one(LogTail).size.height - 1))

    def _up_or_down(self, by: int) -> None:
        """Scroll the log where that is shown, else start with the image before or the next."""
        if self.has_class("-log"):
            self._scroll(by)
        elif isinstance(self._sample, SHOWN):
            self._image = (self._image + by) % len(self._sample)
            self._show_pictures()

    def _scroll(self, by: int) -> None:
        self.query_one(LogTail).scroll_lines(by)
        self._show_pictures()

    def action_whole(self) -> None:
        """Show all of each large image, or a part of it pixel by pixel."""
        self.query_one(Pictures).toggle_whole()
        self._arrange()

    def action_another(self) -> None:
        """Show the curves of the next measure."""
        if not self.offers("another"):
            self._tell("there are no other curves", "warning")
        elif self._curves is not None and self._seen is not None:
            self._curves.next()
            self._show_curves(self._seen.view, self._seen.learning)

    def action_log(self) -> None:
        self.toggle_class("-log")
        self._arrange()
        self.query_one(KeyBar).redraw()

    def action_next_view(self) -> None:
        """On a narrow screen the next view; on a low one the chart comes after the last."""
        pictures = self.query_one(Pictures)
        views = self._images[1]
        beside = pictures.layout_for(*self.size, *self._images).views > 1
        if not self._low:
            pictures.next_view()
        elif not self._low_images:
            self._low_images, pictures.view = True, 0
        elif beside or pictures.view == views - 1:
            self._low_images = False
        else:
            pictures.next_view()
        self._arrange()

    def action_other_run(self, by: int) -> None:
        """Show the run before this one in the list, or the next."""
        runs = self._among or tuple(self.context.places.runs()[::-1])
        keys = [run.key for run in runs]
        here = keys.index(self.run_shown.key) if self.run_shown.key in keys else -1
        if here >= 0 and 0 <= here + by < len(runs):
            self.post_message(OpenRun(runs[here + by], self._among))
        else:
            self.notify("there is no run before" if by < 0 else "there is no next run", timeout=2)

    def action_pause(self) -> None:
        """Pause the training, or resume it if it is paused."""
        if self._refused("pause"):
            return
        paused = self.run_shown.state() is State.PAUSED
        self._ask(Request.RESUME if paused else Request.PAUSE)

    @work
    async def action_stop(self) -> None:
        """Ask, then stop the training."""
        if self._refused("stop"):
            return
        detail = "It saves its state, evaluates its best weights, and ends. It can be resumed."
        if await self.app.push_screen_wait(Question(f"Stop {self.run_shown.name}?", detail)):
            self._ask(Request.STOP)

    def _refused(self, what: str) -> bool:
        """Say why a run that is gone, or has ended, cannot be asked something; whether it is so."""
        state, name = self.run_shown.state(), self.run_shown.name
        if self.run_shown.foreign:
            self._tell(f"{name} is trained by another program: it is only watched", "warning")
            return True
        if self.run_shown.host:
            self._tell_where(what)
            return True
        if not os.path.isdir(self.run_shown.folder):  # noqa: PTH112 - Path.is_dir may raise.
            self._tell(f"{name} was deleted: there is nothing to {what}", "warning")
            return True
        if not state.alive and what != "resume":
            self._tell(f"{name} is {state}: there is nothing to {what}", "warning")
            return True
        return False

    def _tell_where(self, what: str) -> None:
        """Say how a run of another host is asked something there."""
        name = self.run_shown.name
        command = ("runs", what, name) if what != "resume" else ("train", "--resume", name)
        try:
            self.run_shown.check_writable(f"asked to {what}", *command)
        except DaeError as failure:
            self.post_message(Failed(failure))

    @work(thread=True)
    def action_go_on(self) -> None:
        """Resume a run that has ended, in a process of its own."""
        if self._refused("resume"):
            return
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
        if self.run_shown.host or not self._refused("resume"):
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


def _progress(summary: Summary) -> str:
    """The epoch of how many; where neither is known, the step."""
    if summary.epochs is None and summary.epoch is None and summary.step is not None:
        return f"step {summary.step:,.0f}"
    count = "?" if summary.epochs is None else f"{summary.epochs:.0f}"
    return f"epoch {summary.epoch or 0:.0f}/{count}"
