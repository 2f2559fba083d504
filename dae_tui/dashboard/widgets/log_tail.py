"""The last lines of a log."""

import re
from collections.abc import Sequence

from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable

# 2026-01-31 23:59:59 words; the day is not shown.
_DATED = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d) (.*)")


class LogTail(Lines):
    """As many of the last lines as fit; long ones are cut."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._log: Sequence[str] = ()

    def show(self, log: Sequence[str]) -> None:
        self._log = log
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        if not self._log:
            return [Text(" the log is empty", self.colour("text-muted"))]
        lines: list[Text | Strip] = []
        for line in self._log[-height:]:
            shown = printable(line)
            found = _DATED.match(shown)
            clock, words = found.groups() if found else ("", shown)
            text = Text.assemble((f" {clock} ", self.colour("text-muted")), words, no_wrap=True)
            text.truncate(width, overflow="ellipsis")
            lines.append(text)
        return lines
