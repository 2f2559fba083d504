"""`dae denoise`: the same files without the noise."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from commands import options
from commands.options import (
    DeviceOption,
    JsonOption,
    QuietOption,
    RunsDirOption,
    VerboseOption,
    resolve_inference_precision,
)
from dae_tui.errors import DaeError, ExitCode, UsageError
from dae_tui.find_weights import find_weights, weights_name

app = options.subcommand()

DEFAULT_WEIGHTS = "mnist-autoencoder"
ENDINGS = (".png", ".npy", ".idx", "-ubyte")


@dataclass(frozen=True)
class Job:
    """One file in, one file out."""

    source: Path
    target: Path


@app.command()
def denoise(
    inputs: Annotated[
        list[Path], typer.Argument(help="Files, or folders of .png, .npy and .idx files.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File for one input file, else a folder.")
    ],
    weights: Annotated[
        str, typer.Option(metavar="NAME|FILE|RUN", help="Trained weights; see dae weights list.")
    ] = DEFAULT_WEIGHTS,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing output.")
    ] = False,
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(help="fp32 (auto is that) or bf16.")] = "auto",
    runs_dir: RunsDirOption = options.RUNS_DIR,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Take the noise out of images: .npy stacks (N, H, W), IDX and PNG files, and folders of them.

    Each file is written back as the kind, size and type it was. Nothing is overwritten unless
    --overwrite says so, and an input never is. A file that cannot be read does not stop the rest;
    one that is missing is said before anything is done. Files of other kinds in a folder are left.
    """
    jobs = _plan(inputs, output)
    path = find_weights(weights, runs_dir)
    _refuse_to_replace(jobs, overwrite)
    precision = resolve_inference_precision(precision)
    _run(jobs, path, device, precision, json=json, quiet=quiet, verbose=verbose)


def _run(
    jobs: list[Job],
    weights_path: Path,
    device_name: str,
    precision: str,
    *,
    json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Denoise every job; report each; leave with 1 at the end if any failed."""
    from rich.progress import Progress

    from commands.terminal import print_json, stderr
    from dae_tui.core.hardware import resolve_device
    from dae_tui.core.weights import load_weights

    device = resolve_device(device_name)
    network = load_weights(weights_path, weights_name(weights_path))
    console = stderr()
    failed = images = 0
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        for job in bar.track(jobs, description="denoising"):
            try:
                report = _denoise_file(job, network, device, precision)
                images += report["images"]
            except DaeError as failure:
                failed += 1
                report = {"input": str(job.source), "error": failure.message}
                console.print(f"error: {failure.message}", soft_wrap=True, markup=False)
                if failure.hint:
                    console.print(f"hint: {failure.hint}", soft_wrap=True, markup=False)
                if failure.exit_code is ExitCode.UNUSABLE and len(jobs) == 1:
                    raise typer.Exit(ExitCode.UNUSABLE) from failure
            if json:
                print_json(report)
            elif verbose and "output" in report:
                console.print(f"{job.source} → {job.target}", soft_wrap=True, markup=False)
    if not quiet and not json:
        done = "1 file" if len(jobs) == 1 else f"{len(jobs) - failed} of {len(jobs)} files"
        if images:
            console.print(f"denoised {done}, {images:,} images, with {network.name}")
    if failed:
        raise typer.Exit(ExitCode.FAILURE)


def _denoise_file(job: Job, weights: Any, device: Any, precision: str) -> dict[str, Any]:
    """Read, denoise and write one file; the output appears whole or not at all."""
    import torch

    from dae_tui.atomic import write_whole
    from dae_tui.core.denoising import denoise as denoise_images
    from dae_tui.core.image_files import encode, read_images

    file = read_images(job.source)
    if job.target.suffix in ENDINGS and job.target.suffix != f".{file.kind}":
        raise DaeError(
            f"{job.source} is of the kind {file.kind} and would not be one in {job.target}",
            f"end the output in .{file.kind}",
        )
    denoised = denoise_images(weights, torch.from_numpy(file.images), device, precision)
    content = encode(file, denoised.numpy())
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(job.target, content)
    except OSError as failure:
        raise DaeError(
            f"{job.target} cannot be written: {failure.strerror}",
            "make room there, or choose another -o",
        ) from failure
    return {
        "input": str(job.source),
        "output": str(job.target),
        "images": len(file.images),
        "weights": weights.name,
    }


def _plan(inputs: list[Path], output: Path) -> list[Job]:
    """Which file goes where: one file to a file, anything else into a folder."""
    missing = [path for path in inputs if not path.exists()]
    if missing:
        raise UsageError(f"there is no {missing[0]}", "give files or folders that exist")
    if len(inputs) == 1 and inputs[0].is_file() and not output.is_dir():
        return [Job(inputs[0], output)]
    if output.suffix in ENDINGS and not output.is_dir():
        raise UsageError(
            f"{output} names one file, and there are several to write", "name a folder with -o"
        )
    jobs = []
    made_before = output.resolve()
    for path in inputs:
        if path.is_file():
            jobs.append(Job(path, output / path.name))
            continue
        found = sorted(
            entry
            for entry in path.rglob("*")
            if entry.name.lower().endswith(ENDINGS)
            and entry.is_file()
            and made_before not in entry.resolve().parents
        )
        jobs += [Job(entry, output / entry.relative_to(path)) for entry in found]
    if not jobs:
        raise UsageError(
            f"there are no images in {inputs[0]}", f"it looks for {', '.join(ENDINGS)}"
        )
    targets: dict[Path, Path] = {}
    for job in jobs:
        if job.target in targets:
            raise UsageError(
                f"{job.source} and {targets[job.target]} would both be written to {job.target}",
                "denoise them into two folders",
            )
        targets[job.target] = job.source
    return jobs


def _refuse_to_replace(jobs: list[Job], overwrite: bool) -> None:
    """Raise UsageError where an output exists, or is an input under whatever name."""
    existing = [job for job in jobs if job.target.exists()]
    inputs = {_identity(job.source) for job in jobs}
    for job in existing:
        if _identity(job.target) in inputs:
            raise UsageError(f"{job.target} would replace an input", "choose another -o")
    if existing and not overwrite:
        more = f", and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UsageError(
            f"{existing[0].target} exists{more}",
            "choose another -o, or replace what exists with --overwrite",
        )


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
