"""`dae denoise`: the same files without the noise."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import (
    DeviceOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    RecursiveOption,
    RunsDirOption,
    VerboseOption,
    check_device,
    check_folder,
    check_precision,
)
from dae_tui.errors import DaeError, ExitCode, UsageError
from dae_tui.find_weights import find_weights
from dae_tui.spec.denoising import DenoiseOptions
from dae_tui.spec.noise_spec import parse_level
from dae_tui.system.atomic import remove_leftovers
from dae_tui.system.interpreter import collector_paused
from dae_tui.system.ranks import ranks

if TYPE_CHECKING:
    from dae_tui.core.denoising.apply_network import Compute

app = options.subcommand()


class InterruptedDenoisingError(DaeError):
    """Ctrl-C: every output that was written is complete."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted", "outputs are complete; the same command does the rest")


@app.command(
    cls=grouped(
        {
            "Files": (
                *("typed_output", "recursive", "in_place", "overwrite", "kind"),
                *("black", "white", "invert"),
            ),
            "Denoising": ("weights", "sigma", "strength", "best"),
            "What was done": ("preview", "compare", "residual", "explain", "reference"),
            "Computing": ("tile", "overlap", "device", "precision"),
            "Output": ("runs_dir", "json", "quiet", "verbose", "help"),
        },
        ("dae denoise photo.jpg -o clean.jpg", "The same file without the noise."),
        (
            "dae denoise scans/ -o cleaned/ --recursive --explain",
            "A folder with all in it, and what was found in each file.",
        ),
        (
            "dae denoise digits.png -o clean.png --weights latest --preview",
            "With the weights of the newest run, before and after in the terminal.",
        ),
    )
)
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
            help="The level of the noise, if known: 0.1 or 25/255. Else it is estimated.",
        ),
    ] = None,
    invert: Annotated[
        str,
        typer.Option(
            help="yes, no, or auto: dark strokes on light, if the weights are for digits."
        ),
    ] = "auto",
    white: Annotated[
        float | None,
        typer.Option(
            help="The stored value of white: 4095 for 12 bits in 16. Else it is found from type, "
            "header and data."
        ),
    ] = None,
    black: Annotated[
        float | None,
        typer.Option(
            help="The stored value of black, such as a camera's offset. Else it is found."
        ),
    ] = None,
    strength: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="0 to 1: how much of the noise is taken away. Less keeps more of fine texture.",
        ),
    ] = 1.0,
    best: Annotated[
        bool,
        typer.Option(
            "--best",
            help="Denoise each image in all eight turns and flips, and take their mean: a little "
            "better, eight times as long. Digits are not turned.",
        ),
    ] = False,
    recursive: RecursiveOption = False,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Replace the inputs with the outputs.")
    ] = False,
    overwrite: OverwriteOption = False,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="png, jpeg, webp, bmp, tiff, pnm, npy, npz, idx, csv, jxl, avif, jp2, gif, mrc, "
            "fits, nifti, zarr or hdf5. Else that of the input.",
        ),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show before and after in the terminal.")
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Write before and after side by side as a PNG."),
    ] = None,
    residual: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Write what was taken away as a PNG: grey is nothing, and black and white are "
            "three standard deviations. Where it shows the image, structure was lost.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say what was found in each file, and what was done."),
    ] = False,
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
        typer.Option(min=0, help="Overlap of tiles, in pixels; at least enough to avoid seams."),
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
    """Remove the noise from images, and write files that are otherwise the same.

    Reads PNG, JPEG, WebP, BMP, TIFF, PNM, GIF, JPEG 2000, JPEG XL, AVIF, .npy, .npz, IDX and CSV of
    MNIST; with dae-tui[science] MRC, FITS, DICOM, NIfTI, Zarr and HDF5 (file.h5:/path/to/set); with
    dae-tui[camera] HEIC photographs and raw files of cameras, which become TIFFs. Size, type,
    pages, alpha, profile and orientation stay as they are. A file that cannot be read does not stop
    the rest; existing outputs are skipped, so that the same command goes on where it was
    interrupted.
    """
    from dae_tui.commands.denoising.plan import MOST_DRAWN, Place, plan
    from dae_tui.core.images.formats import check_kind

    if kind is not None:
        check_kind(kind)
    asked = DenoiseOptions(_sigma(sigma), invert, white, black, strength)
    output = None if typed_output is None else Path(typed_output)
    if json and (output == Path("-") or (Path("-") in inputs and output is None)):
        raise UsageError("--json and the image cannot both go to standard output", "use -o FILE")
    here = ranks()
    slash = typed_output is not None and typed_output.endswith(os.sep)
    place = Place(output, in_place, overwrite, kind, here.rank, here.size, slash)
    planned = plan(inputs, place, recursive)
    _check_reference(reference)
    pictures = [picture for picture in (compare, residual) if picture is not None]
    _check_pictures(pictures, inputs, planned.targets(), overwrite)
    if reference is not None or preview or pictures:
        planned = planned.keeping(None if reference is not None else MOST_DRAWN)
    named = None if weights is None else find_weights(weights, runs_dir)
    check_device(device)
    check_precision(precision)

    # Imported here: torch takes seconds to import, and typing mistakes are told before that.
    with collector_paused():
        from dae_tui.commands.denoising.report import DenoiseReport
        from dae_tui.core.denoising.files.pipeline import denoise_files
        from dae_tui.core.weights.choice import WeightsChoice

    for folder in planned.folders():
        remove_leftovers(folder)
    choice = WeightsChoice(named)
    compute = replace(_compute(device, precision, tile, overlap), best=best)
    report = DenoiseReport(
        planned,
        json=json,
        quiet=quiet,
        verbose=verbose,
        preview=preview,
        compare=compare,
        residual=residual,
        reference=reference,
        sigma_given=asked.sigma is not None,
        explain=explain,
    )
    began = time.monotonic()
    try:
        with report.progress():
            for outcome in denoise_files(planned.jobs, choice, asked, compute, report.page):
                report.add(outcome)
    except KeyboardInterrupt as interrupted:
        raise InterruptedDenoisingError from interrupted
    report.end(time.monotonic() - began)
    raise typer.Exit(report.exit_code())


