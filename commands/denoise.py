"""`dae denoise`: the same files without the noise."""

import os
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands import options
from dae_tui.commands.options import (
    DeviceOption,
    JsonOption,
    QuietOption,
    RunsDirOption,
    VerboseOption,
    check_folder,
    check_precision,
)
from dae_tui.errors import DaeError, ExitCode, UsageError
from dae_tui.system.atomic import remove_leftovers
from dae_tui.system.ranks import ranks

if TYPE_CHECKING:
    from dae_tui.core.denoising.apply_network import Compute
    from dae_tui.core.denoising.small_images import Choose

app = options.subcommand()


class InterruptedDenoisingError(DaeError):
    """Ctrl-C: what is written is whole."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted", "outputs are whole; the same command goes on with the rest")


@app.command()
def denoise(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Image files, folders, patterns such as 'scans/*.png', or - for stdin."
        ),
    ],
    typed_output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File for one input file, else a folder; - for stdout.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|RUN",
            help="Trained weights; see dae weights list. Else the best for each image.",
        ),
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL",
            help="How strong the noise is, where known: 0.1 or 25/255. Else it is estimated.",
        ),
    ] = None,
    invert: Annotated[
        str,
        typer.Option(help="yes, no, or auto: where dark strokes on light meet weights for digits."),
    ] = "auto",
    white: Annotated[
        float | None,
        typer.Option(
            help="The stored value of white: 4095 for 12 bits in 16. Else the type's largest, and "
            "1 for floats."
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look into subfolders.")
    ] = False,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Replace the inputs by the outputs.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing outputs; else they are skipped.")
    ] = False,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="png, jpeg, webp, bmp, tiff, pnm, npy, npz or idx. Else as the input.",
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show before and after in the terminal.")
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Write before and after side by side as a PNG."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="The clean image, or a folder of them: prints PSNR and SSIM."),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(min=64, help="Side of the tiles of large images, in pixels; else by memory."),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(min=0, help="Of tiles, in pixels; never less than makes seams impossible."),
    ] = None,
    device: DeviceOption = "auto",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, or auto: bf16 where the device is faster with it.")
    ] = "auto",
    runs_dir: RunsDirOption = options.RUNS_DIR,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Take the noise out of images and give back the same files without it.

    Reads PNG, JPEG, WebP, BMP, TIFF, PNM, .npy, .npz and IDX. Size, type, pages, alpha, profile and
    orientation stay as they are. A file that cannot be read does not stop the rest; outputs that
    exist are skipped, so that the same command goes on where it was interrupted.
    """
    from dae_tui.commands.denoising.plan import Place, plan
    from dae_tui.commands.denoising.report import Report
    from dae_tui.core.denoising.denoise_stack import Wish
    from dae_tui.core.denoising.pipeline import denoise_files
    from dae_tui.core.images.formats import check_kind

    if kind is not None:
        check_kind(kind)
    check_folder(compare)
    wish = Wish(_sigma(sigma), invert, white)
    output = None if typed_output is None else Path(typed_output)
    if json and (output == Path("-") or (Path("-") in inputs and output is None)):
        raise UsageError("--json and the image cannot both go to standard output", "use -o FILE")
    here = ranks()
    slash = typed_output is not None and typed_output.endswith(os.sep)
    place = Place(output, in_place, overwrite, kind, here.rank, here.size, slash)
    planned = plan(inputs, place, recursive)
    if compare is not None:
        _check_comparison(compare, inputs, planned.targets(), overwrite)
    for folder in planned.folders():
        remove_leftovers(folder)
    choose = _chooser(weights, runs_dir)
    compute = _compute(device, check_precision(precision), tile, overlap)
    report = Report(
        planned,
        json=json,
        quiet=quiet,
        verbose=verbose,
        preview=preview,
        compare=compare,
        reference=reference,
        sigma_given=wish.sigma is not None,
    )
    began = time.monotonic()
    try:
        with report.progress():
            for outcome in denoise_files(planned.jobs, choose, wish, compute, keep=report.keeps):
                report.add(outcome)
    except KeyboardInterrupt as interrupted:
        raise InterruptedDenoisingError from interrupted
    report.end(time.monotonic() - began)
    raise typer.Exit(report.exit_code())


def _check_comparison(
    target: Path, inputs: list[Path], outputs: set[Path], overwrite: bool
) -> None:
    """Refuse to write the comparison over an image, or over anything unasked."""
    if target.resolve() in outputs | {path.resolve() for path in inputs}:
        raise UsageError(f"{target} is an image to denoise, or its output", "choose another name")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists", "choose another name, or replace it with --overwrite")


def _sigma(text: str | None) -> float | None:
    """The level of `--sigma`, written as the levels of noise are."""
    if text is None:
        return None
    from dae_tui.spec.noise_spec import parse_level

    return parse_level(text, "gaussian")


def _chooser(weights: str | None, runs_dir: Path) -> "Choose":
    """The weights for an image: always those that were named, else the best published ones."""
    from dae_tui.core.weights.weights_file import Weights, load_weights
    from dae_tui.find_weights import best_published, find_weights

    @cache
    def load(path: Path) -> Weights:
        return load_weights(path)

    if weights is not None:
        named = load(find_weights(weights, runs_dir))
        return lambda height, width, sigma: named
    return lambda height, width, sigma: load(best_published(height, width, sigma))


def _compute(device_name: str, precision: str, tile: int | None, overlap: int | None) -> "Compute":
    import torch

    from dae_tui.core.denoising.apply_network import Compute
    from dae_tui.core.hardware import resolve_device, resolve_precision
    from dae_tui.devices.memory import find_limit, memory

    device = resolve_device(device_name)
    precision = resolve_precision(precision, device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Compute(device, precision, tile, overlap, free)
    used, total = (reading.value for reading in memory(find_limit()))
    if used is None or total is None:
        return Compute(device, precision, tile, overlap)
    return Compute(device, precision, tile, overlap, total - used)
