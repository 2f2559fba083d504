"""`dae benchmark`: the paper's Table 1 with every method, for any weights, noise and data."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dae_tui.commands import options
from dae_tui.commands.benchmarking.compression import compression
from dae_tui.commands.benchmarking.methods import (
    choose_classifier,
    choose_methods,
    find_oracle,
    impartial,
    without_other_channels,
)
from dae_tui.commands.benchmarking.scaling import scaling
from dae_tui.commands.benchmarking.speed import speed
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import (
    BlackOption,
    DataDirOption,
    DeviceOption,
    JsonOption,
    QuietOption,
    RunsDirOption,
    SeedOption,
    WhiteOption,
    check_device,
    check_folder,
    check_precision,
    make_folder,
    resolve_data_dir,
)
from dae_tui.commands.output.streams import say
from dae_tui.core.filters.classical_filters import FILTERS
from dae_tui.errors import DaeError, ExitCode, UsageError
from dae_tui.runs.benchmarks import SavedTable, UnfinishedBenchmark, find_table
from dae_tui.spec.noise_file import noise_text
from dae_tui.spec.noise_spec import parse_sweep
from dae_tui.spec.table import SPLITS
from dae_tui.system.printable import printable, shortened

if TYPE_CHECKING:
    from dae_tui.spec.table import Table

app = options.subcommand()
app.command(
    cls=grouped(
        {},
        ("dae benchmark speed", "The tables of docs/speed.md on this machine."),
        ("dae benchmark speed --parts startup,megapixels", "Some of them."),
        ("dae benchmark speed --rounds 3 --markdown", "Fewer rounds, for a page."),
    ),
)(speed)
app.command()(scaling)
app.command()(compression)

CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")]
LatexOption = Annotated[bool, typer.Option("--latex", help="Print a LaTeX table (booktabs).")]
HtmlOption = Annotated[bool, typer.Option("--html", help="Print an HTML table.")]
FiguresOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write figures as PNG and SVG: images, losses, curves."),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        metavar="test|all",
        help="Of pairs and photographs: only those held out of training, or all; by default all, "
        "unless weights were trained on them.",
    ),
]
PerClassOption = Annotated[
    bool,
    typer.Option("--per-class", help="Print accuracies of classes and the confusion matrix."),
]


class InterruptedBenchmarkError(DaeError):
    """Ctrl-C: what was measured is kept."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted", "the same command goes on where it stopped")


@app.callback()
def benchmark() -> None:
    """Measure denoisers, show what was measured, and compare it."""


