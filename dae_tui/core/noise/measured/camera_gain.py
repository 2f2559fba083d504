"""How strong the noise of a camera must be at its sensor to look as it does in photographs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dae_tui.core.noise.measured.calm_blocks import Spread
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import NoiseChain, NoiseSpec, NoiseStage

COLOURS = 3
# Neighbours share so much of the noise of colours, and of brightness, after a camera's processing:
# of the photographs of PolyU 0.9 and 0.5. Colours that JPEG alone has blurred share as much, but
# hardly any brightness.
SHARED_COLOUR, SHARED_BRIGHT = 0.5, 0.25
# The gain of the trial, and what else cameras do. Of this kind, level and correlation in calm areas
# of the 35 photographs of PolyU agree with those of the pairs.
TRIAL = 0.001
READ, SMOOTH = 3.0, 0.4
QUALITY = (85.0, 98.0)
SIDE = 512
"""Of the middle of a photograph, which is enough to tell."""
ONE_LEVEL = 1.3
"""Gains that differ by less are one."""


def camera_noise_like(
    images: Sequence[Tensor], sigmas: Sequence[float], spread: Spread | None
) -> NoiseSpec | None:
    """A camera whose noise is as strong as that of noisy photographs.

    Args:
        images: float32 (C, H, W), where black is 0 and white is 1.
        sigmas: the level that was measured in each.
        spread: how their noise is spread over pixels and channels.

    Returns None where that is not as cameras leave it.
    """
    if spread is None or any(len(image) != COLOURS for image in images):
        return None
    if spread.colour_neighbours < SHARED_COLOUR or spread.bright_neighbours < SHARED_BRIGHT:
        return None
    gains = [
        TRIAL * (sigma / _level(image)) ** 2
        for image, sigma in zip(images, sigmas, strict=True)
        if sigma
    ]
    if not gains:
        return None
    low, high = (float(f"{end:.1g}") for end in np.quantile(gains, [0.1, 0.9]))
    if high < ONE_LEVEL * low:
        low = high
    return NoiseSpec((_camera(low, high, QUALITY),))


def _camera(low: float, high: float, quality: tuple[float, float]) -> NoiseChain:
    stages = NoiseStage("camera", low, high, (READ, SMOOTH)), NoiseStage("jpeg", *quality)
    return NoiseChain(stages)


def _level(image: Tensor) -> float:
    """The level of the trial's noise on a photograph (3, H, W): a root mean square."""
    top, left = (max(0, (side - SIDE) // 2) for side in image.shape[1:])
    part = image[None, :, top : top + SIDE, left : left + SIDE].contiguous()
    spec = NoiseSpec((_camera(TRIAL, TRIAL, (QUALITY[0], QUALITY[0])),))
    drawn = torch.Generator().manual_seed(0)
    return float((add_noise(part, spec, drawn) - part).square().mean().sqrt())
