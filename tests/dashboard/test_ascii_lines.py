"""A terminal that has ASCII alone gets nothing else, on any screen."""

from pathlib import Path

import pytest
from dashboard_driver import Driver, driving, shows
from dashboard_example import LIVE, compressions, sweep_runs
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.command import CommandPalette

from dae_tui.dashboard.ascii_lines import AsciiLines
from dae_tui.dashboard.screens.dialogs.help import Help
from dae_tui.dashboard.screens.run import RunScreen
from dae_tui.runs.folder.reader import Run
from dae_tui.terminal.graphics import Graphics


def test_a_line_is_as_wide_as_it_was_and_letters_stay() -> None:
    (segment,) = AsciiLines().apply([Segment("╭─ größe … 🔎 ●", Style(bold=True))], Color(0, 0, 0))
    assert segment == Segment("+- größe ~ ?  *", Style(bold=True))
    assert segment.cell_length == Segment("╭─ größe … 🔎 ●").cell_length
    plain = [Segment("plain")]
    assert AsciiLines().apply(plain, Color(0, 0, 0)) is plain


async def in_ascii(driver: Driver, words: str) -> None:
    await driver.sees(words)
    await driver.pilot.pause()
    wrong = [line for line in driver.text().splitlines() if not line.isascii()]
    assert not wrong, "\n".join(wrong)


@pytest.mark.asyncio
async def test_every_screen_is_in_ascii(runs_dir: Path) -> None:
    sweep_runs(runs_dir)
    compressions(runs_dir)
    async with driving(runs_dir, Run(runs_dir / LIVE), (120, 40)) as driver:
        await driver.sees("←→ time")
        while driver.app.graphics is not Graphics.ASCII:
            await driver.press("f3")
        await in_ascii(driver, "left/right time")
        await driver.press("question_mark")
        await shows(driver, Help)
        await in_ascii(driver, "Earlier images")
        await driver.press("escape", "l")
        await in_ascii(driver, "epoch 8 is over")
        await driver.press("f2")
        await shows(driver, CommandPalette)
        await in_ascii(driver, "back to the runs")
        await driver.press("escape")
        await shows(driver, RunScreen)
        await driver.press("escape")
        await in_ascii(driver, "enter open")
        await driver.press("3")
        await in_ascii(driver, "val loss")
        await driver.press("C")
        await in_ascii(driver, "true ratio")
        await driver.press("4")
        await in_ascii(driver, "processes on GPUs")
        await driver.press("n")
        await in_ascii(driver, "learning rate")
        await driver.press("escape", "1", "end", *["up"] * 7)
        await driver.sees("S group")
        await driver.press("S")
        await in_ascii(driver, "best loss")
        await driver.press("v")
        await in_ascii(driver, "a line for each run")
        # In colours again, everything is as it was.
        await driver.press("f3")
        await driver.sees("⏎ open")
