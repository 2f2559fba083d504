"""The screen of a group: its table, its chart, and the way there and back."""

from pathlib import Path
from typing import Any

import pytest
from dashboard_driver import Driver, driving, shows
from dashboard_example import sweep_runs
from textual.widgets import DataTable

from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.group import GroupScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.widgets.charts.parallel_chart import ParallelChart
from dae_tui.dashboard.widgets.charts.scatter_chart import ScatterChart
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.folder.tags import set_group
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    sweep_runs(tmp_path / "runs")
    return tmp_path / "runs"


async def opened(driver: Driver) -> None:
    await driver.press("S")
    await shows(driver, GroupScreen)
    await driver.sees("group lr-3f2a  6 runs")


def column(driver: Driver, name: str) -> list[str]:
    """The cells of a column from the top."""
    table = driver.app.screen.query_one(DataTable)
    (key,) = [key for key in table.columns if str(table.columns[key].label).strip(" ▲▼") == name]
    return [str(cell).strip() for cell in table.get_column(key)]


async def test_the_table_has_what_differs_the_best_first(runs: Path) -> None:
    async with driving(runs) as driver:
        await opened(driver)
        await driver.sees("5 finished", "1 failed", "best loss▲", "best loss (log) over lr (log)")
        assert column(driver, "lr") == ["0.01", "0.01", "0.003", "0.001", "0.001", "0.003"]
        assert column(driver, "seed") == ["0", "1", "0", "0", "1", "1"]
        assert column(driver, "best loss")[0].endswith("*")
        assert column(driver, "best loss")[-1] == "–"
        assert driver.text().count("●") == 5 + 2  # A point for each; the legend.
        await driver.sees("0.001", "0.003", "0.01")


async def test_keys_change_the_axes_and_the_order(runs: Path) -> None:
    async with driving(runs) as driver:
        await opened(driver)
        await driver.press("X")
        await driver.sees("best loss (log) over seed (linear)")
        await driver.press("M", "X")
        await driver.sees("PSNR (linear) over lr (log)")
        await driver.press("M", "M", "y")
        await driver.sees("best loss (linear) over lr (log)")
        await driver.press("O")
        await driver.until(lambda: column(driver, "lr")[0] == "0.001", "the other order")
        await driver.press("o", "o", "o", "o", "o")
        await driver.sees("lr▼")
        assert column(driver, "lr")[0] == "0.01"


async def test_enter_opens_a_run_and_esc_comes_back(runs: Path) -> None:
    async with driving(runs) as driver:
        await opened(driver)
        await driver.press("down", "enter")
        await shows(driver, RunScreen)
        await driver.sees("lr0.01-s1")
        await driver.press("escape")
        await shows(driver, GroupScreen)
        await driver.press("escape")
        await shows(driver, RunsScreen)


async def test_c_compares_the_runs_of_the_group(runs: Path) -> None:
    async with driving(runs) as driver:
        await opened(driver)
        await driver.press("c")
        await shows(driver, CompareScreen)
        await driver.sees("6 runs, marked")


async def test_it_follows_the_runs_and_the_cursor_stays(runs: Path) -> None:
    async with driving(runs) as driver:
        await opened(driver)
        table = driver.app.screen.query_one(DataTable)
        await driver.press("down")
        with RunWriter(runs / "20260201-000000-new-0007") as writer:
            writer.describe({"lr": 0.02, "seed": 0}, {})
            set_group(Run(writer.folder), "lr-3f2a")
            event: dict[str, Any] = {"epoch": 1, "step": 1, "val_loss": 0.001, "best": True}
            writer.record({"event": "validation", **event})
            writer.status(State.RUNNING, **event)
            await driver.sees("7 runs", "1 running")
            await driver.until(lambda: column(driver, "lr")[0] == "0.02", "the new best")
            assert table.cursor_row == 2
        for run in list_runs(runs):
            set_group(run, "")
        await driver.sees("no run is in this group any more")


