"""The list of runs: every key, a thousand runs, and what it says where there is nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import Dae
from dashboard_driver import Driver, driving, looks_again
from dashboard_example import LIVE
from textual import events
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from dae_tui.dashboard.run_list.run_columns import COLUMNS, WHERE
from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.dialogs.question import Question
from dae_tui.dashboard.screens.dialogs.tag_question import TagQuestion
from dae_tui.dashboard.screens.new_run import NewRunScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.runs.folder.layout import write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import set_archived

pytestmark = pytest.mark.asyncio
DENSE = "20260130-101500-mnist-dense-77c1"


def labels(driver: Driver) -> list[str]:
    """The runs in the table, from the first row on."""
    table = driver.app.screen.query_one(DataTable)
    return [str(table.get_row_at(row)[0]).strip(" *") for row in range(table.row_count)]


async def test_states_figures_and_curves_are_listed(runs_dir: Path) -> None:
    async with driving(runs_dir, size=(200, 24)) as driver:
        await driver.press("v")
        await driver.sees("5 runs", "1 alive", "crashed", "its process is gone", "failed")
        await driver.sees("the loss of step 1650 is nan", "9.1k", "gaussian:0.5", "12/30")
        await driver.sees("97.28", "97.33")  # Test accuracy; validation accuracy until then.
        await driver.until(lambda: "█" in driver.text(), "a sparkline")
        assert labels(driver)[0] == "mnist-autoencoder-3f2a"


async def test_loss_and_accuracy_are_those_of_dae_runs_list(runs_dir: Path, dae: Dae) -> None:
    printed = dae("runs", "list", "--runs-dir", runs_dir).out.splitlines()[2:]
    figures = {line.split()[0]: tuple(line.split()[3:5]) for line in printed}
    assert figures[LIVE] == ("0.00909", "–")
    async with driving(runs_dir) as driver:
        table = driver.app.screen.query_one(DataTable)
        headings = [column.label.plain.strip() for column in table.columns.values()]
        places = headings.index("loss"), headings.index("test %")
        shown = {}
        for row in range(table.row_count):
            cells = table.get_row_at(row)
            shown[table.ordered_rows[row].key.value] = tuple(cells[n].plain.strip() for n in places)
    assert shown == figures


async def test_enter_opens_the_run_under_the_cursor(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        await driver.sees("mnist-autoencoder-3f2a", "epoch 12/30")


async def test_home_and_end(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        table = driver.app.screen.query_one(DataTable)
        await driver.press("end")
        await driver.until(lambda: table.cursor_row == 4)
        await driver.press("home")
        await driver.until(lambda: table.cursor_row == 0)


async def test_the_filter_follows_what_is_typed_until_escape(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("slash")
        await driver.press(*"crashed")
        await driver.until(lambda: labels(driver) == ["mnist-killed-9e9e"])
        await driver.press("enter")
        await driver.sees("1 with 'crashed'")
        await driver.press("escape")
        await driver.until(lambda: len(labels(driver)) == 5)
        await driver.press("slash", *"nothing has this", "enter")
        await driver.sees("No run has 'nothing has this'", "Esc shows every run")


@pytest.mark.slow
async def test_every_column_can_be_sorted_by(runs_dir: Path) -> None:
    async with driving(runs_dir, size=(200, 24)) as driver:
        await driver.press("v")
        await driver.sees("reason")
        newest = labels(driver)
        for column in (each for each in COLUMNS if each.name != WHERE):
            await driver.press("o")
            await driver.sees(f"{column.name}▲")
            screen = driver.app.screen
            assert isinstance(screen, RunsScreen)
            rows = {row.summary.label: row.summary for row in screen._rows}
            assert len(rows) == 5
            known = [
                value
                for label in labels(driver)
                if (value := column.order(rows[label])) is not None
            ]
            assert known == sorted(known)
            await driver.press("O")
            await driver.sees(f"{column.name}▼")
            await driver.press("O")
        await driver.press("o")
        await driver.until(lambda: labels(driver) == newest)


async def test_marked_runs_are_compared(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("space")
        await driver.press("space")
        await driver.sees("2 marked", "*mnist-autoencoder-3f2a", "*mnist-killed-9e9e")
        await driver.press("up", "space")
        await driver.until(lambda: driver.app.marked == (LIVE,))
        await driver.press("c")
        await driver.until(lambda: isinstance(driver.app.screen, CompareScreen))


async def test_runs_that_are_gone_are_no_longer_marked(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("space", "end", "space")
        await driver.sees("2 marked")
        shutil.rmtree(runs_dir / DENSE)
        await driver.sees("4 runs", "1 marked")
        assert driver.app.marked == (LIVE,)


async def test_pause_and_stop(runs_dir: Path) -> None:
    control = runs_dir / LIVE / "control.json"
    async with driving(runs_dir) as driver:
        await driver.press("p")
        await driver.until(control.exists, "the request")
        await driver.told("asked to pause")
        await driver.press("s")
        await driver.until(lambda: isinstance(driver.app.screen, Question))
        await driver.press("y")
        await driver.until(lambda: json.loads(control.read_text())["request"] == "stop")
        await driver.press("down", "p")
        await driver.told("is crashed: there is nothing to pause")


async def test_deleting_asks_first_and_spares_what_is_trained(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        for key in ("x", "delete"):
            await driver.press(key)
            await driver.until(lambda: isinstance(driver.app.screen, Question))
            await driver.sees(f"Delete {LIVE}?", "weights and all")
            await driver.press("y")
            await driver.told("is being trained")
        assert (runs_dir / LIVE).is_dir()
        await driver.press("end", "x")
        await driver.until(lambda: isinstance(driver.app.screen, Question))
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, RunsScreen))
        assert (runs_dir / DENSE).is_dir()
        await driver.press("x")
        await driver.until(lambda: isinstance(driver.app.screen, Question))
        await driver.press("y")
        await driver.until(lambda: "mnist-dense-77c1" not in labels(driver))
        assert not (runs_dir / DENSE).exists()


async def test_the_arrow_points_up_where_values_rise_from_the_top(runs_dir: Path) -> None:
    async with driving(runs_dir, size=(100, 24)) as driver:
        await driver.press("o")
        await driver.sees("run▲")
        assert labels(driver) == sorted(labels(driver))
        await driver.press("O")
        await driver.sees("run▼")
        assert labels(driver) == sorted(labels(driver), reverse=True)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 119, 120, 140, 180, 200, 260])
async def test_the_list_never_scrolls_sideways(runs_dir: Path, width: int) -> None:
    async with driving(runs_dir, size=(width, 24)) as driver:
        table = driver.app.screen.query_one(DataTable)
        assert table.max_scroll_x == 0
        assert not table.show_horizontal_scrollbar


async def test_numbers_end_in_the_same_column(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        table = driver.app.screen.query_one(DataTable)
        for place, column in enumerate(table.ordered_columns):
            cells = [table.get_row_at(row)[place].plain for row in range(table.row_count)]
            if column.key.value in ("epoch", "loss", "test %", "age"):
                assert {len(cell) for cell in cells} == {column.width - 1}
                assert column.label.plain.endswith(str(column.key.value))


async def test_names_are_cut_in_the_middle_and_have_the_room_there_is(tmp_path: Path) -> None:
    names = [f"fashion-mnist-dense-{number:04}-3f2a" for number in range(4)]
    for name in names:
        folder = tmp_path / f"20260101-000000-{name}"
        folder.mkdir()
        write_json(folder / "config.json", {"network": "dense", "epochs": 3})
        write_json(folder / "status.json", {"state": "finished", "epoch": 3, "heartbeat": 0})
    async with driving(tmp_path) as driver:
        assert len(set(labels(driver))) == 4
        assert labels(driver)[0] == "fashion-…ense-0003-3f2a"
        await driver.pilot.resize_terminal(110, 24)
        await driver.until(lambda: sorted(labels(driver)) == names)


async def test_curves_of_different_runs_look_different(tmp_path: Path) -> None:
    for number, last in enumerate((0.01, 0.05, 0.2)):
        folder = tmp_path / f"20260101-000000-run-{number:04}"
        folder.mkdir()
        write_json(folder / "config.json", {"network": "dense", "epochs": 3})
        write_json(folder / "status.json", {"state": "finished", "epoch": 3, "heartbeat": 0})
        events = (
            {"event": "step", "step": step, "loss": max(last, 1.0 / step)} for step in range(1, 60)
        )
        (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(e)}\n" for e in events))
    async with driving(tmp_path) as driver:
        await driver.sees("█")
        table = driver.app.screen.query_one(DataTable)
        curves = [str(table.get_cell_at(Coordinate(row, 4))) for row in range(3)]
        assert [curve[-1] for curve in curves] == ["▁", "▃", "▅"][::-1]


async def test_the_run_at_the_cursor_is_shown_beside_a_wide_list(runs_dir: Path) -> None:
    async with driving(runs_dir, size=(120, 40)) as driver:
        await driver.sees("loss, log", "original 0", "train 0.01031", "autoencoder on mnist")
        await driver.press("j")
        await driver.sees("crashed: its process is gone", "train 0.01130")
        await driver.press("G")
        await driver.sees("dense on mnist", "97.28 %")
        await driver.press("g")
        await driver.sees("train 0.01031")
        await driver.press("v")
        await driver.until(lambda: "loss, log" not in driver.text())
        await driver.press("v")
        await driver.sees("loss, log")
        await driver.pilot.resize_terminal(119, 40)
        await driver.until(lambda: "loss, log" not in driver.text())


async def test_the_keys_below_are_those_that_do_something(runs_dir: Path) -> None:
    async with driving(runs_dir, size=(119, 24)) as driver:

        def below() -> str:
            return driver.text().split("\n")[-1]

        await driver.until(lambda: "p pause" in below())
        assert "r resume" not in below()
        assert "x delete" not in below()
        await driver.press("down")
        await driver.until(lambda: "r resume" in below())
        assert "p pause" not in below()
        assert "x delete" in below()
        await driver.press("end")
        await driver.until(lambda: "r resume" not in below())
        for width in (60, 40, 30):
            await driver.pilot.resize_terminal(width, 24)
            await driver.until(lambda: below().rstrip().endswith("? help"))


async def test_r_resumes_the_run_under_the_cursor(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        "dae_tui.dashboard.screens.shared.run_actions.detach", lambda *args: begun.append(args)
    )
    async with driving(runs_dir) as driver:
        await driver.press("r")
        await driver.told("is running")
        await driver.press("down", "r")
        await driver.until(lambda: begun, "the start")
    assert begun == [(Run(runs_dir / "20260131-091500-mnist-killed-9e9e"), None, [])]


async def test_a_run_that_has_ended_is_not_asked_about_stopping(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("end", "s")
        await driver.told("is finished: there is nothing to stop")
        assert isinstance(driver.app.screen, RunsScreen)


async def test_marked_runs_are_tagged_and_found_and_deleted_together(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("down", "space", "space", "T")
        await driver.until(lambda: isinstance(driver.app.screen, TagQuestion))
        await driver.sees("Tags of 2 marked runs")
        await driver.press(*"old", "enter")
        await driver.told("old", "and 1 more")
        await driver.press("slash", *"tag", "colon", *"old", "enter")
        await driver.until(lambda: labels(driver) == ["mnist-killed-9e9e", "mnist-unstable-0d0d"])
        await driver.press("x")
        await driver.until(lambda: isinstance(driver.app.screen, Question))
        await driver.sees("Delete 2 marked runs?")
        await driver.press("y")
        await driver.sees("3 runs")
        await driver.press("escape", "space", "U")
        await driver.until(lambda: driver.app.marked == ())


async def test_archived_runs_are_out_of_the_list_until_asked_for(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("end", "A")
        await driver.told("archived", DENSE)
        await driver.until(lambda: "mnist-dense-77c1" not in labels(driver))
        await driver.sees("5 runs", "1 archived")
        await driver.press("slash", *"is", "colon", *"archived", "enter")
        await driver.until(lambda: labels(driver) == ["mnist-dense-77c1"])
        await driver.press("A")
        await driver.told("is in the list again")
        await driver.press("escape")
        await driver.until(lambda: len(labels(driver)) == 5)


async def test_marked_runs_are_archived_but_for_those_that_are_trained(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("home", "space", "space", "A")
        await driver.told(LIVE, "is being trained", "stop it first")
        await driver.until(lambda: len(labels(driver)) == 4)
        assert labels(driver)[0] == "mnist-autoencoder-3f2a"


async def test_of_marks_that_come_together_each_counts(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("down")
        for key in ("space", "space", "A"):  # All before the first one is acted on.
            driver.app.post_message(events.Key(key, None))
        await driver.until(lambda: len(labels(driver)) == 3, "two archived runs")


async def test_where_every_run_is_archived_the_list_says_how_to_see_them(tmp_path: Path) -> None:
    run = Run(tmp_path / "20260101-000000-old-0001")
    run.folder.mkdir()
    write_json(run.folder / "status.json", {"state": "finished"})
    set_archived(run, True)
    async with driving(tmp_path) as driver:
        await driver.sees("Every run is archived.", "is:archived")


async def test_n_opens_the_form(runs_dir: Path) -> None:
    async with driving(runs_dir) as driver:
        await driver.press("n")
        await driver.until(lambda: isinstance(driver.app.screen, NewRunScreen))


@pytest.mark.slow
async def test_a_thousand_runs(tmp_path: Path) -> None:
    for number in range(1000):
        folder = tmp_path / f"20260101-000000-run-{number:04x}"
        folder.mkdir()
        write_json(folder / "config.json", {"network": "autoencoder", "epochs": 3})
        write_json(folder / "status.json", {"state": "finished", "epoch": 3, "heartbeat": 0})
    async with driving(tmp_path) as driver:
        await driver.sees("1000 runs", "none alive", "run-03e7")
        await driver.press("end")
        await driver.sees("run-0000")
        await driver.press("slash", *"run-01ff", "enter")
        await driver.until(lambda: labels(driver) == ["run-01ff"])


async def test_no_runs_say_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    async with driving(folder, size=(200, 24)) as driver:
        await driver.sees("0 runs", f"No runs in {folder} yet")
        # What is started so comes into the list.
        await driver.sees(f"dae train --data digits --runs-dir {folder}")
        await driver.sees("2 opens the playground", "n new", "q quit", "? help")
        await driver.press("enter", "p", "s", "x", "space", "o", "home", "end")
        await looks_again(driver)
        assert isinstance(driver.app.screen, RunsScreen)


async def test_a_file_in_place_of_the_folder_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    async with driving(file, size=(200, 24)) as driver:
        await driver.sees("0 runs", f"{file} is a file, not a folder", "--runs-dir DIR")
        assert "dae train" not in driver.text()
        await driver.press("enter", "p", "s", "x", "space", "o", "home", "end")
        await looks_again(driver)
        assert isinstance(driver.app.screen, RunsScreen)
        file.unlink()
        await driver.sees(f"No runs in {file} yet")
