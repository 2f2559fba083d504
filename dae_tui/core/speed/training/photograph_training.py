"""How fast a U-Net learns from crops of photographs, and what share of the machine it uses."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dae_tui.core.data.crops import Crops
from dae_tui.core.hardware import place, resolve_device, resolve_precision
from dae_tui.core.speed.isolated_process import Isolated
from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.core.speed.roofline import measure_peaks
from dae_tui.core.speed.training.training_loops import Round, TimedImages, peak_bytes
from dae_tui.core.training.loop import Training
from dae_tui.core.training.objectives.supervised import Denoising
from dae_tui.core.weights.cost import network_cost
from dae_tui.models.registry import build
from dae_tui.spec.events import Validation
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import UNET_OF_PAIRS, TrainingConfig

SIDES = (64, 128)
# Of one batch, whatever the side of its crops.
PIXELS = 16 * 64 * 64
STEPS = 40
# Photographs of BSDS500 have this size.
COUNT, HEIGHT, WIDTH = 24, 321, 481
# A training step computes the outputs, the gradients by the inputs, and those by the weights.
PASSES = 3


@dataclass(frozen=True)
class PhotographSpeed:
    """How fast the U-Net of pairs is trained on crops of one size."""

    side: int
    """Of the crops, in pixels."""
    batch: int
    precision: str
    images_per_second: Spread
    share_of_peak: float
    """Its operations a second, forward and backward, over those of a large matrix product."""
    waiting: float
    """Share of the time spent waiting for data."""


def photograph_speed(device: str, rounds: int) -> Generator[str, None, list[PhotographSpeed]]:
    """Measure the training on colour crops of each side; yields its progress."""
    where = resolve_device(device)
    precision = resolve_precision("auto", where)
    yield "photographs: measuring the peak"
    peak = measure_peaks(where, [precision]).flops[precision]
    found = []
    for side in SIDES:
        yield f"photographs: starting with crops of {side}×{side}"
        with Isolated[Round](photograph_rounds, device, side) as isolated:
            isolated.next()
            measured = []
            for number in range(rounds):
                yield f"photographs: round {number + 1}/{rounds}, crops of {side}×{side}"
                measured.append(isolated.next())
        speed = spread([each.images / each.seconds for each in measured])
        network = build("unet", UNET_OF_PAIRS | {"channels": 3})
        adds = network_cost(network, 3, side, side).multiply_adds or 0
        found.append(
            PhotographSpeed(
                side,
                PIXELS // side**2,
                precision,
                speed,
                2 * PASSES * adds * speed.median / peak,
                sum(each.waited for each in measured) / sum(each.seconds for each in measured),
            )
        )
    return found


def photograph_rounds(device: str, side: int, steps: int = STEPS) -> Iterator[Round]:
    """Train as `dae train` does, and yield a round for every `steps` steps."""
    where = resolve_device(device)
    batch = PIXELS // side**2
    clean, noisy = _photographs()
    crops = Crops("photographs", clean, side, noisy, augment=True)
    images = TimedImages(crops)
    config = TrainingConfig(
        network="unet",
        epochs=100_000,
        epoch_images=steps * batch,
        batch_size=batch,
        lr=1e-3,
        schedule="constant",
        patch=side,
        augment=True,
        ema=0.999,
        gradient_clip=0.05,
        compile="no",
    )
    some = next(crops.batches(2, seed=1, epoch=0))
    torch.manual_seed(0)
    training = Training(
        config,
        place(build("unet", UNET_OF_PAIRS | {"channels": 3}), where),
        Denoising(parse_noise("none"), clip=False, distance=F.l1_loss, classifier=None, pairs=True),
        images,
        [some.to(where)],
        some.to(where),
        device=where,
        precision=resolve_precision("auto", where),
        metadata={},
    )
    seconds = 0.0
    for event in training.events():
        if isinstance(event, Validation):
            taken, seconds = event.seconds - seconds, event.seconds
            yield Round(training.steps_per_epoch * batch, taken, images.waited, peak_bytes(where))
            images.waited = 0.0


def _photographs() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Made pairs of the size of photographs: what they show does not change the speed."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(COUNT, 3, HEIGHT // 16, WIDTH // 16, generator=generator)
    smooth = F.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic", align_corners=False)
    noise = 0.1 * torch.randn(smooth.shape, generator=generator)
    clean, noisy = (
        (255 * images.clamp(0, 1)).round().to(torch.uint8) for images in (smooth, smooth + noise)
    )
    return tuple(clean), tuple(noisy)
