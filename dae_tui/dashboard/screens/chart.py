"""What the screens with a loss chart share: the keys that zoom, pan and restyle it."""

from collections.abc import Callable
from typing import TypeVar

from textual.binding import Binding

from dae_tui.dashboard.screens.live import LiveScreen
from dae_tui.dashboard.widgets.loss_chart import ZOOM, LossChart

Seen = TypeVar("Seen")
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
MARKS_KEY = Binding("B", "marks", "chart of braille, blocks or ASCII", show=False)


class ChartScreen(LiveScreen[Seen]):
    """A screen with one chart of losses."""

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
