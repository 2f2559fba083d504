"""How strong the noise of a camera must be at its sensor to look as it does in photographs."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dae_tui.core.noise.measured.calm_blocks import Spread
from dae_tui.core.noise.measured.compared import level_of, variances_between
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import NoiseChain, NoiseSpec, NoiseStage

COLOURS = 3
# Neighbours share so much of the noise of colours, and of brightness, after a camera's processing:
# 0.74 and 0.30 in the pairs of PolyU. Colours that JPEG alone has blurred share as much, but hardly
# any brightness.
SHARED_COLOUR, SHARED_BRIGHT = 0.5, 0.2
TRIAL = 0.001
"""The first gain that is tried."""
# What else cameras do. With these the noise of the 35 photographs of PolyU is spread as in the
# simulated ones: neighbours share 0.73 of the noise of colours and 0.3 of that of brightness.
READ, SMOOTH, SHARP = 3.0, 0.6, 0.5
QUALITY = (85.0, 98.0)
BITS = 8
STEPS = 2
TRIALS = 2
"""Each draws white balance, smoothing and so on anew."""
MOST_PHOTOGRAPHS = 12
"""So many, spread evenly, tell the range of gains."""
LEAST, MOST = 1e-6, 1.0
"""Of a gain."""
SIDE = 256
"""Of the middle of a photograph, which is enough to tell."""
ONE_LEVEL = 1.3
"""Gains that differ by less are one."""


def is_of_camera(images: Sequence[Tensor], spread: Spread | None) -> bool:
    """Whether it is a camera's noise that is spread so over pixels and channels of images."""
    if spread is None or any(len(image) != COLOURS for image in images):
        return False
    return spread.colour_neighbours > SHARED_COLOUR and spread.bright_neighbours > SHARED_BRIGHT


def camera_noise_like(images: Sequence[Tensor], sigmas: Sequence[float]) -> NoiseSpec | None:
    """A camera whose noise is as strong as that of photographs.

    Args:
        images: the photographs without noise, float32 (3, H, W), where black is 0 and white is 1.
        sigmas: the level of the noise of each.

    Returns None if no noise was found, or if the middle of every photograph is black or white.
    """
    noisy = [(image, sigma) for image, sigma in zip(images, sigmas, strict=True) if sigma]
    tried = [_gain(*each) for each in noisy[:: -(-len(noisy) // MOST_PHOTOGRAPHS) or 1]]
    gains = [gain for gain in tried if gain is not None]
    if not gains:
        return None
    low, high = (float(f"{end:.2g}") for end in np.quantile(gains, [0.1, 0.9]))
    if high < ONE_LEVEL * low:
        low = high
    return _cameras(low, high, QUALITY)


def _cameras(low: float, high: float, quality: tuple[float, float]) -> NoiseSpec:
    """One whose photographs were stored as JPEG or as they are: images do not tell which."""
    camera = NoiseStage("camera", low, high, (READ, SMOOTH, SHARP))
    stored = NoiseStage("quantize", BITS, BITS), NoiseStage("jpeg", *quality)
    return NoiseSpec(tuple(NoiseChain((camera, stage)) for stage in stored))


def _gain(image: Tensor, sigma: float) -> float | None:
    """That with which a camera's noise on a photograph (3, H, W) has the level `sigma`.

    None if the middle of the photograph is black or white, where noise is clipped.
    """
    top, left = (max(0, (side - SIDE) // 2) for side in image.shape[1:])
    part = image[:, top : top + SIDE, left : left + SIDE].clamp(0, 1).contiguous()
    gain = TRIAL
    for _ in range(STEPS):
        # The variance grows with the gain, at first: what is clipped, or rounded by JPEG, does not.
        level = _level(part, gain)
        if not level:
            return None
        gain = min(max(gain * (sigma / level) ** 2, LEAST), MOST)
    return gain


def _level(part: Tensor, gain: float) -> float:
    """The level of the noise of some cameras with this gain, on a photograph (3, h, w)."""
    drawn = torch.Generator().manual_seed(0)
    same = part.expand(TRIALS, -1, -1, -1)
    chains = _cameras(gain, gain, (QUALITY[0], QUALITY[0])).chains
    trials = [add_noise(same, NoiseSpec((chain,)), drawn) for chain in chains]
    found = [level_of(variances_between(noisy, part)) ** 2 for noisy in torch.cat(trials)]
    return math.sqrt(np.mean(found))
