"""Training on 1 k to 1 M streamed images: time should grow with their number, memory not."""

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import torch.nn.functional as F

from dae_tui.core.data.beyond_memory.shards import load_shards
from dae_tui.core.data.load_data import load
from dae_tui.core.hardware import place, resolve_device, resolve_precision
from dae_tui.core.speed.isolated_process import Isolated
from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.core.speed.training.training_loops import Task
from dae_tui.core.training.loop import Training
from dae_tui.core.training.objectives.supervised import Denoising
from dae_tui.errors import DaeError
from dae_tui.models.registry import build
from dae_tui.spec.events import Validation
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.presets import preset_config

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
SHARD_IMAGES = 50_000
# Images per measurement; small sets are repeated.
LEAST_IMAGES = 30_000
ROUNDS = 3
BATCH = 100


@dataclass(frozen=True)
class Scale:
    """Training on `images` images, streamed from shards."""

    images: int
    disk_bytes: int
    images_per_second: Spread
    resident_bytes: int
    """Memory of the process at the end."""


def measure_scale(task: Task, counts: tuple[int, ...]) -> Generator[str, None, list[Scale]]:
    """Train on each number of (repeated) images, streamed from a temporary folder."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            yield f"scale: {count:,} images"
            shards = Path(folder, str(count))
            try:
                _write_shards(task, shards, count)
            except OSError as failure:  # numpy reports a number of bytes, not a full disk.
                raise DaeError(
                    f"{count:,} images cannot be written to {folder}: {failure}",
                    "make room there, or name another folder with TMPDIR",
                ) from failure
            with Isolated[Scale](_train, task, shards, count) as training:
                found.append(training.next())
    return found


def _write_shards(task: Task, folder: Path, count: int) -> None:
    images = load(task.data, "train", Path(task.data_dir)).images.numpy()
    for number, start in enumerate(range(0, count, SHARD_IMAGES)):
        chosen = np.arange(start, min(count, start + SHARD_IMAGES)) % len(images)
        for split in ("train", "test"):
            (folder / split).mkdir(parents=True, exist_ok=True)
        np.save(folder / "train" / f"images-{number:05d}.npy", images[chosen])
    np.save(folder / "test" / "images.npy", images[:BATCH])


def _train(task: Task, folder: Path, count: int) -> Iterator[Scale]:
    device = resolve_device(task.device)
    streamed, validation, test = load_shards(folder)
    # Epochs are parts of a large set, or a small set several times.
    epochs = max(ROUNDS, LEAST_IMAGES // count)
    part = count // ROUNDS if count >= LEAST_IMAGES else 0
    config = replace(
        preset_config("fast", task.data), epochs=epochs, epoch_images=part, batch_size=BATCH
    )
    training = Training(
        config,
        place(build(config.network, config.settings), device),
        Denoising(parse_noise(config.noise), config.clip, F.mse_loss, None),
        streamed,
        [validation.select(slice(BATCH)).to(device)],
        test.select(slice(2)).to(device),
        device=device,
        precision=resolve_precision(config.precision, device),
        metadata={},
    )
    ends = [0.0, *(event.seconds for event in training.events() if isinstance(event, Validation))]
    of_epoch = training.steps_per_epoch * training.batch_size
    marks = ends[:: epochs // ROUNDS]
    rates = [of_epoch * (epochs // ROUNDS) / (end - begin) for begin, end in pairwise(marks)]
    disk = sum(path.stat().st_size for path in folder.rglob("*.npy"))
    yield Scale(count, disk, spread(rates), psutil.Process().memory_info().rss)