async def test_a_narrow_terminal_keeps_what_matters_most(runs: Path) -> None:
    async with driving(runs, size=(40, 12)) as driver:
        await driver.press("S")
        await driver.sees("best loss▲", "0.05500*", "dig…00a4", "0.003")


async def test_ascii_tells_points_apart_without_colours(runs: Path) -> None:
    async with driving(runs) as driver:
        driver.app.graphics = Graphics.ASCII
        await opened_in_ascii(driver)
        chart = driver.text().split("run  ")[0]
        assert "●" not in chart and "│" not in chart
        assert (chart.count("@"), chart.count("*")) == (1, 0)  # The best is at the cursor.
        await driver.press("down")
        await driver.until(lambda: "*" in driver.text().split("run  ")[0], "the best")


async def opened_in_ascii(driver: Driver) -> None:
    await driver.press("S")
    await driver.sees("group lr-3f2a  6 runs", "best loss^", "+0.001")


async def test_the_group_is_shown_where_tags_are(runs: Path) -> None:
    async with driving(runs, size=(160, 40)) as driver:
        await driver.sees("group lr-3f2a", "S group")
        await driver.press("slash", *"group", "colon", *"none", "enter")
        await driver.sees("No run has 'group:none'")


async def test_a_run_without_a_group_has_no_such_screen(runs: Path) -> None:
    for run in list_runs(runs):
        set_group(run, "")
    async with driving(runs) as driver:
        assert "S group" not in driver.text()
        await driver.press("S")
        await driver.told("in no group")
        assert isinstance(driver.app.screen, RunsScreen)


async def test_runs_that_do_not_differ_and_figures_that_are_missing(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for n in range(2):
        with RunWriter(runs / f"20260201-000000-same-000{n}") as writer:
            writer.describe({"lr": 0.02, "seed": 0}, {})
            writer.status(State.STOPPED)
            set_group(Run(writer.folder), "same")
    async with driving(runs) as driver:
        await driver.press("S")
        await driver.sees("these runs have the same settings")
        with RunWriter(runs / "20260201-000000-same-0002") as writer:
            writer.describe({"lr": 0.01, "seed": 0}, {})
            writer.status(State.STOPPED)
            set_group(Run(writer.folder), "same")
        await driver.sees("no run has a best loss yet")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
async def test_every_run_is_a_line_over_all_settings(runs: Path, size: tuple[int, int]) -> None:
    async with driving(runs, size=size) as driver:
        await opened(driver)
        await driver.sees("v points/lines")
        await driver.press("v")
        await driver.sees(" a line for each run", "* best", " lr ", " seed ", "best loss", "│0.001")
        chart = driver.app.screen.query_one(ParallelChart)
        assert chart.display
        assert not driver.app.screen.query_one(ScatterChart).display
        # The run at the cursor is the best; its marks are those of the cursor, on three axes.
        assert driver.text().count("●") == 1 + 3
        await driver.press("down")
        await driver.until(lambda: driver.text().count("*") >= 1 + 2, "the best")
        await driver.press("X")
        await driver.until(lambda: driver.text().index(" seed ") < driver.text().index(" lr "))
        await driver.press("M")
        await driver.until(lambda: driver.text().splitlines()[2].rstrip().endswith("PSNR"))
        await driver.press("v")
        await driver.sees("PSNR (linear) over seed (linear)")


async def test_parallel_lines_are_drawn_in_ascii_too(runs: Path) -> None:
    async with driving(runs) as driver:
        driver.app.graphics = Graphics.ASCII
        await opened(driver)
        await driver.press("v", "down")
        await driver.sees("@ at the cursor", "|0.001", "*0")
        chart = driver.app.screen.query_one(ParallelChart)
        rows = driver.text().splitlines()[1 : 1 + chart.size.height]
        assert all(row.isascii() for row in rows)
