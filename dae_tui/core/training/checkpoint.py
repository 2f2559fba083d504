"""All that a training needs to go on exactly where it was, as one safetensors file.

Weights, optimiser, random states and position go into a single file: whatever moment a process is
killed at, the file on disk is one whole state and never half of two.
"""

import json
from dataclasses import asdict, dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Generator, Tensor, nn

from dae_tui.core.training.optimizer import FusedOptimizer
from dae_tui.errors import RunError

_HINT = "train anew; the run's checkpoints/best may still hold usable weights"


@dataclass
class Progress:
    """Where a training stands."""

    epoch: int = 0
    """Epochs completed."""
    step: int = 0
    seconds: float = 0.0
    best_loss: float | None = None
    epoch_loss_sum: float = 0.0
    """Sum of the step losses of the epoch under way."""
    first_loss: float | None = None
    """What the training began with; a loss far above it has exploded."""
    training_images: int = 0


def pack(
    network: nn.Module, optimizer: FusedOptimizer, generator: Generator, progress: Progress
) -> bytes:
    """The whole state as a safetensors file; `generator` is on the device of the training."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
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
    stored: bytes, network: nn.Module, optimizer: FusedOptimizer, generator: Generator
) -> Progress:
    """Put a packed state back. Raises RunError for a state that is broken or of another network."""
    try:
        tensors = load(stored)
        header_size = int.from_bytes(stored[:8], "little")
        header = json.loads(stored[8 : 8 + header_size])
        progress = Progress(**json.loads(header["__metadata__"]["progress"]))
        network.load_state_dict(_group(tensors, "network."))
        optimizer.load(_group(tensors, "optimizer."))
        torch.set_rng_state(tensors["random.cpu"])
        _set_random_state(generator, tensors, progress)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as failure:
        raise RunError(f"the run's last checkpoint cannot be used: {failure}", _HINT) from failure
    return progress


def _set_random_state(generator: Generator, tensors: dict[str, Tensor], progress: Progress) -> None:
    device, noise = generator.device, tensors["random.noise"]
    if noise.shape != generator.get_state().shape:
        # From another kind of device, whose generators are of another kind: the training goes on
        # with other noise than it would have had, though not with noise that it had already.
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
