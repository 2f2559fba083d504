"""Runs of several folders and hosts in one list, one of them behind an ssh that fails."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dashboard_driver import Driver, shows
from dashboard_example import LIVE, FakeMonitor, sweep_runs
from fake_ssh import REFUSES, FakeSsh

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.run_list.runs_list import RunsList
from dae_tui.dashboard.screens.compare import CompareScreen
from dae_tui.dashboard.screens.group import GroupScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.screens.runs import RunsScreen
from dae_tui.runs.places import Places
from dae_tui.runs.ssh_hosts import host_watch
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio
SMALL, LARGE = (80, 24), (200, 60)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSsh:
    monkeypatch.setattr(host_watch, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(host_watch, "LONGEST_WAIT_SECONDS", 0.3)
    return FakeSsh(tmp_path / "bin", monkeypatch)


@asynccontextmanager
async def watching(places: Places, size: tuple[int, int] = SMALL) -> AsyncIterator[Driver]:
    app = DashboardApp(
        places.runs_dir,
        Path("data"),
        Graphics.COLORS_256,
        refresh_seconds=0.1,
        monitor=FakeMonitor({}),
        places=places,
    )
    async with app.run_test(size=size) as pilot:
        yield Driver(app, pilot)


def both(runs_dir: Path, tmp_path: Path) -> Places:
    """The example runs, and the same on a host."""
    there = tmp_path / "there"
    shutil.copytree(runs_dir, there)
    return Places(
        [runs_dir, Address("gpu1", str(there))], cache=tmp_path / "cache", refresh_seconds=0.1
    )


def rows(driver: Driver) -> dict[str, bool]:
    """The keys of the runs in the list, and whether they are stale."""
    table = driver.app.screen.query_one(RunsList)
    return {row.run.key: row.stale for row, _ in table._shown.values()}


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_two_folders_are_one_list_and_a_lost_host_is_said_to_be_lost(
    runs_dir: Path, tmp_path: Path, ssh: FakeSsh, size: tuple[int, int]
) -> None:
    ssh.does(f"sleep 0.3; {REFUSES}")
    async with watching(both(runs_dir, tmp_path), size) as driver:
        # A slow host delays nothing of this machine.
        await driver.sees("gpu1: connecting for", LIVE.removeprefix("20260131-235959-"))
        assert not any(key.startswith("gpu1:") for key in rows(driver))
        await driver.sees("gpu1: lost", "Connection refused")
        ssh.does('exec sh -c "$last"')
        await driver.until(lambda: f"gpu1:{LIVE}" in rows(driver), "the runs of the host")
        await driver.until(lambda: "gpu1: " not in driver.text(), "no trouble")
        assert len(rows(driver)) == 10
        assert not any(rows(driver).values())
        assert "where" in driver.text()

        ssh.does(REFUSES)
        (host,) = driver.app.places.hosts
        assert host._connection is not None
        host._connection._process.terminate()
        await driver.sees("gpu1: lost", "Connection refused")
        await driver.until(
            lambda: (
                {key for key, stale in rows(driver).items() if stale}
                == {key for key in rows(driver) if key.startswith("gpu1:")}
            ),
            "stale runs",
        )
        assert len(rows(driver)) == 10


async def test_what_would_write_is_refused_with_the_command_to_run_there(
    runs_dir: Path, tmp_path: Path, ssh: FakeSsh
) -> None:
    there = tmp_path / "there"
    shutil.copytree(runs_dir, there)
    before = {path: path.stat().st_mtime_ns for path in there.rglob("*") if path.is_file()}
    places = Places([Address("gpu1", str(there))], cache=tmp_path / "cache", refresh_seconds=0.1)
    async with watching(places) as driver:
        await driver.until(lambda: len(rows(driver)) == 5, "the runs of the host")
        name = driver.app.screen.query_one(RunsList).runs[0].name
        screen = driver.app.screen
        assert isinstance(screen, RunsScreen)
        assert screen.offers("pane") and not screen.offers("tag") and not screen.offers("archive")
        for key, command in [
            ("p", f"ssh gpu1 'dae runs pause {name} --runs-dir"),
            ("s", f"ssh gpu1 'dae runs stop {name} --runs-dir"),
            ("A", f"ssh gpu1 'dae runs archive {name} --runs-dir"),
            ("x", f"ssh gpu1 'dae runs delete {name} --runs-dir"),
            ("n", "ssh gpu1 'dae train --runs-dir"),
        ]:
            await driver.press(key)
            await driver.told(command)
        await driver.press("end", "r")
        await driver.told("ssh gpu1 'dae train --resume")
        await driver.press("home", "enter")
        await shows(driver, RunScreen)
        await driver.sees("gpu1:", "on gpu1, not read")
        await driver.press("p")
        await driver.told(f"ssh gpu1 'dae runs pause {name}")
    assert before == {path: path.stat().st_mtime_ns for path in there.rglob("*") if path.is_file()}


async def test_marks_filters_and_comparisons_tell_runs_of_one_name_apart(
    runs_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs_dir, tmp_path / "other")
    async with watching(Places([runs_dir, tmp_path / "other"]), (120, 40)) as driver:
        await driver.until(lambda: len(rows(driver)) == 10, "the runs of both")
        await driver.press("space", "space")
        names = [key.split(":") for key in driver.app.marked]
        assert [place for place, _ in names] == ["runs", "other"]
        assert names[0][1] == names[1][1]
        await driver.press("c")
        await shows(driver, CompareScreen)
        await driver.sees("-3f2a runs", "-3f2a other")
        await driver.press("1", "slash", *"in:other")
        await driver.until(lambda: len(rows(driver)) == 5, "the runs of one folder")
        assert {key.split(":")[0] for key in rows(driver)} == {"other"}


async def test_the_list_is_sorted_by_folder(runs_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_dir, tmp_path / "other")
    async with watching(Places([runs_dir, tmp_path / "other"])) as driver:
        await driver.until(lambda: len(rows(driver)) == 10, "the runs of both")
        await driver.press("o", "o")
        await driver.sees("where▲")
        assert [key.split(":")[0] for key in rows(driver)] == ["other"] * 5 + ["runs"] * 5
        await driver.press("O")
        await driver.sees("where▼")
        assert [key.split(":")[0] for key in rows(driver)] == ["runs"] * 5 + ["other"] * 5


async def test_a_run_is_deleted_in_the_folder_that_it_is_in(runs_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(runs_dir, tmp_path / "other")
    async with watching(Places([runs_dir, tmp_path / "other"])) as driver:
        await driver.until(lambda: len(rows(driver)) == 10, "the runs of both")
        await driver.press("end", "x")
        chosen = driver.app.screen_stack[0].query_one(RunsList).runs[-1]
        await driver.sees("Delete")
        await driver.press("y")
        await driver.until(lambda: not chosen.folder.exists(), "it is deleted")
        assert chosen.place == "other"
        assert (runs_dir / chosen.name).exists()


async def test_the_group_of_a_run_on_a_host_has_the_runs_of_that_folder_alone(
    tmp_path: Path, ssh: FakeSsh
) -> None:
    for folder in ("here", "there"):
        sweep_runs(tmp_path / folder)
    address = Address("gpu1", str(tmp_path / "there"))
    places = Places([tmp_path / "here", address], cache=tmp_path / "cache", refresh_seconds=0.1)
    async with watching(places) as driver:
        await driver.until(lambda: any(key.startswith("gpu1:") for key in rows(driver)), "a host")
        await driver.press("slash", *"in:gpu1", "enter")
        await driver.until(
            lambda: {key.split(":")[0] for key in rows(driver)} == {"gpu1"}, "the runs of the host"
        )
        await driver.press("S")
        await shows(driver, GroupScreen)
        await driver.sees("group lr-3f2a  6 runs", "5 finished")
        group = driver.app.screen
        assert isinstance(group, GroupScreen)
        assert {member.run.host for member, _ in group._rows} == {"gpu1"}
