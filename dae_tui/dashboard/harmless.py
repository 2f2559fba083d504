"""The border before the terminal: no character that is drawn can steer it."""

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


class Harmless(LineFilter):
    """Takes control characters out of what is drawn. Textual itself lets escape sequences through.

    Words of others are made `printable` where they become text; this stands behind that, for words
    that were forgotten. So nothing here may move: each character gives way to as many blanks as
    it takes cells, and those that steer a terminal take none.
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
