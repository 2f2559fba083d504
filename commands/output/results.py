"""The result of a training or a benchmark: images in characters, the table, both as a picture."""

from io import StringIO
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from dae_tui.commands.output.benchmark_tables import (
    COSTS,
    SETTING,
    class_tables,
    columns_of,
    printable_rows,
    protocol_line,
    rich_table,
    settings_lines,
    verdict,
)
from dae_tui.commands.output.noise_level_plot import sweep_plots
from dae_tui.commands.output.pictures import standing_alone, views_side_by_side
from dae_tui.commands.output.terminal import graphics_of, stdout
from dae_tui.spec.table import Example, Table
from dae_tui.system.atomic import write_whole
from dae_tui.terminal.graphics import Graphics

DIGITS = 3
PICTURE_WIDTH = 110
PLOT_WIDTH = 120
# On terminals of at least so many columns, "20.0 dB  predicted 7" is no wider than its picture.
WHOLE_CAPTION = 66


def show_images_and_table(
    table: Table, *, digits: int = DIGITS, per_class: bool = False, whole: str = "--csv has all"
) -> None:
    """Print the first test images (digits, or crops), the table, its verdict, and any curves.

    `whole` says where columns are that have no room.
    """
    table = printable_rows(table)
    console = stdout()
    graphics = graphics_of(console)
    console.print(_result(table, graphics, console.width, digits, whole))
    for curves in sweep_plots(table, graphics, min(console.width, PLOT_WIDTH)):
        console.print()
        console.print(curves)
    if per_class:
        for classes in class_tables(table):
            console.print()
            console.print(classes)


def write_svg(svg: Path, table: Table, *, digits: int = DIGITS) -> None:
    """Images, table and verdict as a picture."""
    recorder = Console(
        record=True, file=StringIO(), width=PICTURE_WIDTH, force_terminal=True, highlight=False
    )
    recorder.print(_result(printable_rows(table), Graphics.TRUECOLOR, PICTURE_WIDTH, digits))
    write_whole(svg, standing_alone(recorder.export_svg(title="dae")).encode())


def _result(
    table: Table, graphics: Graphics, width: int, digits: int, whole: str = "--csv has all"
) -> RenderableType:
    parts: list[RenderableType] = []
    views = table.examples[:3]
    if digits and views and all(_drawable(view) for view in views):
        parts.append(_images(views, graphics, width, digits))
    drawn = rich_table(table, width)
    parts += [Text(), drawn, Text()]
    parts += [Text(line) for line in verdict(table)]
    shown = {column.header for column in drawn.columns}
    if isinstance(table.protocol["noise"], str) and SETTING not in shown:
        parts += [Text(line, style="dim") for line in settings_lines(table)]
    missing = [each.heading for each in columns_of(table) if each.heading not in shown]
    if hidden := [heading for heading in missing if heading in COSTS]:
        parts.append(Text(f"too narrow for: {', '.join(hidden)} ({whole})", style="dim"))
    parts.append(Text(protocol_line(table.protocol), style="dim"))
    return Group(*parts)


def _drawable(view: Example) -> bool:
    count, channels, height, width = view.images.shape
    return bool(count and channels in (1, 3) and max(height, width) > 1)


def _images(views: list[Example], graphics: Graphics, width: int, count: int) -> RenderableType:
    """The first test images: original, noisy, and denoised by the first method."""
    captions, arrays = {}, {}
    word = "predicted" if width >= WHOLE_CAPTION else "pred."
    for view in views:
        title = view.title if view.title in ("original", "noisy") else "denoised"
        if title in arrays:
            continue
        some = min(count, len(view.images))
        decibels = [""] * some if view.psnr is None else [f"{v:.1f} dB  " for v in view.psnr]
        found = view.predictions
        classes = [""] * some if found is None else [f"{word} {number}" for number in found]
        captions[title] = [a + b for a, b in zip(decibels[:some], classes[:some], strict=True)]
        arrays[title] = view.images[:some] / 255
    return views_side_by_side(arrays, captions, graphics, width)
