"""Trainings of other programs in the dashboard, by their event files."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Dae
from dashboard_driver import PATIENCE, Driver, dashboard
from event_examples import image, scalar, tensor, text, write

from dae_tui.dashboard.app import DashboardApp
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.dashboard.widgets.pictures import Pictures
from dae_tui.runs.event_files.folders import EventRun, find_event_runs
from dae_tui.terminal.graphics import Graphics

pytestmark = pytest.mark.asyncio

# A plain PyTorch training, as anybody writes one.
TRAINING = """
import sys, time, torch
from torch.utils.tensorboard import SummaryWriter

torch.manual_seed(0)
writer = SummaryWriter(sys.argv[1], flush_secs=1)
network = torch.nn.Linear(64, 64)
optimizer = torch.optim.Adam(network.parameters(), 3e-3)
clean = torch.zeros(32, 8, 8)
clean[:, 2:6, 2:6] = 1
for step in range(1, 1000):
    noisy = clean + 0.3 * torch.randn_like(clean)
    denoised = network(noisy.flatten(1))
    loss = (denoised - clean.flatten(1)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    writer.add_scalar("loss/train", loss.item(), step)
    if step % 10 == 0:
        writer.add_image("square/noisy", noisy[:1].clamp(0, 1), step)
        writer.add_image("square/denoised", denoised[0].detach().view(1, 8, 8).clamp(0, 1), step)
        writer.add_histogram("weight", network.weight, step)
        writer.add_text("report", f"the loss is {loss.item():.4f}", step)
    writer.flush()
    time.sleep(0.02)
"""


def watching(folder: Path, run: EventRun | None = None) -> DashboardApp:
    return DashboardApp(
        folder.parent / "none",
        folder,
        Graphics.COLORS_256,
        run=run,
        refresh_seconds=0.1,
        monitor=dashboard(folder).monitor,
        event_dirs=[folder],
    )


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Path]:
    """The folder into which a training of another program is writing."""
    folder = tmp_path / "logs"
    process = subprocess.Popen([sys.executable, "-c", TRAINING, str(folder / "plain")])
    yield folder
    process.kill()
    process.wait()


@pytest.mark.slow
async def test_a_plain_pytorch_training_is_watched_live(
    training: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard_driver.PATIENCE", 3 * PATIENCE)
    app = watching(training)
    async with app.run_test(size=(100, 36)) as pilot:
        driver = Driver(app, pilot)
        await driver.sees("1 run", "1 alive", "plain", "running")
        await driver.press("enter")
        await driver.until(lambda: isinstance(app.screen, RunScreen))
        await driver.sees("loss/train", "noisy", "denoised", "log")
        screen = app.screen
        assert isinstance(screen, RunScreen)
        lengths, losses, drawn = set[int](), set[float](), list[np.ndarray]()

        def grown() -> bool:
            for named in screen.query_one(LossChart)._lines:
                lengths.add(len(named.line.x))
                losses.add(float(named.line.y[-1]))
            shown = screen.query_one(Pictures)._images
            if shown and not any(np.array_equal(shown[0][1].image, each) for each in drawn):
                drawn.append(shown[0][1].image)
            return len(lengths) > 3 and len(drawn) > 2

        await driver.until(grown, "curve and images that grow")
        assert min(losses) < max(losses)
        await driver.press("l")
        await driver.sees("report: the loss is 0.")


@pytest.mark.slow
async def test_the_first_run_of_an_empty_list_is_opened_by_enter(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    app = watching(tmp_path / "logs")
    async with app.run_test(size=(100, 36)) as pilot:
        driver = Driver(app, pilot)
        await driver.until(lambda: bool(app.screen.query("#empty")))
        await pilot.pause(0.3)
        now = time.time()
        write(tmp_path / "logs" / "plain", *[scalar("loss", n, 1 / n, now) for n in range(1, 9)])
        await driver.sees("1 run", "plain")
        await driver.press("enter")
        await driver.until(lambda: isinstance(app.screen, RunScreen), "the run")


async def test_curves_of_every_measure_images_and_text_are_shown(tmp_path: Path) -> None:
    now, grey = time.time(), np.arange(64).reshape(8, 8) * 3
    records = []
    for n in range(1, 40):
        records += [scalar("train/loss", n, 1 / n, now), scalar("lr", n, 1e-3, now)]
        records += [scalar("reward", n, -n, now), scalar("train/epoch", n, n // 10, now)]
    write(
        tmp_path / "logs",
        *records,
        tensor("eval/loss", 30, 0.25, named=True, when=now),
        image("digits/noisy", 30, grey, now),
        image("digits/denoised", 30, grey, now),
        image("digits/denoised", 20, grey, now - 1),
        text("note", 3, "began", now),
    )
    (run,) = find_event_runs(tmp_path / "logs")
    app = watching(tmp_path / "logs", run)
    async with app.run_test(size=(100, 36)) as pilot:
        driver = Driver(app, pilot)
        await driver.sees("logs", "running", "epoch 3/?", "loss 1/4, log", "train/loss 0.025641")
        await driver.sees("eval/loss", "noisy", "denoised", "image 1/1", "after step 30")
        assert "pause" not in driver.text()
        assert "weights" not in driver.text()
        await driver.press("a")
        await driver.sees("lr 2/4, linear")
        await driver.press("a")
        await driver.sees("reward 3/4, linear", "reward -39")
        lines = driver.app.screen.query_one(LossChart)._lines
        assert [named.name for named in lines] == ["reward"]
        await driver.press("p")
        await driver.told("another program")
        await driver.press("l")
        await driver.sees("step 3  note: began")


async def test_one_that_has_fallen_silent_says_since_when(tmp_path: Path) -> None:
    write(tmp_path / "logs" / "old", scalar("loss", 1, 0.5, time.time() - 7300))
    app = watching(tmp_path / "logs")
    async with app.run_test(size=(130, 36)) as pilot:
        driver = Driver(app, pilot)
        await driver.sees("1 run", "none alive", "silent", "no event for 2 h")
        await driver.press("x")
        await driver.told("only watched")
        await driver.press("r")
        await driver.told("cannot be resumed")
        assert (tmp_path / "logs" / "old").is_dir()
        await driver.press("enter")
        await driver.sees("silent: no event for 2 h. Its files do not say whether it has")


async def test_a_folder_without_event_files_is_waited_for(tmp_path: Path) -> None:
    app = watching(tmp_path / "logs")
    async with app.run_test(size=(250, 24)) as pilot:
        driver = Driver(app, pilot)
        await driver.sees("No event files in", "they are waited for")


async def test_mistakes_in_the_folder_are_told_in_a_line(dae: Dae, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for words, said in (
        ([str(tmp_path / "empty")], "holds neither a run nor event files"),
        (["--tensorboard", str(tmp_path / "file")], "is a file"),
    ):
        outcome = dae("dashboard", *words)
        assert outcome.code in (2, 3)
        assert said in outcome.err
