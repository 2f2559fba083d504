"""A line of things to choose, with keys or the mouse."""

from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines
from dae_tui.system.printable import printable
from dae_tui.terminal.graphics import Graphics


@dataclass(frozen=True)
class Field:
    """Something to choose: its name, its value, and the actions for the next and the previous."""

    name: str
    value: str
    forward: str
    back: str = ""


class Fields(Lines):
    """Fields from left to right; a click does what their keys do."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._fields: tuple[Field, ...] = ()

    def show(self, *fields: Field) -> None:
        self._fields = fields
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        line = Text(" ", no_wrap=True)
        left, right = "<>" if self.graphics is Graphics.ASCII else "‹›"
        dim = self.colour("text-muted")
        for field in self._fields:
            back, forward = (
                Style(meta={"@click": f"screen.{action}"}) if action else Style()
                for action in (field.back, field.forward)
            )
            if field.back:
                line.append(f"{left} ", dim + back)
            line.append(f"{field.name} " if field.value else field.name, dim + forward)
            value = printable(field.value)
            value = value.replace("×", "x") if self.graphics is Graphics.ASCII else value
            line.append(value, forward + Style(bold=True))
            line.append(f" {right}", dim + forward)
            line.append("  ")
        return [line]
