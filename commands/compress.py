"""`dae compress`: images into a small file, by a network of their own or by a learned codec."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import (
    JsonOption,
    QuietOption,
    RunsDirOption,
    SeedOption,
    check_folder,
    check_inputs,
)
from dae_tui.errors import DataError, UsageError, WeightsError
from dae_tui.spec.model_cards import codecs
from dae_tui.system.printable import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from dae_tui.commands.compressing.report import Report
    from dae_tui.commands.compressing.steps import Shown
    from dae_tui.core.compression.compress import Aim, Compressed
    from dae_tui.core.compression.container import Picture
    from dae_tui.core.compression.pruning import Recipe

    Loaded = Sequence[tuple[Picture, Tensor]]

app = options.subcommand()
USUAL_RATIO = 16.0


@app.command(
    cls=grouped(
        {
            "Size": ("ratio", "units", "psnr"),
            "Network": ("codec", "patch", "start", "presentations", "published", "seed"),
            "What was done": ("progress", "figure", "compare", "keep"),
            "Output": ("output", "overwrite", "runs_dir", "json", "quiet", "help"),
        },
        (
            "dae compress photo.png -o photo.dae --ratio 32 --progress",
            "A network for this image alone; the dashboard compares its curves (3, then C).",
        ),
        (
            "dae compress photo.png -o photo.dae --codec photos-codec",
            "With a codec that was learned before: the file holds no network.",
        ),
        ("dae compress a.png b.png -o both.dae --psnr 30", "Two images in the smallest such file."),
    )
)
def compress(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IMAGE…", help="Image files of any kind.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.dae", help="The file.")],
    ratio: Annotated[
        float | None,
        typer.Option(
            min=1, metavar="RATIO", help="Values of a patch by units; 16, if nothing is asked for."
        ),
    ] = None,
    units: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Numbers that a patch becomes.")
    ] = None,
    psnr: Annotated[
        float | None,
        typer.Option(min=1, max=100, metavar="DB", help="As small as this PSNR allows."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A learned codec: mnist-codec for digits, photos-codec for photographs, or a file "
            "of dae codec train. The file then holds no decoder, but the name of the codec.",
        ),
    ] = None,
    patch: Annotated[
        int | None, typer.Option(min=2, max=32, help="The side of patches in pixels [default: 16].")
    ] = None,
    start: Annotated[
        int | None,
        typer.Option(min=1, max=4096, help="Units before pruning; else half as many more."),
    ] = None,
    presentations: Annotated[
        int,
        typer.Option(
            min=1,
            max=100_000,
            help="How often all patches are shown after a removal; at first, four times as often.",
        ),
    ] = 50,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Train and prune as published in 1992: sigmoid outputs, plain gradients.",
        ),
    ] = False,
    progress: Annotated[
        bool,
        typer.Option("--progress", help="Show picture and figures after each removal."),
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Write the pictures after each removal as a PNG."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare/--no-compare", help="Compare with JPEG and WebP of the same size."),
    ] = True,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            help="Keep the table of steps in the folder of runs: the dashboard compares its "
            "curves. [default: with --progress]",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    seed: SeedOption = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compress images with a network of one hidden layer, whose units are pruned.

    The network is trained on the patches of these images alone, unless --codec names one that was
    learned before. Units are removed one by one, and what remains is trained again. The table has
    the size of the whole file, beside JPEG and WebP of the same size. Several images share a file.
    """
    if sum(asked is not None for asked in (ratio, units, psnr)) > 1:
        raise UsageError("only one of --ratio, --units, --psnr can be met", "choose one")
    own = {"--patch": patch, "--start": start, "--figure": figure}
    pruning = [name for name, given in own.items() if given is not None]
    pruning += ["--published"] * published + ["--progress"] * progress + ["--keep"] * bool(keep)
    if codec is not None and pruning:
        raise UsageError(
            f"{pruning[0]} is for pruning, which a codec needs none of", "leave it out"
        )
    _check_files(output, figure, overwrite)
    path = None if codec is None else codec_path(codec)

    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from dae_tui.commands.compressing.report import report_on
    from dae_tui.commands.compressing.table import json_steps, json_table, keep_table
    from dae_tui.commands.output.terminal import print_json
    from dae_tui.core.compression.codecs import load_codec
    from dae_tui.core.compression.compress import Aim, compress_with_codec
    from dae_tui.core.compression.pruning import Recipe
    from dae_tui.system.atomic import write_whole

    wanted = USUAL_RATIO if (units, psnr) == (None, None) and ratio is None else ratio
    aim = Aim(units, wanted, psnr)
    check_inputs(inputs)
    pictures = _read(inputs)
    steps: list[Shown] = []
    recipe = Recipe(
        first=4 * presentations,
        again=presentations,
        last=0 if published else 200,
        published=published,
        seed=seed,
    )
    if path is not None:
        made = compress_with_codec(pictures, load_codec(path), aim)
    else:
        look = progress or figure is not None or json or bool(keep)
        made, steps = _pruned(
            pictures, patch or 16, aim, recipe, start, look=look, show=progress and not json
        )
    write_whole(output, made.content)
    if figure is not None:
        from dae_tui.commands.compressing.steps import write_figure

        write_figure(figure, pictures[0][1][0], steps)
    report = report_on(made, pictures, compare)
    table = json_table(output, report)
    if steps:
        table |= json_steps(inputs, recipe, made, steps)
    if json:
        print_json(table)
    else:
        _tell(report, steps, output, compare=compare, progress=progress, quiet=quiet)
    if keep or (progress and keep is None):
        keep_table(table, runs_dir, quiet)


