"""Whether denoising would do good: an estimate of the error without the clean image.

Stein's unbiased risk estimate gives the mean squared error of a denoiser from the noisy image and
the noise level alone; a random probe gives the divergence that it needs (Ramani, Blu and Unser:
"Monte-Carlo SURE", IEEE TIP 2008). Where that level may be wrong, it counts whether something is
taken away everywhere, as noise is everywhere, and not from textures alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

PROBE = 0.1
"""The size of the probe, in noise levels."""
SIDE = 192
"""Of the middle of an image, whose error is estimated."""
SEED = 0
BLOCK = 8
"""The side of the blocks whose changes are compared, in pixels."""
CALM, HALF = 0.25, 0.5
"""The part of the blocks that change least."""
LEAST_PART = 0.1
"""Planes count alike, but for those with less of the noisiest one's variance: the differences of
grey pictures hold none, and any change of them would be infinitely many times their noise."""


@dataclass(frozen=True)
class Trial:
    """A part of an image and what a network makes of it."""

    noisy: Tensor
    """Planes (C, h, w) with independent noise."""
    sigmas: Tensor
    """The noise level of each plane, (C, 1, 1), or of each value, (C, h, w)."""
    signs: Tensor
    """The direction of the probe, 1 or -1 for each value."""
    denoised: Tensor
    probed: Tensor
    """The noisy planes denoised after a step of `PROBE` levels in that direction."""

    @property
    def removed(self) -> Tensor:
        """The square of what is taken away from each value."""
        return (self.denoised - self.noisy).square()

    @property
    def kept(self) -> Tensor:
        """What is left of the probe, as a multiple of it, at each value; of levels above 0."""
        return self.signs * (self.probed - self.denoised) / (PROBE * self.sigmas)

    @property
    def spread(self) -> Tensor:
        """The divergence of each value times its variance, (C, h, w), in the mean over many.

        If the levels are right, it is the variance of the noise that is left.
        """
        return self.sigmas * self.signs * (self.probed - self.denoised) / PROBE

    @property
    def risk(self) -> float:
        """The expected error as a multiple of that of the noisy image.

        0 is perfect, and 1 is as bad as the noise itself.
        """
        divergence = self.spread.mean((1, 2))  # Times the variances.
        distance = self.removed.mean((1, 2))
        variances = self.sigmas.square().mean((1, 2))
        risks = distance - variances + 2 * divergence
        weights = 1 / variances.clamp(min=LEAST_PART * float(variances.max()))
        return float((weights * risks).sum() / (weights * variances).sum())

    def mixed(self, other: "Trial", share: float) -> "Trial":
        """What the mean of both networks makes of it, with so large a share of this one."""
        return replace(
            self,
            denoised=share * self.denoised + (1 - share) * other.denoised,
            probed=share * self.probed + (1 - share) * other.probed,
        )


def attempt(apply: Callable[[Tensor], Tensor], noisy: Tensor, sigmas: Tensor) -> Trial:
    """Try `apply`, which denoises planes (C, h, w), on noisy ones.

    `sigmas` are their levels, (C, 1, 1) or (C, h, w).
    """
    generator = torch.Generator().manual_seed(SEED)
    signs = torch.randint(0, 2, noisy.shape, generator=generator).to(noisy.dtype) * 2 - 1
    step = PROBE * sigmas * signs
    return Trial(noisy, sigmas, signs, apply(noisy), apply(noisy + step))


def middle(length: int) -> tuple[int, int]:
    """Begin and end of the part of an axis that is looked at."""
    start = max(0, (length - SIDE) // 2)
    return start, min(length, start + SIDE)


def least_change(
    changes: Tensor, levels: Tensor | float = 1.0, among: Tensor | None = None
) -> float:
    """By how much an image is changed where it is changed least.

    Args:
        changes: what is taken away from planes (C, h, w).
        levels: the noise level of each value, if the change is to be a multiple of that.
        among: the pixels that count, (h, w); all, if they fill less than a quarter of the blocks.

    Returns the root mean square over blocks, which a quarter of the blocks do not reach.
    """
    shares = changes / levels
    if min(shares.shape[-2:]) < BLOCK:
        return float(shares.square().mean().sqrt())
    blocks = F.avg_pool2d(shares.square()[None], BLOCK)[0]
    if among is not None:
        counts = F.avg_pool2d(among[None].float(), BLOCK)[0] > HALF
        if counts.float().mean() >= CALM:
            blocks = blocks[:, counts]
    return float(blocks.quantile(CALM).sqrt())
