"""What `dae train` shows while it trains."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dae_tui.commands.training import display
from dae_tui.commands.training.display import LiveDisplay, PlainDisplay, smoothed
from dae_tui.runs.folder.reader import Run
from dae_tui.spec.events import Started, Step, Validation

STARTED = Started("cpu", "fp32", 1000, 20, 5, epochs=3, steps_per_epoch=2, step=0)


def validation(epoch: int) -> Validation:
    return Validation(epoch, 2 * epoch, 0.1 / epoch, 0.2 / epoch, 10.0 + epoch, None, True, 1.0)


def test_a_terminal_keeps_a_line_of_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = StringIO()
    console = Console(file=said, force_terminal=True, width=120, highlight=False)
    monkeypatch.setattr(display, "stderr", lambda: console)
    with LiveDisplay(Run(tmp_path / "run")) as shown:
        shown.show(STARTED)
        for epoch in (1, 2, 3):
            shown.show(Step(epoch, 2 * epoch, 0.1, 1e-3, 1000.0 * epoch, 1.0))
            shown.show(validation(epoch))
    kept = [line for line in said.getvalue().split("\n") if "validation loss" in line]
    # Each once, above what is drawn again and again.
    assert [line[line.rindex("epoch") :].split("  ")[0] for line in kept] == [
        "epoch 1/3",
        "epoch 2/3",
        "epoch 3/3",
    ]
    assert "PSNR 13.00 dB" in kept[-1]
    assert "images/s" in kept[-1]


def test_speeds_are_smoothed() -> None:
    assert smoothed(0.0, 500.0) == 500.0
    assert smoothed(1000.0, 500.0) == pytest.approx(900.0)


def test_a_terminal_that_draws_nothing_in_place_gets_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display._display("auto", Run(tmp_path)), PlainDisplay)
    monkeypatch.setenv("TERM", "screen-256color")
    assert isinstance(display._display("auto", Run(tmp_path)), LiveDisplay)