@app.command(
    cls=grouped(
        {
            "Methods": ("methods", "weights", "tune_on", "tell_level"),
            "Images": ("data", "images", "split", "black", "white", "align", "data_dir"),
            "Noise": ("noise", "match_noisy", "clip", "seed", "seeds"),
            "Classifier": ("classifier", "trust_classifier"),
            "Measured": ("digits", "per_class", "edges", "figures"),
            "Computing": ("precision", "device"),
            "Output": (
                *("runs_dir", "svg", "json", "csv", "markdown", "latex", "html"),
                *("quiet", "help"),
            ),
        },
        ("dae benchmark quality", "The published weights on MNIST."),
        (
            "dae benchmark quality --data PHOTOS --weights latest --methods median,bilateral",
            "The newest run on images of your own, beside two filters.",
        ),
        (
            "dae benchmark quality --methods all --noise gaussian:0.1..1.0/10 --figures out",
            "Every method at ten levels of noise, with figures.",
        ),
    )
)
def quality(
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…",
            help="all, networks [default], filters, or names of them: "
            f"{', '.join(FILTERS)}, autoencoder, unet, dense, published weights.",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE|RUN", help="Weights to measure; may be repeated."),
    ] = None,
    noise: Annotated[
        list[str] | None, options.noise("gaussian:0.1..1.0/10 for ten levels; may be repeated; ")
    ] = None,
    match_noisy: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            metavar="PERCENT",
            help="Find the Gaussian sigma at which the classifier is right on PERCENT of the noisy "
            "images, and measure there. The paper's value is 13.68.",
        ),
    ] = None,
    data: Annotated[str, options.data()] = "mnist",
    black: BlackOption = None,
    white: WhiteOption = None,
    data_dir: DataDirOption = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Use only the first N test images.")
    ] = None,
    split: SplitOption = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Align the clean images of pairs with the noisy ones, to a fraction of a pixel.",
        ),
    ] = False,
    tune_on: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Images to tune filters on; else the training images."
        ),
    ] = None,
    classifier: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|RUN",
            help="The classifier; else the published one. An ONNX file works too: (N, C, H, W) in "
            "[0, 1] in, logits (N, classes) out.",
        ),
    ] = None,
    trust_classifier: Annotated[
        bool,
        typer.Option(
            "--trust-classifier",
            help="Also open a --classifier of torch.export (.pt2) or TorchScript (.pt, .ts, "
            ".torchscript). Such a file can run any code with your rights.",
        ),
    ] = False,
    clip: Annotated[
        bool | None,
        typer.Option(
            "--clip/--no-clip",
            help="Clip noisy values to [0, 1], as files store them; the default except for "
            "photographs.",
        ),
    ] = None,
    tell_level: Annotated[
        bool,
        typer.Option(
            "--tell-level",
            help="Tell networks the level of the noise, as the literature does; else they estimate "
            "it from each image.",
        ),
    ] = False,
    seed: SeedOption = 0,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Number of noise draws, with seeds from --seed on.")
    ] = 1,
    precision: Annotated[str, typer.Option(help="fp32 (the same as auto) or bf16.")] = "auto",
    device: DeviceOption = "auto",
    runs_dir: RunsDirOption = options.RUNS_DIR,
    digits: Annotated[
        int,
        typer.Option(min=0, max=10, help="Number of images to show above the table, in all views."),
    ] = 0,
    per_class: PerClassOption = False,
    edges: Annotated[
        bool,
        typer.Option(
            "--edges",
            help="Measure the energy of edges, over the original's, and their width: the pixels "
            "in which they rise from 10 to 90 %.",
        ),
    ] = False,
    figures: FiguresOption = None,
    svg: Annotated[
        Path | None, typer.Option(help="Also write the output as an SVG picture.")
    ] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    markdown: MarkdownOption = False,
    latex: LatexOption = False,
    html: HtmlOption = False,
    quiet: QuietOption = False,
) -> None:
    """Evaluate original, noisy and denoised test images: a classifier's accuracy, PSNR and SSIM.

    The classifier was trained on clean images only. Accuracies have 95 % Wilson intervals, and
    each method is compared with the best on the same images. Filters are tuned for each noise on
    training images. The noise is drawn from a fixed seed, so the same command gives the same
    numbers. A folder with clean/ and noisy/ in it is measured as it is. Photographs have no
    classes and are ranked by PSNR. An interrupted benchmark goes on with the same command.
    """
    form = _form(json=json, csv=csv, markdown=markdown, latex=latex, html=html)
    # fp32 gives the same numbers on every machine.
    check_device(device)
    precision = "fp32" if check_precision(precision) == "auto" else precision
    check_folder(svg)
    make_folder(figures)
    _check_split(split)
    specs = [spec for text in noise or [] for spec in parse_sweep(noise_text(text))]
    classifier_path = choose_classifier(classifier, runs_dir, trust_classifier, quiet)
    filters, networks = choose_methods(methods, weights, data, runs_dir)

    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from dae_tui.commands.benchmarking.session import (
        evaluation_images,
        follow,
        keep,
        protocol_for,
    )
    from dae_tui.commands.benchmarking.show import show_table, write_figure_files
    from dae_tui.commands.benchmarking.unfinished import KeptMeasurements, identity
    from dae_tui.core.evaluation import protocol as protocols
    from dae_tui.core.evaluation.benchmark import evaluate
    from dae_tui.core.evaluation.classifiers.classifier import find_classifier
    from dae_tui.core.hardware import resolve_device
    from dae_tui.core.weights.weights_file import load_weights

    torch_device = resolve_device(device)
    loaded = [load_weights(path, name) for name, path in networks]
    tested = evaluation_images(
        data,
        resolve_data_dir(data_dir),
        images,
        loaded,
        tune_on,
        tune=bool(filters),
        quiet=quiet,
        split=split,
        align=align,
        black=black,
        white=white,
    )
    networks, loaded = without_other_channels(networks, loaded, tested, weights)
    if not tested.labelled and (classifier or per_class):
        raise UsageError(
            f"the images of {data} have no classes",
            "put the images of each class into a folder of its own, or leave out --classifier and "
            "--per-class",
        )
    loaded_classifier = impartial(
        find_classifier(tested.groups[0], classifier_path, torch_device, trusted=trust_classifier),
        loaded,
    )
    tested = tested if loaded_classifier is None else tested.labelled_for(loaded_classifier.classes)
    protocol = protocol_for(
        tested,
        specs,
        match_noisy,
        clip,
        protocols.Protocol([], True, seed, seeds, precision, torch_device, tell_level, edges),
    )
    if match_noisy is not None:
        if loaded_classifier is None:
            raise UsageError(
                f"there is no classifier for {data}",
                f"train one with: dae train classifier --data {data}; then --classifier RUN",
            )
        found = protocols.match_noisy(tested, loaded_classifier, match_noisy, protocol)
        protocol = replace(protocol, noises=[*protocol.noises, found])
    protocol = replace(protocol, noises=list(dict.fromkeys(protocol.noises)))
    paths = [classifier_path, *(path for _, path in networks)]
    unfinished = UnfinishedBenchmark(runs_dir, identity(protocol, loaded, paths, tested))
    measurements = KeptMeasurements(unfinished)
    evaluation = evaluate(
        tested,
        loaded,
        loaded_classifier,
        protocol,
        filters=filters,
        oracle=find_oracle(tested, torch_device),
        per_class=per_class,
        measurements=measurements,
    )
    try:
        table = follow(evaluation, quiet)
    except KeyboardInterrupt as interrupted:
        raise InterruptedBenchmarkError from interrupted
    if match_noisy is not None:
        table.protocol["match_noisy"] = match_noisy
    if measurements.found and not quiet:
        say(f"reused {measurements.found} measurements of an interrupted start")
    keep(table, runs_dir, quiet)
    unfinished.remove()
    show_table(table, form, digits=digits, per_class=per_class, svg=svg)
    if figures is not None:
        write_figure_files(figures, table, [path for _, path in networks], quiet)


