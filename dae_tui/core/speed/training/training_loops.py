"""Two training loops for the same network and batch: the textbook's and ours.

Both are generators of rounds of some steps each, which `Isolated` runs in turns.
"""

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from dae_tui.core.data.image_set import ImageSet, TrainingImages
from dae_tui.core.data.load_data import load
from dae_tui.core.hardware import place, resolve_device, resolve_precision, synchronize
from dae_tui.core.training.loop import Training
from dae_tui.core.training.objectives.supervised import Denoising
from dae_tui.models.registry import build
from dae_tui.spec.events import Validation
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import TrainingConfig
from dae_tui.system.cores import usable_cores

# The settings of tutorials.
BATCH = 100
LEARNING_RATE = 2e-4
SIGMA = 0.5
WORKERS = 2  # On a single core one: torch warns of more.
VALIDATION_IMAGES = 100


@dataclass(frozen=True)
class Task:
    """What both loops train."""

    network: str
    data: str
    data_dir: str
    device: str
    steps: int
    """Steps per round; at most an epoch in our loop, and the textbook's last may be shorter."""
    seed: int = 0
    precision: str = "auto"
    """Precision of our loop; the textbook's is fp32."""


@dataclass(frozen=True)
class Round:
    """Some steps of a training loop."""

    images: int
    seconds: float
    waited: float
    """How many of these seconds the loop waited for data."""
    peak_bytes: int
    """Peak memory of the process so far; on a GPU, of the GPU."""


def textbook_rounds(task: Task) -> Iterator[Round]:
    """The loop of tutorials: images through ToTensor and a DataLoader, fp32, eager."""
    torch.manual_seed(task.seed)
    network = build(task.network, {}).to(resolve_device(task.device))
    return train_as_textbook(task, network, epochs=sys.maxsize)


def train_as_textbook(task: Task, network: nn.Module, epochs: int) -> Iterator[Round]:
    """Train a network, which is on the device, for some epochs with the textbook's loop."""
    device = resolve_device(task.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    loader = DataLoader(
        _with_to_tensor(task),
        batch_size=BATCH,
        shuffle=True,
        num_workers=min(WORKERS, usable_cores()),
        drop_last=True,
        pin_memory=device.type == "cuda",
        persistent_workers=True,
        # The default on Linux; this process was spawned, so its workers would be too.
        multiprocessing_context="fork" if sys.platform == "linux" else None,
    )
    steps, waited, began = 0, 0.0, time.perf_counter()

    def finished_round() -> Round:
        synchronize(device)
        return Round(steps * BATCH, time.perf_counter() - began, waited, peak_bytes(device))

    for _ in range(epochs):
        asked = time.perf_counter()
        for images, _ in loader:
            waited += time.perf_counter() - asked
            original = images.to(device)
            noisy = (original + SIGMA * torch.randn_like(original)).clamp(0, 1)
            optimizer.zero_grad()
            loss = F.mse_loss(network(noisy), original)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
            if steps == task.steps:
                yield finished_round()
                steps, waited, began = 0, 0.0, time.perf_counter()
            asked = time.perf_counter()
    if steps:
        yield finished_round()


def own_rounds(task: Task) -> Iterator[Round]:
    """Our loop on the same task: the one that `dae train` runs."""
    device = resolve_device(task.device)
    images = TimedImages(load(task.data, "train", Path(task.data_dir)).to(device))
    torch.manual_seed(task.seed)
    network = place(build(task.network, {}), device)
    training = own_training(task, network, images, epochs=100_000, epoch_images=task.steps * BATCH)
    seconds = 0.0
    for event in training.events():
        if isinstance(event, Validation):
            taken, seconds = event.seconds - seconds, event.seconds
            # An epoch with few images has fewer steps than requested.
            count = training.steps_per_epoch * training.batch_size
            yield Round(count, taken, images.waited, peak_bytes(device))
            images.waited = 0.0


def own_training(
    task: Task,
    network: nn.Module,
    images: TrainingImages,
    *,
    epochs: int,
    epoch_images: int = 0,
) -> Training:
    """Our training with the textbook's settings: Adam, one learning rate, the same batch."""
    device = resolve_device(task.device)
    config = TrainingConfig(
        network=task.network,
        data=task.data,
        noise=f"gaussian:{SIGMA}",
        epochs=epochs,
        epoch_images=epoch_images,
        batch_size=BATCH,
        lr=LEARNING_RATE,
        schedule="constant",
        seed=task.seed,
        compile="no",
    )
    some = load(task.data, "test", Path(task.data_dir)).select(slice(VALIDATION_IMAGES)).to(device)
    return Training(
        config,
        network,
        Denoising(parse_noise(config.noise), config.clip, F.mse_loss, None),
        images,
        [some],
        some.select(slice(2)),
        device=device,
        precision=resolve_precision(task.precision, device),
        metadata={},
    )


class TimedImages:
    """Training images that measure how long the loop waits for them."""

    def __init__(self, images: TrainingImages) -> None:
        self._images = images
        self.name, self.classes, self.shape = images.name, images.classes, images.shape
        self.endless = images.endless
        self.waited = 0.0

    def __len__(self) -> int:
        return len(self._images)

    def batches(
        self, size: int, seed: int, epoch: int, first: int = 0, limit: int | None = None
    ) -> Generator[ImageSet]:
        batches = self._images.batches(size, seed, epoch, first, limit)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch


class _Pictures(Dataset[Any]):
    """An image set that returns one PIL image at a time, like torchvision's data sets."""

    def __init__(self, images: ImageSet, transform: Any) -> None:
        self._images = images.images.numpy()[:, 0]
        self._transform = transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self._transform(Image.fromarray(self._images[index])), 0


def _with_to_tensor(task: Task) -> Any:
    # Imported here: torchvision takes as long to import as torch itself.
    from torchvision import datasets, transforms

    if task.data == "mnist":
        with suppress(RuntimeError):  # If it is missing, `load` downloads it or raises.
            return datasets.MNIST(task.data_dir, train=True, transform=transforms.ToTensor())
    images = load(task.data, "train", Path(task.data_dir))
    return _Pictures(images, transforms.ToTensor())


def peak_bytes(device: torch.device) -> int:
    """Peak memory: of the GPU, or of this process without its workers."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        # Not getrusage, whose peak includes that of the parent.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        return int(psutil.Process().memory_info().rss)
