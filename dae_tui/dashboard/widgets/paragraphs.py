"""A few lines of text, wrapped: nothing of them is cut while there is room."""

from collections.abc import Sequence

from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable


class Paragraphs(Lines):
    """Lines of text, each with a colour of the theme."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._said: Sequence[tuple[str, str]] = ()

    def show(self, said: Sequence[tuple[str, str]]) -> None:
        """Show texts, foreign ones too."""
        self._said = said
        self.redraw()

    def lines_for(self, width: int) -> int:
        """How many lines the texts take in so many cells."""
        return len(self._wrapped(width))

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        lines: list[Text | Strip] = [*self._wrapped(width)]
        # The last one says what to do: where there are too many, those before it are left out.
        return lines if len(lines) <= height or not height else [*lines[: height - 1], lines[-1]]

    def _wrapped(self, width: int) -> list[Text]:
        lines: list[Text] = []
        for words, colour in self._said:
            text = Text(printable(words), self.colour(colour))
            wrapped = text.wrap(self.app.console, max(1, width - 2))
            lines += [Text.assemble(" ", line, no_wrap=True) for line in wrapped]
        return lines
