"""`dae train`: train a network, keep it as a run, and show what it does."""

import dataclasses
import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import GroupedCommand
from dae_tui.commands.options import (
    BlackOption,
    DataDirOption,
    JsonOption,
    QuietOption,
    RunsDirOption,
    VerboseOption,
    WhiteOption,
    check_folder,
    resolve_data_dir,
)
from dae_tui.commands.output.streams import print_name
from dae_tui.commands.training.rehearsal import Rehearsal, Rehearsed
from dae_tui.commands.training.resumption import as_options, resumed
from dae_tui.core.evaluation.classifiers.classifier_file import check_ours
from dae_tui.errors import DaeError, UsageError
from dae_tui.find_weights import find_weights
from dae_tui.runs.detached_training import detach
from dae_tui.runs.event_files.messages import needs_tensorboard
from dae_tui.runs.folder.layout import State, dump_json, new_run_name
from dae_tui.runs.folder.reader import Run, find_run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.stop_signals import Signals, exit_code_of
from dae_tui.spec.loss_spec import LOSS_KINDS, rename_classifier
from dae_tui.spec.model_cards import published, read_metadata
from dae_tui.spec.noise_file import noise_text
from dae_tui.spec.presets import preset_config
from dae_tui.spec.training_config import (
    CLEAN,
    DATA_SETS,
    NOISY,
    TrainingConfig,
    command_line,
    default_config,
    find_supervision,
    parse_settings,
    parse_widths,
)
from dae_tui.system.interpreter import collector_paused
from dae_tui.system.printable import shortened
from dae_tui.system.ranks import ranks
from dae_tui.system.regular_files import is_file, is_folder

app = options.subcommand()

# The learning rate of fine-tuning is the usual one divided by this.
FINER = 4


class StoppedError(DaeError):
    """A signal ended the training, which has saved its state."""

    def __init__(self, folder: Path, received: int) -> None:
        name = signal.Signals(received).name
        dae = "torchrun … -m dae_tui" if ranks().size > 1 else "dae"
        super().__init__(
            f"stopped by {name}; its state is saved", f"go on with: {dae} train --resume {folder}"
        )
        self.exit_code = exit_code_of(received)


class TrainCommand(GroupedCommand):
    """`dae train`, whose options are in groups."""

    groups: ClassVar = {
        "Network": ("widths", "setting", "from_", "preset"),
        "Data": (
            *("data", "clean", "noisy", "supervision", "takes", "black", "white", "grey"),
            *("data_dir", "shift", "patch", "augment", "align", "match_brightness"),
        ),
        "Noise": ("noise", "no_clip"),
        "Optimisation": (
            *("epochs", "epoch_images", "batch_size", "lr", "optimizer", "schedule", "loss"),
            *("ema", "gradient_clip", "seed", "precision", "compile_", "device"),
        ),
        "Run": ("name", "runs_dir", "resume", "detached"),
        "Output": ("classifier", "svg", "tensorboard", "json", "quiet", "verbose", "help"),
    }
    examples: ClassVar = (
        ("dae train --data digits", "Train on the embedded digits: needs no download."),
        (
            "dae train unet --data PHOTOS --noise gaussian:0-0.2 --epochs 50 --detach",
            "Train a U-Net on a folder in the background; watch it with dae dashboard latest.",
        ),
        (
            "dae train --resume latest --epochs 200",
            "Go on with the newest run, exactly where it ended.",
        ),
    )


