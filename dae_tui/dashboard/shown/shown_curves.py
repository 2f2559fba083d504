"""The curves in the chart of a run: its metrics, or what another program logged, by measure."""

from collections.abc import Mapping

from dae_tui.dashboard.content.chart_lines import Axis, Metric, NamedLine, lines_of
from dae_tui.dashboard.content.learning import NOISY_LOSS, Learning
from dae_tui.dashboard.widgets.charts.loss_chart import COLOURS, LossChart
from dae_tui.runs.event_files.series import Series
from dae_tui.runs.event_files.tags import is_loss, measures, stage_of
from dae_tui.runs.watching.run_watch import RunView
from dae_tui.terminal.plot import Line

# A validation has few values, which are drawn as they are.
FEW = 200


class ShownCurves:
    """Which curves a chart shows: of many measures one, until another is chosen."""

    def __init__(self, chart: LossChart) -> None:
        self._chart = chart
        self._names: list[str] = []
        self._chosen = ""
        """The measure that is shown."""

    @property
    def several(self) -> bool:
        """Whether there is another measure."""
        return len(self._names) > 1

    def show(
        self,
        view: RunView,
        learning: Learning,
        metric: Metric = Metric.LOSS,
        axis: Axis = Axis.STEP,
    ) -> None:
        """Draw the curves of a look at a run; `metric` and `axis` are for those of our own."""
        if view.foreign and not view.series:
            self._chart.show([], "no scalars yet")
            return
        if not view.series:
            alive = view.summary.state.alive
            none = "this run ended before its first loss"
            none = "waiting for the first loss…" if alive else none
            kind = NOISY_LOSS if learning.noisy_loss else ""
            lines = lines_of(view.curves, metric, axis)
            self._chart.show(lines, none, kind, metric=metric, axis=axis)
            return
        grouped = measures(view.series)
        self._names = list(grouped)
        if self._chosen not in grouped:
            self._choose(self._names[0])
        tags = grouped[self._chosen]
        place = self._names.index(self._chosen) + 1
        kind = f"{self._chosen} {place}/{len(grouped)}" if self.several else self._chosen
        self._chart.show(lines_of_tags(view.series, tags), "no scalars yet", kind)

    def next(self) -> None:
        """Choose the next measure, after the last the first."""
        if self._names:
            place = self._names.index(self._chosen) + 1
            self._choose(self._names[place % len(self._names)])

    def _choose(self, measure: str) -> None:
        self._chosen = measure
        self._chart.set_scale(log=is_loss(measure))


def lines_of_tags(series: Mapping[str, Series], tags: list[str]) -> list[NamedLine]:
    """A line for each tag, as many as there are colours."""
    lines = []
    for colour, tag in enumerate(tags[: len(COLOURS)]):
        steps, values = series[tag].arrays()
        rare = stage_of(tag) in ("val", "test") and len(steps) <= FEW
        lines.append(NamedLine(tag, Line(steps, values, smooth=not rare, dashed=rare), colour))
    return lines
