"""The table of a compression as JSON: printed, and kept for the dashboard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dae_tui.commands.compressing.report import Report
from dae_tui.commands.compressing.steps import Shown
from dae_tui.commands.output.streams import say
from dae_tui.core.compression.compress import Compressed
from dae_tui.core.compression.pruning import Recipe
from dae_tui.runs.compressions import save_compression


def json_table(output: Path, report: Report) -> dict[str, Any]:
    """The file, beside JPEG and WebP."""
    return {"file": str(output), **report.as_json()}


def json_steps(
    inputs: Sequence[Path], recipe: Recipe, made: Compressed, steps: Sequence[Shown]
) -> dict[str, Any]:
    """What was asked for, and the figures after each removal of a unit."""
    coder = made.coder
    patches = sum(codes.size for codes in made.contents.codes) // made.units
    protocol = {
        "inputs": [path.name for path in inputs],
        "patch": coder.side,
        "channels": coder.channels,
        "values": patches * coder.side**2 * coder.channels,
        "presentations": recipe.again,
        "published": recipe.published,
        "seed": recipe.seed,
    }
    return {"protocol": protocol, "steps": [step.as_json() for step in steps]}


def keep_table(table: dict[str, Any], runs_dir: Path, quiet: bool) -> None:
    """Save the table for `dae dashboard` to compare; a failure is told and stops nothing."""
    try:
        saved = save_compression(runs_dir, table)
    except OSError as failure:
        say(f"the table is not saved: {failure.strerror}: {failure.filename}")
    else:
        if not quiet:
            say(f"saved {saved}; its curves: dae dashboard, 3 and C")
