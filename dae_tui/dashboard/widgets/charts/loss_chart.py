"""A metric over steps, epochs, time or units: curves of one run, or of several in one chart."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import groupby

import numpy as np
from rich.style import Style
from rich.text import Text
from textual import events
from textual.strip import Strip

from dae_tui.dashboard.content.chart_lines import TITLES, Axis, Metric, NamedLine
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics
from dae_tui.terminal.plot import Line, Marks, Plot, plot

SMOOTHING = (0.0, 0.7, 0.93)
LABEL_WIDTH = 8
# Colours of the theme, and four more that can be told apart on dark and light backgrounds, in the
# order in which lines take them.
COLOURS = ("primary", "warning", "success", "error", "#a05fd6", "#14a3b8", "#b5762e", "#d6569a")
# The characters of the lines in ASCII, by the number of their colour.
ASCII_MARKS = "*o+x#@%&"
FAINT_MARK = "."
ZOOM = 2.0
PAN = 0.25
# The least share of the steps that zooming shows.
CLOSEST = 1e-4


class LossChart(Lines):
    """A chart that can be zoomed, panned, smoothed, and switched between its scales and marks."""

    def __init__(
        self, *, id: str | None = None, logarithmic: Iterable[StrEnum] = (Metric.LOSS,)
    ) -> None:
        """Make a chart that shows nothing yet.

        Args:
            id: of the widget.
            logarithmic: the metrics whose axis is logarithmic, until it is toggled.
        """
        super().__init__(id=id)
        self._lines: Sequence[NamedLine] = ()
        self._empty = ""
        self._kind = ""
        self._metric: StrEnum = Metric.LOSS
        self._axis = Axis.STEP
        self._logarithmic = dict.fromkeys(logarithmic, True)
        """Which metrics have a logarithmic axis; the others have a linear one."""
        self._smoothing = 0
        self._chosen: Marks | None = None
        self._left, self._right = 0.0, 1.0
        self._cursor: float | None = None
        """The step whose values are read out."""
        self._marked: float | None = None

    def show(
        self,
        lines: Sequence[NamedLine],
        empty: str,
        kind: str = "",
        *,
        metric: StrEnum = Metric.LOSS,
        axis: Axis = Axis.STEP,
    ) -> None:
        """Draw new or longer lines, or say why there are none.

        `kind` names the loss, where it is not the usual one.
        """
        if axis is not self._axis:
            self._cursor = None
        self._lines, self._empty, self._kind = lines, empty, kind
        self._metric, self._axis = metric, axis
        self.redraw()

    @property
    def cursor(self) -> float | None:
        """The place on the x axis whose values are read out."""
        return self._cursor

    def read_at(self, place: float | None) -> None:
        """Put the cursor where another chart has it."""
        if place != self._cursor:
            self._cursor = place
            self.redraw()

    @property
    def _log(self) -> bool:
        return self._logarithmic.get(self._metric, False)

    def mark(self, step: float | None) -> None:
        """Mark a step, such as that of the images that are shown."""
        if step != self._marked:
            self._marked = step
            self.redraw()

    def move_cursor(self, by: int) -> None:
        """Move the cursor by so many columns, from the last step on; beyond it, there is none."""
        drawn = [named for named in self._lines if len(named.line.x)]
        if not drawn:
            return
        first, last = self._steps(drawn)
        column = (last - first) / max(1, self.size.width - LABEL_WIDTH - 1)
        if self._axis is Axis.UNITS:  # From one number of units to the next.
            first, last = math.ceil(first), math.floor(last)
            column = max(1, round(column))
            if first > last:
                return
        if self._cursor is None or not first <= self._cursor <= last:
            self._cursor = last if by < 0 else first
        elif self._cursor + by * column > last + column / 2:
            self._cursor = None
        else:
            self._cursor = min(max(first, self._cursor + by * column), last)
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there."""
        drawn = [named for named in self._lines if len(named.line.x)]
        inner = self.size.width - LABEL_WIDTH
        if drawn and inner > 1:
            first, last = self._steps(drawn)
            share = min(max(0, event.x - LABEL_WIDTH) / (inner - 1), 1.0)
            place = first + share * (last - first)
            self._cursor = round(place) if self._axis is Axis.UNITS else place
            self.redraw()

    def toggle_log(self) -> str:
        """Switch between a logarithmic and a linear axis; returns a message."""
        self._logarithmic[self._metric] = not self._log
        self.redraw()
        return f"{self._metric}: {'logarithmic' if self._log else 'linear'} scale"

    def set_scale(self, *, log: bool) -> None:
        """Choose the axis that suits what is shown."""
        self._logarithmic[self._metric] = log

    def next_smoothing(self) -> str:
        """Smooth more, or not at all; returns a message."""
        self._smoothing = (self._smoothing + 1) % len(SMOOTHING)
        self.redraw()
        share = SMOOTHING[self._smoothing]
        return f"loss smoothed by {share:g}" if share else "loss not smoothed"

    def next_marks(self) -> str:
        """Draw with other characters; returns a message."""
        every = list(Marks)
        self._chosen = every[(every.index(self.marks) + 1) % len(every)]
        self.redraw()
        return f"chart drawn in {self._chosen}"

    def zoom(self, times: float) -> None:
        """Show `times` as many steps. The newest stay visible if they were."""
        span = min(1.0, max(CLOSEST, (self._right - self._left) * times))
        if self._right == 1.0:
            self._left = 1.0 - span
        else:
            middle = (self._left + self._right) / 2
            self._left = min(max(0.0, middle - span / 2), 1.0 - span)
        self._right = self._left + span
        if self._right > 1 - 1e-9:
            self._right = 1.0
        self.redraw()

    def pan(self, direction: int) -> None:
        """Move by a quarter of what is shown, to the left (-1) or to the right (1)."""
        span = self._right - self._left
        self._left = min(max(0.0, self._left + direction * PAN * span), 1.0 - span)
        self._right = self._left + span
        if self._right > 1 - 1e-9:
            self._right = 1.0
        self.redraw()

    def show_all(self) -> None:
        """Every step, without a cursor."""
        self._left, self._right = 0.0, 1.0
        self._cursor = None
        self.redraw()

    @property
    def marks(self) -> Marks:
        """The characters of the lines: the chosen ones, else the finest that the terminal has."""
        if self._chosen is not None:
            return self._chosen
        return Marks.ASCII if self.graphics is Graphics.ASCII else Marks.BRAILLE

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        drawn = [named for named in self._lines if len(named.line.x)]
        rows = height - 1
        if not drawn:
            return [Text(self._empty, self.colour("text-muted"))]
        if rows < 2 or width < LABEL_WIDTH + 8:
            small = "low" if rows < 2 else "narrow"
            return [Text(f"too {small} for a chart", self.colour("text-muted"))]
        steps = self._steps(drawn)
        inner = width - LABEL_WIDTH
        share = SMOOTHING[self._smoothing]
        # What was measured stays visible behind what is smoothed.
        behind = [named for named in drawn if named.line.smooth and share]
        drawing = plot(
            [*(replace(named.line, smooth=False) for named in behind), *(n.line for n in drawn)],
            inner,
            rows,
            steps,
            log=self._log,
            smoothing=share,
            marks=self.marks,
            symbols=[FAINT_MARK] * len(behind)
            + [ASCII_MARKS[named.colour % len(ASCII_MARKS)] for named in drawn],
        )
        styles = [self._line_style(named) + Style(dim=True) for named in behind]
        styles += [self._line_style(named) for named in drawn]
        cells = _Cells(drawing, styles, self.colour("text-muted"))
        ascii_only = self.marks is Marks.ASCII
        cells.rule(self._column(self._marked, steps, inner), ":" if ascii_only else "┊")
        cells.rule(self._column(self._cursor, steps, inner), "|" if ascii_only else "│")
        cells.write(self._title(inner))
        tick, axis = ("+", "|") if ascii_only else ("┤", "│")
        lines: list[Text | Strip] = []
        for row in range(rows):
            label = drawing.ticks.get(row)
            text = Text(no_wrap=True, end="")
            left = f"{label or '':>{LABEL_WIDTH - 1}}{tick if label else axis}"
            text.append(left, self.colour("text-muted"))
            text.append_text(cells.line(row))
            lines.append(text)
        if self._cursor is None:
            lines.append(self._legend(drawn, steps, width, ascii_only))
        else:
            lines.append(self._read_out(drawn, self._cursor, width, ascii_only))
        return lines

    def _steps(self, drawn: Sequence[NamedLine]) -> tuple[float, float]:
        """The first and the last step that are shown."""
        last = max(float(named.line.x[-1]) for named in drawn)
        first = 0.0
        if self._axis is Axis.UNITS:
            first = min(float(named.line.x[0]) for named in drawn)
        span = last - first
        return first + span * self._left, first + span * self._right

    @staticmethod
    def _column(step: float | None, steps: tuple[float, float], width: int) -> int | None:
        """The column of a step; None for no step, and for one that is not shown."""
        if step is None or not steps[0] <= step <= steps[1]:
            return None
        return round((step - steps[0]) / max(steps[1] - steps[0], 1e-9) * (width - 1))

    def _title(self, width: int) -> str:
        """What the y axis has, as much of it as fits."""
        share = SMOOTHING[self._smoothing]
        named = TITLES.get(self._metric, str(self._metric))
        if self._metric is Metric.LOSS:
            named = self._kind or named
        words = [named, "log" if self._log else "linear"]
        words += (
            [f"smoothed {share:g}"] if share and any(n.line.smooth for n in self._lines) else []
        )
        while len(words) > 1 and len(", ".join(words)) > width // 2:
            words.pop()
        return ", ".join(words)[:width]

    def _legend(
        self, drawn: Sequence[NamedLine], steps: tuple[float, float], width: int, ascii_only: bool
    ) -> Text:
        """The line below: the first step shown, the names of the lines, the last step."""
        dim = self.colour("text-muted")
        left = f"{'':{LABEL_WIDTH - 1}}{'+' if ascii_only else '└'}{self._axis.words(steps[0])}"
        right = f"{self._axis} {self._axis.words(steps[1])}"
        room = width - len(left) - len(right) - 2
        for gap in ("  ", " ") if len(drawn) < 3 else ("  ",):
            names = Text(no_wrap=True)
            for named in drawn:
                names.append(f"{gap}{_mark(named, ascii_only)}{gap[1:]}", self._line_style(named))
                names.append(printable(named.name), dim)
            if names.cell_len <= room:
                break
        if len(drawn) == 1 and names.cell_len > room:
            # The title of the chart says what it is.
            names = Text(f" {_mark(drawn[0], ascii_only)}", self._line_style(drawn[0]))
        names.truncate(max(0, room), overflow="ellipsis")
        return Text.assemble(
            (left, dim), names, " " * (room - names.cell_len + 2), (right, dim), no_wrap=True
        )

    def _read_out(
        self, drawn: Sequence[NamedLine], step: float, width: int, ascii_only: bool
    ) -> Text:
        """The line below while there is a cursor: every line's value at that step."""
        text = Text()
        for names in (True, False):
            text = Text(f"{self._axis} {self._axis.exactly(step)}", Style(bold=True), no_wrap=True)
            for named in drawn:
                value = _value_at(named.line, step)
                text.append(f" {_mark(named, ascii_only)} ", self._line_style(named))
                text.append(f"{printable(named.name)} " if names else "", self.colour("text-muted"))
                text.append("–" if value is None else f"{value:.5g}")
            if text.cell_len <= width:
                break
        text.truncate(width, overflow="ellipsis")
        return text

    def _line_style(self, named: NamedLine) -> Style:
        return self.colour(COLOURS[named.colour % len(COLOURS)])


