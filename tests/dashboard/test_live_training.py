"""A real training, watched from its start to its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from dashboard_driver import driving

from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.dashboard.widgets.charts.loss_chart import LossChart
from dae_tui.dashboard.widgets.pictures import Pictures
from dae_tui.runs.folder.reader import Run

TRAIN = "-m dae_tui train --data digits --epochs 3 --name watched --detach --runs-dir"


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Run]:
    """A training that is under way in a process session of its own."""
    started = subprocess.run(
        [sys.executable, *TRAIN.split(), str(tmp_path)], capture_output=True, text=True, check=True
    )
    run = Run(tmp_path / started.stdout.strip())
    yield run
    status = run.status()
    if run.state().alive:
        with suppress(ProcessLookupError):
            os.kill(status["pid"], signal.SIGKILL)


@pytest.mark.asyncio
async def test_a_training_is_watched_to_its_end(
    training: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard_driver.PATIENCE", 90.0)
    async with driving(training.folder.parent, size=(120, 40)) as driver:
        await driver.sees("1 run", "watched")
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, RunScreen))
        screen = driver.app.screen
        assert isinstance(screen, RunScreen)
        lengths, denoised = set[int](), dict[int, np.ndarray]()

        def ended() -> bool:
            lengths.update(len(named.line.x) for named in screen.query_one(LossChart)._lines[:1])
            digits = screen.query_one(Pictures)._images
            if screen._sample is not None and digits:
                denoised[screen._sample.step] = digits[0][2].image
            return "finished  epoch 3/3" in driver.text()

        await driver.until(ended, "the end")
        await driver.sees("test ", "8/8  live", "pred")
        assert len(lengths) > 1, "the curve did not grow while it trained"
        first, *_, last = (image for _, image in sorted(denoised.items()))
        assert not np.array_equal(first, last)
    assert training.status()["state"] == "finished"
