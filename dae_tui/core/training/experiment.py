"""A whole experiment of the paper: data, network, classifier, training, Table 1."""

import platform
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import nn

from dae_tui.core.data.crops import Crops
from dae_tui.core.data.image_set import ImageSet, TrainingImages
from dae_tui.core.data.training_data import TrainingData, load_training_data
from dae_tui.core.evaluation.benchmark import EvaluationProgress, evaluate
from dae_tui.core.evaluation.classifiers.classifier import (
    classifier_from_weights,
    find_classifier_weights,
)
from dae_tui.core.evaluation.images.evaluation_images import of_image_sets
from dae_tui.core.evaluation.protocol import Protocol
from dae_tui.core.evaluation.unchanged_views import UnchangedViews
from dae_tui.core.evaluation.without_clean import measure_without_clean
from dae_tui.core.hardware import device_name, place, resolve_device, resolve_precision
from dae_tui.core.training.distributed import Group
from dae_tui.core.training.fine_tuning import start_from
from dae_tui.core.training.loop import Training
from dae_tui.core.training.objectives.frozen_classifier import frozen_classifier
from dae_tui.core.training.objectives.losses import Distance, make_loss
from dae_tui.core.training.objectives.self_supervision import (
    BlindSpot,
    Neighbours,
    Recorrupted,
    correlation_remark,
)
from dae_tui.core.training.objectives.supervised import Classification, Denoising, Objective
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.errors import DataError, UsageError
from dae_tui.models.registry import build
from dae_tui.spec.events import Event
from dae_tui.spec.loss_spec import parse_loss, rename_classifier
from dae_tui.spec.model_cards import published, read_metadata, weights_name
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.table import Table
from dae_tui.spec.training_config import ALONE, NOISY, OPERATING_POINT, TrainingConfig
from dae_tui.version import __version__

# The columns of a table that weights keep: not speeds, which depend on the machine.
KEPT_METRICS = ["view", "method", "noise", "accuracy", "accuracy_low", "accuracy_high", "psnr"]
KEPT_METRICS += ["psnr_fitted", "ssim"]
EXAMPLES = 16
SHOWN_SIDE = 128
FEWEST = 2  # Batch normalisation needs two in a batch.


