"""A figure over a parameter: a point for each run of a group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.charts.loss_chart import LABEL_WIDTH
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics
from dae_tui.terminal.plot import Plot, scatter


@dataclass(frozen=True)
class Points:
    """What is drawn."""

    x: Sequence[float]
    y: Sequence[float]
    x_name: str
    y_name: str
    log: tuple[bool, bool]
    x_ticks: Sequence[tuple[float, str]] | None = None
    chosen: int | None = None
    """The point of the run at the cursor."""
    best: int | None = None


class ScatterChart(Lines):
    """Points between two labelled axes; where there are none, it says why."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._points: Points | None = None
        self._empty = ""

    def show(self, points: Points | None, empty: str = "") -> None:
        """Draw other points, or say why there are none."""
        self._points, self._empty = points, empty
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        dim = self.colour("text-muted")
        points = self._points
        if points is None:
            return [Text(printable(self._empty), dim)]
        rows, inner = height - 2, width - LABEL_WIDTH - 1
        if rows < 2 or inner < 12:
            return [Text(f"too {'low' if rows < 2 else 'narrow'} for a chart", dim)]
        ascii_only = self.graphics is Graphics.ASCII
        drawing = scatter(
            np.array(points.x, dtype=np.float64),
            np.array(points.y, dtype=np.float64),
            inner,
            rows,
            log=points.log,
            symbol="o" if ascii_only else "●",
            x_ticks=points.x_ticks,
        )
        tick, axis = ("+", "|") if ascii_only else ("┤", "│")
        lines: list[Text | Strip] = [self._title(points, width)]
        for row in range(rows):
            label = drawing.ticks.get(row, "")
            left = f"{label:>{LABEL_WIDTH - 1}}{tick if label else axis}"
            line = Text.assemble((left, dim), no_wrap=True)
            for cell, owner in zip(drawing.rows[row], drawing.owners[row].tolist(), strict=True):
                line.append(*self._point(cell, owner, points, ascii_only))
            lines.append(line)
        lines.append(Text(_axis(drawing, inner, ascii_only), dim, no_wrap=True))
        return lines

    def _title(self, points: Points, width: int) -> Text:
        """What both axes show, and what the colours mean."""
        scales = ["log" if log else "linear" for log in points.log]
        text = Text(f"{'':{LABEL_WIDTH}}", no_wrap=True)
        text.append(printable(f"{points.y_name} ({scales[1]}) over {points.x_name} ({scales[0]})"))
        symbol = "o" if self.graphics is Graphics.ASCII else "●"
        for colour, words in (("warning", "at the cursor"), ("success", "best")):
            more = Text.assemble(f"  {symbol} ", (words, self.colour("text-muted")))
            more.stylize(self.colour(colour), 0, 3)
            if text.cell_len + more.cell_len <= width:
                text.append_text(more)
        return text

    def _point(self, cell: str, owner: int, points: Points, ascii_only: bool) -> tuple[str, Style]:
        if owner < 0:
            return cell, Style()
        if owner == points.chosen:
            return ("@" if ascii_only else cell), self.colour("warning") + Style(bold=True)
        if owner == points.best:
            return ("*" if ascii_only else cell), self.colour("success") + Style(bold=True)
        return cell, self.colour("primary")


def _axis(drawing: Plot, width: int, ascii_only: bool) -> str:
    """The line below, with those labels that have room."""
    line = list(f"{'':{LABEL_WIDTH - 1}}{'+' if ascii_only else '└'}" + " " * width)
    free = LABEL_WIDTH
    for column, label in sorted(drawing.x_ticks.items()):
        words = printable(label)
        start = LABEL_WIDTH + max(0, min(column - len(words) // 2, width - len(words)))
        if start < free or start + len(words) > len(line):
            continue
        line[start : start + len(words)] = words
        free = start + len(words) + 1
    return "".join(line)
