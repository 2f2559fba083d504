"""The last filter before the terminal: nothing that is drawn can control it."""

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


class Harmless(LineFilter):
    """Removes control characters from what is drawn. Textual itself lets escape sequences through.

    Foreign words are made `printable` where they become text; this filter catches any that were
    forgotten. The layout must not move: a character is replaced by as many blanks as it takes
    cells, and those that control a terminal take none.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line without such characters, nor links, whose address can hold some."""
        if all(text.isprintable() and not (style and style.link) for text, style, _ in segments):
            return segments
        return [
            Segment("".join(map(_blank, text)), style and style.update_link(None), control)
            for text, style, control in segments
        ]


def _blank(character: str) -> str:
    return character if character.isprintable() else " " * cell_len(character)