def _check_reference(reference: Path | None) -> None:
    """Raise UsageError for a reference that does not exist."""
    from dae_tui.core.images.formats import split_part

    if reference is not None and not split_part(reference)[0].exists():
        raise UsageError(f"there is no {reference}", "give the clean image, or a folder")


def _check_pictures(
    pictures: Sequence[Path], inputs: list[Path], outputs: set[Path], overwrite: bool
) -> None:
    """Raise UsageError for pictures that would replace an image, another file or each other."""
    images = outputs | {path.resolve() for path in inputs}
    for picture in pictures:
        check_folder(picture)
        if not picture.name.lower().endswith(".png"):
            raise UsageError(f"{picture} does not end in .png", "it is written as a PNG")
        if picture.resolve() in images:
            raise UsageError(
                f"{picture} is an image to denoise, or an output", "choose another name"
            )
        if picture.exists() and not overwrite:
            raise UsageError(
                f"{picture} exists", "choose another name, or replace it with --overwrite"
            )
        images.add(picture.resolve())


def _sigma(text: str | None) -> float | None:
    """The level of `--sigma`, written like the levels of a noise spec."""
    if text is None:
        return None
    return parse_level(text, "gaussian")


def _compute(device_name: str, precision: str, tile: int | None, overlap: int | None) -> "Compute":
    import torch

    from dae_tui.core.denoising.apply_network import Compute
    from dae_tui.core.hardware import resolve_device, resolve_precision
    from dae_tui.devices.memory import memory
    from dae_tui.system.control_group import find_limit

    device = resolve_device(device_name)
    precision = resolve_precision(precision, device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return Compute(device, precision, tile, overlap, free)
    used, total = (reading.value for reading in memory(find_limit()))
    if used is None or total is None:
        return Compute(device, precision, tile, overlap)
    return Compute(device, precision, tile, overlap, total - used)