@dataclass(frozen=True)
class Experiment:
    """Everything that a training needs; nothing is trained or written yet."""

    config: TrainingConfig
    command: str
    network: nn.Module
    objective: Objective
    classifier: Weights | None
    training: TrainingImages
    validation: list[ImageSet]
    """A set for each size of images."""
    test: list[ImageSet]
    device: torch.device
    precision: str
    start: Path | None = None
    """Weights to start from."""
    checksum: str | None = None
    """Identifies the images of a folder, wherever it lies."""
    remarks: tuple[str, ...] = ()
    """Lines for the user about the images of a folder."""

    @property
    def cache(self) -> Path:
        """Where measurements that are the same after every training are kept."""
        return user_cache_path("dae-tui") / "measurements"

    def train(
        self,
        resume: bytes | None = None,
        stop: threading.Event | None = None,
        group: Group | None = None,
    ) -> Iterator[Event]:
        """Train and yield events; see `loop.Training`.

        Raises WeightsError for weights to start from that do not fit.
        """
        if self.start is not None and resume is None:
            start_from(self.network, load_weights(self.start))
        training = Training(
            self.config,
            self.network,
            self.objective,
            self.training,
            self.validation,
            _examples(self.validation),
            device=self.device,
            precision=self.precision,
            metadata=self._metadata(),
            resume=resume,
            stop=stop,
            group=group,
        )
        return training.events()

    def benchmark(self, weights: Weights) -> Iterator[EvaluationProgress | Table]:
        """Evaluate trained weights on the test images; see `benchmark.evaluate`.

        A network is evaluated at the noise it was trained for; a classifier, which was trained
        without, on the originals and at the operating point. Pairs are evaluated as they are. Of
        noisy images alone little can be said: see `measure_without_clean`.
        """
        how = self.config.learns_from
        if how in ("noise2noise", *ALONE):
            takes = how == "noise2noise"
            yield measure_without_clean(self.test, weights, self.device, takes=takes)
            return
        noise = parse_noise(self.config.noise)
        trained, methods = self.classifier, [weights]
        if self.config.classifies:
            trained, methods = weights, []
            noise = parse_noise(OPERATING_POINT) if noise.is_none else noise
        classifier = (
            None if trained is None else classifier_from_weights(trained, self.test[0], self.device)
        )
        protocol = Protocol([noise], clip=self.config.clip, device=self.device)
        images = of_image_sets(self.test)
        # What a trained classifier predicts is new each time.
        kept = None
        if not self.config.classifies:
            kept = UnchangedViews(self.cache, images, trained, protocol)
        yield from evaluate(images, methods, classifier, protocol, measurements=kept)

    def _metadata(self) -> dict[str, Any]:
        """What the weights file says about its origin, in addition to the network's settings."""
        config = self.config.as_json()
        for machine in ("settings", "data_dir", "classifier", "device", "precision", "compile"):
            del config[machine]
        command = self.command
        for folder in (self.training.name, self.config.noisy):
            command = command.replace(folder, Path(folder).name) if folder else command
        # A classifier of features by its name as well.
        named = rename_classifier(config["loss"], lambda name: weights_name(Path(name)))
        command = command.replace(config["loss"], named) if named != config["loss"] else command
        config["loss"] = named
        if self.start is not None and config["from_weights"] not in published():
            # Both trainings, one after the other: a path means nothing on other machines.
            earlier = read_metadata(self.start).get("command", "")
            command = f"{earlier} && {command.replace(config['from_weights'], 'latest')}"
            config["from_weights"] = "latest"
        for key in ("noisy", "black", "white", "takes", "from_weights"):
            if not config[key]:
                del config[key]
        if self.config.pairs:
            config |= {"pairs": True, "noisy": Path(self.config.noisy).name or NOISY}
        return config | {
            # A folder by its name only: its path means nothing on other machines.
            "data": Path(self.training.name).name,
            "channels": self.training.shape[0],
            "classes": self.training.classes,
            "training_images": len(self.training),
            "precision": self.precision,
            "device": device_name(self.device),
            "command": command,
            "versions": versions(),
        }


def prepare(config: TrainingConfig, classifier: Path | None, command: str) -> Experiment:
    """Load the data, build the network and find the classifier.

    Args:
        config: what to train.
        classifier: weights of the classifier; None takes the published ones for the data, if any.
        command: the command line, which the weights file keeps.

    Raises DataError, WeightsError, DeviceError or UsageError.
    """
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    data = _images(config, device)
    training, validation = data.training, data.validation[0]
    _refuse_other_sizes(config, data)
    if config.classifies and validation.labels is None:
        raise DataError(
            f"{config.data} has no labels to train with",
            "put the images of each class in a subfolder, or labels*.npy beside images*.npy",
        )
    if config.shift >= min(training.shape[1:]):
        height, width = training.shape[1:]
        raise UsageError(
            f"a shift of {config.shift} moves images of {height}×{width} out of sight",
            f"it must be less than {min(height, width)}",
        )
    network = place(_build(config, validation), device)
    classifier_weights = None
    if config.learns_from not in ALONE and not config.classifies:
        classifier_weights = find_classifier_weights(validation, classifier)
    objective = _objective(config, data, classifier_weights, device)
    return Experiment(
        config,
        command,
        network,
        objective,
        classifier_weights,
        training,
        data.validation,
        data.test,
        device,
        precision,
        _start(config),
        data.checksum,
        (*data.remarks, *_correlated(config, training)),
    )


def _images(config: TrainingConfig, device: torch.device) -> TrainingData:
    """The images, those for training and validation on the device, if they are in memory."""
    data = load_training_data(config)
    if len(data.training) < FEWEST:
        raise DataError(
            f"{config.data} has {len(data.training)} images to train with",
            f"it needs at least {FEWEST}, and many more for a useful result",
        )
    training = data.training
    if isinstance(training, ImageSet):
        training = training.to(device)
    return replace(
        data, training=training, validation=[each.to(device) for each in data.validation]
    )


