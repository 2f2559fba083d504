"""The settings in which runs differ: a row for each setting, a column for each run."""

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.content.names import shortened_name
from dae_tui.dashboard.widgets.charts.loss_chart import COLOURS
from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics

LEAST_COLUMN = 8


class Differences(Lines):
    """A table that fits: with too little room, long values lose their middle."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._runs: Sequence[tuple[str, int]] = ()
        self._rows: Sequence[tuple[str, Sequence[str]]] = ()

    def show(
        self, runs: Sequence[tuple[str, int]], rows: Sequence[tuple[str, Sequence[str]]]
    ) -> None:
        """Show other settings.

        Args:
            runs: their names, and the numbers of their colours in the chart.
            rows: names of settings, with the value of each run.
        """
        self._runs, self._rows = runs, rows
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        dim = self.colour("text-muted")
        if not self._rows:
            same = "one run: mark others in the list, with space"
            if len(self._runs) > 1:
                same = "these runs have the same settings"
            return [Text(same, dim)]
        first = 1 + max(len(name) for name, _ in self._rows)
        first = min(first, max(LEAST_COLUMN, width // 3))
        column = max(LEAST_COLUMN, (width - first) // len(self._runs))
        texts = [name for name, _ in self._runs], *(values for _, values in self._rows)
        longest = max(len(text) for row in texts for text in row)
        column = min(column, longest + 2)
        fitting = max(1, (width - first) // column)  # Half a value is another value.
        hidden = max(0, len(self._runs) - fitting)
        heading = Text(" " * first, no_wrap=True)
        for name, colour in self._runs[:fitting]:
            style = self.colour(COLOURS[colour % len(COLOURS)]) + Style(bold=True)
            heading.append(self._cell(name, column), style)
        lines: list[Text | Strip] = [heading]
        shown = self._rows[: max(1, height - 1)]
        if len(shown) < len(self._rows) or (hidden and len(shown) == height - 1):
            shown = shown[:-1]
        for name, values in shown:
            line = Text(self._cell(name, first), dim, no_wrap=True)
            for value in values[:fitting]:
                line.append(self._cell(value, column))
            lines.append(line)
        more = [f"{len(self._rows) - len(shown)} more settings"] * (len(shown) < len(self._rows))
        more += [f"{hidden} more run{'s' * (hidden > 1)}"] * (hidden > 0)
        if more:
            lines.append(Text(f"and {', '.join(more)}", dim))
        return lines

    def _cell(self, text: str, width: int) -> str:
        utf8 = self.graphics is not Graphics.ASCII
        return shortened_name(printable(text), width - 1, utf8=utf8).ljust(width)