@app.command(cls=TrainCommand)
def train(
    context: typer.Context,
    network: Annotated[
        str | None,
        typer.Argument(
            help="autoencoder, unet, dense, tutorial, classifier or oracle. [default: autoencoder; "
            "unet for pairs and noisy images]"
        ),
    ] = None,
    data: Annotated[str | None, options.data()] = None,
    clean: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Clean images, to learn from pairs with --noisy."),
    ] = None,
    noisy: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Noisy images of the same names as the clean ones."),
    ] = None,
    supervision: Annotated[
        str | None,
        typer.Option(
            help="What to learn from: clean images and noise that is added (clean), pairs, noisy "
            "takes of a scene (noise2noise), or noisy images alone (noise2self, "
            "neighbor2neighbor, recorrupted), whose noise must not be correlated between pixels "
            "and whose loss hardly falls. auto: what the folder holds. [default: auto]",
            metavar="auto|clean|pairs|…",
        ),
    ] = None,
    takes: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Noisy takes of a scene are the pages of a file (pages) or the files of a "
            "subfolder (folders); else equal names in folders a and b.",
        ),
    ] = None,
    black: BlackOption = None,
    white: WhiteOption = None,
    grey: Annotated[
        bool, typer.Option("--grey", help="Train with the brightness of images in colour alone.")
    ] = False,
    data_dir: DataDirOption = None,
    noise: Annotated[str | None, options.noise()] = None,
    no_clip: Annotated[
        bool, typer.Option("--no-clip", help="Leave noisy values outside [0, 1] as they are.")
    ] = False,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the images. [default: 100; digits 50; classifier 30]", metavar="N"
        ),
    ] = None,
    epoch_images: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Images of an epoch, drawn anew for each; of crops also more than all. "
            "[default: all]",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Images per step. [default: 100; a U-Net of pairs or noisy images 16]",
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Highest learning rate. [default: 0.006; classifier 0.003; a U-Net of pairs or "
            "noisy images 0.001]",
        ),
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="adam|adamw|sgd", help="Optimiser. [default: adam]")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="one-cycle|constant", help="Of the learning rate. [default: one-cycle]"
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS",
            help=f"Training loss: {', '.join(LOSS_KINDS)}, or a weighted sum such as "
            "l1+0.1*features. [default: mse]",
        ),
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Shift training images at random by at most so many pixels. [default: 0; "
            "classifier 2]",
        ),
    ] = None,
    patch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Train with random crops of N×N pixels; small images of one size are taken whole. "
            "[default: pairs and noisy images 64]",
        ),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option(
            "--augment/--no-augment",
            help="Flip and rotate the crops at random. [default: no; pairs yes]",
        ),
    ] = None,
    align: Annotated[
        bool | None,
        typer.Option(
            "--align/--no-align",
            help="Align the clean images of pairs with the noisy ones, to a fraction of a pixel "
            "[default: yes]",
        ),
    ] = None,
    match_brightness: Annotated[
        bool | None,
        typer.Option(
            "--match-brightness/--no-match-brightness",
            help="Match the brightness of clean and noisy images, pair by pair, with a gain and an "
            "offset. [default: no]",
        ),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Keep the moving average of the weights, such as 0.999; 0: no. [default: 0; pairs "
            "and noisy images 0.999]",
        ),
    ] = None,
    gradient_clip: Annotated[
        float | None,
        typer.Option(
            metavar="NORM",
            help="Clip the gradient to this norm; 0: no. [default: 0; a U-Net of pairs or noisy "
            "images 0.01]",
        ),
    ] = None,
    widths: Annotated[
        str | None,
        typer.Option(help="Channels of the network's stages, such as 32,64,128.", metavar="W,W,…"),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Other settings of the network, such as blocks=2."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of everything random. [default: 0]")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="auto|fp32|bf16", help="auto: bf16 where it is native. [default: auto]"
        ),
    ] = None,
    compile_: Annotated[
        str | None,
        typer.Option(
            "--compile",
            metavar="auto|yes|no",
            help="Compile the network; auto: where the training is long. [default: auto]",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps. [default: auto]"),
    ] = None,
    classifier: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|RUN",
            help="Evaluates the denoised images. [default: the published one for the data]",
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME|FILE|RUN",
            help="Start from these weights, with their network and a quarter of the usual "
            "learning rate.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Start from a recipe: fast trains a small U-Net on 16 000 images, to more than "
            "96.10 % on MNIST, in seconds; paper trains the paper's network, and best a wider one "
            "for longer; photographs trains a U-Net for white noise of any level on a folder of "
            "photographs, in hours without a GPU; documents one on pairs of pages.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL", help="A label in the run's name. [default: data and network]"
        ),
    ] = None,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Continue a run exactly from its last checkpoint."),
    ] = None,
    detached: Annotated[
        bool, typer.Option("--detach", help="Train in a background process; print the run's name.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(help="Also write images and table as an SVG picture.")
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write TensorBoard's event files, in a folder below DIR."
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train a denoising autoencoder, or the classifier to evaluate it.

    The run is kept as a folder under --runs-dir. At the end the network denoises the test images,
    which it has never seen, and a classifier, trained without noise, predicts their classes.
    """
    if ranks().rank > 0:
        _join()
        return
    check_folder(svg)
    event_folder = _event_folder(tensorboard)
    data, noisy_folder = _data(data, clean, noisy)
    given: dict[str, Any] = {
        "data": data,
        "noisy": noisy_folder,
        "supervision": supervision,
        "takes": takes,
        "from_weights": _same_from_everywhere(from_, runs_dir),
        "black": black,
        "white": white,
        "grey": grey or None,
        "noise": None if noise is None else noise_text(noise),
        "epochs": epochs,
        "epoch_images": _at_least_one(epoch_images),
        "batch_size": batch_size,
        "lr": lr,
        "optimizer": optimizer,
        "schedule": schedule,
        "loss": _loss_from_everywhere(loss, runs_dir),
        "shift": shift,
        "patch": patch,
        "augment": augment,
        "align": align,
        "match_brightness": match_brightness,
        "ema": ema,
        "gradient_clip": gradient_clip,
        "seed": seed,
        "precision": precision,
        "compile": compile_,
        "clip": False if no_clip else None,
        "settings": _settings(widths, setting),
        "device": device,
        "classifier": _same_from_everywhere(classifier, runs_dir),
    }
    # A resumed run keeps its folder of data unless another is typed; DAE_DATA alone changes none.
    source = context.get_parameter_source("data_dir")
    if resume is not None and source is not None and source.name == "COMMANDLINE":
        given["data_dir"] = str(resolve_data_dir(data_dir).resolve())
    changed = {key: value for key, value in given.items() if value is not None}
    if resume is None:
        default = _default(network, preset, changed)
        if "settings" in changed:
            changed["settings"] = default.settings | changed["settings"]
        config = dataclasses.replace(
            default, **{"data_dir": str(resolve_data_dir(data_dir).resolve())} | changed
        )
        run = Run(runs_dir.resolve() / new_run_name(name or config.label))
        command = command_line(config)
    else:
        run = find_run(resume, runs_dir)
        given_here = {"network": network, "name": name, "preset": preset} | changed
        config, command = resumed(run, {k: v for k, v in given_here.items() if v is not None})
    classifier_path = _classifier_path(config, runs_dir)
    also = ["--tensorboard", str(event_folder)] * (event_folder is not None)
    if isinstance(context.obj, Rehearsal):
        context.obj.seen.append(Rehearsed(config, name or config.label, runs_dir, also))
        return
    if detached:
        if svg is not None:
            raise UsageError("a detached training writes no picture", "leave --svg out")
        _detach(run, config if resume is None else None, changed, also)
        said = dump_json({"event": "detached", "run": str(run.folder)})
        print_name(said if json else run.name)
        return

    style = "json" if json else "quiet" if quiet else "verbose" if verbose else "auto"
    with Signals() as signals:
        with _told_if_the_disk_is_full(run), RunWriter(run.folder) as writer:
            writer.status(State.STARTING)
            # Imported here: torch takes seconds to import. Mistakes in the options are told
            # before that, and others see the run while it starts.
            with collector_paused():
                from dae_tui.commands.training.display import display_for
                from dae_tui.commands.training.event_copy import EventCopy
                from dae_tui.commands.training.session import run_training

            with display_for(style, run) as display, EventCopy(event_folder, writer) as copy:
                result = run_training(
                    config, classifier_path, command, writer, signals, display, copy
                )
        if result is not None:
            display.show_result(result, svg)
    # A signal that came after the end stopped nothing.
    if result is None and signals.received is not None:
        raise StoppedError(run.folder, signals.received)


def _detach(
    run: Run, config: TrainingConfig | None, changed: dict[str, Any], also: list[str]
) -> None:
    """Train in the background; without a config, the run goes on with what was `changed`."""
    if ranks().size > 1:
        raise UsageError(
            "torchrun's processes cannot be detached", "leave --detach out: use nohup or tmux"
        )
    if config is not None:
        detach(run, config.as_json(), also)
    else:
        detach(run, None, [*as_options(changed), *also])


def _at_least_one(epoch_images: int | None) -> int | None:
    """`--epoch-images`. A config has 0 where all are meant; typed, it is a mistake."""
    if epoch_images is not None and epoch_images < 1:
        raise UsageError(
            f"epoch images cannot be {shortened(epoch_images, 30)}",
            "use at least 1; a number above that of the images takes all",
        )
    return epoch_images


def _event_folder(given: Path | None) -> Path | None:
    """`--tensorboard`. Raises DaeError where its package is missing."""
    if given is None:
        return None
    needs_tensorboard("--tensorboard")
    return given.resolve()


def _classifier_path(config: TrainingConfig, runs_dir: Path) -> Path | None:
    """The weights that `--classifier` means."""
    if config.classifier and config.classifies:
        raise UsageError(f"no classifier evaluates the {config.network}", "leave --classifier out")
    if not config.classifier:
        return None
    path = find_weights(config.classifier, runs_dir)
    check_ours(path)
    return path


def _join() -> None:
    """Train as a process of another rank than 0, which alone validates, writes and prints."""
    from dae_tui.commands.training.session import join_training

    raise typer.Exit(join_training())


def _data(
    data: str | None, clean: Path | None, noisy: Path | None
) -> tuple[str | None, str | None]:
    """`--data`, a folder as an absolute path, and `--noisy`, whose clean images are in it."""
    if data is not None and (clean or noisy):
        raise UsageError("--data excludes --clean and --noisy", "name a folder with both in it")
    if clean is not None and noisy is not None:
        for folder in (clean, noisy):
            if not folder.is_dir():
                raise UsageError(f"there is no folder {folder}", "name one that exists")
        clean, noisy = clean.resolve(), noisy.resolve()
        if (clean.name, noisy.name, clean.parent) == (CLEAN, NOISY, noisy.parent):
            return str(clean.parent), None
        return str(clean), str(noisy)
    if clean or noisy:
        raise UsageError(
            "pairs need --clean and --noisy", "or --data with a folder that has clean/ and noisy/"
        )
    if data and data not in DATA_SETS and (is_folder(data) or is_file(data)):
        data = str(Path(data).resolve())
    return data, None


def _default(network: str | None, preset: str | None, given: dict[str, Any]) -> TrainingConfig:
    """The defaults of a network for what is given, or a recipe with the network that it is for."""
    data, noisy = given.get("data", "mnist"), given.get("noisy", "")
    takes, supervision = given.get("takes", ""), given.get("supervision", "auto")
    if "from_weights" in given:
        if preset is not None:
            raise UsageError("--preset and --from both name a network", "leave one of them out")
        settings, trained = _network_of(given["from_weights"], network)
        usual = default_config(trained, data, noisy, takes, supervision)
        return dataclasses.replace(usual, settings=settings, lr=usual.lr / FINER)
    if preset is None:
        clean = find_supervision(data, noisy, takes, supervision) == "clean"
        network = network or ("autoencoder" if clean else "unet")
        return default_config(network, data, noisy, takes, supervision)
    config = preset_config(preset, data, noisy)
    if network not in (None, config.network):
        raise UsageError(
            f"the preset {preset} trains {config.network}, not {network}", "leave one of them out"
        )
    return config


def _network_of(weights: str, asked: str | None) -> tuple[dict[str, Any], str]:
    """The settings and the name of the network of weights to start from."""
    metadata = read_metadata(published().get(weights, Path(weights)))
    name = metadata["network"]
    if asked not in (None, name):
        raise UsageError(
            f"the weights to start from hold the network {name}, not {asked}",
            "leave one of them out",
        )
    follow_from_data = ("channels", "height", "width", "classes")
    settings = {
        key: value for key, value in metadata["settings"].items() if key not in follow_from_data
    }
    return settings, name


@contextmanager
def _told_if_the_disk_is_full(run: Run) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        if failure.errno != errno.ENOSPC:
            raise
        raise DaeError(
            f"no space left on device: {failure.filename or run.folder}",
            f"free some space; it resumes from its last whole checkpoint, if it has one: "
            f"dae train --resume {run.folder}",
        ) from failure


def _settings(widths: str | None, others: list[str] | None) -> dict[str, Any] | None:
    """What --widths and --set ask of the network; None where they are not given."""
    settings = parse_settings(others or [])
    if widths:
        settings["widths"] = parse_widths(widths)
    return settings or None


def _loss_from_everywhere(loss: str | None, runs_dir: Path) -> str | None:
    """A loss whose classifier of features is named as in `_same_from_everywhere`."""
    if loss is None:
        return None
    return rename_classifier(loss, lambda name: _same_from_everywhere(name, runs_dir) or name)


def _same_from_everywhere(weights: str | None, runs_dir: Path) -> str | None:
    """Weights by their published name, or a path that means the same for other processes."""
    if weights is None or weights in published():
        return weights
    return str(find_weights(weights, runs_dir).resolve())