def _objective(
    config: TrainingConfig,
    data: TrainingData,
    classifier: Weights | None,
    device: torch.device,
) -> Objective:
    """What the network is trained for."""
    training = data.training
    noise = parse_noise(config.noise)
    if config.classifies:
        return Classification(noise, config.clip)
    match config.learns_from:
        case "noise2self":
            return BlindSpot()
        case "neighbor2neighbor":
            return Neighbours()
        case "recorrupted":
            assert isinstance(training, ImageSet | Crops)  # Shards hold clean images.
            return Recorrupted(training.images)
    validating = None if classifier is None else place(classifier.folded, device)
    pairs = config.learns_from in ("pairs", "noise2noise")
    distance = _distance(config, data, classifier, device)
    return Denoising(noise, config.clip, distance, validating, pairs)


def _distance(
    config: TrainingConfig, data: TrainingData, classifier: Weights | None, device: torch.device
) -> Distance:
    """The loss of a denoising network, with its frozen classifier on the device."""
    terms = parse_loss(config.loss)
    sides = [data.training.shape[1:], *(images.shape[1:] for images in data.validation)]
    frozen = [
        place(frozen_classifier(path, classifier, data.training.shape).network, device)
        for path in config.frozen_classifiers
    ]
    return make_loss(terms, min(map(min, sides)), frozen)


def _correlated(config: TrainingConfig, training: TrainingImages) -> list[str]:
    """A line where the noise of noisy images alone is not what can be learnt from them."""
    if config.learns_from not in ALONE or not isinstance(training, ImageSet | Crops):
        return []
    line = correlation_remark(training.images)
    return [line] if line else []


def _start(config: TrainingConfig) -> Path | None:
    """The file of the weights to start from."""
    name = config.from_weights
    return published().get(name, Path(name)) if name else None


def _refuse_other_sizes(config: TrainingConfig, data: TrainingData) -> None:
    """Raise UsageError for a network of fixed size and images of another one."""
    sizes = {images.shape for images in (*data.validation, *data.test)}
    if config.network == "dense" and sizes != {data.training.shape}:
        raise UsageError(
            "a dense network denoises images of the size that it was trained with, not larger ones",
            "train another one, such as unet",
        )


def _examples(validation: Sequence[ImageSet]) -> ImageSet:
    """A few images to show, or their middles."""
    some = validation[0].select(slice(EXAMPLES))
    _, height, width = some.shape
    top, left = (max(0, (length - SHOWN_SIDE) // 2) for length in (height, width))
    rows, columns = slice(top, top + SHOWN_SIDE), slice(left, left + SHOWN_SIDE)
    return replace(
        some,
        images=some.images[..., rows, columns],
        noisy=None if some.noisy is None else some.noisy[..., rows, columns],
    )


def versions() -> dict[str, str]:
    return {
        "dae-tui": __version__,
        "torch": torch.__version__,
        "torchvision": metadata.version("torchvision"),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _build(config: TrainingConfig, data: ImageSet) -> nn.Module:
    """The network with the settings that follow from the data, initialised with the seed."""
    channels, height, width = data.shape
    settings: dict[str, Any] = {"channels": channels}
    if config.network == "dense":
        settings |= {"height": height, "width": width}
    if config.classifies:
        settings |= {"classes": data.classes}
    torch.manual_seed(config.seed)
    try:
        return build(config.network, settings | config.settings)
    except (TypeError, ValueError) as failure:
        raise UsageError(
            f"{config.network} cannot be built: {failure}", "see --widths and --set"
        ) from failure


def with_metrics(weights: Weights, table: Table) -> dict[str, Any]:
    """The metadata of `weights` with its metrics, except speeds, which depend on the machine."""
    rows = [{key: getattr(row, key) for key in KEPT_METRICS} for row in table.rows]
    protocol = {key: value for key, value in table.protocol.items() if key != "device"}
    protocol["data"] = Path(protocol["data"]).name
    return weights.metadata | {"figures": {"protocol": protocol, "rows": rows}}
