"""The level of white noise in an image, by what a network takes away if it is told several levels.

Where all is texture, no patch of an image holds noise alone. A network for white noise knows more.
Told the true level, it returns about the posterior mean. The mean square of what it takes away and
the posterior variance, which the divergence of its result gives (Tweedie's formula; Efron:
"Tweedie's Formula and Selection Bias", JASA 2011), add up to the variance of the noise. The level
is the one at which they do, at each intensity. It is a fixed point of expectation–maximisation.

Measured in the middle of Kodak's photographs, with shot noise of 1000 photons at white: nine of ten
levels are right to 9 % in grey and to 5 % in colour, where those of patches are wrong by up to a
half. It takes up to 12 trials, of two applications of the network each: two seconds on a processor.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.planes.level_map import blurred
from dae_tui.core.denoising.risk import Trial, attempt
from dae_tui.core.noise.level.level_function import LevelFunction, levels_at
from dae_tui.core.noise.measured.laws import NEAR, SIMPLER, fit_powers

Array = NDArray[np.float64]
Levels = tuple[LevelFunction, ...]
"""Of each channel."""
Apply = Callable[[Tensor, Tensor], Tensor]
"""Denoises planes (C, h, w) for a network that is told the level of each value, (C, h, w)."""

GROUPS = 8
"""Of pixels of equal intensity, from dark to light, in each channel."""
LEAST_GROUPS = 3
"""So many must tell a level."""
CLEAR, ENDS = 2.0, 0.015
"""Values that are fewer levels away from black and white may be clipped, and so may those that are
closer in any case. They are left out where there are others."""
LEAST_SEEN = 2000
"""So many pixels must be off the ends, or those at the ends count as well: 250 for each group."""
LADDER = (0.003, 0.006, 0.012, 0.025, 0.05, 0.1, 0.2, 0.4)
"""The levels that are tried first, the same one for all intensities."""
LOWEST = 0.0005
"""No network is told less."""
CLEARLY = 1.5
"""The search stops if the first, rough level is lower than the least by this factor."""
AROUND = (0.75, 1.0, 1.3)
"""The levels that are tried around what was found, as multiples of it."""
LEAST_SHARE = 0.02
"""Groups of which less than this part of the noise should be taken away count like those."""
CONSISTENT, CONSISTENT_COLOUR = 1.1, 1.13
"""What is taken away in all is what should be, within this factor, in grey and in colour: right
levels gave 0.95 to 1.09 and 0.97 to 1.12, wrong ones 0.83 and less, or 1.12 and more."""
IDLE = 1e-3
"""A network that should take away less than this part of the noise does nothing."""


@dataclass(frozen=True)
class TriedLevel:
    """The level at which a network takes away from an image what it should."""

    levels: Levels
    """Their `sigma` is that of the part of the image that was tried."""
    trial: Trial
    """What the network does if it is told these."""

    @property
    def seen(self) -> Tensor:
        """Which values noise of these levels hardly takes to the ends, (C, h, w)."""
        return off_ends(self.trial.noisy, self.levels)


def consistency(trial: Trial, among: Tensor | None = None) -> float:
    """What is taken away in all, over what should be; infinite if nothing should.

    1 at the true level, above 1 where the level is too low, below 1 where it is too high.
    `among` are the values that count, (C, h, w), if there are any.
    """
    variances = trial.sigmas.square().expand_as(trial.noisy)
    should, removed = variances - trial.spread, trial.removed
    if among is not None and among.any():
        should, removed, variances = should[among], removed[among], variances[among]
    most = float(should.mean())
    return float(removed.mean()) / most if most > IDLE * float(variances.mean()) else math.inf


def is_consistent(trial: Trial, among: Tensor | None = None) -> bool:
    """Whether what is taken away agrees with the level that was told; see `consistency`."""
    limit = CONSISTENT if len(trial.noisy) == 1 else CONSISTENT_COLOUR
    return 1 / limit < consistency(trial, among) < limit


def trial_of(noisy: Tensor, apply: Apply, levels: Levels) -> Trial:
    """What a network does with a noisy image (C, h, w) if it is told these levels."""
    return _Part.of(noisy, levels).attempt(apply, levels, 1.0)


def level_by_trials(noisy: Tensor, apply: Apply, least: float = 0.0) -> TriedLevel | None:
    """Find the level of white noise that may grow with the light.

    Args:
        noisy: float32 (C, h, w), h and w at least 96, where black is 0 and white is 1.
        apply: the network.
        least: levels that are clearly lower are not sought any further.

    Returns None for these, and if the network takes away what it should at no level.
    """
    part = _Part.of(noisy, (LevelFunction.constant(0.0),) * len(noisy))
    even = (LevelFunction.constant(1.0),) * len(noisy)
    found = _fitted(part, even, _climbed(part, apply, even))
    if found is None or level_in(part.smooth, found) < least / CLEARLY:
        return None
    part = _Part.of(noisy, found)
    found = _fitted(part, found, [part.tried(apply, found, scale) for scale in AROUND])
    if found is None:
        return None
    return TriedLevel(found, part.attempt(apply, found, 1.0))


def off_ends(noisy: Tensor, levels: Levels) -> Tensor:
    """Which values of an image (C, h, w) noise of such levels hardly takes to black or white."""
    return _off_ends(blurred(noisy[None])[0], levels)


def level_in(image: Tensor, levels: Levels) -> float:
    """The level of noise in an image (C, h, w): the root mean square over values and channels."""
    return float(levels_at(levels, image).square().mean().sqrt())


@dataclass(frozen=True)
class _Step:
    """What was seen in a trial, in each group of each channel, (C, GROUPS)."""

    scale: float
    """The levels that were told, as a multiple of some level functions."""
    ratios: Array
    """What was taken away over what should be."""
    shares: Array
    """What should be taken away, as a share of the noise."""


@dataclass(frozen=True)
class _Part:
    noisy: Tensor
    smooth: Tensor
    """The intensity of each value, (C, h, w)."""
    groups: Tensor
    """The number of the group of each value, (C, h, w); `GROUPS` for those that do not count."""
    at: Array
    """The mean intensity of each group, (C, GROUPS)."""

    @classmethod
    def of(cls, noisy: Tensor, levels: Levels) -> "_Part":
        """A noisy image (C, h, w) whose noise has about these levels."""
        smooth = blurred(noisy[None])[0]
        seen = _off_ends(smooth, levels)
        for channel in seen:
            if channel.sum() < LEAST_SEEN:
                channel[:] = True
        groups = torch.full(noisy.shape, GROUPS)
        at = np.zeros((len(noisy), GROUPS))
        for number, (plane, own) in enumerate(zip(smooth, seen, strict=True)):
            edges = plane[own].quantile(torch.linspace(0, 1, GROUPS + 1))
            groups[number][own] = torch.bucketize(plane[own], edges[1:-1])
            sizes = _sums(torch.ones_like(plane), groups[number])
            at[number] = _sums(plane, groups[number]) / np.maximum(sizes, 1)
        return cls(noisy, smooth, groups, at)

    def attempt(self, apply: Apply, levels: Levels, scale: float) -> Trial:
        """Tell the network these levels times `scale`."""
        told = (scale * levels_at(levels, self.smooth)).clamp(min=LOWEST)
        return attempt(lambda planes: apply(planes, told), self.noisy, told)

    def tried(self, apply: Apply, levels: Levels, scale: float) -> _Step:
        """What is seen then."""
        trial = self.attempt(apply, levels, scale)
        variances = trial.sigmas.square()
        removed, should, all_of_it = (
            np.stack([_sums(*each) for each in zip(values, self.groups, strict=True)])
            for values in (trial.removed, variances - trial.spread, variances)
        )
        ratios = np.where(should > 0, removed / np.maximum(should, 1e-12), np.inf)
        ratios[all_of_it == 0] = 0  # Of an empty group.
        shares = np.clip(should / np.maximum(all_of_it, 1e-12), 0, 1)
        return _Step(scale, ratios, shares)


def _off_ends(smooth: Tensor, levels: Levels) -> Tensor:
    """Which values, by their intensity (C, h, w), noise of such levels hardly takes to the ends."""
    margin = (CLEAR * levels_at(levels, smooth)).clamp(min=ENDS)
    return (smooth > margin) & (smooth < 1 - margin)


def _sums(plane: Tensor, groups: Tensor) -> Array:
    """The sum of a plane (h, w) in each group, (GROUPS,)."""
    values = plane.flatten().double().numpy()
    sums: Array = np.bincount(groups.flatten().numpy(), values, GROUPS + 1).astype(float)
    return sums[:GROUPS]


def _climbed(part: _Part, apply: Apply, levels: Levels) -> list[_Step]:
    """Trials with higher and higher multiples of `levels`, until all groups have had enough."""
    steps: list[_Step] = []
    for scale in LADDER:
        steps.append(part.tried(apply, levels, scale))
        if (steps[-1].ratios < 1).all():
            break
    return steps


def _fitted(part: _Part, levels: Levels, steps: list[_Step]) -> Levels | None:
    """The level functions that the trials with multiples of `levels` ask for.

    A channel that does not tell, such as a black one, gets that of another. None if none tells.
    """
    steps = sorted(steps, key=lambda step: step.scale)
    found = [_fitted_channel(part, channel, level, steps) for channel, level in enumerate(levels)]
    known = [level for level in found if level is not None]
    if not known:
        return None
    return tuple(level or known[0] for level in found)


def _fitted_channel(
    part: _Part, channel: int, level: LevelFunction, steps: list[_Step]
) -> LevelFunction | None:
    """That of one channel.

    None if the right multiple is among them in fewer than `LEAST_GROUPS` groups.
    """
    at, variances, certainty = [], [], []
    for group, intensity in enumerate(part.at[channel]):
        scale = _crossing(
            [step.scale for step in steps], [step.ratios[channel, group] for step in steps]
        )
        if scale is None:
            continue
        nearest = min(steps, key=lambda step: abs(step.scale - scale))
        at.append(intensity)
        told = scale * float(level.at(np.array([intensity]))[0])
        variances.append(max(told, LOWEST) ** 2)
        certainty.append(math.sqrt(nearest.shares[channel, group] + LEAST_SHARE))
    if len(at) < LEAST_GROUPS:
        return None
    return _simplest(np.array(at), np.array(variances), np.array(certainty), part.smooth[channel])


def _crossing(scales: list[float], ratios: list[float]) -> float | None:
    """The highest scale, of rising ones, at which the ratios fall below 1; None for none."""
    for place in range(len(scales) - 1, 0, -1):
        before, after = ratios[place - 1], ratios[place]
        if before > 1 >= after:
            falls = math.log(min(before, 1e3)), math.log(max(after, 1e-3))
            share = falls[0] / (falls[0] - falls[1])
            return scales[place - 1] * math.exp(share * math.log(scales[place] / scales[place - 1]))
    return None


def _simplest(at: Array, variances: Array, certainty: Array, plane: Tensor) -> LevelFunction:
    """The simplest level function for the variances: constant, of photons, or of both.

    Speckle is left out: its levels are right as patches find them.
    """
    constant, photons, both = (
        fit_powers(at, variances, powers, certainty) for powers in ((0,), (1,), (0, 1))
    )
    enough = max(SIMPLER * min(constant[1], photons[1], both[1]), NEAR)
    if constant[1] <= min(enough, photons[1]):
        return LevelFunction.constant(math.sqrt(float(constant[0][0])))
    if photons[1] <= enough:
        offset, gain = 0.0, float(photons[0][0])
    else:
        offset, gain = (float(each) for each in both[0])
    variance = offset + gain * float(plane.clamp(0, 1).mean())
    return LevelFunction((offset, offset + gain), 0.0, 1.0, math.sqrt(variance))
