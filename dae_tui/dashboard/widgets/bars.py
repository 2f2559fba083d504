"""What the classifier makes of each view: a bar and percents for every class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.digits import GAP
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.terminal.blocks import Graphics, bar

# Cells of a class: its name, a mark, a bar of four cells or more, and five for the percents.
NARROWEST = 11


@dataclass(frozen=True)
class Reading:
    """The probabilities of the classes in one view."""

    probabilities: NDArray[np.floating]
    """(classes,) in [0, 1]."""
    label: int | None
    """The class that it is, where that is known."""


class Bars(Lines):
    """A column for each view, as wide as its picture.

    All classes are shown, two to a line where there are too few lines, or those likely most.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._readings: Sequence[Reading] = ()
        self._cell = 0
        self._empty = ""

    def show(self, readings: Sequence[Reading], cell: int, empty: str = "") -> None:
        """Show readings in columns of `cell` cells, or say why there are none."""
        self._readings, self._cell, self._empty = readings, cell, empty
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        if not self._readings:
            return [Text(f" {self._empty}", self.colour("text-muted"), no_wrap=True)]
        columns = [self._column(reading, height) for reading in self._readings]
        lines: list[Text | Strip] = []
        for row in zip(*columns, strict=True):
            line = Text(no_wrap=True)
            for part in row:
                line.append_text(part)
                line.append(" " * GAP)
            lines.append(line)
        return lines

    def _column(self, reading: Reading, height: int) -> list[Text]:
        """The lines of one view, all `cell` cells wide."""
        classes = len(reading.probabilities)
        across = 1 if classes <= height or self._cell < 2 * NARROWEST + 2 else 2
        if classes <= across * height:
            shown = list(range(classes))
        else:
            likely = np.argsort(-reading.probabilities, kind="stable")
            shown, across = likely[:height].tolist(), 1
        rows = -(-len(shown) // across)
        # Two columns are parted by two cells; an odd cell that is left comes after the last.
        each = (self._cell - 2 * (across - 1)) // across
        lines = []
        for row in range(rows):
            line = Text(no_wrap=True)
            for number in shown[row::rows]:
                line.append("  " if line else "")
                line.append_text(self._class(reading, number, each, len(str(classes - 1))))
            line.truncate(self._cell, pad=True)
            lines.append(line)
        return lines

    def _class(self, reading: Reading, number: int, width: int, digits: int) -> Text:
        """`7✓████▊  97%`; the mark says whether the class is what is read, and rightly."""
        share = float(reading.probabilities[number])
        read = number == int(reading.probabilities.argmax())
        true = number == reading.label
        utf8 = self.graphics is not Graphics.ASCII
        mark, colour = " ", "text-muted"
        if read and reading.label is None:
            mark, colour = "•" if utf8 else "*", "primary"
        elif read:
            mark = ("✓" if true else "✗") if utf8 else ("+" if true else "x")
            colour = "success" if true else "error"
        elif true:
            mark, colour = "◂" if utf8 else "<", "warning"
        style = self.colour(colour)
        text = Text(f"{number:>{digits}}{mark}", style + Style(bold=read), no_wrap=True)
        text.append(bar(share, max(1, width - digits - 6), self.graphics), style)
        text.append(f"{100 * share:4.0f}%", style)
        return text
