"""What the screens with a chart share: the keys that zoom, pan and restyle it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from textual.binding import Binding

from dae_tui.dashboard.content.chart_lines import Axis, Metric, axes_in, metrics_in
from dae_tui.dashboard.screens.shared.live import LiveScreen
from dae_tui.dashboard.widgets.charts.loss_chart import ZOOM, LossChart
from dae_tui.runs.watching.curves import Curves

Seen = TypeVar("Seen")
Choice = TypeVar("Choice")
ZOOMING = Binding.Group("zoom", compact=True)
# Each screen takes them into its own bindings: inherited ones would come first in the footer.
ZOOM_KEYS = (
    Binding(
        "plus,equals_sign",
        "zoom(False)",
        "closer",
        group=ZOOMING,
        key_display="+",
        tooltip="Zoom in",
    ),
    Binding("minus", "zoom(True)", "wider", group=ZOOMING, key_display="-", tooltip="Zoom out"),
    Binding("less_than_sign,comma", "pan(-1)", "chart to the left", show=False),
    Binding("greater_than_sign,full_stop", "pan(1)", "chart to the right", show=False),
    Binding("0", "show_all", "the whole chart", show=False, tooltip="Zoom out to the whole chart"),
    Binding(
        "left_parenthesis",
        "cursor(-1)",
        "chart: cursor to the left",
        show=False,
        key_display="(",
        tooltip="Read the chart at a step: to the left",
    ),
    Binding(
        "right_parenthesis",
        "cursor(1)",
        "chart: cursor to the right",
        show=False,
        key_display=")",
        tooltip="Read the chart at a step: to the right",
    ),
)
AXES_KEYS = (
    Binding("M", "metric", "metric", tooltip="Chart: another metric than the loss"),
    Binding("X", "axis", "step/epoch/time", show=False, tooltip="Chart over step, epoch or time"),
)
MARKS_KEY = Binding("B", "marks", "chart of braille, blocks or ASCII", show=False)


class ZoomScreen(LiveScreen[Seen]):
    """A screen with a chart that can be zoomed, read and restyled."""

    @property
    def chart(self) -> LossChart:
        return self.query_one(LossChart)

    def action_zoom(self, wider: bool) -> None:
        self.chart.zoom(ZOOM if wider else 1 / ZOOM)

    def action_pan(self, direction: int) -> None:
        self.chart.pan(direction)

    def action_cursor(self, by: int) -> None:
        self.chart.move_cursor(by)

    def action_show_all(self) -> None:
        self.chart.show_all()

    def action_log_scale(self) -> None:
        self._tell_change(self.chart.toggle_log)

    def action_smooth(self) -> None:
        self._tell_change(self.chart.next_smoothing)

    def action_marks(self) -> None:
        self._tell_change(self.chart.next_marks)

    def _tell_change(self, change: Callable[[], str]) -> None:
        self.notify(change(), timeout=2)


class ChartScreen(ZoomScreen[Seen]):
    """A screen with a chart of runs, of the loss at first."""

    metric, axis = Metric.LOSS, Axis.STEP

    def curves_shown(self) -> list[Curves]:
        """The curves of the runs in the chart."""
        raise NotImplementedError

    def redraw_chart(self) -> None:
        """Draw the chart again, after another metric or axis was chosen."""
        raise NotImplementedError

    def action_metric(self) -> None:
        """Show the next metric that was recorded."""
        self.metric = after(metrics_in(self.curves_shown()), self.metric)
        self.redraw_chart()
        self.notify(f"chart: {self.metric}", timeout=2)

    def action_axis(self) -> None:
        """Show the chart over steps, epochs or wall time."""
        self.axis = after(axes_in(self.curves_shown()), self.axis)
        self.redraw_chart()
        words = "time since the start" if self.axis is Axis.TIME else str(self.axis)
        self.notify(f"chart over {words}", timeout=2)


def after(choices: Sequence[Choice], now: Choice) -> Choice:
    """The next choice; after the last the first."""
    return choices[(choices.index(now) + 1) % len(choices)] if now in choices else choices[0]
