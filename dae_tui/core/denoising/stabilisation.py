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

from dae_tui.core.noise.level_function import LevelFunction

Array = NDArray[np.float64]

KNOTS = 4097
NODES = 15
"""Of the Gauss-Hermite quadrature that gives the mean of the noisy values."""
LEAST_LEVEL = 0.1
"""The least level, relative to the median one: the curve must not become vertical."""


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
    """Takes channels of an image to values whose noise is `sigma` everywhere, and back."""

    curves: tuple[Curve, ...]
    scale: float
    """Stabilised values are divided by it, so that the image ranges from 0 to 1 again."""

    @property
    def sigma(self) -> float:
        """The noise level of every channel of the stabilised image."""
        return 1 / self.scale

    def forward(self, planes: Tensor) -> Tensor:
        """Stabilise planes (C, H, W)."""
        return self._each(planes, lambda curve: (curve.intensities, curve.stabilised / self.scale))

    def backward(self, planes: Tensor) -> Tensor:
        """The intensities of denoised planes (C, H, W)."""
        return self._each(planes, lambda curve: (curve.means / self.scale, curve.inverse))

    def _each(self, planes: Tensor, tables) -> Tensor:  # type: ignore[no-untyped-def]
        done = [
            np.interp(plane, *tables(curve))
            for plane, curve in zip(planes.numpy(), self.curves, strict=True)
        ]
        return torch.from_numpy(np.stack(done).astype(np.float32))


def stabilise(
    functions: Sequence[LevelFunction], lowest: Sequence[float], highest: Sequence[float]
) -> Stabilisation | None:
    """The stabilisation for the level functions of some channels; None if all are constant.

    Args:
        functions: of each channel.
        lowest: the lowest value of each channel, in the unit of images in [0, 1].
        highest: the highest value of each.
    """
    if all(function.is_constant for function in functions):
        return None
    curves = [
        _curve(function, low, high)
        for function, low, high in zip(functions, lowest, highest, strict=True)
    ]
    spans = [
        float(np.interp(high, curve.intensities, curve.stabilised))
        for curve, high in zip(curves, highest, strict=True)
    ]
    return Stabilisation(tuple(curves), max(*spans, 1.0))


def _curve(function: LevelFunction, lowest: float, highest: float) -> Curve:
    margin = 0.5 * max(highest - lowest, 1e-6)
    at = np.linspace(lowest - margin, highest + margin, KNOTS)
    levels = function.at(at)
    levels = np.maximum(levels, max(LEAST_LEVEL * float(np.median(levels)), 1e-9))
    slopes = 1 / levels
    stabilised = np.concatenate([[0], np.cumsum((slopes[1:] + slopes[:-1]) / 2 * np.diff(at))])
    stabilised -= np.interp(lowest, at, stabilised)
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    noisy = at[:, None] + levels[:, None] * nodes
    means = np.interp(noisy, at, stabilised) @ (weights / weights.sum())
    # Noise reaches beyond the ends of the table, where the curve would have to go on.
    inner = slice(KNOTS // 8, -KNOTS // 8)
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(means[inner])) > 0])
    return Curve(at, stabilised, means[inner][rising], at[inner][rising])
