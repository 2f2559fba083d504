"""What works on every screen: its keys, the help, the palette and the question."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from dashboard_driver import Driver, dashboard, driving, keys, shows
from dashboard_example import LIVE
from textual.binding import Binding
from textual.command import CommandPalette
from textual.screen import Screen

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.context import Failed
from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.dialogs.help import Help, actions_of, keys_of
from dae_tui.dashboard.screens.dialogs.question import Question
from dae_tui.dashboard.screens.machine import MachineScreen
from dae_tui.dashboard.screens.new_run import NewRunScreen
from dae_tui.dashboard.screens.playground import PlaygroundScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.screens.shared.actions import Actions
from dae_tui.errors import DaeError
from dae_tui.runs.folder.reader import Run
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio
SCREENS = {
    "2": PlaygroundScreen,
    "3": CompareScreen,
    "4": MachineScreen,
    "n": NewRunScreen,
    "question_mark": Help,
    "f1": Help,
}
LEAVING = {"q", "ctrl+c", "ctrl+q"}


def told(driver: Driver) -> list[str]:
    """The words of every toast."""
    return [notice.message for notice in driver.app._notifications]


async def told_alone(driver: Driver, words: str) -> None:
    """Wait until these words are the only toast."""
    await driver.until(lambda: told(driver) == [words], words)


def actions_bound(bindings: Iterable[object]) -> set[str]:
    """What the keys of a screen or of the app do."""
    actions = set()
    for binding in bindings:
        assert isinstance(binding, Binding)
        actions.add(binding.action)
    return actions


async def test_the_list_of_runs_is_shown_without_torch_numpy_and_psutil() -> None:
    # secrets loads OpenSSL.
    heavy = {"torch", "numpy", "psutil", "secrets", "dae_tui.dashboard.screens.run"}
    script = (
        f"import sys, dae_tui.commands.dashboard, dae_tui.dashboard.app; "
        f"print(*{heavy} & {{*sys.modules}})"
    )
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert said.stdout == b"\n"


@pytest.mark.parametrize(("key", "kind"), SCREENS.items(), ids=SCREENS)
async def test_a_key_opens_a_screen(runs_dir: Path, key: str, kind: type[Screen[Any]]) -> None:
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


async def test_each_screen_looks_in_one_thread_at_a_time(runs_dir: Path) -> None:
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        await driver.press("3")
        await shows(driver, CompareScreen)
        looking = [worker.node for worker in driver.app.workers if worker.name == "look"]
        assert {type(screen) for screen in looking} == {RunsScreen, RunScreen, CompareScreen}
        assert len(looking) == 3


@pytest.mark.parametrize("key", sorted(LEAVING))
async def test_a_key_leaves(runs_dir: Path, key: str) -> None:
    async with driving(runs_dir) as driver:
        await driver.press(key)
        await driver.until(lambda: not driver.app.is_running or driver.app._exit, "the end")
        assert driver.app.return_code == 0


async def test_f3_draws_images_in_every_way(runs_dir: Path) -> None:
    seen = {}
    async with driving(runs_dir, Run(runs_dir / LIVE)) as driver:
        for _ in Graphics:
            await driver.press("f3")
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
        for theme in ("light", "ansi", "ansi-light", "dark"):
            await driver.press("t")
            await told_alone(driver, f"theme: {theme}")
            await driver.sees("running", "train 0.01031")
            backgrounds.add(driver.app.theme_variables["background"])
    assert len(backgrounds) >= 3


async def test_every_key_of_the_app_is_pressed_by_a_test() -> None:
    assert keys(DashboardApp.BINDINGS) == {*SCREENS, *LEAVING, "1", "f3", "t"}


@pytest.mark.parametrize("opened", [False, True])
async def test_help_lists_every_key_that_works_and_has_words(runs_dir: Path, opened: bool) -> None:
    run = Run(runs_dir / LIVE) if opened else None
    async with driving(runs_dir, run, (100, 60)) as driver:
        screen = driver.app.screen
        listed = keys_of(screen)
        described = set(actions_of(screen))
        actions = actions_bound(type(screen).BINDINGS)
        actions |= {f"app.{action}" for action in actions_bound(DashboardApp.BINDINGS)}
        assert described >= actions
        assert opened or ("⏎", "Open the run") in listed
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
        entries = [entry.title for entry in driver.app.get_system_commands(screen)]
        assert len(entries) == len(set(entries)) == len(keys_of(screen))
        await driver.press("f2")
        await shows(driver, CommandPalette)
        await driver.press(*"smooth")
        await driver.sees("smooth the loss")
        await driver.press("enter")
        await driver.until(lambda: driver.app.screen is screen)
        await driver.told("loss smoothed by 0.7")


@pytest.mark.parametrize(
    ("typed", "entries"),
    [
        ("zoom", ["closer", "wider", "the whole chart"]),
        ("resume", ["resume"]),
        ("continue", ["resume", "pause"]),
        ("delete", ["delete"]),
        ("remove", ["delete"]),
        ("tmux", []),
    ],
)
async def test_the_palette_is_searched_by_the_words_people_use(
    runs_dir: Path, typed: str, entries: list[str]
) -> None:
    run = Run(runs_dir / LIVE) if "zoom" in typed else None
    async with driving(runs_dir, run, (100, 40)) as driver:
        found = [hit.text async for hit in Actions(driver.app.screen).search(typed)]
        titles = [str(text).split("  ·  ") for text in found]
        words = [title for title, _ in titles]
        assert set(entries) <= set(words)
        assert all(keys for _, keys in titles)
        assert bool(words) == bool(entries)


async def test_the_palette_of_the_list_has_our_actions_alone_each_once(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        entries = list(driver.app.get_system_commands(driver.app.screen))
        titles = [entry.title for entry in entries]
        assert len(titles) == len(set(titles))
        words = {title.split("  ·  ")[0] for title in titles}
        assert {"open", "mark", "compare", "order", "quit", "theme"} <= words
        assert not [word for word in words if word != word.lower()]  # Textual's have capitals.
        assert "open  ·  ⏎" in titles
        # What has no explanation is not said again in its place.
        assert all(entry.help != entry.title for entry in entries)


async def test_news_is_one_toast_at_a_time_and_errors_stay(runs_dir: Path) -> None:
    app = dashboard(runs_dir, Run(runs_dir / LIVE))
    async with app.run_test(notifications=True) as pilot:
        driver = Driver(app, pilot)
        await driver.press("p")
        await driver.until(lambda: told(driver) == ["asked to pause"])
        for key, words in (
            ("y", "loss: linear scale"),
            ("m", "loss smoothed by 0.7"),
            ("B", "chart drawn in blocks"),
        ):
            await driver.press(key)
            await told_alone(driver, words)
            assert [notice.timeout for notice in driver.app._notifications] == [2]
        for _ in range(2):
            driver.app.post_message(Failed(DaeError("the disk is full")))
        await driver.press("m")
        await driver.until(lambda: told(driver) == ["the disk is full", "loss smoothed by 0.93"])
        await driver.until(lambda: len(driver.app.screen.query("ToastHolder")) == 2, "two frames")
        assert [notice.timeout for notice in driver.app._notifications] == [5, 2]


@pytest.mark.parametrize(
    ("key", "answer"),
    [("y", True), ("n", False), ("escape", False), ("q", False)],
)
async def test_a_question_is_answered_with_a_key(runs_dir: Path, key: str, answer: bool) -> None:
    said: list[bool | None] = []
    async with driving(runs_dir) as driver:
        driver.app.push_screen(Question("Stop [b]?", "It [/b] ends."), said.append)
        await driver.sees("Stop [b]?", "It [/b] ends.", "y yes    n no")
        await driver.press(key)
        await driver.until(lambda: said)
    assert said == [answer]
    assert keys(Question.BINDINGS) == {"y", "n", "escape", "q"}


async def test_true_colours_are_sent_where_they_are_wanted_whatever_the_terminal_says(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "screen-256color")
    monkeypatch.delenv("COLORTERM", raising=False)
    systems = {}
    async with driving(runs_dir) as driver:
        for _ in Graphics:
            systems[driver.app.graphics] = driver.app.console.color_system
            await driver.press("f3")
    assert systems.pop(Graphics.TRUECOLOR) == "truecolor"
    assert {*systems.values()} == {"256"}