def _check_files(output: Path, figure: Path | None, overwrite: bool) -> None:
    check_folder(output)
    check_folder(figure)
    if output.suffix.lower() != ".dae":
        raise UsageError(f"{output} does not end in .dae", "call it NAME.dae")
    if figure is not None and figure.suffix.lower() != ".png":
        raise UsageError(f"{figure} does not end in .png", "it is written as a PNG")
    for path in (output, figure):
        if path is not None and path.exists() and not overwrite:
            raise UsageError(f"{path} exists", "replace it with --overwrite")


def codec_path(name: str) -> Path:
    """The file of a codec by its name. Raises WeightsError if there is none."""
    known = codecs()
    if name in known:
        return known[name]
    if os.path.isfile(name):  # noqa: PTH113 - Path.is_file raises for names that are too long.
        return Path(name)
    raise WeightsError(
        f"there is no codec '{shortened(name)}'",
        f"published: {', '.join(known)}; or the file of dae codec train",
    )


def _read(inputs: list[Path]) -> "Loaded":
    """The pictures of all files. Raises DataError for one that cannot be read."""
    from dae_tui.core.compression.container import MOST_PICTURES
    from dae_tui.core.compression.pictures import pictures_of
    from dae_tui.core.images.formats import is_image_folder, read_file
    from dae_tui.system.regular_files import is_folder

    found: list[tuple[Picture, Tensor]] = []
    for path in inputs:
        if is_folder(path) and not is_image_folder(path):
            raise UsageError(f"{path} is a folder", f"name its images: {path}/*.png")
        found += pictures_of(read_file(path, str(path)), str(path), named=len(inputs) > 1)
    if len(found) > MOST_PICTURES:
        raise DataError(
            f"there are {len(found):,} pictures; a file holds up to {MOST_PICTURES:,}",
            "make several files",
        )
    return found


def _pruned(
    pictures: "Loaded",
    side: int,
    aim: "Aim",
    recipe: "Recipe",
    start: int | None,
    *,
    look: bool,
    show: bool,
) -> "tuple[Compressed, list[Shown]]":
    """Train and prune, and show each step."""
    from dae_tui.commands.compressing.steps import drawn, shown
    from dae_tui.commands.output.terminal import graphics_of, stderr
    from dae_tui.core.compression.compress import Compressed, compress_from_scratch
    from dae_tui.core.compression.pictures import codec_channels, patches_of

    console = stderr()
    channels = codec_channels([picture for picture, _ in pictures])
    patches = [patches_of(*each, channels, side) for each in pictures] if look else []
    steps: list[Shown] = []
    with console.status("training", spinner="line") as status:
        for state in compress_from_scratch(pictures, side, aim, recipe, start):
            if isinstance(state, Compressed):
                return state, steps
            status.update(f"{state.units} units, {state.ratio:.1f}:1")
            if not look:
                continue
            if steps and state.units > steps[-1].figures.units:
                steps.clear()  # More units were needed: pruning began again.
            steps.append(shown(state, pictures, patches))
            if show and sys.stderr.isatty():
                rows = max(8, min(24, console.height - 6))
                console.print(drawn(steps[-1].image, graphics_of(console), console.width, rows))
            if show:
                found = steps[-1].figures
                console.print(f"{found.units} units  {found.ratio:.1f}:1  {found.psnr:.2f} dB")
    raise AssertionError  # The last state is the file.


def _tell(
    report: "Report",
    steps: "list[Shown]",
    output: Path,
    *,
    compare: bool,
    progress: bool,
    quiet: bool,
) -> None:
    """Print the figures of the steps, and the file beside JPEG and WebP."""
    from dae_tui.commands.compressing.report import table_of
    from dae_tui.commands.compressing.steps import table_of_steps
    from dae_tui.commands.output.streams import say
    from dae_tui.commands.output.terminal import stdout

    if progress:
        stdout().print(table_of_steps(steps))
    stdout().print(table_of(report))
    if not quiet:
        say(
            f"{output}: {report.units} units, nominal ratio {report.nominal:.1f}, "
            f"true ratio {report.ratio(report.own):.1f}"
        )
        if compare and not report.rivals:
            say("JPEG and WebP are compared for up to 64 images of 8 bits, grey or RGB")