@app.command(
    cls=grouped(
        {},
        ("dae benchmark show", "The newest table."),
        ("dae benchmark show latest --markdown", "For a page."),
        ("dae benchmark show latest --figures out/", "With figures."),
    ),
)
def show(
    name: Annotated[
        str, typer.Argument(help="A saved table: its name, the end of its name, or a file.")
    ] = "latest",
    runs_dir: RunsDirOption = options.RUNS_DIR,
    per_class: PerClassOption = False,
    figures: FiguresOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    markdown: MarkdownOption = False,
    latex: LatexOption = False,
    html: HtmlOption = False,
    quiet: QuietOption = False,
) -> None:
    """Print a saved table again, in any format."""
    from dae_tui.commands.benchmarking.show import show_table, write_figure_files

    form = _form(json=json, csv=csv, markdown=markdown, latex=latex, html=html)
    make_folder(figures)
    table = _read(find_table(name, runs_dir))
    show_table(table, form, digits=0, per_class=per_class)
    if figures is not None:
        write_figure_files(figures, table, [], quiet)


@app.command(
    cls=grouped(
        {},
        ("dae benchmark compare latest other", "Two saved tables."),
        ("dae benchmark compare first.json second.json third.json", "Three files."),
        ("dae benchmark compare latest other --json", "For a script."),
    ),
)
def compare(
    names: Annotated[
        list[str], typer.Argument(help="Saved tables; the others are compared with the first.")
    ],
    runs_dir: RunsDirOption = options.RUNS_DIR,
    json: JsonOption = False,
) -> None:
    """Put saved tables side by side, method by method and noise by noise."""
    from dae_tui.commands.benchmarking.compare import comparison_json, comparison_table
    from dae_tui.commands.output.benchmark_tables import protocol_line
    from dae_tui.commands.output.terminal import print_json, stdout

    if len(names) < 2:
        raise UsageError("there is only one table to compare", "name two or more")
    saved = [find_table(name, runs_dir) for name in names]
    tables = [(each.name, _read(each)) for each in saved]
    if json:
        print_json(comparison_json(tables))
    else:
        console = stdout()
        console.print(comparison_table(tables, console.width))
        for each, table in tables:
            console.print(f"\n{printable(each)}: {protocol_line(table.protocol)}", style="dim")


def _check_split(split: str | None) -> None:
    if split is not None and split not in SPLITS:
        raise UsageError(f"there is no split '{shortened(split)}'", f"use {' or '.join(SPLITS)}")


def _form(**asked: bool) -> str | None:
    """The output format that was asked for; None is a table for a terminal."""
    chosen = [form for form, is_asked in asked.items() if is_asked]
    if len(chosen) > 1:
        forms = ", ".join(f"--{form}" for form in asked)
        raise UsageError(f"only one of {forms} can be printed", "choose one")
    return chosen[0] if chosen else None


def _read(saved: SavedTable) -> "Table":
    from dae_tui.errors import RunError
    from dae_tui.spec.table import Table

    try:
        return Table.from_json({"protocol": saved.protocol, "rows": saved.rows})
    except (KeyError, TypeError, ValueError) as failure:
        raise RunError(f"{saved.path} holds no table: {failure}", "measure again") from failure
