"""The steps of a benchmark: its images, its protocol, its progress and the saved table."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dae_tui.commands.output.streams import say
from dae_tui.commands.output.terminal import stderr
from dae_tui.core.evaluation.benchmark import EvaluationProgress
from dae_tui.core.evaluation.images.evaluation_images import (
    EvaluationImages,
    load_evaluation_images,
)
from dae_tui.core.evaluation.protocol import Protocol
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import UsageError
from dae_tui.runs.benchmarks import save_table
from dae_tui.spec.noise_spec import NoiseSpec, parse_noise
from dae_tui.spec.table import Table
from dae_tui.spec.training_config import OPERATING_POINT
from dae_tui.system.printable import printable

# The literature's noise on photographs, which it neither clips nor rounds.
PHOTOGRAPHS = ("gaussian:15/255", "gaussian:25/255", "gaussian:50/255")


def evaluation_images(
    data: str,
    data_dir: Path,
    count: int | None,
    weights: Sequence[Weights],
    tune_on: str | None,
    *,
    tune: bool,
    quiet: bool,
    split: str | None = None,
    align: bool = False,
    black: float | None = None,
    white: float | None = None,
) -> EvaluationImages:
    """The test images, or the first `count` of them.

    Says on stderr how many are left out, and what `load_evaluation_images` remarks on.
    """
    if tune_on is not None and not tune:
        raise UsageError("there are no filters to tune", "name some with --methods")
    images = load_evaluation_images(
        data,
        data_dir,
        tune=tune,
        tune_on=tune_on,
        learnt_from=[str(each.metadata.get("data")) for each in weights],
        split=split,
        align=align,
        black=black,
        white=white,
    )
    for line in () if quiet else images.remarks:
        say(line)
    if images.left_out and not quiet:
        say(f"left out {images.left_out} images, which are for training")
    return images if count is None else images.first(count)


def protocol_for(
    images: EvaluationImages,
    noises: list[NoiseSpec],
    match_noisy: float | None,
    clip: bool | None,
    protocol: Protocol,
) -> Protocol:
    """The protocol, with noise and clipping that suit the images where none are asked for."""
    if images.noisy and (noises or match_noisy is not None or protocol.seeds > 1 or clip):
        raise UsageError(
            "the images are noisy already", "leave out --noise, --match-noisy, --seeds and --clip"
        )
    if images.noisy and protocol.tell_level:
        raise UsageError("nobody knows the level of pairs", "leave out --tell-level")
    if not noises and match_noisy is None:
        default = PHOTOGRAPHS if images.photographs else (OPERATING_POINT,)
        noises = [parse_noise(text) for text in default]
    if protocol.tell_level and not all(_has_level(noise) for noise in noises):
        raise UsageError(
            "there is a level to tell of Gaussian noise alone", "write --noise gaussian:LEVEL"
        )
    clips = (not images.photographs) if clip is None else clip
    return replace(protocol, noises=noises, clip=clips)


def _has_level(noise: NoiseSpec) -> bool:
    """Whether it is white Gaussian noise of one level."""
    stage = noise.only_stage
    return stage is not None and stage.kind == "gaussian" and stage.low == stage.high


def follow(evaluation: Generator[EvaluationProgress | Table], quiet: bool) -> Table:
    """Run an evaluation with a progress bar on stderr."""
    console = stderr()
    # Closed where it is interrupted: its processes would live on otherwise.
    with (
        closing(evaluation) as states,
        Progress(
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        ) as bar,
    ):
        task = bar.add_task("evaluating images", total=None)
        for state in states:
            if isinstance(state, EvaluationProgress):
                what = printable(state.what)
                bar.update(task, completed=state.images, total=state.total, description=what)
            else:
                table = state
    return table


def keep(table: Table, runs_dir: Path, quiet: bool) -> None:
    """Save the table for `dae dashboard` to compare; a failure is told and stops nothing."""
    try:
        saved = save_table(runs_dir, table.as_json())
    except OSError as failure:
        say(f"the table is not saved: {failure.strerror}: {failure.filename}")
    else:
        if not quiet:
            say(f"saved {saved}")
