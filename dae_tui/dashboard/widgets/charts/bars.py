"""The class probabilities of each view: a bar and a percentage for every class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.terminal.graphics import Graphics, bar
from dae_tui.terminal.layout import GAP

# Cells of a class: its name, a mark, a bar of four cells or more, and five for the percents.
NARROWEST = 11


@dataclass(frozen=True)
class Prediction:
    """The probabilities that the classifier gives the classes in one view."""

    probabilities: NDArray[np.floating]
    """(classes,) in [0, 1]."""
    label: int | None
    """The true class, where that is known."""


class Bars(Lines):
    """A column for each view, as wide as its picture.

    All classes are shown, two to a line where lines are few, or else the most likely ones.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._predictions: Sequence[Prediction] = ()
        self._cell = 0
        self._empty = ""

    def show(self, predictions: Sequence[Prediction], cell: int, empty: str = "") -> None:
        """Show predictions in columns of `cell` cells, or say why there are none."""
        self._predictions, self._cell, self._empty = predictions, cell, empty
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        if not self._predictions:
            return [Text(f" {self._empty}", self.colour("text-muted"), no_wrap=True)]
        columns = [self._column(each, height) for each in self._predictions]
        lines: list[Text | Strip] = []
        for row in zip(*columns, strict=True):
            line = Text(no_wrap=True)
            for part in row:
                line.append_text(part)
                line.append(" " * GAP)
            lines.append(line)
        return lines

    def _column(self, prediction: Prediction, height: int) -> list[Text]:
        """The lines of one view, all `cell` cells wide."""
        classes = len(prediction.probabilities)
        across = 1 if classes <= height or self._cell < 2 * NARROWEST + 2 else 2
        if classes <= across * height:
            shown = list(range(classes))
        else:
            likely = np.argsort(-prediction.probabilities, kind="stable")
            shown, across = likely[:height].tolist(), 1
        rows = -(-len(shown) // across)
        # Two columns are two cells apart; an odd cell that is left comes after the last.
        each = (self._cell - 2 * (across - 1)) // across
        lines = []
        for row in range(rows):
            line = Text(no_wrap=True)
            for number in shown[row::rows]:
                line.append("  " if line else "")
                line.append_text(self._class(prediction, number, each, len(str(classes - 1))))
            line.truncate(self._cell, pad=True)
            lines.append(line)
        return lines

    def _class(self, prediction: Prediction, number: int, width: int, digits: int) -> Text:
        """`7✓████▊  97%`; the mark says whether the class is predicted, and true."""
        share = float(prediction.probabilities[number])
        predicted = number == int(prediction.probabilities.argmax())
        true = number == prediction.label
        utf8 = self.graphics is not Graphics.ASCII
        mark, colour = " ", "text-muted"
        if predicted and prediction.label is None:
            mark, colour = "•" if utf8 else "*", "primary"
        elif predicted:
            mark = ("✓" if true else "✗") if utf8 else ("+" if true else "x")
            colour = "success" if true else "error"
        elif true:
            mark, colour = "◂" if utf8 else "<", "warning"
        style = self.colour(colour)
        text = Text(f"{number:>{digits}}{mark}", style + Style(bold=predicted), no_wrap=True)
        text.append(bar(share, max(1, width - digits - 6), self.graphics), style)
        text.append(f"{100 * share:4.0f}%", style)
        return text
