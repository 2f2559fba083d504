"""The screen that compares runs and benchmark tables."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboard_driver import Driver, driving
from dashboard_example import photographs_run
from rich.text import Text
from textual.widgets import DataTable, Static

from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.runs.benchmarks import BENCHMARKS
from dae_tui.runs.folder.layout import CONFIG, METRICS, STATUS, write_json
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio
SMALL, LARGE = (80, 24), (200, 60)


def make_run(runs_dir: Path, number: int, loss: float = 0.1, **figures: Any) -> str:
    """A run with three training losses and two validation losses, twice as high."""
    name = f"20260101-00000{number}-net-000{number}"
    (runs_dir / name).mkdir(parents=True)
    write_json(runs_dir / name / CONFIG, {"network": "autoencoder", "noise": "n", "epochs": 2})
    status = {"state": "finished", "epoch": 2, "val_loss": 2 * loss, **figures}
    write_json(runs_dir / name / STATUS, status)
    events: list[dict[str, Any]] = [
        {"event": "step", "step": step, "loss": loss} for step in (1, 2, 3)
    ]
    events += [{"event": "validation", "step": step, "val_loss": 2 * loss} for step in (2, 4)]
    (runs_dir / name / METRICS).write_text("".join(f"{json.dumps(each)}\n" for each in events))
    return name


def make_table(runs_dir: Path, name: str, *accuracies: float) -> None:
    (runs_dir / BENCHMARKS).mkdir(parents=True, exist_ok=True)
    rows = [
        {"view": "denoised", "noise": "n", "method": f"[b]{n}", "accuracy": accuracy}
        for n, accuracy in enumerate(accuracies)
    ]
    table = {"protocol": {"data": "mnist", "images": 10}, "rows": rows}
    write_json(runs_dir / BENCHMARKS / f"{name}.json", table)


@asynccontextmanager
async def comparison(
    runs_dir: Path, size: tuple[int, int] = SMALL, *marked: str
) -> AsyncIterator[tuple[Driver, CompareScreen]]:
    """The screen once it has looked, opened as a person opens it."""
    async with driving(runs_dir, size=size) as driver:
        driver.app.marked = tuple(marked)
        await driver.press("3")
        screen = driver.app.screen
        assert isinstance(screen, CompareScreen)
        await driver.until(lambda: screen._seen is not None, "the first look")
        await driver.pilot.pause()
        yield driver, screen


def runs_table(screen: CompareScreen) -> "DataTable[Text]":
    return screen.query_one("#compared", DataTable)


def rows(screen: CompareScreen, table: str = "#compared") -> list[list[str]]:
    found = screen.query_one(table, DataTable)
    return [[cell.plain for cell in found.get_row_at(n)] for n in range(found.row_count)]


def names(screen: CompareScreen) -> list[str]:
    return [row[0].split()[-1] for row in rows(screen)]


def lines(screen: CompareScreen) -> dict[str, tuple[int, float]]:
    """The colour and the first loss of each curve by the name of its run."""
    drawn = screen.query_one(LossChart)._lines
    return {named.name: (named.colour, float(named.line.y[0])) for named in drawn}


async def test_the_newest_runs_and_their_validation_curves_are_shown(tmp_path: Path) -> None:
    for number in range(8):
        make_run(tmp_path, number, 0.1 + number / 10)
    async with comparison(tmp_path) as (_, screen):
        assert names(screen) == [f"net-000{number}" for number in (7, 6, 5, 4, 3, 2)]
        assert {colour for colour, _ in lines(screen).values()} == {0, 1, 2, 3, 4, 5}
        assert lines(screen)["net-0002"][1] == pytest.approx(0.6)
        best = rows(screen)[5][2]
        assert best == " 0.60000*"
        assert "bold" in str(runs_table(screen).get_row_at(5)[2].style)
        assert "bold" not in str(runs_table(screen).get_row_at(4)[2].style)


async def test_marked_runs_are_shown_in_their_order(tmp_path: Path) -> None:
    made = [make_run(tmp_path, number) for number in range(3)]
    async with comparison(tmp_path, SMALL, made[0], made[2]) as (_, screen):
        assert names(screen) == ["net-0000", "net-0002"]


async def test_space_hides_a_curve_and_the_others_keep_their_colours(tmp_path: Path) -> None:
    for number in range(3):
        make_run(tmp_path, number)
    async with comparison(tmp_path) as (driver, screen):
        before = lines(screen)
        await driver.press("down", "space")
        await driver.pilot.pause()
        assert lines(screen) == {name: before[name] for name in ("net-0002", "net-0000")}
        assert [row[0][0] for row in rows(screen)] == ["━", "○", "━"]
        assert runs_table(screen).cursor_row == 1

        make_run(tmp_path, 5)
        await driver.until(lambda: len(rows(screen)) == 4)
        assert runs_table(screen).cursor_row == 2
        assert lines(screen)["net-0000"] == before["net-0000"]
        await driver.press("space")
        await driver.pilot.pause()
        assert lines(screen)["net-0001"] == before["net-0001"]
        assert len({colour for colour, _ in lines(screen).values()}) == 4


async def test_a_chart_without_curves_says_why(tmp_path: Path) -> None:
    name = make_run(tmp_path, 1)
    async with comparison(tmp_path) as (driver, _):
        await driver.press("space")
        await driver.sees("every curve is hidden")
        await driver.press("space")
        (tmp_path / name / METRICS).unlink()
        await driver.sees("these runs ended before their first loss")


async def test_v_switches_between_training_and_validation(tmp_path: Path) -> None:
    make_run(tmp_path, 1, 0.1)
    async with comparison(tmp_path) as (driver, screen):
        await driver.press("v")
        await driver.pilot.pause()
        assert lines(screen)["net-0001"][1] == pytest.approx(0.1)
        await driver.press("v")
        await driver.pilot.pause()
        assert lines(screen)["net-0001"][1] == pytest.approx(0.2)


async def test_the_chart_answers_to_its_keys(tmp_path: Path) -> None:
    make_run(tmp_path, 1)
    async with comparison(tmp_path) as (driver, screen):
        chart = screen.query_one(LossChart)
        await driver.press("plus")
        assert (chart._left, chart._right) == (0.5, 1.0)
        await driver.press("less_than_sign")
        assert chart._right == 0.875
        await driver.press("greater_than_sign")
        assert chart._right == 1.0
        await driver.press("minus")
        assert (chart._left, chart._right) == (0.0, 1.0)
        await driver.press("equals_sign", "comma", "full_stop", "0")
        assert (chart._left, chart._right) == (0.0, 1.0)

        await driver.press("y")
        await driver.told("loss: linear scale")
        await driver.press("B", "B")
        await driver.told("chart drawn in ascii")
        assert rows(screen)[0][0][0] == "*"
        await driver.press("B")
        await driver.pilot.pause()
        assert rows(screen)[0][0][0] == "━"


async def test_enter_opens_the_run_and_escape_goes_back(tmp_path: Path) -> None:
    made = [make_run(tmp_path, number) for number in range(2)]
    async with comparison(tmp_path) as (driver, _):
        await driver.press("down", "enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        assert isinstance(driver.app.screen, RunScreen)
        assert driver.app.screen.run_shown.name == made[0]
        await driver.press("3", "escape")
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, RunsScreen))


async def test_runs_are_added_taken_out_and_unmarked(tmp_path: Path) -> None:
    for number in range(8):
        make_run(tmp_path, number)
    async with comparison(tmp_path) as (driver, screen):
        await driver.press("a")
        await driver.until(lambda: len(names(screen)) == 7)
        assert names(screen)[-1] == "net-0001"
        await driver.press("u")
        await driver.until(lambda: names(screen)[0] == "net-0006")
        await driver.press("a")
        await driver.until(lambda: names(screen)[-1] == "net-0007")
        await driver.press("a")
        await driver.until(lambda: len(names(screen)) == 8)
        await driver.press("a")
        await driver.told("every run is here")
        await driver.press("U")
        await driver.until(lambda: len(names(screen)) == 6)


async def test_b_shows_the_benchmarks_in_place_of_the_runs(tmp_path: Path) -> None:
    make_run(tmp_path, 1)
    make_table(tmp_path, "20260101-101010-mnist-3f2a", 96.0, 97.0)
    async with comparison(tmp_path) as (driver, screen):
        tables = screen.query_one("#tables", DataTable)
        assert (runs_table(screen).display, tables.display) == (True, False)
        await driver.press("b")
        await driver.pilot.pause()
        assert (runs_table(screen).display, tables.display) == (False, True)
        assert tables.has_focus
        shown = [[cell.strip() for cell in row] for row in rows(screen, "#tables")]
        assert shown[0][:5] == ["mnist 3f2a", "denoised", "[b]0", "n", "96.00"]
        assert shown[1][4] == "97.00*"

        await driver.press("space", "u", "enter")
        await driver.pilot.pause()
        assert driver.app.screen is screen
        assert len(lines(screen)) == 1
        await driver.press("b")
        await driver.pilot.pause()
        assert (runs_table(screen).display, tables.display) == (True, False)
        assert runs_table(screen).has_focus


async def test_a_high_screen_shows_runs_and_benchmarks(tmp_path: Path) -> None:
    make_run(tmp_path, 1)
    make_table(tmp_path, "20260101-101010-mnist-3f2a", 96.0)
    async with comparison(tmp_path, LARGE) as (driver, screen):
        tables = screen.query_one("#tables", DataTable)
        assert (runs_table(screen).display, tables.display) == (True, True)
        await driver.press("b")
        await driver.pilot.pause()
        assert tables.has_focus
        assert runs_table(screen).display
        make_table(tmp_path, "20260102-101010-mnist-4f2a", 95.0)
        await driver.until(lambda: tables.row_count == 2)


async def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    async with comparison(tmp_path / "none") as (driver, screen):
        nothing = screen.query_one("#nothing", Static)
        await driver.until(lambda: "no runs yet: n starts one" in str(nothing.render()))
        await driver.press("space", "enter", "u", "a", "v", "y", "B", "plus", "0", "b")
        await driver.pilot.pause()
        assert "no benchmark tables: dae benchmark quality saves one" in str(nothing.render())
        make_run(tmp_path / "none", 1)
        await driver.press("b")
        await driver.until(lambda: names(screen) == ["net-0001"])
        assert not nothing.display
        assert runs_table(screen).has_focus


async def test_columns_are_whole_or_out_of_sight(tmp_path: Path) -> None:
    figures = {"val_psnr": 20.73, "val_accuracy": 97.33, "images_per_second": 9100.0}
    for number in range(3):
        make_run(tmp_path, number, seconds=73.4, **figures)

    def columns(driver: Driver) -> list[str]:
        """The heading of the table and its first row."""
        top = driver.app.screen.query_one("#compared").region.y
        return driver.text().splitlines()[top : top + 2]

    async with comparison(tmp_path, (40, 12)) as (driver, _):
        heading, first = columns(driver)
        assert heading.split() == ["run", "state", "val", "loss", "epoch", "›"]
        assert first.split() == ["━", "net-0002", "finished", "0.20000", "2/2"]
    async with comparison(tmp_path, (60, 20)) as (driver, _):
        heading, first = columns(driver)
        assert heading.split()[-2:] == ["test", "%"]
        assert first.split()[2:] == ["finished", "0.20000", "2/2", "20.73", "97.33", "–"]
        # All others with arrows, a column at a time.
        await driver.press("right")
        await driver.until(lambda: columns(driver)[1].split()[0] == "finished")
        assert columns(driver)[1].split()[1:] == ["0.20000", "2/2", "20.73", "97.33", "–", "9.1k"]
        await driver.press(*["right"] * 9)
        await driver.until(lambda: "n" in columns(driver)[1].split())
        heading, first = columns(driver)
        assert "›" not in heading
        assert first.split()[-5:] == ["–", "9.1k", "1m13s", "autoencoder", "n"]
        assert len(first) == 60
        await driver.press(*["left"] * 9)
        await driver.until(lambda: columns(driver)[1].startswith("━ net-0002"))


async def test_only_cells_that_changed_are_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make_run(tmp_path, 1)
    async with comparison(tmp_path) as (driver, _):
        touched: list[object] = []
        update = DataTable.update_cell

        def note(self: "DataTable[Text]", row: Any, column: Any, *more: Any, **named: Any) -> None:
            touched.append((row, column))
            update(self, row, column, *more, **named)

        monkeypatch.setattr(DataTable, "update_cell", note)
        await driver.pilot.pause(0.5)
        assert touched == []
        status = {"state": "finished", "epoch": 2, "val_loss": 0.2, "test_accuracy": 97.5}
        write_json(tmp_path / name / STATUS, status)
        await driver.until(lambda: bool(touched))
        assert touched == [(name, "test %")]


async def test_a_deleted_run_and_garbage_stop_nothing(tmp_path: Path) -> None:
    name = make_run(tmp_path, 1)
    bad = tmp_path / "20260102-000000-[red]\x1b-0000"
    bad.mkdir()
    (bad / CONFIG).write_text('{"network": "[/nothing]", "noise": "[b]x\\u001b[2J\\n"}')
    (bad / STATUS).write_text('{"state": 3, "val_loss": "x", "epoch": [], "val_psnr": {}}')
    (bad / METRICS).write_bytes(b'\xff\n[1]\n{"event": "step", "step": "x", "loss": []}\n')
    (tmp_path / BENCHMARKS).mkdir()
    (tmp_path / BENCHMARKS / "x.json").write_text('{"protocol": {"data": 1}, "rows": [{}, 3]}')
    async with comparison(tmp_path, LARGE, name, bad.name) as (driver, screen):
        assert names(screen) == ["net-0001", r"[red]\x1b-0000"]
        assert rows(screen)[1][9:] == [" [/nothing]", r" [b]x\x1b[2J\n"]
        assert rows(screen)[1][1].strip() == "crashed"
        assert len(rows(screen, "#tables")) == 1

        shutil.rmtree(tmp_path / name)
        await driver.until(lambda: rows(screen)[0][1].strip() == "deleted")
        await driver.press("home", "enter")
        await driver.told(f"{name} was deleted")
        assert driver.app.screen is screen


async def test_other_graphics_another_theme_and_another_size_draw_anew(tmp_path: Path) -> None:
    for number in range(2):
        make_run(tmp_path, number, 0.1 + number)
    async with comparison(tmp_path) as (driver, screen):
        driver.app.graphics = Graphics.ASCII
        await driver.until(lambda: [row[0][0] for row in rows(screen)] == ["*", "o"])
        await driver.press("t")
        for size in ((40, 10), (20, 5), (200, 60)):
            await driver.pilot.resize_terminal(*size)
            await driver.pilot.pause()
        assert rows(screen)[0][0] == "* net-0001"


async def test_the_images_of_the_run_at_the_cursor(tmp_path: Path) -> None:
    photographs_run(tmp_path, "20260101-000001-photos-unet-0001", 0.04)
    photographs_run(tmp_path, "20260101-000002-photos-unet-0002", 0.01)
    make_run(tmp_path, 3)
    async with comparison(tmp_path) as (driver, screen):
        await driver.press("i")
        await driver.sees("net-0003 kept no images")
        assert not screen.chart.display
        await driver.press("down")
        await driver.sees("image 1/3", "of 128×128, z: whole", "clean", "noisy", "denoised 42")
        await driver.press("greater_than_sign", "full_stop", "full_stop", "less_than_sign")
        await driver.sees("image 3/3")
        await driver.press("down")
        await driver.sees("denoised 29")
        await driver.press("z")
        await driver.sees("z: part")
        await driver.press("i")
        await driver.until(lambda: screen.chart.display)
        await driver.sees("validation loss")


async def test_on_a_wide_terminal_other_runs_denoise_the_same_image(tmp_path: Path) -> None:
    photographs_run(tmp_path, "20260101-000001-photos-unet-0001", 0.04)
    photographs_run(tmp_path, "20260101-000002-photos-unet-0002", 0.01)
    async with comparison(tmp_path, LARGE) as (driver, _):
        await driver.press("i")
        await driver.sees("denoised 42", "photos-unet-0001 29")


async def test_a_loss_against_noisy_images_is_named_in_the_legend(tmp_path: Path) -> None:
    photographs_run(tmp_path, "20260101-000001-alone-unet-0001", supervision="noise2self")
    async with comparison(tmp_path, LARGE) as (driver, screen):
        await driver.sees("noisy 0.00300", "noise2self")
        (line,) = screen.chart._lines
        assert line.name == "alone-unet-0001 (noisy loss)"


async def test_values_of_settings_are_whole_or_out_of_sight(tmp_path: Path) -> None:
    for number in range(6):
        name = make_run(tmp_path, number)
        config = {"network": "unet", **dict.fromkeys("abcdefgh", 123456 + number)}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    async with driving(tmp_path, size=(40, 12)) as driver:
        await driver.press("3", "D")
        await driver.sees("123461", "123458", "more settings, 2 more runs")
        assert "1234 " not in driver.text()
        assert "123457" not in driver.text()


async def test_the_settings_that_differ_are_shown_run_beside_run(tmp_path: Path) -> None:
    for number, rate in enumerate((0.001, 0.01)):
        name = make_run(tmp_path, number)
        config = {"network": "unet", "lr": rate, "settings": {"widths": [8, 8 + number]}}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    async with driving(tmp_path) as driver:
        await driver.press("3", "D")
        await driver.sees("settings that differ", "settings.widths")
        rows = [line.split() for line in driver.text().splitlines()]
        assert ["lr", "0.01", "0.001"] in rows  # The newest run comes first.
        assert not any(row[:1] == ["network"] for row in rows)
        await driver.press("D")
        await driver.sees("validation loss")
