"""A benchmark's table in the requested format, and its figures as files. No torch."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dae_tui.commands.benchmarking.table_formats import print_table
from dae_tui.commands.output.results import show_images_and_table, write_svg
from dae_tui.commands.output.streams import say
from dae_tui.core.evaluation.figures.benchmark_figures import write_figures
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.watching.curves import overview
from dae_tui.spec.model_cards import weights_name
from dae_tui.spec.table import Table


def show_table(
    table: Table, form: str | None, *, digits: int, per_class: bool, svg: Path | None = None
) -> None:
    """Print a table on stdout, for people or in a format to paste elsewhere; `svg` draws it."""
    if form is None:
        show_images_and_table(table, digits=digits, per_class=per_class)
    else:
        print_table(table, form)
    if svg is not None:
        write_svg(svg, table, digits=digits)


def write_figure_files(folder: Path, table: Table, weights: list[Path], quiet: bool) -> None:
    """Write figures into a folder; those of training losses for weights of runs only."""
    losses: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for path in weights:
        if path.parts[-3:-2] == ("checkpoints",):
            losses[weights_name(path)] = overview(Run(path.parents[2])).train.arrays()
    written = write_figures(folder, table, losses)
    if quiet:
        return
    for path in written:
        say(f"wrote {path}")
    if not written:
        say("there are no figures to draw: the table has one noise level and no examples")
