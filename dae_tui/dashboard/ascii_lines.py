"""What is drawn on a terminal that has ASCII alone: frames, arrows and dashes become letters."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

# Keys by their names: an arrow that became `<` would be another key.
KEY_NAMES = {"←": "left", "→": "right", "↑": "up", "↓": "down", "⏎": "enter", "⌫": "backspace"}
# Each in as many cells as before. What is drawn in ASCII from the start, as charts, is not here.
_ALIKE = {
    "-": "–—─━┅╌▔",
    "_": "▁▂▃",
    "#": "▄▅▆▇█▀",
    "|": "│┃┊▏▎▍▌▐▋▊▉",
    "+": "╭╮╰╯┌┐└┘├┤┬┴┼",
    "~": "…",
    ">": "›→",
    "<": "‹←",
    "^": "▲↑",
    "v": "▼↓",
    "*": "●•✓",
    "o": "○",
    "x": "×✗",
    ".": "·",
    " ": "°",
    "? ": "🔎",
}
_TABLE = str.maketrans({every: plain for plain, alike in _ALIKE.items() for every in alike})


class AsciiLines(LineFilter):
    """Replaces what we and Textual draw with. Letters of names and of logs stay as they are."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same line, as wide as it was."""
        if all(text.isascii() for text, _, _ in segments):
            return segments
        return [
            Segment(text.translate(_TABLE), style, control) for text, style, control in segments
        ]
