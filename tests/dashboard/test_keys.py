"""Every key that a screen binds comes to its action, whatever has the focus there."""

from pathlib import Path

import pytest
from dashboard_driver import driving
from dashboard_example import LIVE
from textual.binding import Binding

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.new_run import NewRunScreen
from dae_tui.dashboard.screens.playground import PlaygroundScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.widgets.runs_table import RunsTable
from dae_tui.runs.reader import Run

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("screen", "opened_by", "bindings"),
    [
        (RunsScreen, "1", RunsScreen.BINDINGS + RunsTable.BINDINGS),
        (PlaygroundScreen, "2", PlaygroundScreen.BINDINGS),
        (CompareScreen, "3", CompareScreen.BINDINGS + RunsTable.BINDINGS),
        (RunScreen, None, RunScreen.BINDINGS),
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
    async with driving(runs_dir, run) as driver:
        if opened_by:
            await driver.press(opened_by)
        await driver.until(lambda: type(driver.app.screen) is screen, screen.__name__)
        monkeypatch.setattr(DashboardApp, "run_action", note)
        for binding in bindings:
            for key in binding.key.split(","):
                asked.clear()
                await driver.press(key)
                assert asked == [binding.action], key