class _Cells:
    """The characters of a drawing with their styles, and what is written between them."""

    def __init__(self, drawing: Plot, styles: Sequence[Style], dim: Style) -> None:
        self._rows = [list(row) for row in drawing.rows]
        self._owners = drawing.owners.copy()
        self._styles = [*styles, dim]

    def rule(self, column: int | None, character: str) -> None:
        """A vertical line behind all others."""
        if column is None:
            return
        for row, owners in zip(self._rows, self._owners, strict=True):
            if owners[column] < 0:
                row[column] = character
                owners[column] = len(self._styles) - 1

    def write(self, words: str) -> None:
        """Words at the right edge, in the first of the upper rows where no line is."""
        count, upper = len(words), range(len(self._rows) // 2)
        free = [row for row in upper if (self._owners[row, -count:] < 0).all()]
        row = free[0] if free else 0
        self._rows[row][-count:] = words
        self._owners[row, -count:] = len(self._styles) - 1

    def line(self, row: int) -> Text:
        text = Text(no_wrap=True)
        place = 0
        for owner, cells in groupby(self._owners[row].tolist()):
            count = len(list(cells))
            style = self._styles[owner] if owner >= 0 else None
            text.append("".join(self._rows[row][place : place + count]), style)
            place += count
        return text


def _mark(named: NamedLine, ascii_only: bool) -> str:
    if ascii_only:
        return ASCII_MARKS[named.colour % len(ASCII_MARKS)]
    return "┅" if named.line.dashed else "━"


def _value_at(line: Line, step: float) -> float | None:
    """The value of a line at the known step that is nearest; None beyond its ends, or for NaN."""
    if not len(line.x) or not line.x[0] <= step <= line.x[-1]:
        return None
    after = int(np.searchsorted(line.x, step))
    before = max(0, after - 1)
    nearest = before if step - line.x[before] < line.x[after] - step else after
    value = float(line.y[nearest])
    return None if np.isnan(value) else value
