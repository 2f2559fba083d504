"""The last line of a screen: its keys, as many as fit, and always the one for help."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from dae_tui.dashboard.widgets.lines import Lines

# Keys that are shown however narrow the terminal is; the others go from the right.
PINNED = ("keys", "app.keys")
LEAVING = ("quit",)


@runtime_checkable
class OffersKeys(Protocol):
    """A screen on which some actions do not always apply."""

    def offers(self, action: str) -> bool:
        """Whether the action would do something now."""


@dataclass(frozen=True)
class _Key:
    keys: tuple[tuple[str, str], ...]
    """Each key as it is shown, and the action that a click on it does."""
    words: str

    @property
    def gap(self) -> str:
        """What stands between the keys: nothing between signs, as in `←→ time`."""
        return "/" if any(len(key) > 1 for key, _ in self.keys) else ""

    @property
    def width(self) -> int:
        keys = self.gap.join(key for key, _ in self.keys)
        return len(keys) + 1 + len(self.words)


class KeyBar(Lines):
    """The keys that do something now. A click does the same.

    By hand, since Textual's footer loses the key for help where there is no room for all.
    """

    def __init__(self) -> None:
        super().__init__()
        self._due = False

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.redraw_soon())

    def redraw_soon(self) -> None:
        """Draw once what changes several times: asking for all keys takes milliseconds."""
        if not self._due:
            self._due = True
            self.call_after_refresh(self._redraw_due)

    def _redraw_due(self) -> None:
        self._due = False
        self.redraw()

    def draw(self, width: int, height: int) -> list[Text | Strip]:
        first, pinned = self._keys()
        room = width - sum(key.width + 2 for key in pinned)
        shown: list[_Key] = []
        for key in first:
            if room < key.width + 2:
                break
            shown.append(key)
            room -= key.width + 2
        line = Text(no_wrap=True)
        for key in [*shown, *pinned]:
            line.append(" ")
            for place, (name, action) in enumerate(key.keys):
                line.append(key.gap if place else "")
                line.append(name, self._style(action, "footer-key-foreground", bold=True))
            line.append(f" {key.words} ", self._style(key.keys[-1][1], "footer-foreground"))
        return [line]

    def _style(self, action: str, colour: str, *, bold: bool = False) -> Style:
        style = Style(bold=bold, meta={"@click": action})
        return self.colour(colour) + style if colour in self.app.theme_variables else style

    def _keys(self) -> tuple[list[_Key], list[_Key]]:
        """The keys from left to right, and those that are always shown, which come last."""
        found: dict[object, _Key] = {}
        pinned: dict[str, _Key] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not (binding.show and active.enabled and self._offered(binding.action)):
                continue
            where = {self.app: "app.", self.screen: "screen."}.get(active.node, "focused.")
            action = binding.action if "." in binding.action.split("(")[0] else ""
            action = action or f"{where}{binding.action}"
            shown = self.app.get_key_display(binding), action
            if binding.action in (*PINNED, *LEAVING):
                pinned.setdefault(binding.action, _Key((shown,), binding.description))
                continue
            place: object = binding.group or binding.action
            before = found.get(place)
            if before is None:
                words = binding.group.description if binding.group else binding.description
                found[place] = _Key((shown,), words)
            elif binding.group and action not in [known for _, known in before.keys]:
                found[place] = _Key((*before.keys, shown), before.words)
        return list(found.values()), [*pinned.values()]

    def _offered(self, action: str) -> bool:
        screen = self.screen
        return not isinstance(screen, OffersKeys) or screen.offers(action.split("(", maxsplit=1)[0])
