"""The classifier whose layers a loss compares, which must not be the one that evaluates."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.errors import UsageError, WeightsError
from dae_tui.spec.model_cards import published


def frozen_classifier(path: Path, evaluating: Weights | None, shape: tuple[int, ...]) -> Weights:
    """Weights of a classifier, in evaluation mode and without gradients.

    Args:
        path: its file.
        evaluating: the classifier that evaluates the training, if there is one.
        shape: (C, H, W) of the images.

    Raises UsageError for a classifier that evaluates, here or in `dae benchmark`: a network that
    is trained against its judge learns to please it. Raises WeightsError for a file that is no
    classifier, or one for other images.
    """
    found = load_weights(path, task="classify")
    judges = [
        load_weights(judge, task="classify")
        for name, judge in published().items()
        if name.endswith("-classifier")
    ]
    judges += [] if evaluating is None else [evaluating]
    for judge in judges:
        if _equal(found.network, judge.network):
            raise UsageError(
                f"{judge.name} evaluates denoised images, so no network is trained against it",
                "train another with: dae train classifier --seed 1; then --loss features:RUN",
            )
    settings: Any = found.network.settings
    channels, *sides = shape
    if settings.channels not in (1, channels):
        raise WeightsError(
            f"{found.name} takes images of {settings.channels} channels, these have {channels}",
            "choose another classifier for --loss features:NAME",
        )
    least = 2 ** len(settings.widths)
    if min(sides) < least:
        raise WeightsError(
            f"{found.name} takes images of at least {least} pixels a side, "
            f"these are {'×'.join(map(str, sides))}",
            "choose another --loss",
        )
    return found


def _equal(network: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same weights."""
    mine, theirs = network.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(
        value.shape == theirs[name].shape and torch.equal(value, theirs[name])
        for name, value in mine.items()
    )
