"""`dae weights`: what is published, what a file holds, and how a run becomes a weights file."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import JsonOption, RunsDirOption, check_folder
from dae_tui.commands.output.streams import print_name
from dae_tui.errors import DaeError, UsageError, WeightsError
from dae_tui.find_weights import find_weights
from dae_tui.models.registry import NETWORKS
from dae_tui.spec.model_cards import (
    DATA_LICENCES,
    LICENCE,
    card,
    published,
    read_metadata,
    weights_name,
)
from dae_tui.system.atomic import write_whole
from dae_tui.system.printable import printable, shortened

app = options.subcommand()

CARD_WIDTH = 100
# In the list; --json and `dae weights show` have all of it.
LONGEST_NOISE = 40
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
WeightsArgument = Annotated[str, typer.Argument(metavar="NAME|FILE|RUN", help="Trained weights.")]


@app.callback()
def weights() -> None:
    """List, show and export trained weights."""


@app.command("list")
def list_weights(json: JsonOption = False) -> None:
    """List the published weights."""
    from dae_tui.commands.output.fitted_table import print_fitted
    from dae_tui.commands.output.terminal import print_json, stdout

    described = {name: read_metadata(path) for name, path in published().items()}
    if json:
        print_json({"weights": [_summary(name, meta) for name, meta in described.items()]})
        return
    print_fitted(
        stdout(),
        ("name", "network", "data", "noise", "test %", "PSNR dB"),
        [_row(name, meta) for name, meta in described.items()],
        left=("name", "network", "data", "noise"),
        dropped=("network", "data", "noise", "PSNR dB", "test %"),
    )


def _row(name: str, metadata: dict[str, Any]) -> tuple[str, ...]:
    metrics = (_headline(metadata).get(key) for key in ("accuracy", "psnr"))
    return (
        name,
        *(metadata[key] for key in ("network", "data")),
        shortened(metadata["noise"], LONGEST_NOISE),
        *("–" if value is None else f"{value:.2f}" for value in metrics),
    )


@app.command(
    cls=grouped(
        {},
        ("dae weights show photos-unet", "Published weights."),
        ("dae weights show latest", "Those of the newest run."),
        ("dae weights show latest --json", "For a script."),
    ),
)
def show(
    name: WeightsArgument, runs_dir: RunsDirOption = options.RUNS_DIR, json: JsonOption = False
) -> None:
    """Show the card of weights: what they are, the command that trained them, their metrics."""
    from rich.markdown import Markdown

    from dae_tui.commands.output.terminal import print_json, stdout

    path = find_weights(name, runs_dir)
    metadata = read_metadata(path)
    if json:
        print_json({"name": weights_name(path), "file": str(path)} | metadata)
    else:
        console = stdout()
        # Links show their address, as a card may come from anybody.
        card_text = Markdown(_card(path, weights_name(path), metadata), hyperlinks=False)
        console.print(card_text, width=min(console.width, CARD_WIDTH))
        stdout().print(f"file {printable(path)}", soft_wrap=True)


@app.command(
    cls=grouped(
        {},
        (
            "dae weights export latest denoiser.safetensors",
            "The best weights of the newest run, as one file.",
        ),
        ("dae weights export latest small.safetensors --half", "Half as large."),
        ("dae weights export photos-unet --onnx photos.onnx", "For programs without torch."),
    ),
)
def export(
    name: WeightsArgument,
    target: Annotated[
        Path | None, typer.Argument(help="A file to write, ending in .safetensors.")
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option("--onnx", metavar="FILE.onnx", help="Write the network as ONNX."),
    ] = None,
    torch_export: Annotated[
        Path | None,
        typer.Option(
            "--torch-export", metavar="FILE.pt2", help="Write it as a program of torch.export."
        ),
    ] = None,
    half: Annotated[
        bool,
        typer.Option(
            "--half", help="Write the .safetensors file in half precision (float16), half as large."
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    runs_dir: RunsDirOption = options.RUNS_DIR,
) -> None:
    """Copy weights out of a run with their card, or write them as a program: ONNX, torch.export.

    Programs take images of any size, and are compared with the network before they are written.
    """
    files = {".safetensors": target, ".onnx": onnx, ".pt2": torch_export}
    asked = {ending: file for ending, file in files.items() if file is not None}
    if not asked:
        raise UsageError(
            "there is no file to write", "name FILE.safetensors, --onnx FILE or --torch-export FILE"
        )
    if half and target is None:
        raise UsageError("--half is for a .safetensors file", "name one, or leave --half out")
    for ending, file in asked.items():
        _check_target(file, ending, overwrite)
    path = find_weights(name, runs_dir)
    contents: dict[Path, bytes] = {}
    if target is not None:
        contents |= _copied(path, target, half=half, overwrite=overwrite)
    contents |= _programs(path, onnx, torch_export)
    for file, content in contents.items():
        write_whole(file, content)
    for file in asked.values():
        print_name(file)


def _check_target(file: Path, ending: str, overwrite: bool) -> None:
    if file.suffix != ending:
        raise UsageError(f"{file} does not end in {ending}", f"call it NAME{ending}")
    if file.exists() and not overwrite:
        raise UsageError(f"{file} exists", "replace it with --overwrite")
    check_folder(file)


def _copied(path: Path, target: Path, *, half: bool, overwrite: bool) -> dict[Path, bytes]:
    """A copy of weights and its card, by the file that each goes into."""
    description = target.with_suffix(".md")
    _check_target(description, ".md", overwrite)
    if half:
        from dae_tui.core.weights.weights_file import in_half_precision

        content = in_half_precision(path)
    else:
        content = path.read_bytes()
    text = _card(path, target.stem, read_metadata(path), len(content))
    return {target: content, description: text.encode()}


def _programs(path: Path, onnx: Path | None, torch_export: Path | None) -> dict[Path, bytes]:
    """The network as the programs that are asked for, by the file that each goes into."""
    metadata = read_metadata(path)
    if onnx is not None:
        _require(*ONNX_PACKAGES)
    if onnx is None and torch_export is None:
        return {}
    from dae_tui.core.weights.export import to_onnx, to_torch_export
    from dae_tui.core.weights.weights_file import load_weights

    weights = load_weights(path, task=NETWORKS[metadata["network"]].task)
    licence = _licence(path, metadata)
    programs: dict[Path, bytes] = {}
    if onnx is not None:
        programs[onnx] = to_onnx(weights, licence)
    if torch_export is not None:
        programs[torch_export] = to_torch_export(weights, licence)
    return programs


def _require(*packages: str) -> None:
    """Raise DaeError for packages that are not installed, before torch is imported."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise DaeError(
            f"--onnx needs {', '.join(missing)}", "install it: pip install 'dae-tui[onnx]'"
        )


