"""Loss over steps: training and validation of one run, or several runs in one chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.blocks import Graphics
from dae_tui.terminal.plot import Line, Marks, plot

SMOOTHING = (0.0, 0.7, 0.93)
LABEL_WIDTH = 8
# Colours of the theme, and four more that can be told apart on dark and light backgrounds, in the
# order in which lines take them.
COLOURS = ("primary", "warning", "success", "error", "#a05fd6", "#14a3b8", "#b5762e", "#d6569a")
# The characters of the lines in ASCII, by the number of their colour.
ASCII_MARKS = "*o+x#@%&"
ZOOM = 2.0
PAN = 0.25
# The least share of the steps that zooming shows.
CLOSEST = 1e-4


@dataclass(frozen=True)
class NamedLine:
    """A line with its name in the legend and its place in `COLOURS`."""

    name: str
    line: Line
    colour: int


class LossChart(Lines):
    """A chart that can be zoomed, panned, smoothed, and switched between its scales and marks."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[NamedLine] = ()
        self._empty = ""
        self._kind = ""
        self._log = True
        self._smoothing = 0
        self._chosen: Marks | None = None
        self._left, self._right = 0.0, 1.0

    def show(self, lines: Sequence[NamedLine], empty: str, kind: str = "") -> None:
        """Draw new or longer lines, or say why there are none.

        `kind` names the loss in the legend, where it is not the usual one.
        """
        self._lines, self._empty, self._kind = lines, empty, kind
        self.redraw()

    def toggle_log(self) -> str:
        """Switch between a logarithmic and a linear axis; returns a message."""
        self._log = not self._log
        self.redraw()
        return f"loss: {'logarithmic' if self._log else 'linear'} scale"

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
        """Every step."""
        self._left, self._right = 0.0, 1.0
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
        last = max(float(named.line.x[-1]) for named in drawn)
        steps = (last * self._left, last * self._right)
        inner = width - LABEL_WIDTH
        drawing = plot(
            [named.line for named in drawn],
            inner,
            rows,
            steps,
            log=self._log,
            smoothing=SMOOTHING[self._smoothing],
            marks=self.marks,
            symbols=[ASCII_MARKS[named.colour % len(ASCII_MARKS)] for named in drawn],
        )
        colours = {number: self._line_style(named) for number, named in enumerate(drawn)}
        ascii_only = self.marks is Marks.ASCII
        tick, axis, corner = ("+", "|", "+") if ascii_only else ("┤", "│", "└")
        dim = self.colour("text-muted")
        lines: list[Text | Strip] = []
        for row, characters in enumerate(drawing.rows):
            label = drawing.ticks.get(row)
            text = Text(no_wrap=True, end="")
            text.append(f"{label or '':>{LABEL_WIDTH - 1}}{tick if label else axis}", dim)
            text.append_text(_coloured(characters, drawing.owners[row], colours))
            lines.append(text)
        lines.append(self._legend(drawn, colours, steps, width, corner, ascii_only))
        return lines

    def _legend(
        self,
        drawn: Sequence[NamedLine],
        colours: Mapping[int, Style],
        steps: tuple[float, float],
        width: int,
        corner: str,
        ascii_only: bool,
    ) -> Text:
        """The line below: the first step shown, the loss, the names of the lines, the last step."""
        dim = self.colour("text-muted")
        left = f"{'':{LABEL_WIDTH - 1}}{corner}{short(steps[0])}"
        right = f"step {short(steps[1])}"
        room = width - len(left) - len(right) - 2
        names = self._names(drawn, colours, "  ", ascii_only)
        if self._kind and names.cell_len > room:
            names = self._names(drawn, colours, " ", ascii_only)
        names.truncate(max(0, room), overflow="ellipsis")
        return Text.assemble(
            (left, dim), names, " " * (room - names.cell_len + 2), (right, dim), no_wrap=True
        )

    def _names(
        self,
        drawn: Sequence[NamedLine],
        colours: Mapping[int, Style],
        gap: str,
        ascii_only: bool,
    ) -> Text:
        """The kind of loss and the names of the lines, each behind its mark."""
        dim = self.colour("text-muted")
        names = Text(f"{gap}{self._kind}" if self._kind else "", dim, no_wrap=True)
        for number, named in enumerate(drawn):
            mark = "┅" if named.line.dashed else "━"
            if ascii_only:
                mark = ASCII_MARKS[named.colour % len(ASCII_MARKS)]
            names.append(f"{gap}{mark}{gap[1:]}", colours[number])
            names.append(printable(named.name), dim)
        return names

    def _line_style(self, named: NamedLine) -> Style:
        return self.colour(COLOURS[named.colour % len(COLOURS)])


def short(count: float) -> str:
    """A count in few characters: 950, 12.3k, 1.2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size * 0.9995:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"


def _coloured(characters: str, owners: np.ndarray, colours: Mapping[int, Style]) -> Text:
    text = Text(no_wrap=True)
    place = 0
    for owner, cells in groupby(owners.tolist()):
        count = len(list(cells))
        text.append(characters[place : place + count], colours.get(owner))
        place += count
    return text
