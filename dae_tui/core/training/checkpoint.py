"""Checkpointing: all that a training needs to resume exactly, as one safetensors file.

Weights, optimiser, random states and position go into a single file: whenever a process is killed,
the file on disk is one complete state, never a mixture of two.
"""

import json
from dataclasses import asdict, dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Generator, Tensor, nn

from dae_tui.core.training.moving_average import MovingAverage
from dae_tui.core.training.optimizer import FusedOptimizer
from dae_tui.errors import RunError

_HINT = "train anew; the run's checkpoints/best may still hold usable weights"


@dataclass
class Progress:
    """The progress of a training."""

    epoch: int = 0
    """Epochs completed."""
    step: int = 0
    seconds: float = 0.0
    best_loss: float | None = None
    epoch_loss_sum: float = 0.0
    """Sum of the step losses of the current epoch."""
    first_loss: float | None = None
    """The first loss of the training; a loss far above it has exploded."""
    training_images: int = 0


def pack(
    network: nn.Module,
    optimizer: FusedOptimizer,
    generator: Generator,
    progress: Progress,
    average: MovingAverage | None = None,
) -> bytes:
    """The whole state as a safetensors file; `generator` is on the device of the training."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": value for name, value in average.state().items()}
    tensors |= {f"optimizer.{name}": value for name, value in optimizer.state().items()}
    tensors["random.noise"] = generator.get_state()
    tensors["random.cpu"] = torch.get_rng_state()
    device = generator.device
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        tensors["random.mps"] = torch.mps.get_rng_state()
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    return save(whole, metadata={"progress": json.dumps(asdict(progress))})


def unpack(
    stored: bytes,
    network: nn.Module,
    optimizer: FusedOptimizer,
    generator: Generator,
    average: MovingAverage | None = None,
) -> Progress:
    """Restore a packed state. Raises RunError for a broken state, or that of another network."""
    try:
        tensors = load(stored)
        header_size = int.from_bytes(stored[:8], "little")
        header = json.loads(stored[8 : 8 + header_size])
        progress = Progress(**json.loads(header["__metadata__"]["progress"]))
        network.load_state_dict(_group(tensors, "network."))
        optimizer.load(_group(tensors, "optimizer."))
        if average is not None:
            average.load(_group(tensors, "average."))
        torch.set_rng_state(tensors["random.cpu"])
        _set_random_state(generator, tensors, progress)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as failure:
        raise RunError(f"the run's last checkpoint cannot be used: {failure}", _HINT) from failure
    return progress


def _set_random_state(generator: Generator, tensors: dict[str, Tensor], progress: Progress) -> None:
    device, noise = generator.device, tensors["random.noise"]
    if noise.shape != generator.get_state().shape:
        # The state is from another type of device, with other generators: the training continues
        # with different noise, but does not repeat any.
        generator.manual_seed(generator.initial_seed() + progress.step)
        return
    generator.set_state(noise)
    if device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)
    elif device.type == "mps" and "random.mps" in tensors:
        torch.mps.set_rng_state(tensors["random.mps"])


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
