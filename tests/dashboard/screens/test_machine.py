"""The machine on the screen: eight GPUs, the processes on them, and what is missing."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pynvml
import pytest
from dashboard_driver import Driver, looks_again
from dashboard_example import LIVE
from fake_nvml import GIB, FakeGpu, FakeNvml
from textual.widgets import DataTable

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.screens.machine import MachineScreen
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.widgets.machine.gpu_rows import GpuRows
from dae_tui.devices.monitor import Monitor
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio
NOBODY = 2**22 + 1  # Above the highest number of a process.


def eight() -> list[FakeGpu]:
    gpus = [FakeGpu(uuid=f"GPU-{n}", percent=10 * n, celsius=40 + n) for n in range(8)]
    gpus[0].processes = ((os.getpid(), 3 * GIB), (NOBODY, None))
    gpus[5].processes = ((NOBODY + 1, 11 * GIB),)
    return gpus


@asynccontextmanager
async def machine(
    runs_dir: Path, gpus: list[FakeGpu], size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Driver]:
    app = DashboardApp(
        runs_dir,
        Path("data"),
        Graphics.COLORS_256,
        refresh_seconds=0.1,
        monitor=Monitor({}, FakeNvml(*gpus)),
    )
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        await driver.press("4")
        await driver.until(
            lambda: isinstance(app.screen, MachineScreen) and app.screen.looks, "the machine"
        )
        yield driver


def processes(driver: Driver) -> list[list[str]]:
    table = driver.app.screen.query_one(DataTable)
    return [[cell.plain.strip() for cell in table.get_row_at(n)] for n in range(table.row_count)]


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
async def test_eight_gpus_with_their_processes(runs_dir: Path, size: tuple[int, int]) -> None:
    async with machine(runs_dir, eight(), size) as driver:
        await driver.sees("3 processes on GPUs", "CPU", "RAM", "disk", "GiB")
        text = driver.text()
        for n in range(8):
            assert f"  {n} H200" in text
            assert f"{10 * n:>3}%   12.0/139.0    612/700    {40 + n}  1980" in text
        widget = driver.app.screen.query_one(GpuRows)
        assert widget.size.height == (12 if size[1] == 24 else 20)
        mine, hidden, other = processes(driver)
        assert mine[:3] == ["0", str(os.getpid()), "3.0"]
        assert mine[3]
        # The run whose training this process is.
        assert mine[4] == LIVE[16:]
        assert hidden[2:5] == ["–", "–", "–"]
        assert hidden[5].startswith("not visible from")
        assert other[:3] == ["5", str(NOBODY + 1), "11.0"]


async def test_processes_are_sorted_filtered_and_opened(runs_dir: Path) -> None:
    async with machine(runs_dir, eight()) as driver:
        await driver.sees("GPU▲", "o order", "/ filter")
        await driver.press("o", "o")
        await driver.sees("GiB▲")
        assert [row[2] for row in processes(driver)] == ["11.0", "3.0", "–"]
        await driver.press("slash", *"gpu5", "enter")
        await driver.sees("1 with 'gpu5'")
        assert len(processes(driver)) == 1
        await driver.press("enter")
        await driver.told("trains no run of this folder")
        await driver.press("escape")
        await driver.until(lambda: len(processes(driver)) == 3)
        await driver.press("down", "enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))


async def test_a_gpu_that_is_lost_says_so_and_the_others_stay(runs_dir: Path) -> None:
    gpus = eight()
    async with machine(runs_dir, gpus) as driver:
        await driver.sees("  3 H200")
        gpus[3].failures["*"] = pynvml.NVMLError_GpuIsLost
        await driver.sees("  3 H200         GPU lost since ", "  4 H200")
        await looks_again(driver)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
async def test_one_of_eight_gpus_is_lost_and_comes_back(
    runs_dir: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dae_tui.devices.nvidia.RETRY_SECONDS", 0.05)
    gpus = eight()
    gpus[5].percent = 100
    async with machine(runs_dir, gpus, size) as driver:
        await driver.sees("3 processes on GPUs", "  5 H200         100%")
        gpus[5].failures["*"] = pynvml.NVMLError_GpuIsLost
        await driver.sees("  5 H200         GPU lost since ", "2 processes on GPUs")
        await looks_again(driver)
        row = next(line for line in driver.text().splitlines() if "  5 H200" in line)
        assert "█" in row  # Its history.
        assert not any(digit.isdigit() for digit in row.partition("since ")[2][8:])
        for n in (4, 6):
            assert f"{10 * n:>3}%   12.0/139.0    612/700    {40 + n}  1980" in driver.text()
        await driver.press("o", "o", "slash", *"gpu0", "enter")
        await driver.sees("2 with 'gpu0'", "GiB▲")
        assert [row[2] for row in processes(driver)] == ["3.0", "–"]
        await driver.press("escape", "slash", *"gpu5", "enter")
        await driver.sees("0 with 'gpu5'", "GPU lost since ")
        await driver.press("escape")
        gpus[5].failures.clear()
        await driver.sees("  5 H200         100%", "3 processes on GPUs")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
async def test_a_run_is_shown_on_while_a_gpu_is_lost(
    runs_dir: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dae_tui.devices.nvidia.RETRY_SECONDS", 0.05)
    gpus = eight()
    async with machine(runs_dir, gpus, size) as driver:
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        await driver.sees("GPU0 ")
        gpus[0].failures["*"] = pynvml.NVMLError_GpuIsLost
        await driver.sees("GPU0 H200: GPU lost since ", "epoch 12/30")
        gpus[7].failures["*"] = pynvml.NVMLError_GpuIsLost
        # A large screen has room for all.
        await driver.sees("GPU7 H200: GPU lost since " if size[1] == 60 else " more, 1 lost: ")
        gpus[0].failures.clear()
        gpus[7].failures.clear()
        await driver.until(lambda: " lost" not in driver.text(), "the GPUs again")


async def test_a_large_run_screen_has_every_gpu_with_its_history(runs_dir: Path) -> None:
    gpus = eight()
    async with machine(runs_dir, gpus, (200, 60)) as driver:
        await driver.press("1", "enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        await driver.sees(*(f"GPU{n} {10 * n:>3}%" for n in range(8)), "train 0.01", "prec. ")
        gpus[5].failures["*"] = pynvml.NVMLError_GpuIsLost
        await driver.sees("GPU5 H200: GPU lost since ")
        await looks_again(driver)
        rows = [line for line in driver.text().splitlines() if re.search(r" GPU\d ", line)]
        assert len(rows) == 8
        assert all(set(row) & set("▁▂▃▄▅▆▇█") for row in rows)


async def test_mig_and_missing_processes_have_their_reasons(runs_dir: Path) -> None:
    gpu = FakeGpu(
        mig=True,
        failures={
            "UtilizationRates": pynvml.NVMLError_NotSupported,
            "ComputeRunningProcesses": pynvml.NVMLError_NoPermission,
        },
    )
    async with machine(runs_dir, [gpu], (120, 40)) as driver:
        await driver.sees("N/A in MIG mode", "GPU 0: no permission", "  0 H200           –%")


async def test_no_gpu_has_its_reason(runs_dir: Path) -> None:
    async with machine(runs_dir, []) as driver:
        await driver.sees("GPU  no NVIDIA GPU found", "CPU", "disk", "0 processes")
        await driver.press("escape")
        await driver.until(lambda: driver.app.current_mode == "runs")


async def test_keys_are_keys_when_one_comes_back_to_a_machine_without_gpus(runs_dir: Path) -> None:
    async with machine(runs_dir, []) as driver:
        for key, name in (("3", "CompareScreen"), ("4", "MachineScreen"), ("3", "CompareScreen")):
            await driver.press(key)
            await driver.until(lambda: type(driver.app.screen).__name__ == name, name)  # noqa: B023
            await driver.pilot.pause()
