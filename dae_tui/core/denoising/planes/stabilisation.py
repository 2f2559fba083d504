"""Variance stabilisation: a curve after which the noise is equally strong at every intensity.

The generalised Anscombe transform does so for Poisson-Gaussian noise. Here the curve is the
integral of 1 / sigma(x), which does so for any level function, and is a table. The way back is the
exact unbiased inverse (Mäkitalo and Foi: "Optimal inversion of the generalized Anscombe
transformation", IEEE TIP 2013): the intensity whose noisy values have the denoised value as mean.
"""

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
