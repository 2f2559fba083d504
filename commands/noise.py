"""`dae noise`: measure the noise of real images, imitate it, and look at it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import (
    BlackOption,
    JsonOption,
    OverwriteOption,
    QuietOption,
    RecursiveOption,
    SeedOption,
    WhiteOption,
    check_folder,
    check_inputs,
)
from dae_tui.commands.output.streams import say
from dae_tui.errors import DataError, ExitCode, UsageError
from dae_tui.spec.noise_file import ENDING, noise_text
from dae_tui.spec.noise_spec import NoiseSpec, parse_noise
from dae_tui.spec.training_config import holds_pairs
from dae_tui.system.atomic import write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from dae_tui.core.denoising.apply_network import Compute
    from dae_tui.core.noise.measured.measurement import Measurement, Trials
    from dae_tui.terminal.graphics import Graphics

app = options.subcommand()

SpecOption = Annotated[
    str,
    typer.Option(
        "--noise", metavar="SPEC|FILE.json", help="The noise, or a file of dae noise estimate."
    ),
]
FIGURES = (".png", ".svg", ".pdf")
PLOT_HEIGHT, PLOT_WIDTH = 10, 60


@app.callback()
def noise() -> None:
    """Measure the noise of real images, imitate it, and look at it."""


@app.command(
    "estimate",
    cls=grouped(
        {},
        ("dae noise estimate photo.jpg", "Kind and level, and the variance over the intensity."),
        ("dae noise estimate pairs/", "From pairs: the folder holds clean/ and noisy/."),
        (
            "dae noise estimate scans/ -o measured.json",
            "A file that --noise of other commands takes.",
        ),
    ),
)
def estimate(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE|FOLDER…", help="Noisy images, or a folder of pairs."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE.json", help="Write what was measured, for --noise."
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the variance over the intensity: PNG, SVG, PDF."),
    ] = None,
    align: Annotated[
        bool,
        typer.Option("--align/--no-align", help="Align the clean images of pairs with the noisy."),
    ] = True,
    black: BlackOption = None,
    white: WhiteOption = None,
    recursive: RecursiveOption = False,
    json: JsonOption = False,
) -> None:
    """Find out kind and level of the noise, and print it as a noise spec that --noise takes.

    From noisy images alone; from a folder with clean/ and noisy/ in it the noise is the difference,
    once each clean image is aligned with its noisy one and as bright. All images are taken to have
    the same kind of noise.
    """
    if output is not None and output.suffix.lower() != ENDING:
        raise UsageError(f"{output} does not end in .json", "name a file such as measured.json")
    if figure is not None and figure.suffix.lower() not in FIGURES:
        raise UsageError(f"{figure} is no figure", f"use {', '.join(FIGURES)}")
    check_folder(output)
    check_folder(figure)
    found = _measured(inputs, black, white, align=align, recursive=recursive)
    content = _as_json(found)
    from dae_tui.commands.output.terminal import graphics_of, print_json, print_lines, stdout

    if output is not None:
        from dae_tui.runs.folder.layout import dump_json

        write_whole(output, (dump_json(content) + "\n").encode())
    if figure is not None:
        from dae_tui.core.evaluation.figures.noise_figures import write_variance_figure

        write_variance_figure(figure, found)
    if json:
        print_json(content)
        return
    print_lines("".join(f"{line}\n" for line in _words(found, graphics_of(stdout()))))


def _measured(
    inputs: Sequence[Path],
    black: float | None,
    white: float | None,
    *,
    align: bool,
    recursive: bool,
) -> "Measurement":
    check_inputs(inputs)
    pairs = len(inputs) == 1 and holds_pairs(str(inputs[0]))
    # Imported here: torch takes seconds to import.
    from dae_tui.core.data.noisy_images import read_noisy_images
    from dae_tui.core.noise.measured.measurement import (
        measure,
        measure_of_cameras,
        measure_pairs,
    )

    if not pairs:
        images, remarks = read_noisy_images(inputs, black, white, recursive=recursive)
        for remark in remarks:
            say(remark)
        compute = _fastest()
        photographs = _of_cameras(images, compute)
        if photographs:
            return measure_of_cameras(photographs)
        return measure(images, _trials(images, compute))
    from dae_tui.core.data.paired.pairs import load_pairs

    found = load_pairs(str(inputs[0]), black=black, white=white, all_noisy=False)
    if align:
        found = found.aligned()
    found = found.as_bright()
    for remark in found.remarks():
        say(remark)
    whole = (found.whole(pair) for pair in found.pairs)
    return measure_pairs([(noisy, clean) for clean, noisy in whole])


def _fastest() -> "Compute":
    from dae_tui.core.denoising.apply_network import Compute
    from dae_tui.core.hardware import resolve_device, resolve_precision

    device = resolve_device("auto")
    return Compute(device, resolve_precision("auto", device))


def _trials(images: "Sequence[Tensor]", compute: "Compute") -> "Trials":
    """What tells white noise in the images from texture."""
    from dae_tui.core.denoising.white_noise import white_noise_unlike
    from dae_tui.core.weights.choice import for_any_image
    from dae_tui.core.weights.weights_file import load_weights

    kinds = {1, *(len(image) for image in images)}
    paths = dict.fromkeys(path for channels in kinds for path in for_any_image(channels))
    weights = [load_weights(path) for path in paths]
    return partial(white_noise_unlike, weights=weights, compute=compute)


def _of_cameras(images: "Sequence[Tensor]", compute: "Compute") -> "list[tuple[Tensor, Tensor]]":
    """The images as they are and without noise, if that of most is a camera's; else none."""
    from dae_tui.core.denoising.camera_noise import COLOURS, without_camera_noise
    from dae_tui.core.noise.measured.measurement import LARGEST_IMAGES
    from dae_tui.core.weights.choice import CAMERA, for_channels, of_data
    from dae_tui.core.weights.weights_file import load_weights

    known = [load_weights(path) for path in of_data(CAMERA, pairs=True)]
    weights = for_channels(known, COLOURS)
    some = images[:: max(1, -(-len(images) // LARGEST_IMAGES))]
    if weights is None or all(len(image) != COLOURS for image in some):
        return []
    found = without_camera_noise(some, weights, compute)
    return found if len(found) > len(some) / 2 else []


def _as_json(found: "Measurement") -> dict[str, Any]:
    return {
        "noise": str(found.spec),
        "camera": found.camera and str(found.camera),
        "sigma": found.sigma,
        "images": found.images,
        "from_pairs": found.from_pairs,
        "differs": found.differs,
        "intensities": [round(float(each), 4) for each in found.intensities],
        "variances": [float(f"{each:.6g}") for each in found.variances],
        "correlation": found.spread
        and [[round(each, 4) for each in row] for row in found.spread.correlation.tolist()],
        "shared": found.spread and round(found.spread.shared, 4),
        "bright_neighbours": found.spread and round(found.spread.bright_neighbours, 4),
        "colour_neighbours": found.spread and round(found.spread.colour_neighbours, 4),
    }


def _words(found: "Measurement", graphics: "Graphics") -> list[str]:
    """The spec first, then what it was made of."""
    source = "pairs" if found.from_pairs else "noisy images"
    lines = [f"noise        {found.spec}", f"measured on  {found.images:,} {source}"]
    if found.sigma:
        lines.append(f"level        sigma {found.sigma:.4f} = {255 * found.sigma:.2f} of 255")
    if found.differs is not None:
        lines.append(f"variation    the level differs by {found.differs:.0%} from image to image")
    if (spread := found.spread) is not None:
        lines.append(
            f"correlation  {spread.neighbours:.2f} between neighbours, "
            f"{spread.shared:.2f} between channels"
        )
        if spread.bright < 1:  # In colour.
            lines.append(
                f"of which     {spread.bright_neighbours:.2f} between neighbours in brightness, "
                f"{spread.colour_neighbours:.2f} in colour"
            )
    if found.camera is not None:
        lines.append(f"as a camera  {found.camera}")
    if len(found.intensities) > 1:
        lines += ["", *_plot(found, graphics)]
    return lines


def _plot(found: "Measurement", graphics: "Graphics") -> list[str]:
    """The variance over the intensity, measured and by the spec."""
    from dae_tui.terminal.graphics import Graphics
    from dae_tui.terminal.plot import Line, Marks, plot

    plain = graphics in (Graphics.ASCII, Graphics.SHADES)
    ends = float(found.intensities[0]), float(found.intensities[-1])
    scale = 255**2
    drawn = plot(
        [
            Line(found.intensities, found.fitted * scale, smooth=False, dashed=True),
            Line(found.intensities, found.variances * scale, smooth=False),
        ],
        PLOT_WIDTH,
        PLOT_HEIGHT,
        ends,
        log=False,
        smoothing=0.0,
        marks=Marks.ASCII if plain else Marks.BRAILLE,
        y_range=(0.0, 1.1 * scale * max(found.variances.max(), found.fitted.max())),
    )
    lines = ["variance, of 255², over the intensity; dashed or * is that of the spec"]
    for number, row in enumerate(drawn.rows):
        lines.append(f"{drawn.ticks.get(number, ''):>8} {'|' if plain else '┤'}{row}")
    left, right = f"{ends[0]:.2f}", f"{ends[1]:.2f}"
    lines.append(" " * 10 + left + right.rjust(PLOT_WIDTH - len(left)))
    return lines


@app.command(
    "add",
    cls=grouped(
        {},
        (
            "dae noise add photo.png -o noisy.png --noise gaussian:25/255",
            "White noise of 25 of 255.",
        ),
        (
            "dae noise add clean/ -o noisy/ --noise measured.json",
            "The noise that dae noise estimate has measured.",
        ),
        (
            "dae noise add page.png -o worn.jpg --noise stripes:0.02+jpeg:40",
            "Two kinds, one after the other.",
        ),
    ),
)
def add(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IMAGE|FOLDER…", help="Images of any kind.")
    ],
    noise_: SpecOption,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE|FOLDER", help="Where to write.")
    ],
    seed: SeedOption = 0,
    black: BlackOption = None,
    white: WhiteOption = None,
    recursive: RecursiveOption = False,
    overwrite: OverwriteOption = False,
    kind: Annotated[
        str | None, typer.Option("--format", help="As for dae denoise; else that of the input.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Add noise to images, and write files that are otherwise the same.

    Values are clipped where the file's type or header says what black and white are.
    """
    from dae_tui.commands.denoising.plan import STANDARD, Place, plan
    from dae_tui.core.images.formats import check_kind

    spec = parse_noise(noise_text(noise_))
    if kind is not None:
        check_kind(kind)
    if Path(STANDARD) in [*inputs, Path(output)]:
        raise UsageError("noise is added to files, not to a stream", "name a file with -o")
    place = Place(
        Path(output), False, overwrite, kind, folder=output.endswith("/"), replaces_inputs=False
    )
    planned = plan(inputs, place, recursive)

    from dae_tui.core.noise.synthetic.noisy_files import NoiseOptions, add_to_files

    errors = [outcome.error for outcome in planned.failed if outcome.error is not None]
    images = files = 0
    for added in add_to_files(planned.jobs, NoiseOptions(spec, seed, black, white)):
        files += added.error is None
        images += added.images
        if added.error is not None:
            errors.append(added.error)
    for error in errors:
        say(f"error: {error.message}")
        if error.hint:
            say(f"hint: {error.hint}")
    if not quiet:
        skipped = len(planned.done_before)
        before = f"; {skipped:,} were there before" if skipped else ""
        over = planned.passed_over()
        say(
            f"added {spec} to {files:,} of {len(planned.jobs) + len(planned.failed):,} files, "
            f"{images:,} images{before}" + (f"; {over}" if over else "")
        )
    if errors:
        raise typer.Exit(errors[0].exit_code if not files else ExitCode.FAILURE)


@app.command(
    "show",
    cls=grouped(
        {},
        ("dae noise show gaussian:0.5", "A digit and a photograph with it."),
        ("dae noise show stripes:0.05", "Rows or columns that are lighter or darker."),
        ("dae noise show measured.json", "As it was measured."),
    ),
)
def show(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|FILE.json", help="A noise spec, or a file of dae noise estimate."
        ),
    ],
    seed: SeedOption = 0,
) -> None:
    """Draw a digit and a photograph with the noise, at several levels."""
    parsed = parse_noise(noise_text(spec))
    if parsed.is_none:
        raise UsageError("there is no noise to show", "write one such as gaussian:0.5")
    from dae_tui.commands.output.pictures import views_side_by_side
    from dae_tui.commands.output.terminal import graphics_of, stdout
    from dae_tui.core.noise.synthetic.samples import noisy_samples

    console = stdout()
    for views in noisy_samples(_levels(parsed), seed):
        captions = {name: [""] for name in views}
        console.print(
            views_side_by_side(views, captions, graphics_of(console), console.width or 80)
        )


def _levels(spec: NoiseSpec) -> list[NoiseSpec]:
    """A spec at several levels: of a range low, middle and high; of a level half, whole, double.

    Of chains and alternatives the spec as it is.
    """
    stage = spec.only_stage
    if stage is None:
        return [spec]
    low, high = stage.low, stage.high
    levels = [low, (low + high) / 2, high] if low < high else [low / 2, low, 2 * low]
    written = str(NoiseSpec.of(stage)).partition(":")[2]
    extras = written[written.index(",") :] if "," in written else ""
    found = []
    for level in levels:
        try:
            found.append(parse_noise(f"{stage.kind}:{level:.6f}{extras}"))
        except UsageError:  # Double the level may be more than there is.
            continue
    if not found:
        raise DataError(f"{spec} has no levels to show", "write another")
    return list(dict.fromkeys(found))
