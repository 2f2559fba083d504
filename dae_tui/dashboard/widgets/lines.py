"""A widget made of lines, which sends only changed lines to the terminal."""

from functools import lru_cache

from rich.style import Style
from rich.text import Text
from textual.color import Color, ColorParseError
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from dae_tui.dashboard.context import context_of
from dae_tui.terminal.graphics import Graphics


class Lines(Widget):
    """Draws itself line by line; `redraw` compares with what was there."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []

    @property
    def graphics(self) -> Graphics:
        """What the terminal can show."""
        return context_of(self).graphics

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        """The lines for a size in cells; they are padded or cut to it."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw again, and have the terminal repaint the lines that differ."""
        if not self.is_attached or not self.size:
            return
        width, height = self.size
        style = self.rich_style
        drawn = [
            (line if isinstance(line, Strip) else self._strip(line)).apply_style(style)
            for line in self.draw(width, height)[:height]
        ]
        strips = [strip.adjust_cell_length(width, style) for strip in drawn]
        strips += [Strip.blank(width, style)] * (height - len(strips))
        before, self._strips = self._strips, strips
        if len(before) != len(strips):
            self.refresh()
            return
        changed = [Region(0, y, width, 1) for y in range(height) if strips[y] != before[y]]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.rich_style)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())
        self.watch(self.app, "graphics", self.redraw, init=False)

    def on_resize(self) -> None:
        self._strips = []
        self.redraw()

    def colour(self, name: str) -> Style:
        """The style of a colour of the theme, such as `success`."""
        return theme_style(self, name)

    def _strip(self, text: Text) -> Strip:
        return Strip(text.render(self.app.console))


def theme_style(widget: Widget, name: str) -> Style:
    """The style of a colour of the theme, such as `success` or `text-muted`, or of `#rrggbb`."""
    return _style(name if name.startswith("#") else widget.app.theme_variables.get(name, ""))


@lru_cache(maxsize=1024)
def _style(value: str) -> Style:
    """The style of a colour as themes write it.

    Cached: for what is no colour, as `auto 60%`, Textual searches for similar names of colours each
    time, which took half of the time in which a list of 300 runs was drawn first.
    """
    try:
        return Style(color=Color.parse(value).rich_color)
    except ColorParseError:
        # `auto 60%`, `ansi_default 50%`: a share of a colour that only the terminal knows. Dim
        # has the same effect.
        return Style(dim=True)
