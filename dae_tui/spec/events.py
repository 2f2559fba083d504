"""The events of a training, in the order in which they happen; JSON without torch.

`core.training.loop.Training.events` yields them. Consumers print or store them; the training does
neither.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Started:
    """Training begins, or resumes after `step` steps."""

    device: str
    precision: str
    parameters: int
    training_images: int
    validation_images: int
    epochs: int
    steps_per_epoch: int
    step: int


@dataclass(frozen=True)
class Step:
    """The means over the steps since the last event of this kind."""

    epoch: int
    """The current epoch, from 1."""
    step: int
    """Optimiser steps so far."""
    loss: float
    lr: float
    images_per_second: float
    seconds: float
    """Training time so far, without set-up, evaluation and saving."""


@dataclass(frozen=True)
class Validation:
    """An epoch is over and the network was evaluated on validation images."""

    epoch: int
    step: int
    train_loss: float
    """The mean of the epoch's step losses."""
    val_loss: float
    val_psnr: float | None
    """dB, averaged over images; None for a classifier."""
    val_accuracy: float | None
    """Percent; for a denoiser, of a classifier on the denoised images, if there is one."""
    best: bool
    seconds: float


@dataclass(frozen=True)
class Sample:
    """The same few validation images each time, in all views: float32 (N, C, H, W) in [0, 1]."""

    epoch: int
    step: int
    original: NDArray[np.float32]
    noisy: NDArray[np.float32]
    denoised: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    predictions: Mapping[str, NDArray[np.int64]] | None
    """The predicted classes in each view, (N,) each; None without a classifier."""


@dataclass(frozen=True)
class Checkpoint:
    """The files of a checkpoint: to resume (`last`), or the best weights so far (`best`)."""

    kind: str
    epoch: int
    step: int
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Finished:
    """The last event: all epochs are done (`complete`) or a stop was requested."""

    epoch: int
    step: int
    seconds: float
    images_per_second: float
    complete: bool


Event = Started | Step | Validation | Sample | Checkpoint | Finished


def as_json(event: Started | Step | Validation | Finished) -> dict[str, Any]:
    """The event as one JSON object, `{"event": "step", "epoch": 1, …}`, with six digits."""
    fields = dataclasses.asdict(event)
    rounded = {
        key: float(f"{value:.6g}") if isinstance(value, float) else value
        for key, value in fields.items()
    }
    return {"event": type(event).__name__.lower(), **rounded}
