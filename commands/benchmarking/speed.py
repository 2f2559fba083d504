"""`dae benchmark speed`: training and denoising against the textbook, filters and the machine."""

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands.options import (
    DataDirOption,
    DeviceOption,
    JsonOption,
    QuietOption,
    resolve_data_dir,
)
from dae_tui.errors import DaeError, ExitCode, UsageError
from dae_tui.spec.model_cards import published

if TYPE_CHECKING:
    from dae_tui.core.speed.report import SpeedReport

USUAL = ("training", "targets", "inference", "peak", "photographs", "startup")
PARTS = (*USUAL, "megapixels", "scale", "agreement")
# What tutorials have at hand, and what needs no download.
DATA = ("mnist", "digits")
NETWORKS = ("mnist-unet", "mnist-autoencoder", "mnist-dense")


class InterruptedSpeedError(DaeError):
    """Ctrl-C: nothing is kept, as the rest would be measured in another state of the machine."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted", "--parts measures only some of it")


def speed(
    parts: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="training, targets, inference, peak, photographs, startup [default: these], "
            "megapixels, scale, agreement, or all.",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, max=100, help="Times that each speed is measured, in turns.")
    ] = 5,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Trainings per recipe, and per loop of agreement.")
    ] = 5,
    epochs: Annotated[
        int, typer.Option(min=1, help="Epochs per training of agreement, in both loops.")
    ] = 1,
    data: Annotated[str, typer.Option(help="mnist, or digits (embedded).")] = "mnist",
    data_dir: DataDirOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Measure the speed of training and denoising, as ratios of values measured in one run.

    training: the textbook's loop (ToTensor, DataLoader, fp32) and ours train the same network in
    turns. targets: time to 96.10 %, the paper's accuracy, with --preset fast and the paper's
    network. inference: digits per second of networks and filters. peak: speed as a share of a
    large matrix product and of a large copy, and which of the two is the limit. photographs:
    training on crops of 64×64 and 128×128 pixels. startup: from Enter to the result. megapixels:
    photographs of 1, 4 and 24 megapixels denoised, against FFDNet's architecture, non-local means
    and, where it is installed, BM3D. scale: 1 k to 1 M images, streamed. agreement: whole epochs in
    both loops.
    Leave the machine idle meanwhile; the spread shows whether it was. On two cores the default
    parts take five minutes, megapixels and agreement a quarter of an hour each.
    """
    chosen = _parts(parts)
    if data not in DATA:
        raise UsageError(f"speed is not measured with '{data}'", f"use {' or '.join(DATA)}")
    if json and markdown:
        raise UsageError("only one of --json, --markdown can be printed", "choose one")

    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from dae_tui.commands.benchmarking.speed_tables import show
    from dae_tui.commands.output.terminal import print_json, stdout
    from dae_tui.core.speed.report import SpeedOptions, SpeedReport, measure_speed
    from dae_tui.core.weights.weights_file import load_weights

    networks = [load_weights(published()[name], name) for name in NETWORKS]
    options = SpeedOptions(chosen, data, resolve_data_dir(data_dir), device, rounds, seeds, epochs)
    try:
        report = _follow(measure_speed(options, networks), quiet)
    except KeyboardInterrupt as interrupted:
        raise InterruptedSpeedError from interrupted
    assert isinstance(report, SpeedReport)
    if json:
        print_json(report.as_json())
    else:
        show(report, stdout(), markdown=markdown)


def _parts(given: str | None) -> tuple[str, ...]:
    """The parts to measure. Raises UsageError for an unknown one."""
    if given is None:
        return USUAL
    if given == "all":
        return PARTS
    chosen = tuple(part.strip() for part in given.split(","))
    for part in chosen:
        if part not in PARTS:
            raise UsageError(f"there is no part '{part}'", f"use {', '.join(PARTS)} or all")
    return chosen


def _follow(measuring: "Generator[str | SpeedReport]", quiet: bool) -> "str | SpeedReport":
    """Show what is being measured until the report is complete."""
    from dae_tui.commands.output.terminal import stderr

    console = stderr()
    with closing(measuring):
        if quiet or not console.is_terminal:
            for state in measuring:
                if isinstance(state, str) and not quiet:
                    console.print(state, soft_wrap=True)
            return state
        with console.status("starting") as status:
            for state in measuring:
                if isinstance(state, str):
                    status.update(state)
    return state
