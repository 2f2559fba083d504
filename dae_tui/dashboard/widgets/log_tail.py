"""The end of a log, wrapped, which can be scrolled."""

import re
from collections.abc import Sequence

from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable

# 2026-01-31 23:59:59 words; the day is not shown.
_DATED = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d) (.*)")
CLOCK = 10
# In narrower places what goes on in the next line is not indented.
LEAST_WORDS = 20


class LogTail(Lines):
    """The last lines that fit, or earlier ones; long lines go on in the next."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._log: Sequence[str] = ()
        self._above = 0
        """How many of the drawn lines are hidden below; 0 follows the end."""
        self._wrapped: tuple[int, list[Text]] = 0, []
        """The width, and the lines in it."""

    def show(self, log: Sequence[str]) -> None:
        """Show a log; where an earlier part of it is shown, that stays."""
        if log == self._log:
            return
        before = len(self._lines_in(self.size.width))
        grown = log[: len(self._log)] == self._log
        self._log = log
        self._wrapped = 0, []
        if self._above and grown:
            self._above += len(self._lines_in(self.size.width)) - before
        self.redraw()

    def scroll_lines(self, by: int) -> None:
        """Scroll by so many lines; downwards with a positive number."""
        most = max(0, len(self._lines_in(self.size.width)) - self.size.height)
        self._above = min(max(0, self._above - by), most)
        self.redraw()

    def page(self, direction: int) -> None:
        """Scroll by what is shown, but for a line."""
        self.scroll_lines(direction * max(1, self.size.height - 1))

    @property
    def place(self) -> str:
        """Which lines are shown, of how many."""
        count, height = len(self._lines_in(self.size.width)), self.size.height
        last = count - self._above
        first = max(0, last - height) + 1
        return f"log, lines {first}–{last} of {count}" if count else "log"

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        if not self._log:
            return [Text(" the log is empty", self.colour("text-muted"))]
        lines = self._lines_in(width)
        end = len(lines) - min(self._above, max(0, len(lines) - height))
        return [*lines[max(0, end - height) : end]]

    def _lines_in(self, width: int) -> list[Text]:
        """All lines, wrapped."""
        if self._wrapped[0] != width:
            lines = [part for line in self._log for part in self._wrap(line, width)]
            self._wrapped = width, lines
        return self._wrapped[1]

    def _wrap(self, line: str, width: int) -> list[Text]:
        shown = printable(line)
        found = _DATED.match(shown)
        clock, words = found.groups() if found else ("", shown)
        indent = CLOCK if clock and width >= CLOCK + LEAST_WORDS else 1
        room = max(1, width - indent - 1)
        first = f" {clock} " if clock else " "
        if clock and indent == 1:
            words = f"{clock} {words}"
            first = " "
        parts = Text(words).wrap(self.app.console, room) or [Text()]
        dim = self.colour("text-muted")
        return [
            Text.assemble((" " * indent if n else first, dim), part, no_wrap=True)
            for n, part in enumerate(parts)
        ]
