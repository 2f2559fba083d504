"""`dae benchmark`: the paper's Table 1, for any weights, noise and data."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import options
from commands.options import (
    DataDirOption,
    DeviceOption,
    JsonOption,
    QuietOption,
    RunsDirOption,
    SeedOption,
    check_folder,
    check_precision,
    resolve_data_dir,
)
from dae_tui.core.cards import published, read_metadata
from dae_tui.core.config import OPERATING_POINT
from dae_tui.core.noise_spec import parse_noise
from dae_tui.errors import UsageError
from dae_tui.find_weights import find_weights, weights_name
from dae_tui.runs.benchmarks import save_table
from models.registry import NETWORKS

if TYPE_CHECKING:
    from dae_tui.core.evaluation import EvaluationProgress, Table

app = options.subcommand()


@app.callback()
def benchmark() -> None:
    """Measure denoisers."""


@app.command()
def quality(
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE|RUN",
            help="What denoises; may be repeated. Else all published weights for the data.",
        ),
    ] = None,
    noise: Annotated[list[str] | None, options.noise("may be repeated; ")] = None,
    match_noisy: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            metavar="PERCENT",
            help="Find the Gaussian sigma at which the classifier reads PERCENT of the noisy "
            "images, and measure there. The paper's is 13.68.",
        ),
    ] = None,
    data: Annotated[str, options.data()] = "mnist",
    data_dir: DataDirOption = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Take the first N test images, not all.")
    ] = None,
    classifier: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE|RUN", help="Who reads the images; else the published one."),
    ] = None,
    no_clip: Annotated[
        bool, typer.Option("--no-clip", help="Leave noisy values outside [0, 1] as they are.")
    ] = False,
    seed: SeedOption = 0,
    precision: Annotated[str, typer.Option(help="fp32 (auto is that) or bf16.")] = "auto",
    device: DeviceOption = "auto",
    runs_dir: RunsDirOption = options.RUNS_DIR,
    digits: Annotated[
        int, typer.Option(min=0, help="Show so many digits in all views above the table.")
    ] = 0,
    svg: Annotated[Path | None, typer.Option(help="Write what is shown as a picture too.")] = None,
    json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Judge original, noisy and denoised test images: accuracy of a classifier, PSNR and SSIM.

    The classifier was trained on clean images alone. Accuracies have 95 % Wilson intervals. The
    noise is drawn from a fixed seed, so the same command gives the same figures.
    """
    if json + csv + markdown > 1:
        raise UsageError("only one of --json, --csv and --markdown can be printed", "choose one")
    # The same figures on every machine, unless asked otherwise.
    precision = "fp32" if check_precision(precision) == "auto" else precision
    check_folder(svg)
    specs = [parse_noise(text) for text in noise or []]
    if not specs and match_noisy is None:
        specs = [parse_noise(OPERATING_POINT)]
    methods = _methods(weights, data, runs_dir)
    judge_path = find_weights(classifier, runs_dir) if classifier else None

    # Imported here: torch takes seconds to import, and a mistake in the options is said at once.
    from commands.results import show_digits_and_table, write_svg
    from commands.tables import as_csv, as_markdown
    from commands.terminal import print_json
    from dae_tui.core.data import load
    from dae_tui.core.evaluation import evaluate, find_classifier
    from dae_tui.core.evaluation import match_noisy as find_sigma
    from dae_tui.core.hardware import resolve_device
    from dae_tui.core.weights import load_weights

    torch_device = resolve_device(device)
    test = load(data, "test", resolve_data_dir(data_dir))
    if images is not None:
        test = test.select(slice(images))
    judge = find_classifier(test, judge_path)
    networks = [load_weights(path, name) for name, path in methods]
    clip = not no_clip
    if match_noisy is not None:
        if judge is None:
            raise UsageError(
                f"there is no classifier for {data}",
                f"train one with: dae train classifier --data {data}; then --classifier RUN",
            )
        specs.append(find_sigma(test, judge, match_noisy, torch_device, clip=clip, seed=seed))
    judged = evaluate(
        test, specs, networks, judge, torch_device, clip=clip, seed=seed, precision=precision
    )
    table = _follow(judged, quiet)
    if match_noisy is not None:
        table.protocol["match_noisy"] = match_noisy
    _keep(table, runs_dir, quiet)
    if json:
        print_json(table.as_json())
    elif csv:
        print(as_csv(table), end="")
    elif markdown:
        print(as_markdown(table), end="")
    else:
        show_digits_and_table(table, test, networks, judge, digits=digits)
    if svg is not None:
        write_svg(svg, table, test, networks, judge, digits=digits)


def _keep(table: "Table", runs_dir: Path, quiet: bool) -> None:
    """Save the table for `dae dashboard` to compare; it is printed where that fails too."""
    try:
        saved = save_table(runs_dir, table.as_json())
    except OSError as failure:
        print(f"the table is not saved: {failure.strerror}: {failure.filename}", file=sys.stderr)
    else:
        if not quiet:
            print(f"saved {saved}", file=sys.stderr)


def _methods(weights: list[str] | None, data: str, runs_dir: Path) -> list[tuple[str, Path]]:
    """Weights files with the name of the method; the published denoisers for the data if none."""
    if not weights:
        weights = [
            name
            for name, path in published().items()
            if name.startswith(f"{data}-")
            and NETWORKS[read_metadata(path)["network"]].task == "denoise"
        ]
    if not weights:
        raise UsageError(
            f"there is no published denoiser for {data}",
            "name one with --weights: mnist-autoencoder, a file or a run",
        )
    methods: dict[str, Path] = {}
    for text in weights:
        path = find_weights(text, runs_dir)
        name = weights_name(path)
        # Two files of one name, such as model.safetensors, are told apart by what was typed.
        methods[text if name in methods else name] = path
    return list(methods.items())


def _follow(judged: "Iterator[EvaluationProgress | Table]", quiet: bool) -> "Table":
    """Run an evaluation with a progress bar on stderr."""
    from rich.progress import Progress

    from commands.terminal import stderr
    from dae_tui.core.evaluation import EvaluationProgress

    console = stderr()
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("judging images", total=None)
        for state in judged:
            if isinstance(state, EvaluationProgress):
                bar.update(task, completed=state.images, total=state.total)
            else:
                table = state
    return table
