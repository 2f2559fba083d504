"""The command palette: every action of the screen, found by the words that people use for it."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.screen import Screen

from dae_tui.dashboard.screens.dialogs.help import actions_of

# Other words for an action, by its name.
SYNONYMS = {
    "any_image": "random shuffle",
    "archive": "hide unhide old away",
    "benchmarks": "tables results",
    "compare": "difference side by side",
    "compressions": "pruning units error psnr ratio autoassociative",
    "cursor": "read value point",
    "data": "dataset folder",
    "delete": "remove erase",
    "drop": "remove unmark",
    "filter": "find grep condition",
    "go_on": "continue restart go on",
    "graphics": "colors truecolor blocks",
    "group": "sweep family search grid",
    "kind": "noise type",
    "level": "sigma amount strength",
    "live": "newest latest",
    "log": "messages output errors",
    "log_scale": "axis scale",
    "mark": "select",
    "marks": "characters plot",
    "new_noise": "redraw again seed",
    "new_run": "train training form",
    "newest": "unmark clear",
    "next_theme": "colours colors",
    "open_image": "file load path",
    "pan": "move scroll",
    "pause": "hold suspend continue",
    "play": "try denoise playground",
    "quit": "exit close leave",
    "resume": "continue restart go on",
    "show_all": "reset fit",
    "smooth": "smoothing average ema",
    "sort": "order by",
    "stop": "end kill cancel abort",
    "tag": "label note word",
    "time": "scrub history step",
    "whole": "zoom fit crop",
    "zoom": "magnify closer wider",
}
# A match of another word counts less than one of the words that are shown.
OTHER_WORDS = 0.8


@dataclass(frozen=True)
class Action:
    """An action of a screen, as the palette shows it."""

    title: str
    """What it does, and its keys."""
    help: str
    """More words, where there are any."""
    synonyms: str
    act: Callable[[], Awaitable[None]]


def offered_actions(screen: Screen[Any]) -> Iterator[Action]:
    """Every action that has a key on a screen."""
    app = screen.app
    for bound in actions_of(screen).values():
        binding, node = bound[0].binding, bound[0].node

        async def act(action: str = binding.action, where: DOMNode = node) -> None:
            await app.run_action(action, where)

        keys = " ".join(dict.fromkeys(app.get_key_display(each.binding) for each in bound))
        synonyms = SYNONYMS.get(binding.action.split("(")[0].split(".")[-1], "")
        yield Action(f"{binding.description}  ·  {keys}", binding.tooltip, synonyms, act)


class Actions(Provider):
    """Finds actions by their words and by `SYNONYMS`."""

    async def discover(self) -> Hits:
        """Every action, while nothing has been typed."""
        for action in sorted(offered_actions(self.screen), key=lambda each: each.title):
            yield DiscoveryHit(action.title, action.act, help=action.help or None)

    async def search(self, query: str) -> Hits:
        """The actions that match what has been typed."""
        matcher = self.matcher(query)
        for action in offered_actions(self.screen):
            others = max(matcher.match(action.help), matcher.match(action.synonyms))
            score = max(matcher.match(action.title), OTHER_WORDS * others)
            if score > 0:
                title = matcher.highlight(action.title)
                yield Hit(score, title, action.act, help=action.help or None)
