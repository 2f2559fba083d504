"""Small charts of all that a run records beside its loss, for large screens."""

from textual.app import ComposeResult
from textual.containers import Horizontal

from dae_tui.dashboard.content.chart_lines import Axis, Metric, lines_of, metrics_in
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.runs.watching.curves import Curves

OTHERS = [metric for metric in Metric if metric is not Metric.LOSS]


class MetricCharts(Horizontal):
    """A chart for each metric that there is."""

    def compose(self) -> ComposeResult:
        for number in range(len(OTHERS)):
            yield LossChart(id=f"metric-{number}")

    def show(self, curves: Curves, axis: Axis) -> None:
        """Draw what was recorded."""
        there = metrics_in([curves])
        for metric, chart in zip(OTHERS, self.query(LossChart), strict=True):
            chart.display = metric in there
            if chart.display:
                chart.show(lines_of(curves, metric, axis), "", metric=metric, axis=axis)

    def read_at(self, place: float | None) -> None:
        """Read every chart at a place on the x axis."""
        for chart in self.query(LossChart):
            chart.read_at(place)
