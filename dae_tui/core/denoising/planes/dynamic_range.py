"""Images in which a few things stand out far above a dark ground, as stars do above the sky.

Their noise is a 250th of their range or less, and a network that is shown the whole range cannot
see it. A curve that is straight near the ground and logarithmic far above it brings both into sight
(the arcsinh stretch of astronomy: Lupton, Gunn and Szalay, AJ 118, 1999). The network is told how
strong the noise of each value is after the curve. Where a value is measured more precisely than the
network could restore it, the measured value is kept.
"""

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
WIDE = 10.0
"""Levels that the ground may span as if it were one value, such as a sky without clouds."""
TEXTURED = 25.0
"""A ground that spans more levels may be texture; white noise spans 3.3."""
# The curve is straight up to so many levels above the ground, over this number. On 250 stars and a
# galaxy with 17/65535 of noise on the sky, what is left there is 3.6 (0.03), 2.7 (0.1) and 2.5
# (0.2); that of faint stars 26, 27 and 31 (27 before).
BEND = 0.1
# What stands out by x comes out of the network wrong by about this part of x: the peaks of stars
# are sharper than anything in photographs. With 0.018, stars of 0.7 to 1.3 pixels came out up to
# 1.7 times as wrong as they were measured; with this 1.09 times at most.
ERROR = 0.05
OF_WHITE = 3.3
"""Levels that nine tenths of white noise span."""
LEAST_VALUES = 6
"""Fewer values in the ground are counts of single photons, which are skewed."""
MOST_AT_LOWEST = 0.1
"""Where more has the lowest value, it is a mask, as around a round field of view."""
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


@dataclass(frozen=True)
class Bulk:
    """Where most values of an image of one channel lie."""

    low: float
    """A twentieth of the values does not exceed it,"""
    middle: float
    """nor a half this one,"""
    high: float
    """nor nineteen twentieths this one."""
    lowest: float
    highest: float
    distinct: int
    """How many different values there are between `low` and `high`."""

    @classmethod
    def of(cls, values: Tensor) -> "Bulk | None":
        """That of values (n,); None if there are too few that were measured."""
        seen = values[values.isfinite()]
        if len(seen) < LEAST_VALUES:
            return None
        lowest, highest = (float(end) for end in seen.aminmax())
        above = seen[seen > lowest]
        if len(seen) - len(above) > MOST_AT_LOWEST * len(seen) and len(above) >= LEAST_VALUES:
            seen = above
        some = seen[:: max(1, len(seen) // BULK_VALUES)]
        low, middle, high = some.quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
        distinct = len(np.unique(some[(some >= low) & (some <= high)].numpy()))
        return cls(low, middle, high, lowest, highest, distinct)

    @property
    def width(self) -> float:
        """Between the ends of what nine tenths of the values span."""
        return self.high - self.low

    def stands_out(self, function: LevelFunction) -> bool:
        """Whether a few things stand out far above the rest, whose noise has this level."""
        whole, level = self.highest - self.lowest, _at(function, self.middle)
        return (
            self.distinct >= LEAST_VALUES
            and whole > MOST_LEVELS * level > 0
            and self.width < LEAST_BULK * whole
        )

    def is_textured(self, function: LevelFunction) -> bool:
        """Whether the rest may be texture, as it spans far more levels than noise does."""
        return self.width > TEXTURED * _at(function, self.middle)

    def stretched(self, part: Tensor) -> Tensor:
        """A part of the image (1, h, w) with the ground from 0 to 1, and all beyond at these."""
        low, high = self._ends
        return ((part - low) / (high - low)).clamp(0, 1)

    def unstretched(self, function: LevelFunction) -> LevelFunction:
        """The level function of the image, by that of `stretched`."""
        low, high = self._ends
        span = high - low
        ends = function.at(np.array([0.0, 1.0])) ** 2 * span**2
        variances = (float(ends[0]),) if function.is_constant else tuple(ends.tolist())
        return LevelFunction(variances, low, high, function.sigma * span)

    @property
    def _ends(self) -> tuple[float, float]:
        return self.low - self.width / 2, self.high + self.width / 2


def _at(function: LevelFunction, intensity: float) -> float:
    return float(function.at(np.array([intensity]))[0])


def ground_of(plane: Tensor) -> Tensor:
    """A plane (H, W), NaN where it stands out far above the rest, if a few things do so.

    The noise of the rest is what can be measured there: what stands out are stars and the like, and
    their slopes look like noise that grows with the light.
    """
    bulk = Bulk.of(plane.flatten())
    if bulk is None:
        return plane
    dark = (plane > bulk.lowest) & (plane < bulk.middle)
    steps = (plane[:, 1:] - plane[:, :-1])[dark[:, 1:] & dark[:, :-1]]
    if not len(steps):
        return plane
    level = MEDIAN_TO_LEVEL * float(steps.abs().median())
    if not bulk.stands_out(LevelFunction.constant(level)):
        return plane
    return plane.where(plane < bulk.high + BEYOND * bulk.width, torch.nan)


def stretch(function: LevelFunction, bulk: Bulk) -> Stretch:
    """The curve for an image of one channel.

    Args:
        function: its level function.
        bulk: where most of its values lie, in the unit of images in [0, 1].
    """
    ground = bulk.middle
    level = _at(function, ground)
    lowest, highest = bulk.lowest - MARGIN * level, bulk.highest + MARGIN * level
    bend = BEND / max(1.0, bulk.width / (WIDE * level))
    first, last = (float(np.arcsinh(bend * (end - ground) / level)) for end in (lowest, highest))
    at = ground + level / bend * np.sinh(np.linspace(first, last, KNOTS))
    levels, above = function.at(at), np.abs(at - ground)
    slopes = 1 / np.hypot(np.maximum(levels, 0.1 * level), bend * above)
    curve = np.concatenate([[0], np.cumsum((slopes[1:] + slopes[:-1]) / 2 * np.diff(at))])
    curve -= np.interp(bulk.lowest, at, curve)
    scale = float(np.interp(bulk.highest, at, curve))
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    noisy = np.interp(at[:, None] + levels[:, None] * nodes, at, curve)
    means = np.maximum.accumulate(noisy @ (weights / weights.sum()))
    rising = np.concatenate([[True], np.diff(means) > 0])
    steps_back = Curve(at, curve, means[rising], at[rising])
    beyond = np.maximum(0, above - max(0.0, bulk.width - OF_WHITE * level))
    return Stretch(
        Stabilisation((steps_back,), (scale,), torch.tensor([1 / scale])),
        curve / scale,
        levels * slopes / scale,
        levels**2 / (levels**2 + (ERROR * beyond) ** 2 + 1e-30),
    )
