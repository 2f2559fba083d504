"""Curves over the noise level, in characters."""

import numpy as np
from rich.text import Text

from dae_tui.core.evaluation.figures.benchmark_figures import NOISY, Sweep, sweep_of
from dae_tui.spec.table import Table
from dae_tui.terminal.graphics import Graphics
from dae_tui.terminal.plot import Line, Marks, plot

HEIGHT = 14
COLOURS = ("green", "cyan", "yellow", "magenta", "blue", "red")
# More curves than that cannot be told apart.
MOST = len(COLOURS)
AXIS = 7
NAMES = 26


def sweep_plots(table: Table, graphics: Graphics, width: int) -> list[Text]:
    """Accuracy and PSNR over the level, of the best methods, where there are several levels."""
    drawn = []
    for figure, title in (("accuracy", "accuracy %"), ("psnr", "PSNR dB")):
        sweep = sweep_of(table, figure)
        if sweep is not None:
            names = [name for name in sweep.values if name != NOISY]
            if names:
                drawn.append(_draw(sweep, names, title, graphics, width))
    return drawn


def _draw(sweep: Sweep, every: list[str], title: str, graphics: Graphics, width: int) -> Text:
    names = every[:MOST]
    across = max(20, min(width - AXIS - NAMES, 90))
    lines = [
        Line(np.array(sweep.levels[n]), np.array(sweep.values[n]), smooth=False) for n in names
    ]
    levels = [level for name in names for level in sweep.levels[name]]
    low, high = min(levels), max(levels)
    marks = Marks.ASCII if graphics in (Graphics.ASCII, Graphics.SHADES) else Marks.BRAILLE
    # The best is drawn last, over the others.
    chart = plot(
        lines[::-1], across, HEIGHT, (low, high), log=False, smoothing=0.0, marks=marks,
        symbols="abcdef"[: len(names)][::-1],
    )  # fmt: skip
    edge = "|" if marks is Marks.ASCII else "┤"
    shown = f", {len(names)} of {len(every)} methods" if len(every) > len(names) else ""
    text = Text(f"{title}{shown}\n", no_wrap=True)
    for number, row in enumerate(chart.rows):
        text.append(f"{chart.ticks.get(number, ''):>{AXIS - 2}} {edge}")
        for cell, owner in zip(row, chart.owners[number].tolist(), strict=True):
            text.append(cell, COLOURS[len(names) - 1 - owner] if owner >= 0 else "")
        if number < len(names):
            name = names[number]
            sign = "abcdef"[number] if marks is Marks.ASCII else "─"
            text.append(f"  {sign} {name}"[:NAMES], COLOURS[number])
        text.append("\n")
    left, right = f"{low:.3g}", f"{high:.3g}"
    middle = sweep.level_name.center(across - len(left) - len(right))
    text.append(" " * AXIS + left + middle + right)
    return text
