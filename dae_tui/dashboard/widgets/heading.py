"""The first line of a screen."""

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable

# Words that would be cut to fewer cells are left out.
LEAST = 16


class Heading(Lines):
    """Words from left to right; where room is short, those at the right are cut or left out."""

    def __init__(self, *words: str, first: str = "dae", id: str | None = None) -> None:
        super().__init__(id=id)
        self._first = first
        self._words: list[tuple[str, str]] = [(printable(word), "") for word in words]

    def show(self, *words: tuple[str, str]) -> None:
        """Show words, foreign ones too, each with a colour of the theme or an empty string."""
        self._words = [(printable(word), colour) for word, colour in words]
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        first = Style(bold=True) + self.colour("primary")
        text = Text.assemble((f" {self._first}", first), no_wrap=True)
        for word, colour in self._words:
            room = width - text.cell_len - 2
            if cell_len(word) > room and room < LEAST and text.cell_len > 4:
                break
            text.append("  " if text.cell_len > 1 else "")
            text.append(word, _style(self, colour))
        text.truncate(width, overflow="ellipsis")
        return [text]


def _style(heading: Heading, colour: str) -> Style:
    if colour in ("", "bold"):
        return Style(bold=bool(colour))
    return heading.colour(colour)
