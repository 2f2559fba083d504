"""Images in which little stands far out from a dark ground, as stars do from the sky.

Their noise is a thousandth of their range or less, and a network that sees the whole range sees
nothing of it. A curve that is straight at the ground and logarithmic far above it brings both into
sight (the arcsinh stretch of astronomy: Lupton, Gunn and Szalay, AJ 118, 1999). The network is told
how strong the noise of each value is after the curve. What stands out so far that it is measured
better than the network sees it stays as it was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.planes.level_map import blurred
from dae_tui.core.denoising.planes.stabilisation import NODES, Curve, Stabilisation
from dae_tui.core.noise.level.level_function import LevelFunction

Array = NDArray[np.float64]

# Photographs have a range of up to 250 levels that they use throughout.
MOST_LEVELS = 250.0
LEAST_BULK = 0.05
"""Where nine tenths of the values fill a smaller part of the range, the rest stands out."""
# The curve is straight up to so many levels above the ground, over this number. On 250 stars and a
# galaxy with 17/65535 of noise on the sky, what is left there is 3.6 (0.03), 2.7 (0.1) and 2.5
# (0.2); that of faint stars 26, 27 and 31 (27 before).
BEND = 0.1
# What stands out by x comes out of the network wrong by about this part of x: the peaks of stars
# are sharper than anything in photographs.
ERROR = 0.018
BULK_VALUES = 2**18
MEDIAN_TO_LEVEL = 1.05
"""The level of Gaussian noise, over the median size of the difference of two values."""
BEYOND = 2.0
"""What is so many times the width of the rest above it stands out."""
KNOTS = 4097
MARGIN = 8.0
"""Levels beyond the lowest and the highest value to which the curve goes on."""


@dataclass(frozen=True)
class Stretch:
    """The curve of a plane, and what the network is told and does after it."""

    stabilisation: Stabilisation
    """The way to the curve and back; the noise is equally strong at the ground alone."""
    at: Array
    """Values after the curve, rising."""
    levels: Array
    """The noise level at these."""
    shares: Array
    """The share of the network in the result at these; that of what was measured is the rest."""

    def __call__(self, images: Tensor) -> Tensor:
        """The levels of noisy images (N, 1, H, W) after the curve, of the same shape and device."""
        return self._looked_up(blurred(images), self.levels)

    def mixed(self, noisy: Tensor, denoised: Tensor) -> Tensor:
        """What the network gave for planes (1, H, W), as far as it sees better than the sensor."""
        return torch.lerp(noisy, denoised, self._looked_up(denoised, self.shares))

    def _looked_up(self, values: Tensor, table: Array) -> Tensor:
        found = np.interp(values.double().cpu().numpy(), self.at, table)
        return torch.from_numpy(found).float().to(values.device)


def stands_out(function: LevelFunction, bulk: Sequence[float], ends: Sequence[float]) -> bool:
    """Whether little of an image stands far out from the rest.

    Args:
        function: the level function of its only channel.
        bulk: the values that a twentieth, a half and nineteen twentieths of the image do not
            exceed.
        ends: its lowest and its highest value.
    """
    whole = ends[1] - ends[0]
    level = float(function.at(np.array([bulk[1]]))[0])
    return whole > MOST_LEVELS * level > 0 and bulk[2] - bulk[0] < LEAST_BULK * whole


def ground_of(plane: Tensor) -> Tensor:
    """A plane (H, W), NaN where it stands out far above the rest, if little of it does so.

    The noise of the rest is what can be measured there: what stands out are stars and the like, and
    their slopes look like noise that grows with the light.
    """
    values = plane[plane.isfinite()]
    if len(values) < 2:
        return plane
    some = values[:: max(1, len(values) // BULK_VALUES)]
    low, middle, high = some.quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
    steps = (plane[:, 1:] - plane[:, :-1])[(plane[:, 1:] < middle) & (plane[:, :-1] < middle)]
    if not len(steps):
        return plane
    level = MEDIAN_TO_LEVEL * float(steps.abs().median())
    ends = float(values.min()), float(values.max())
    if not stands_out(LevelFunction.constant(level), (low, middle, high), ends):
        return plane
    return plane.where(plane < high + BEYOND * (high - low), torch.nan)


def stretch(function: LevelFunction, ground: float, ends: Sequence[float]) -> Stretch:
    """The curve for an image of one channel.

    Args:
        function: its level function.
        ground: the value of the ground, in the unit of images in [0, 1].
        ends: its lowest and its highest value.
    """
    level = float(function.at(np.array([ground]))[0])
    lowest, highest = ends[0] - MARGIN * level, ends[1] + MARGIN * level
    first, last = (float(np.arcsinh(BEND * (end - ground) / level)) for end in (lowest, highest))
    at = ground + level / BEND * np.sinh(np.linspace(first, last, KNOTS))
    levels, above = function.at(at), np.abs(at - ground)
    slopes = 1 / np.hypot(np.maximum(levels, 0.1 * level), BEND * above)
    curve = np.concatenate([[0], np.cumsum((slopes[1:] + slopes[:-1]) / 2 * np.diff(at))])
    curve -= np.interp(ends[0], at, curve)
    scale = float(np.interp(ends[1], at, curve))
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    noisy = np.interp(at[:, None] + levels[:, None] * nodes, at, curve)
    means = np.maximum.accumulate(noisy @ (weights / weights.sum()))
    rising = np.concatenate([[True], np.diff(means) > 0])
    steps_back = Curve(at, curve, means[rising], at[rising])
    return Stretch(
        Stabilisation((steps_back,), (scale,), torch.tensor([1 / scale])),
        curve / scale,
        levels * slopes / scale,
        levels**2 / (levels**2 + (ERROR * above) ** 2 + 1e-30),
    )
