"""From one screen to another: what takes no time, since it has been done before."""

import asyncio
from pathlib import Path

import pytest
from dashboard_driver import dashboard, driving, shows
from textual.app import App
from textual.screen import Screen
from textual.widgets import DataTable

from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.machine import MachineScreen
from dae_tui.dashboard.screens.shared.live import LiveScreen

pytestmark = pytest.mark.asyncio


async def test_rows_are_drawn_anew_only_where_they_look_different(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[DataTable[object]] = []
    forget = DataTable.notify_style_update

    def counted(table: DataTable[object]) -> None:
        forgotten.append(table)
        forget(table)

    monkeypatch.setattr(DataTable, "notify_style_update", counted)
    async with driving(runs_dir) as driver:
        for key, screen in (("3", CompareScreen), ("4", MachineScreen)):
            await driver.press(key)
            await shows(driver, screen)
            await driver.until(lambda: getattr(driver.app.screen, "looks", 0), "a look")
        await driver.pilot.pause()
        forgotten.clear()
        for key in "1343":
            await driver.press(key)
            await driver.pilot.pause()
        assert not forgotten
        await driver.press("t")
        table = driver.app.screen.query_one("#compared")
        await driver.until(lambda: table in forgotten, "the colours of another theme")


async def test_a_screen_that_was_open_is_drawn_before_anything_is_read(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    look, display = MachineScreen.look, App._display

    def looked(screen: MachineScreen) -> object:
        happened.append("read")
        return look(screen)

    def drawn(app: App[None], screen: Screen[None], update: object) -> None:
        if isinstance(screen, MachineScreen) and update is not None:
            happened.append("drawn")
        display(app, screen, update)  # type: ignore[arg-type]

    monkeypatch.setattr(MachineScreen, "look", looked)
    monkeypatch.setattr(App, "_display", drawn)
    app = dashboard(runs_dir)
    app.refresh_seconds = 0.0
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        while not (isinstance(app.screen, LiveScreen) and app.screen.looks):
            await pilot.pause(0.02)
        await pilot.press("1")
        await asyncio.sleep(0.3)
        happened.clear()
        await pilot.press("4")
        while "read" not in happened:
            await pilot.pause(0.02)
        assert happened[0] == "drawn"


async def test_only_a_new_screen_is_masked_while_it_is_put_together(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr(App, "delay_update", lambda app, _=0.05: masked.append(app.current_mode))
    async with driving(runs_dir) as driver:
        for key in "41414":
            await driver.press(key)
        assert masked == ["runs"]