def _licence(path: Path, metadata: dict[str, Any]) -> str:
    if path not in published().values():
        return "not stated"
    return f"{LICENCE}; trained on {DATA_LICENCES[metadata['data']]}"


def _card(path: Path, name: str, metadata: dict[str, Any], size: int | None = None) -> str:
    """The card of a file; `size` in bytes, if it is that of a copy."""
    try:
        size = path.stat().st_size if size is None else size
        return card(printable(name), _printable_words(metadata), size, _licence(path, metadata))
    except (KeyError, TypeError, ValueError, AttributeError) as failure:
        raise WeightsError(
            f"{path} does not say where it comes from: {failure}", "it was not written by dae train"
        ) from failure


def _printable_words(value: Any) -> Any:
    """Metadata with every string, at any depth, made one printable line."""
    if isinstance(value, dict):
        return {printable(key): _printable_words(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable_words(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def _headline(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metrics of the view that the weights are for."""
    rows: list[dict[str, Any]] = (metadata.get("figures") or {}).get("rows") or [{}]
    return rows[0] if NETWORKS[metadata["network"]].task == "classify" else rows[-1]


def _summary(name: str, metadata: dict[str, Any]) -> dict[str, Any]:
    row = _headline(metadata)
    kept = ("network", "data", "noise", "parameters", "command")
    return {
        "name": name,
        **{key: metadata[key] for key in kept},
        "accuracy": row.get("accuracy"),
        "psnr": row.get("psnr"),
        "ssim": row.get("ssim"),
    }
