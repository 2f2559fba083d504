"""The methods and the classifier of a benchmark: from what was typed to filters and files."""

from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from dae_tui.commands.output.streams import say
from dae_tui.core.evaluation.classifiers.classifier_file import kind_of
from dae_tui.core.filters.classical_filters import FILTERS
from dae_tui.errors import UsageError
from dae_tui.find_weights import find_weights
from dae_tui.models.registry import NETWORKS
from dae_tui.spec.loss_spec import parse_loss
from dae_tui.spec.model_cards import published, read_metadata, weights_name
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import FEATURES, check_data, is_pair_list
from dae_tui.system.printable import shortened

if TYPE_CHECKING:
    import torch

    from dae_tui.core.evaluation.benchmark import Oracle
    from dae_tui.core.evaluation.classifiers.classifier import Classifier
    from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages
    from dae_tui.core.weights.weights_file import Weights

GROUPS = ("all", "networks", "filters")
# Names of rows that do not come from weights.
TAKEN = (*FILTERS, "original", "noisy")
GENERAL_DENOISERS = ("photos-unet", "photos-unet-colour")


def choose_methods(
    methods: str | None, weights: list[str] | None, data: str, runs_dir: Path
) -> tuple[list[str], list[tuple[str, Path]]]:
    """Names of filters, and weights files with the name of the method.

    Args:
        methods: `--methods`; None without `weights` means the published networks for the data.
        weights: `--weights`: published names, files and runs.
        data: the name or folder of the images.
        runs_dir: the folder of runs.

    Raises UsageError for unknown data or methods, WeightsError for unknown weights.
    """
    check_data(data, file=is_pair_list(data))
    asked = [word.strip() for word in (methods or "").split(",") if word.strip()]
    if not asked and not weights:
        asked = ["networks"]
    filters = [name for name in FILTERS if name in asked or {"all", "filters"} & set(asked)]
    texts = list(weights or [])
    for word in asked:
        if word in ("all", "networks"):
            texts += _published_for(data)
        elif word not in FILTERS and word not in GROUPS:
            texts.append(_weights_called(word, data))
    if not filters and not texts:
        raise UsageError(
            f"there is no published denoiser for {data}",
            "name one with --weights: mnist-autoencoder, a file or a run",
        )
    found: dict[str, Path] = {}
    for text in dict.fromkeys(texts):
        path = find_weights(text, runs_dir)
        name = weights_name(path)
        # Two files of one name, such as model.safetensors, are told apart by what was typed.
        found[text if name in found or name in TAKEN else name] = path
    return filters, list(found.items())


def without_other_channels(
    networks: list[tuple[str, Path]],
    loaded: list["Weights"],
    images: "EvaluationImages",
    typed: list[str] | None,
) -> tuple[list[tuple[str, Path]], list["Weights"]]:
    """The networks for any images but for those that take other channels than these images have.

    `typed`: names of weights, of which none is left out: they are an error later.
    """
    channels = images.groups[0].images.shape[1]
    fitting = [
        name not in GENERAL_DENOISERS or name in (typed or []) or weights.channels in (1, channels)
        for (name, _), weights in zip(networks, loaded, strict=True)
    ]
    return list(compress(networks, fitting)), list(compress(loaded, fitting))


def choose_classifier(text: str | None, runs_dir: Path, trusted: bool, quiet: bool) -> Path | None:
    """The file that `--classifier` names; a trusted one that can run code is told on stderr.

    Raises UsageError where there is none to trust, WeightsError for a file that must not be opened.
    """
    if not text:
        if trusted:
            raise UsageError("there is no classifier to trust", "name one with --classifier")
        return None
    path = find_weights(text, runs_dir)
    if kind_of(path, trusted=trusted).is_program and not quiet:
        say(f"opening {path}, as it is trusted: it can run any code with your rights")
    return path


def _published_for(data: str) -> list[str]:
    """The published denoisers trained on such images; for a folder those for any images."""
    denoisers = _denoisers()
    if Path(data).is_dir():
        return [name for name in denoisers if name in GENERAL_DENOISERS]
    return [name for name in denoisers if name.startswith(f"{data}-")]


def _weights_called(word: str, data: str) -> str:
    """Published weights by their own name or by that of their network."""
    for name in (word, f"{data}-{word}", f"mnist-{word}"):
        if name in _denoisers():
            return name
    raise UsageError(
        f"there is no method '{shortened(word)}'",
        f"use {', '.join((*GROUPS, *FILTERS, *_denoisers()))}; --weights takes files and runs",
    )


def _denoisers() -> list[str]:
    """The published weights that denoise."""
    return [
        name
        for name, path in published().items()
        if NETWORKS[read_metadata(path)["network"]].task == "denoise"
    ]


def impartial(classifier: "Classifier | None", loaded: "Sequence[Weights]") -> "Classifier | None":
    """The same classifier. Raises UsageError if weights were trained against it: it is no judge."""
    for weights in loaded:
        try:
            terms = parse_loss(str(weights.metadata.get("loss", "")))
        except UsageError:  # Of weights that name no loss, or one of another version.
            continue
        teachers = [term.classifier or FEATURES for term in terms if term.kind == "features"]
        if classifier is not None and classifier.name in teachers:
            raise UsageError(
                f"{weights.name} was trained against {classifier.name}, which is no judge of it",
                "choose another --classifier",
            )
    return classifier


def find_oracle(images: "EvaluationImages", device: "torch.device") -> "Oracle | None":
    """The published classifier trained on noisy images of this data set, if there is one."""
    from dae_tui.core.evaluation.benchmark import Oracle
    from dae_tui.core.evaluation.classifiers.classifier import classifier_from_weights
    from dae_tui.core.weights.weights_file import load_weights

    path = published().get(f"{images.name}-oracle")
    if path is None or not images.labelled:
        return None
    weights = load_weights(path, task="classify-noisy")
    noise = parse_noise(str(weights.metadata["noise"]))
    return Oracle(
        classifier_from_weights(weights, images.groups[0], device), noise, weights.metadata["clip"]
    )
