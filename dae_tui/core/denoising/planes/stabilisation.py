"""Variance stabilisation: a curve after which the noise is equally strong at every intensity.

The generalised Anscombe transform does so for Poisson-Gaussian noise. Here the curve is the
integral of 1 / sigma(x), which does so for any level function, and is a table. The way back is the
exact unbiased inverse (Mäkitalo and Foi: "Optimal inversion of the generalized Anscombe
transformation", IEEE TIP 2013): the intensity whose noisy values have the denoised value as mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.level.level_function import LevelFunction

Array = NDArray[np.float64]

KNOTS = 4097
NODES = 15
"""Of the Gauss-Hermite quadrature that gives the mean of the noisy values."""
LEAST_LEVEL = 0.1
"""The least level, relative to the median one of the image's intensities: the curve must not become
vertical."""
# Speckle of a smaller part of the intensity is left to the level map. It may be that of amplitudes,
# 0.52 of them for one look: their logarithm gave 21.7 dB on four photographs, the level map 24.1.
LEAST_SPECKLE = 0.6
MOST_AT_ZERO = 0.005
"""More values at 0 or below come from noise that was clipped, or that has both signs."""
# Of three photographs with speckle of one look, the logarithm gave 17.9 to 19.9 dB; that of the
# intensity and so much of its root mean square 18.5, and 20.9 with a level that is a fifth higher.
# Two looks: 21.7 and 21.9; four 23.6 and, with the higher level, 23.1. The level map gave 15.8,
# 19.9 and 22.7.
DARK = 0.05
SKEWED = 0.2
GAMMA_NODES = 64
LEAST_LOOKS = 0.5
"""Speckle that varies more, as that of a rough sea, is treated as if it had so many."""
FLOOR, MOST_ABOVE = 1e-4, 4.0
"""The ends of the table, relative to the usual and to the highest intensity."""


@dataclass(frozen=True)
class Curve:
    """The curve of one channel."""

    intensities: Array
    stabilised: Array
    """Where noise has a standard deviation of 1."""
    means: Array
    """The mean of the stabilised noisy values at each of `inverse`."""
    inverse: Array


@dataclass(frozen=True)
class Stabilisation:
    """Takes channels of an image to values whose noise is equally strong everywhere, and back."""

    curves: tuple[Curve | None, ...]
    """Of each channel; None for one whose noise is so already."""
    scales: tuple[float, ...]
    """Stabilised values are divided by them, so that the image ranges from 0 to 1 again."""
    sigmas: Tensor
    """The noise level of each channel of the stabilised image, (C,)."""

    def forward(self, planes: Tensor) -> Tensor:
        """Stabilise planes (C, H, W)."""
        done = [
            plane
            if curve is None
            else _looked_up(plane, curve.intensities, curve.stabilised / scale)
            for plane, curve, scale in zip(planes, self.curves, self.scales, strict=True)
        ]
        return torch.stack(done)

    def backward(self, planes: Tensor) -> Tensor:
        """The intensities of denoised planes (C, H, W)."""
        done = [
            plane if curve is None else _looked_up(plane, curve.means / scale, curve.inverse)
            for plane, curve, scale in zip(planes, self.curves, self.scales, strict=True)
        ]
        return torch.stack(done)


def _looked_up(plane: Tensor, at: Array, values: Array) -> Tensor:
    return torch.from_numpy(np.interp(plane.numpy(), at, values).astype(np.float32))


def stabilise(
    functions: Sequence[LevelFunction],
    lowest: Sequence[float],
    highest: Sequence[float],
    *,
    unclip: bool = False,
) -> Stabilisation | None:
    """The stabilisation for the level functions of some channels; None if there is nothing to do.

    Args:
        functions: of each channel.
        lowest: the lowest value of each channel, in the unit of images in [0, 1].
        highest: the highest value of each.
        unclip: whether the way back undoes the shift of the mean where noise was clipped to 0 or
            1. Networks have learnt to do so, but not from brightness and colour differences.
    """
    if all(function.is_constant for function in functions) and not unclip:
        return None
    curves: list[Curve | None] = []
    scales, sigmas = [], []
    for function, low, high in zip(functions, lowest, highest, strict=True):
        if function.is_constant and not (unclip and (low == 0 or high == 1) and function.sigma):
            curves.append(None)
            scales.append(1.0)
            sigmas.append(function.sigma)
            continue
        curve = _curve(function, low, high, unclip=unclip)
        curves.append(curve)
        scales.append(max(1.0, float(np.interp(high, curve.intensities, curve.stabilised))))
        sigmas.append(1 / scales[-1])
    return Stabilisation(tuple(curves), tuple(scales), torch.tensor(sigmas))


def unclipped(
    functions: Sequence[LevelFunction], lowest: Sequence[float], highest: Sequence[float]
) -> Stabilisation | None:
    """The way back alone: it undoes the shift of the mean where noise was clipped to 0 or 1.

    The arguments are those of `stabilise`. None if no channel reaches 0 or 1.
    """
    curves = [
        _curve(function, low, high, unclip=True, straight=True) if low == 0 or high == 1 else None
        for function, low, high in zip(functions, lowest, highest, strict=True)
    ]
    if not any(curves):
        return None
    sigmas = torch.tensor([function.sigma for function in functions])
    return Stabilisation(tuple(curves), (1.0,) * len(curves), sigmas)


def has_few_looks(function: LevelFunction, sample: Tensor) -> bool:
    """Whether it is the speckle of waves, as of radar, sonar and ultrasound, and strong.

    It multiplies the intensity by a positive number, of a gamma distribution, so that nothing falls
    below 0 (Goodman, *Speckle Phenomena in Optics*, 2007).

    Args:
        function: of the only channel.
        sample: a part of it, (1, h, w).
    """
    if not function.is_speckle or _share(function) < LEAST_SPECKLE:
        return False
    return float((sample <= 0).float().mean()) < MOST_AT_ZERO


def stabilise_looks(function: LevelFunction, highest: float) -> Stabilisation:
    """The stabilisation for such speckle: the logarithm, but for the darkest.

    Args:
        function: of the only channel.
        highest: its highest value, in the unit of images in [0, 1].
    """
    from scipy.special import roots_genlaguerre  # A third of a second, which few images need.

    share = _share(function)
    usual = function.sigma / share
    dark = DARK * usual
    looks = max(LEAST_LOOKS, 1 / share**2)
    nodes, weights = roots_genlaguerre(GAMMA_NODES, looks - 1)
    weights = weights / weights.sum()
    at = np.geomspace(FLOOR * usual, MOST_ABOVE * max(highest, usual), KNOTS)
    noisy = np.log1p(at[:, None] * (nodes / looks) / dark)
    means = noisy @ weights
    levels = np.sqrt(((noisy - means[:, None]) ** 2) @ weights)
    level = float(np.interp(usual, at, levels))
    curve = Curve(at, np.log1p(at / dark) / level, means / level, at)
    scale = float(np.log1p(highest / dark)) / level
    # The logarithm of speckle is skewed, the more the fewer looks.
    excess = 1 + SKEWED * min(1.0, max(0.0, share - LEAST_SPECKLE) / (1 - LEAST_SPECKLE))
    return Stabilisation((curve,), (scale,), torch.tensor([excess / scale]))


def _share(function: LevelFunction) -> float:
    return math.sqrt(function.variances[-1])


def _curve(
    function: LevelFunction,
    lowest: float,
    highest: float,
    *,
    unclip: bool,
    straight: bool = False,
) -> Curve:
    margin = 0.5 * max(highest - lowest, 1e-6)
    at = np.linspace(lowest - margin, highest + margin, KNOTS)
    levels = function.at(at)
    usual = float(np.median(levels[(at >= lowest) & (at <= highest)]))
    levels = np.maximum(levels, max(LEAST_LEVEL * usual, 1e-9))
    slopes = 1 / levels
    stabilised = np.concatenate([[0], np.cumsum((slopes[1:] + slopes[:-1]) / 2 * np.diff(at))])
    stabilised -= np.interp(lowest, at, stabilised)
    if straight:
        stabilised = at
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    noisy = at[:, None] + levels[:, None] * nodes
    if unclip:
        noisy = noisy.clip(0 if lowest == 0 else -np.inf, 1 if highest == 1 else np.inf)
    means = np.interp(noisy, at, stabilised) @ (weights / weights.sum())
    # Noise reaches beyond the ends of the table, where the curve would have to go on.
    inner = slice(KNOTS // 8, -KNOTS // 8)
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(means[inner])) > 0])
    return Curve(at, stabilised, means[inner][rising], at[inner][rising])
