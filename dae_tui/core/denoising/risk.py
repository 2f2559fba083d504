"""Whether denoising would do good: an estimate of the error without the clean image.

Stein's unbiased risk estimate gives the mean squared error of a denoiser from the noisy image and
the noise level alone; a random probe gives the divergence that it needs (Ramani, Blu and Unser:
"Monte-Carlo SURE", IEEE TIP 2008).
"""

from collections.abc import Callable

import torch
from torch import Tensor

PROBE = 0.1
"""The size of the probe, in noise levels."""
SIDE = 192
"""Of the middle of an image, whose error is estimated."""
SEED = 0
LEAST_PART = 0.1
"""Planes count alike, but for those with less of the noisiest one's variance: the differences of
grey pictures hold none, and any change of them would be infinitely many times their noise."""


def estimate_risk(apply: Callable[[Tensor], Tensor], noisy: Tensor, sigmas: Tensor) -> float:
    """The expected error of `apply` as a multiple of that of the noisy image.

    0 is perfect, and 1 is as bad as the noise itself.

    Args:
        apply: denoises planes (C, h, w).
        noisy: planes (C, h, w) with white noise.
        sigmas: the noise level of each plane, (C,).
    """
    generator = torch.Generator().manual_seed(SEED)
    signs = torch.randint(0, 2, noisy.shape, generator=generator).to(noisy.dtype) * 2 - 1
    steps = PROBE * sigmas[:, None, None]
    denoised = apply(noisy)
    divergence = (signs * (apply(noisy + steps * signs) - denoised) / steps).mean((1, 2))
    distance = (denoised - noisy).square().mean((1, 2))
    variances = sigmas.square()
    risks = distance - variances + 2 * variances * divergence
    weights = 1 / variances.clamp(min=LEAST_PART * float(variances.max()))
    return float((weights * risks).sum() / (weights * variances).sum())


def middle(length: int) -> tuple[int, int]:
    """Begin and end of the part of an axis that is looked at."""
    start = max(0, (length - SIDE) // 2)
    return start, min(length, start + SIDE)
