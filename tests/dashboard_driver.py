"""A dashboard that tests press keys in and read."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dashboard_example import FakeMonitor
from textual.binding import Binding
from textual.pilot import Pilot
from textual.screen import Screen

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.screens.shared.live import LiveScreen
from dae_tui.runs.folder.reader import Run
from dae_tui.terminal.graphics import Graphics

PATIENCE = 20.0


class Driver:
    """Presses keys and reads the screen."""

    def __init__(self, app: DashboardApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    def text(self) -> str:
        """What a person reads, line by line."""
        return "\n".join(row.text for row in self.app.screen._compositor.render_strips())

    async def until(self, done: Callable[[], object], what: str = "") -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, f"waited for {what}:\n{self.text()}"
            await self.pilot.pause(0.02)

    async def sees(self, *words: str) -> None:
        """Wait until the screen says all of it."""
        await self.until(lambda: all(word in self.text() for word in words), repr(words))

    async def told(self, *words: str) -> None:
        """Wait for a toast with all of it."""
        await self.until(
            lambda: any(
                all(word in notice.message for word in words) for notice in self.app._notifications
            ),
            f"a toast with {words!r}",
        )

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)


def dashboard(runs_dir: Path, run: Run | None = None) -> DashboardApp:
    """A dashboard that looks ten times a second."""
    return DashboardApp(
        runs_dir,
        Path("data"),
        Graphics.COLORS_256,
        run=run,
        refresh_seconds=0.1,
        monitor=FakeMonitor({}),
    )


@asynccontextmanager
async def driving(
    runs_dir: Path, run: Run | None = None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Driver]:
    """A dashboard that has shown its first look."""
    app = dashboard(runs_dir, run)
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        await driver.until(lambda: getattr(app.screen, "looks", 1), "the first look")
        await pilot.pause()
        yield driver


async def looks_again(driver: Driver) -> None:
    """Wait for a look that began after now."""
    screen = driver.app.screen
    assert isinstance(screen, LiveScreen)
    before = screen.looks
    await driver.until(lambda: screen.looks > before + 1, "two looks")


async def shows(driver: Driver, kind: type[Screen[Any]]) -> None:
    """Wait until a screen of this kind is on top."""
    await driver.until(lambda: isinstance(driver.app.screen, kind), kind.__name__)


def keys(bindings: Iterable[object]) -> set[str]:
    """Every key of the bindings of a screen."""
    return {
        key
        for binding in bindings
        if isinstance(binding, Binding)
        for key in binding.key.split(",")
    }
