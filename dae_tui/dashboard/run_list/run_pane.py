"""The run at the cursor of the list, beside it: curve, images, config, and why it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical

from dae_tui.dashboard.content.ending import ending_of
from dae_tui.dashboard.content.learning import Learning, learning_of
from dae_tui.dashboard.shown.shown_curves import ShownCurves
from dae_tui.dashboard.shown.shown_sample import SHOWN, Shown, is_current, shown_at
from dae_tui.dashboard.themes import STATE_COLOURS
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.dashboard.widgets.heading import Heading
from dae_tui.dashboard.widgets.paragraphs import Paragraphs
from dae_tui.dashboard.widgets.pictures import Pictures
from dae_tui.dashboard.widgets.run_metrics import RunMetrics
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import word
from dae_tui.runs.watching.event_watch import EventWatch, watch_run
from dae_tui.runs.watching.run_watch import RunView, RunWatch
from dae_tui.runs.watching.samples import BrokenSample

# Fields of a config that are worth a place, in this order; then those that are not usual.
CONFIG_FIELDS = (
    "lr",
    "batch_size",
    "optimizer",
    "schedule",
    "loss",
    "epochs",
    "seed",
    "shift",
    "patch",
    "ema",
    "settings",
)
METRIC_LINES, CONFIG_LINES = 4, 3
# With fewer lines the chart comes before the images.
LEAST_CHART = 8


@dataclass(frozen=True)
class PaneView:
    """What one look at the run found."""

    view: RunView
    config: Mapping[str, Any]
    learning: Learning
    sample: Shown | BrokenSample | None


class PaneWatch:
    """Reads the run that is chosen; another one from its start. One thread at a time may look."""

    def __init__(self) -> None:
        self._watch: RunWatch | EventWatch | None = None
        self._sample: Shown | BrokenSample | None = None
        self._config: Mapping[str, Any] = {}
        self._learning = Learning()

    def look(self, run: Run | None) -> PaneView | None:
        """What there is to see of a run; None for none."""
        if run is None:
            self._watch = None
            return None
        if self._watch is None or self._watch.run != run:
            self._watch, self._sample, self._config = watch_run(run), None, {}
        view = self._watch.look()
        if not self._config:  # Once it is there, it never changes.
            self._config = run.config()
            self._learning = learning_of(self._config)
        config, learning = self._config, self._learning
        if view.steps and not is_current(self._sample, self._watch, view.steps[-1]):
            self._sample = shown_at(self._watch, view.steps[-1], learning)
        return PaneView(view, config, learning, self._sample if view.steps else None)


class RunPane(Vertical):
    """Curve, images, figures and config of one run."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._seen: PaneView | None = None
        self._drawn: tuple[object, ...] = ()
        """What the chart was drawn from."""
        self._pictured: Shown | None = None

    def compose(self) -> ComposeResult:
        yield Heading(first="", id="pane-name")
        yield Paragraphs(id="pane-ended")
        yield LossChart(id="pane-loss")
        yield Pictures(id="pane-pictures")
        yield RunMetrics(id="pane-metrics")
        yield Paragraphs(id="pane-config")

    def show(self, seen: PaneView | None) -> None:
        """Show what was seen of a run."""
        self._seen = seen
        for child in self.children:
            child.visible = seen is not None
        if seen is None:
            return
        view, summary = seen.view, seen.view.summary
        state = str(summary.state) if view.exists else "deleted"
        tags = [(" ".join(f"#{tag}" for tag in summary.tags), "primary")] if summary.tags else []
        tags += [(f"group {summary.group}", "primary")] if summary.group else []
        tags += [("archived", "text-muted")] if summary.archived else []
        self.query_one("#pane-name", Heading).show(
            (summary.label, "bold"), (state, STATE_COLOURS[summary.state]), *tags
        )
        drawn = id(view.curves), len(view.curves.train), len(view.curves.validation), summary.state
        if view.changed or drawn != self._drawn:  # Drawing a long curve takes milliseconds.
            self._drawn = drawn
            ShownCurves(self.query_one(LossChart)).show(view, seen.learning)
        self.query_one(RunMetrics).show(view, seen.learning)
        note = [(summary.note, "")] if summary.note else []
        self.query_one("#pane-config", Paragraphs).show(
            [*note, (config_words(seen.config), "text-muted")]
        )
        self.query_one("#pane-ended", Paragraphs).show(ending_of(view))
        self._arrange(seen)

    def on_resize(self) -> None:
        if self._seen is not None:
            self._arrange(self._seen)

    def _arrange(self, seen: PaneView) -> None:
        """Words get the lines they need, images what digits take, and the chart the rest."""
        width, height = self.size
        ended = self.query_one("#pane-ended", Paragraphs)
        config = self.query_one("#pane-config", Paragraphs)
        pictures = self.query_one(Pictures)
        lines = {ended: 3, config: CONFIG_LINES}
        for words, most in lines.items():
            words.styles.height = min(words.lines_for(width), most)
            words.display = words.lines_for(width) > 0
        self.query_one(RunMetrics).styles.height = METRIC_LINES
        taken = 1 + METRIC_LINES + sum(min(w.lines_for(width), n) for w, n in lines.items())
        sample = seen.sample
        room = height - taken - LEAST_CHART
        pictures.display = isinstance(sample, SHOWN) and room >= LEAST_CHART
        if isinstance(sample, SHOWN) and pictures.display:
            shown = pictures.layout_for(width, max(2, room), sample.size, len(sample.names))
            # Ours have three views each, beside which there is seldom room for others.
            count = min(len(sample), shown.across) if seen.view.foreign else 1
            pictures.styles.height = shown.lines
            if sample is not self._pictured:
                self._pictured = sample
                pictures.show(sample.pictures(range(count)), telling=sample.telling)


def config_words(config: Mapping[str, Any]) -> str:
    """The settings of a run in one line."""
    parts = [word(config.get(key)) or "" for key in ("network", "noise")]
    data = (word(config.get("data")) or "").rstrip("/").rsplit("/", 1)[-1]
    parts = [" ".join(part for part in (parts[0], f"on {data}" if data else "", parts[1]) if part)]
    for key in CONFIG_FIELDS:
        value = config.get(key)
        if value not in (None, "", 0, 0.0, {}, False):
            parts.append(f"{key.replace('_', ' ')} {_value(value)}")
    return " · ".join(part for part in parts if part)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_value(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
