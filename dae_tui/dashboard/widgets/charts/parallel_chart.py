"""Parallel coordinates: an axis for each setting of a group, and a line for each run."""

import math
from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.content.parallel_axes import Parallel, ParallelAxis
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics
from dae_tui.terminal.plot import Marks, Plot, polylines

# From the worst runs to the best; each can be told from dark and from light grounds.
WORTH = ("#a0507a", "#8a63c9", "#4f7fd6", "#14a3b8", "#2fa36b")
# The fewest cells between two axes, and beside the first one.
BETWEEN, LEFT = 11, 1
# The fewest cells for the labels at the last axis.
RIGHT = 11


class ParallelChart(Lines):
    """Lines between axes; where there are none, it says why."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parallel: Parallel | None = None
        self._empty = ""

    def show(self, parallel: Parallel | None, empty: str = "") -> None:
        """Draw other runs, or say why there are none."""
        self._parallel, self._empty = parallel, empty
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        dim = self.colour("text-muted")
        parallel = self._parallel
        if parallel is None:
            return [Text(printable(self._empty), dim)]
        rows = height - 3
        most = 1 + (width - LEFT - RIGHT) // BETWEEN
        if rows < 3 or most < 2:
            return [Text(f"too {'low' if rows < 3 else 'narrow'} for a chart", dim)]
        hidden = max(0, len(parallel.axes) - most)
        # The figure is always there.
        axes = [*parallel.axes[: min(most, len(parallel.axes)) - 1], parallel.axes[-1]]
        between = (width - LEFT - RIGHT) // (len(axes) - 1)
        columns = [LEFT + between * place for place in range(len(axes))]
        cells = self._cells(parallel, axes, columns, (width, rows))
        lines: list[Text | Strip] = [self._title(hidden, width)]
        lines.append(Text(_beside([axis.name for axis in axes], columns, width), no_wrap=True))
        lines += cells
        scales = ["log" if axis.log else "" for axis in axes]
        lines.append(Text(_beside(scales, columns, width), dim, no_wrap=True))
        return lines

    @property
    def _ascii(self) -> bool:
        return self.graphics is Graphics.ASCII

    def _cells(
        self,
        parallel: Parallel,
        axes: Sequence[ParallelAxis],
        columns: Sequence[int],
        size: tuple[int, int],
    ) -> list[Text]:
        """The lines of the runs, the axes with their labels, and the marks of two runs."""
        width, rows = size
        heights = np.array([axis.heights for axis in axes]).T
        drawing = polylines(
            heights,
            columns,
            width,
            rows,
            marks=Marks.ASCII if self._ascii else Marks.BRAILLE,
            symbols=".",
        )
        canvas = _Canvas(drawing, self._styles(parallel), self.colour("text-muted"))
        for axis, column in zip(axes, columns, strict=True):
            for row in range(rows):
                canvas.put(row, column, "|" if self._ascii else "│")
            for row, words in _one_a_row(axis.labels, rows).items():
                canvas.write(row, column + 1, words)
        marks = (parallel.best, "*"), (parallel.chosen, "@" if self._ascii else "●")
        for number, mark in marks:
            for column, place in zip(
                columns, () if number is None else heights[number], strict=False
            ):
                if not math.isnan(place):
                    canvas.put(round((1 - place) * (rows - 1)), column, mark, number)
        return canvas.lines()

    def _styles(self, parallel: Parallel) -> list[Style]:
        styles = []
        for number, worth in enumerate(parallel.worth):
            if number == parallel.chosen:
                styles.append(self.colour("warning") + Style(bold=True))
            elif number == parallel.best:
                styles.append(self.colour("success") + Style(bold=True))
            elif math.isnan(worth):
                styles.append(self.colour("text-muted"))
            else:
                styles.append(self.colour(WORTH[round(worth * (len(WORTH) - 1))]))
        return styles

    def _title(self, hidden: int, width: int) -> Text:
        """What the lines are."""
        text = Text(" a line for each run: ", self.colour("text-muted"), no_wrap=True)
        for colour, words in (
            ("warning", f"{'@' if self._ascii else '●'} at the cursor"),
            ("success", "* best"),
            (WORTH[-1], "good"),
            (WORTH[0], "bad"),
        ):
            text.append(f" {words} ", self.colour(colour))
        if hidden:
            text.append(f" {hidden} more: X", self.colour("text-muted"))
        text.truncate(width, overflow="ellipsis")
        return text


class _Canvas:
    """The characters of a drawing, and what is written over them."""

    def __init__(self, drawing: Plot, styles: Sequence[Style], dim: Style) -> None:
        self._rows = [list(row) for row in drawing.rows]
        self._owners = drawing.owners.tolist()
        self._styles, self._dim = styles, dim

    def put(self, row: int, column: int, character: str, owner: int | None = None) -> None:
        self._rows[row][column] = character
        self._owners[row][column] = -1 if owner is None else owner

    def write(self, row: int, column: int, words: str) -> None:
        for place, character in enumerate(words, column):
            if place < len(self._rows[row]):
                self.put(row, place, character)

    def lines(self) -> list[Text]:
        found = []
        for row, owners in zip(self._rows, self._owners, strict=True):
            line = Text(no_wrap=True)
            for character, owner in zip(row, owners, strict=True):
                line.append(character, self._styles[owner] if owner >= 0 else self._dim)
            found.append(line)
        return found


def _one_a_row(labels: Sequence[tuple[float, str]], rows: int) -> dict[int, str]:
    """The labels by their rows, those of the ends first; one whose row is taken is left out."""
    found: dict[int, str] = {}
    for place, words in sorted(labels, key=lambda label: min(label[0], 1 - label[0])):
        narrow = "".join(each if cell_len(each) == 1 else "?" for each in printable(words))
        found.setdefault(round((1 - place) * (rows - 1)), narrow[:BETWEEN])
    return found


def _beside(words: Sequence[str], columns: Sequence[int], width: int) -> str:
    """Words at their axes, each cut before the next."""
    line = ""
    for word, column, end in zip(words, columns, [*columns[1:], width], strict=True):
        shown = printable(word)
        while cell_len(shown) > end - column - 1:
            shown = shown[:-1]
        line += " " * (column - cell_len(line)) + shown
    return line
