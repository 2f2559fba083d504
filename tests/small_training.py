"""A small training of digits, and what tests look at in it."""

import threading
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.hardware import place
from dae_tui.core.training.loop import Training
from dae_tui.core.training.objectives.supervised import Denoising, Objective
from dae_tui.models.registry import build
from dae_tui.spec.events import (
    Checkpoint,
    Event,
    Step,
)
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import TrainingConfig

CPU = torch.device("cpu")
DENOISER = TrainingConfig(data="digits", epochs=4, batch_size=20)


def training(
    digits: ImageSet,
    config: TrainingConfig = DENOISER,
    *,
    objective: Objective | None = None,
    network: str = "autoencoder",
    resume: bytes | None = None,
    stop: threading.Event | None = None,
    precision: str = "fp32",
) -> Training:
    torch.manual_seed(config.seed)
    return Training(
        config,
        place(build(network, {"widths": [4, 8]}), CPU),
        objective or Denoising(parse_noise(config.noise), True, F.mse_loss, None),
        digits.select(slice(len(digits) - 40)),
        [digits.select(slice(len(digits) - 40, None))],
        digits.select(slice(2)),
        device=CPU,
        precision=precision,
        metadata={"data": "digits"},
        resume=resume,
        stop=stop,
    )


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events if not isinstance(event, Step)]


def last_state(events: Iterator[Event], epoch: int) -> bytes:
    """Train until the state after `epoch` is saved, then drop the training, as a kill would."""
    for event in events:
        if isinstance(event, Checkpoint) and event.kind == "last" and event.epoch == epoch:
            return event.files["state.safetensors"]
    raise AssertionError("the training ended before")


def weights(trained: Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trained.network.state_dict().items()}


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
