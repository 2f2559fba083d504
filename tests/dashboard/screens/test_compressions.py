"""The screen that compares compressions over their units."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dashboard_driver import Driver, driving
from dashboard_example import compression, compressions

from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.compressions import CompressionsScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.runs.compressions import COMPRESSIONS, list_compressions
from dae_tui.runs.folder.layout import write_json
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def comparison(
    runs_dir: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Driver, CompressionsScreen]]:
    """The screen once it has looked, opened as a person opens it."""
    async with driving(runs_dir, size=size) as driver:
        await driver.press("3", "C")
        screen = driver.app.screen
        assert isinstance(screen, CompressionsScreen)
        await driver.until(lambda: screen.looks, "the first look")
        await driver.pilot.pause()
        yield driver, screen


def lines(screen: CompressionsScreen) -> dict[str, list[float]]:
    """The values of each curve by its name."""
    return {named.name: named.line.y.tolist() for named in screen.query_one(LossChart)._lines}


def names(screen: CompressionsScreen) -> list[str]:
    return [each.label for each in screen._seen.here]


async def test_curves_over_units_and_their_rows_are_shown(tmp_path: Path) -> None:
    compressions(tmp_path)
    async with comparison(tmp_path) as (driver, screen):
        await driver.sees("3 compressions, newest", "mean squared error, log")
        await driver.sees("└24", "units 6", "━ camera-00c0", "16-6", "13.653*")
        assert lines(screen)["camera-00c0"][-1] == pytest.approx(0.02 / 6)
        assert len(lines(screen)["peppers-00c2"]) == 15


async def test_an_empty_folder_says_which_command_fills_it(tmp_path: Path) -> None:
    async with comparison(tmp_path) as (driver, screen):
        await driver.sees("no compressions:", "dae compress IMAGE -o FILE.dae --progress keeps one")
        assert "M metric" not in driver.text()
        await driver.press("space", "M", "y", "plus", "u", "U", "parenthesis_left", "B", "0")
        await driver.press("a")
        await driver.told("every compression is here")
        compressions(tmp_path)
        await driver.until(lambda: len(names(screen)) == 3)
        await driver.sees("M metric", "units 6")


async def test_the_metric_and_the_scale_change(tmp_path: Path) -> None:
    compressions(tmp_path)
    async with comparison(tmp_path) as (driver, screen):
        await driver.press("y")
        await driver.told("mean squared error: linear scale")
        await driver.press("M")
        await driver.told("chart: sum of squares")
        await driver.sees("sum of squares, log")
        assert lines(screen)["camera-00c0"][-1] == pytest.approx(4096 * 0.02 / 6)
        await driver.press("M")
        await driver.sees("PSNR, dB, linear")
        assert lines(screen)["camera-00c0"][-1] == pytest.approx(24.77, abs=0.01)
        await driver.press("M", "M", "M")
        await driver.sees("mean squared error, linear")


@pytest.mark.slow
async def test_the_cursor_reads_every_curve_at_whole_units(tmp_path: Path) -> None:
    compressions(tmp_path)
    async with comparison(tmp_path, (200, 60)) as (driver, _):
        await driver.press(")")
        await driver.sees("units 24", "peppers-00c2 0.00083333", "camera-00c0 –")
        await driver.press(*[")"] * 8)
        await driver.sees("units 16", "camera-00c0 0.00125", "camera-published-00c1 0.001875")
        await driver.press("(")
        await driver.sees("units 17", "camera-00c0 –")
        await driver.press("plus", "0", "(")
        await driver.sees("units 6", "camera-00c0 0.0033333")
        await driver.press(")")
        await driver.sees("└24")
        await driver.pilot.click("#units", offset=(199, 5))
        await driver.sees("units 6", "peppers-00c2 –", "camera-00c0 0.0033333")
        await driver.press(*["plus"] * 5, ")")
        await driver.sees("units 6")


async def test_zooming_shows_the_last_units(tmp_path: Path) -> None:
    compressions(tmp_path)
    async with comparison(tmp_path) as (driver, _):
        await driver.press("plus")
        await driver.sees("└15", "units 6")
        await driver.press("<")
        await driver.sees("└17", "units 8")


async def test_names_with_escapes_and_markup_are_shown_harmlessly(tmp_path: Path) -> None:
    (tmp_path / COMPRESSIONS).mkdir()
    table = compression(3, 2)
    table["protocol"]["inputs"] = ["[b]\x1b[2J.png"]
    write_json(tmp_path / COMPRESSIONS / "[red]\x1bx.json", table)
    async with comparison(tmp_path, (200, 60)) as (driver, _):
        await driver.sees(r"━ [red]\x1bx", r"[b]\x1b[2J.png")


async def test_space_hides_a_curve(tmp_path: Path) -> None:
    compressions(tmp_path)
    async with comparison(tmp_path) as (driver, screen):
        await driver.press("j", "space")
        await driver.sees("○ …ra-published-00c1")
        assert list(lines(screen)) == ["peppers-00c2", "camera-00c0"]
        await driver.press("g", "space", "G", "space")
        await driver.sees("every curve is hidden: space shows it again")


async def test_compressions_are_taken_out_added_and_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / COMPRESSIONS
    folder.mkdir()
    for number in range(7):
        write_json(folder / f"20260101-000000-a-000{number}.json", compression(3, 2))
    async with comparison(tmp_path) as (driver, screen):
        assert names(screen) == [f"a-000{number}" for number in (6, 5, 4, 3, 2, 1)]
        await driver.press("u")
        await driver.until(lambda: names(screen)[0] == "a-0005")
        await driver.sees("5 compressions, marked")
        await driver.press("a")
        await driver.until(lambda: names(screen)[-1] == "a-0006")
        await driver.press("a")
        await driver.until(lambda: names(screen)[-1] == "a-0000")
        for path in list_compressions(tmp_path)[:1]:
            path.unlink()
        await driver.sees("deleted")
        await driver.press("U")
        await driver.until(lambda: names(screen)[0] == "a-0005")


async def test_a_curve_without_the_metric_says_so(tmp_path: Path) -> None:
    table = compression(3, 2)
    for step in table["steps"]:
        step["squared_error"] = None
    (tmp_path / COMPRESSIONS).mkdir()
    write_json(tmp_path / COMPRESSIONS / "a.json", table)
    async with comparison(tmp_path) as (driver, _):
        await driver.sees("none of these has mean squared error")


async def test_c_and_escape_go_back_and_compare_begins_with_runs(tmp_path: Path) -> None:
    compressions(tmp_path)
    async with comparison(tmp_path) as (driver, _):
        await driver.press("C")
        await driver.until(lambda: isinstance(driver.app.screen, CompareScreen))
        await driver.press("C", "escape")
        await driver.until(lambda: isinstance(driver.app.screen, CompareScreen))
        await driver.press("C", "1")
        await driver.until(lambda: isinstance(driver.app.screen, RunsScreen))
        await driver.press("c")
        await driver.until(lambda: isinstance(driver.app.screen, CompareScreen))
        await driver.press("C", "3")
        await driver.until(lambda: isinstance(driver.app.screen, CompareScreen))


async def test_every_size_and_ascii_are_drawn(tmp_path: Path) -> None:
    compressions(tmp_path)
    async with comparison(tmp_path) as (driver, _):
        driver.app.graphics = Graphics.ASCII
        await driver.sees("* peppers-00c2", "+24", "~ra-published-00c1")
        for size in ((40, 12), (20, 5), (200, 60)):
            await driver.pilot.resize_terminal(*size)
            await driver.pilot.pause()
        await driver.sees("camera-published-00c1")
