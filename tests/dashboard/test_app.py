"""What works on every screen: its keys, the help, the palette and the question."""

from pathlib import Path

import pytest
from dashboard_driver import Driver, driving, keys
from dashboard_example import LIVE
from textual.command import CommandPalette
from textual.screen import Screen

from dae_tui.blocks import Graphics
from dae_tui.dashboard.app import THEMES, DashboardApp
from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.help import Help, described_bindings, keys_of
from dae_tui.dashboard.screens.new_run import NewRunScreen
from dae_tui.dashboard.screens.playground import PlaygroundScreen
from dae_tui.dashboard.screens.question import Question
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.runs.reader import Run

pytestmark = pytest.mark.asyncio
SCREENS = {
    "2": PlaygroundScreen,
    "3": CompareScreen,
    "n": NewRunScreen,
    "question_mark": Help,
    "f1": Help,
}
LEAVING = {"q", "ctrl+c", "ctrl+q"}


async def shows(driver: Driver, kind: type[Screen[object]]) -> None:
    await driver.until(lambda: isinstance(driver.app.screen, kind), kind.__name__)


@pytest.mark.parametrize(("key", "kind"), SCREENS.items(), ids=SCREENS)
async def test_a_key_opens_a_screen(runs_dir: Path, key: str, kind: type[Screen[object]]) -> None:
    async with driving(runs_dir) as driver:
        await driver.press(key)
        await shows(driver, kind)
        await driver.press("escape")
        await shows(driver, RunsScreen)


async def test_1_leads_back_to_the_runs(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("3")
        await shows(driver, CompareScreen)
        await driver.press("1")
        await shows(driver, RunsScreen)


@pytest.mark.parametrize("key", sorted(LEAVING))
async def test_a_key_leaves(runs_dir: Path, key: str) -> None:
    async with driving(runs_dir) as driver:
        await driver.press(key)
        await driver.until(lambda: not driver.app.is_running or driver.app._exit, "the end")
        assert driver.app.return_code == 0


async def test_g_draws_digits_in_every_way(runs_dir: Path) -> None:
    seen = {}
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        for _ in Graphics:
            await driver.press("g")
            await driver.told(f"graphics: {driver.app.graphics}")
            await driver.sees("original 0")
            await driver.pilot.pause()
            seen[driver.app.graphics] = driver.text()
    assert set(seen) == set(Graphics)
    for graphics, character in zip(Graphics, "▀▀▓@", strict=True):
        assert character in seen[graphics]
    # All of the screen is ASCII then: labels, bars and curves too.
    digits = seen[Graphics.ASCII].split("\n")[8:22]
    assert "".join(digits).isascii()
    assert "━" not in seen[Graphics.ASCII]


async def test_t_takes_every_theme(runs_dir: Path) -> None:
    backgrounds = set()
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        for theme in (*THEMES[1:], THEMES[0]):
            await driver.press("t")
            await driver.told(f"theme: {theme}")
            await driver.sees("running", "train 0.01031")
            backgrounds.add(driver.app.theme_variables["background"])
    assert len(backgrounds) >= 3


async def test_every_key_of_the_app_is_pressed_by_a_test() -> None:
    assert keys(DashboardApp.BINDINGS) == {*SCREENS, *LEAVING, "1", "g", "t"}


@pytest.mark.parametrize("opened", [False, True])
async def test_help_lists_every_key_that_works_and_has_words(runs_dir: Path, opened: bool) -> None:
    run = Run(runs_dir / LIVE) if opened else None
    async with driving(runs_dir, run, (100, 60)) as driver:
        screen = driver.app.screen
        listed = keys_of(screen)
        described = {active.binding.action for active in described_bindings(screen)}
        actions = {binding.action for binding in type(screen).BINDINGS}
        actions |= {binding.action for binding in DashboardApp.BINDINGS} - {"new_run"}
        # The table's own Enter opens a run, and the list's n leads to the form.
        assert described >= actions - {"open"}
        assert opened or ("enter", "Open the run") in listed or ("⏎", "Open the run") in listed
        assert len(listed) == len(described)
        await driver.press("question_mark")
        await shows(driver, Help)
        await driver.sees(f"Keys of {screen.title}", *(what for _, what in listed))
        shown = driver.text()
        for key, _ in listed:
            assert key in shown
        for key in ("q", "enter", "question_mark", "f1"):
            await driver.press(key)
            await driver.until(lambda: driver.app.screen is screen)
            await driver.press("f1")
            await shows(driver, Help)


async def test_the_palette_has_an_entry_for_every_key(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE), (100, 60)) as driver:
        screen = driver.app.screen
        entries = {entry.title: entry for entry in driver.app.get_system_commands(screen)}
        assert set(entries) == {active.binding.description for active in described_bindings(screen)}
        await driver.press("f2")
        await driver.until(lambda: CommandPalette.is_open(driver.app), "the palette")
        await driver.press(*"smooth")
        await driver.sees("smooth the loss")
        await driver.press("enter")
        await driver.until(lambda: driver.app.screen is screen)
        await driver.told("smoothing 0.7")


@pytest.mark.parametrize(
    ("key", "answer"),
    [("y", True), ("n", False), ("escape", False), ("q", False)],
)
async def test_a_question_is_answered_with_a_key(runs_dir: Path, key: str, answer: bool) -> None:
    said = []
    async with driving(runs_dir) as driver:
        driver.app.push_screen(Question("Stop [b]?", "It [/b] ends."), said.append)
        await driver.sees("Stop [b]?", "It [/b] ends.", "y yes    n no")
        await driver.press(key)
        await driver.until(lambda: said)
    assert said == [answer]
    assert keys(Question.BINDINGS) == {"y", "n", "escape", "q"}
