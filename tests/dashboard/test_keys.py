"""Every key that a screen binds comes to its action, whatever has the focus there."""

from pathlib import Path

import pytest
from dashboard_driver import driving
from dashboard_example import LIVE, compressions
from textual.binding import Binding

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.compressions import CompressionsScreen, CompressionsTable
from dae_tui.dashboard.screens.group import GroupScreen
from dae_tui.dashboard.screens.machine import MachineScreen
from dae_tui.dashboard.screens.new_run import NewRunScreen
from dae_tui.dashboard.screens.playground import PlaygroundScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.widgets.tables.runs_table import RunsTable
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import set_group

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("screen", "opened_by", "bindings"),
    [
        (RunsScreen, "1", RunsScreen.BINDINGS + RunsTable.BINDINGS),
        (PlaygroundScreen, "2", PlaygroundScreen.BINDINGS),
        (CompareScreen, "3", CompareScreen.BINDINGS + RunsTable.BINDINGS),
        (CompressionsScreen, "3 C", CompressionsScreen.BINDINGS + CompressionsTable.BINDINGS),
        (MachineScreen, "4", MachineScreen.BINDINGS + RunsTable.BINDINGS),
        (RunScreen, None, RunScreen.BINDINGS),
        (GroupScreen, "S", GroupScreen.BINDINGS + RunsTable.BINDINGS),
        (NewRunScreen, "n", NewRunScreen.BINDINGS),
    ],
)
async def test_every_key_comes_to_its_action(
    runs_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    screen: type,
    opened_by: str | None,
    bindings: list[Binding],
) -> None:
    asked: list[str] = []

    async def note(_app: DashboardApp, action: str, *_: object, **__: object) -> bool:
        asked.append(action)
        return True

    run = None if opened_by else Run(runs_dir / LIVE)
    set_group(Run(runs_dir / LIVE), "lr-3f2a")
    compressions(runs_dir)
    async with driving(runs_dir, run) as driver:
        if opened_by:
            await driver.press(*opened_by.split())
        await driver.until(lambda: type(driver.app.screen) is screen, screen.__name__)
        monkeypatch.setattr(DashboardApp, "run_action", note)
        for binding in bindings:
            for key in binding.key.split(","):
                asked.clear()
                await driver.press(key)
                assert asked == [binding.action], key


# What a key means, and the actions that do so on one screen or another.
MEANINGS: dict[str, set[str]] = {
    "up": {"up", "cursor_up", "level", "app.focus_previous"},
    "down": {"down", "cursor_down", "level", "app.focus_next"},
    "left": {"time", "cursor_left", "image"},
    "right": {"time", "cursor_right", "image"},
    "home": {"first", "scroll_top"},
    "end": {"live", "scroll_bottom"},
    "pageup": {"page", "page_up"},
    "pagedown": {"page", "page_down"},
    "space": {"mark", "hide", "new_noise"},  # Do or undo something to what is at the cursor.
    "v": {"next_view", "curve", "pane", "view"},  # Another view of the same.
    "i": {"images", "open_image"},
    "a": {"add", "another", "any_image"},  # Another one.
    "plus": {"zoom", "strength"},  # More.
    "minus": {"zoom", "strength"},
    "equals_sign": {"zoom", "strength"},
    "r": {"go_on", "resume"},
    "c": {"compare", "app.switch_mode"},
    "C": {"compressions", "app.back"},  # There, and back.
    "w": {"play", "weights"},
    "U": {"unmark", "newest"},
    "escape": {"app.back", "no_filter"},
    "q": {"quit", "nothing"},
    "n": {"new_run", "app.new_run"},
}
SAME = {"k": "up", "j": "down", "g": "home", "G": "end"}


def meanings(bindings: list[Binding]) -> dict[str, str]:
    """The name of the action of each key."""
    return {
        key: binding.action.split("(")[0] for binding in bindings for key in binding.key.split(",")
    }


async def test_a_key_means_one_thing_everywhere() -> None:
    screens = [RunsScreen, PlaygroundScreen, CompareScreen, MachineScreen, RunScreen]
    screens += [GroupScreen, CompressionsScreen]
    bound = [
        meanings(each.BINDINGS)  # type: ignore[attr-defined]
        for each in (*screens, RunsTable, CompressionsTable, DashboardApp)
    ]
    for key in {key for each in bound for key in each}:
        actions = {each[key] for each in bound if key in each}
        allowed = MEANINGS.get(SAME.get(key, key), actions if len(actions) == 1 else set())
        assert actions <= allowed, key
    # The arrows have letters beside them, wherever they are.
    for each in bound:
        for letter, arrow in SAME.items():
            if letter in each and arrow in each:
                assert each[letter] == each[arrow], letter
