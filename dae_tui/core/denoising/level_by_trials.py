"""The noise level of an image, told by what a network takes away if it is told several levels.

Where all is texture, no patch of an image holds noise alone. A network for white noise knows more:
told the true level, it gives about the mean of all clean images that may be behind the noisy one,
and the divergence of its result tells how far these spread around it (Tweedie's formula; Efron:
"Tweedie's Formula and Selection Bias", JASA 2011). What it takes away and what it leaves in are
then the variance of the noise together. So the level is the one at which it takes away what it
should, which is where expectation and maximisation of the likelihood come to rest.

Measured in the middle of Kodak's photographs, with shot noise of 1000 photons at white: nine of ten
levels are right to 8 % in grey and in colour, where those of patches are wrong by up to a half.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.camera_noise import is_grey
from dae_tui.core.denoising.planes.level_map import blurred
from dae_tui.core.denoising.residual import neighbour_correlations
from dae_tui.core.denoising.risk import Trial, attempt, middle
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.measured.laws import fit_powers
from dae_tui.core.weights.choice import for_channels
from dae_tui.core.weights.weights_file import Weights

Array = NDArray[np.float64]
Apply = Callable[[Tensor, Tensor], Tensor]
"""Denoises planes (C, h, w) for a network that is told the level of each value, (C, h, w)."""

LEAST_SIDE = 96
"""Smaller images have too few pixels."""
GROUPS = 8
"""Of pixels of equal intensity, from dark to light, in each channel."""
LEAST_GROUPS = 3
"""So many must tell a level."""
CLEAR, ENDS = 2.0, 0.015
"""Values that are fewer levels away from black and white may be clipped, and so may those that are
closer in any case. They are left out where there are others."""
LEAST_SEEN = 2000
"""So many pixels must be off the ends, or those at the ends count as well."""
LADDER = (0.003, 0.006, 0.012, 0.025, 0.05, 0.1, 0.2, 0.4)
"""The levels that are tried first, the same one for all intensities."""
LOWEST = 0.0005
"""No network is told less."""
CLEARLY = 1.5
"""A level that is so many times lower is clearly lower: the first one is found roughly."""
AROUND = (0.75, 1.0, 1.3)
"""The levels that are tried around what was found, as multiples of it."""
BLOCK = 16
"""The side of the blocks in which what is taken away is compared with what should be."""
LEAST_SHARE = 0.02
"""Of the noise that should be taken away at all, in one block."""
OFF_ENDS = 0.9
"""The part of a block that is off the ends."""
QUARTER = 0.25
SIMPLER, NEAR = 1.15, 0.06
"""A simpler law is taken if it misses the levels by no more than so many times as much as a richer
one, or by no more than this part of the variance."""
# What is taken away by noise is everywhere what should be: three quarters of the blocks gave 0.86
# and more, in clean photographs 0.3 to 0.8. Those whose film grain gave more have less of it than
# this, grey ones 2.1/255 and ones in colour 0.7/255.
EVEN = 0.84
LEAST_GREY, LEAST_COLOUR = 2.3 / 255, 1.2 / 255
# Neighbours share hardly more of it than of white noise, nor less: white noise on photographs gave
# -0.02 to 0.11, noise of cameras 0.23 to 0.8; a lawn, which looks like noise, -0.09 down.
CORRELATED, ALTERNATING = 0.13, 0.04
AGREES = 1.5
"""So far may the whole be from it when its level was found."""
CONSISTENT = 1.13
"""What is taken away in all is what should be, within this factor: right levels gave 0.97 to 1.12,
and wrong ones 1.14 and more."""
# Levels that trials find are up to a fifth too high in the sharpest textures: those of patches, if
# they give a better image than the noisy one, count as long as they are within this factor.
UNLIKE = 1.25
WORTH_IT = 0.86
"""The expected error, as a multiple of the noise: more would be gained only if the level were known
from elsewhere."""


@dataclass(frozen=True)
class TriedLevel:
    """The level at which a network takes away from an image what it should."""

    levels: tuple[LevelFunction, ...]
    """Of each channel."""
    trial: Trial
    """What the network does if it is told these."""

    @property
    def is_white_noise(self) -> bool:
        """Whether it is white noise beyond doubt, and worth taking away."""
        level = float(self.trial.sigmas.square().mean().sqrt())
        return (
            level > _least(len(self.levels))
            and 1 / AGREES < consistency(self.trial, self._seen) < AGREES
            and self.evenness > EVEN
            and self.trial.risk < WORTH_IT
            and float(self.correlations.mean(1).max()) < CORRELATED
            and float(self.correlations.min()) > -ALTERNATING
        )

    @property
    def _seen(self) -> Tensor:
        """Which values are off the ends, (C, h, w)."""
        return _off_ends(blurred(self.trial.noisy[None])[0], self.levels)

    @property
    def evenness(self) -> float:
        """What is taken away over what should be, in the block that three quarters exceed."""
        variances = self.trial.sigmas.square()
        taken, should = (
            F.avg_pool2d((each / variances).mean(0, keepdim=True)[None], BLOCK)[0, 0]
            for each in (self.trial.removed, variances - self.trial.spread)
        )
        seen = self._seen.all(0)
        counts = F.avg_pool2d(seen[None, None].float(), BLOCK)[0, 0] > OFF_ENDS
        ratios = taken / should.clamp(min=LEAST_SHARE)
        if counts.float().mean() >= QUARTER:
            ratios = ratios[counts]
        return float(ratios.quantile(QUARTER))

    @property
    def correlations(self) -> Tensor:
        """How far neighbours share what is taken away, beyond how they share it of white noise.

        What is taken away of the probe, which is white, tells that. Down and across, (2,), in
        the channels, and (2, 2) in those and in their differences from the mean.
        """
        trial = self.trial
        taken = (trial.noisy - trial.denoised) / trial.sigmas
        of_probe = trial.signs * (1 - trial.kept)
        found = [neighbour_correlations(taken) - neighbour_correlations(of_probe)]
        if len(taken) > 1:
            of_colours = (
                neighbour_correlations(each - each.mean(0, keepdim=True))
                for each in (taken, of_probe)
            )
            first, second = of_colours
            found.append(first - second)
        return torch.stack(found)


def _least(channels: int) -> float:
    """The level below which film grain may be all that there is."""
    return LEAST_GREY if channels == 1 else LEAST_COLOUR


def consistency(trial: Trial, among: Tensor | None = None) -> float:
    """What is taken away in all, over what should be; infinite if nothing should.

    1 at the true level, above 1 where the level is too low, below 1 where it is too high.
    `among` are the values that count, (C, h, w), if there are any.
    """
    should, removed = trial.sigmas.square() - trial.spread, trial.removed
    if among is not None and among.any():
        should, removed = should[among], removed[among]
    most = float(should.mean())
    return float(removed.mean()) / most if most > 0 else math.inf


def white_noise_in(
    part: Tensor, weights: Sequence[Weights], compute: Compute
) -> tuple[LevelFunction, ...] | None:
    """The level functions of the white noise of an image, if it has such noise beyond doubt.

    Args:
        part: of the image, (C, h, w), where black is 0 and white is 1.
        weights: of which those for white noise and as many channels are taken.
        compute: where and how they are applied.
    """
    planes = _distinct(part)
    apply = _network(weights, len(planes), compute)
    if apply is None or min(planes.shape[1:]) < LEAST_SIDE:
        return None
    tried = level_by_trials(planes, apply, _least(len(planes)))
    if tried is None or not tried.is_white_noise:
        return None
    return tried.levels * (len(part) // len(planes))


def white_noise_unlike(
    image: Tensor,
    levels: tuple[LevelFunction, ...] | None,
    weights: Sequence[Weights],
    compute: Compute,
) -> tuple[LevelFunction, ...] | None:
    """The level functions of the white noise of an image (C, H, W), where it has others than these.

    These are right if a network that is told them takes away what it should. The other arguments
    are those of `white_noise_in`. Returns None if they are right, or if no such noise is found.
    """
    rows, columns = (slice(*middle(length)) for length in image.shape[1:])
    part = image[:, rows, columns].contiguous()
    planes = _distinct(part)
    apply = _network(weights, len(planes), compute)
    if apply is None:
        return None
    if levels is not None:
        own = levels[: len(planes)]
        if (
            1 / CONSISTENT
            < consistency(_Part.of(planes, own).attempt(apply, own, 1.0))
            < CONSISTENT
        ):
            return None
    found = white_noise_in(part, weights, compute)
    return found if found and (levels is None or differ(found, levels)) else None


def _distinct(part: Tensor) -> Tensor:
    """The channels of an image (C, h, w): one if all are the same."""
    return part[:1] if is_grey(part) else part


def _network(weights: Sequence[Weights], channels: int, compute: Compute) -> Apply | None:
    """Those of several weights that are told the level and see so many channels, as a function.

    In fp32: bf16 would round the probe away.
    """
    network = for_channels([each for each in weights if each.takes_sigma], channels)
    if network is None:
        return None
    exact = replace(compute, precision="fp32", best=False)

    def apply(noisy: Tensor, levels: Tensor) -> Tensor:
        def told(_: Tensor) -> Tensor:
            return levels[None]

        return denoise_images(network, noisy[None], told, exact, clip=False)[0]

    return apply


def differ(some: tuple[LevelFunction, ...], others: tuple[LevelFunction, ...]) -> bool:
    """Whether two levels of an image differ by more than trials may be wrong."""
    ratio = over_channels(some) / max(over_channels(others), LOWEST)
    return not 1 / UNLIKE < ratio < UNLIKE


def level_by_trials(noisy: Tensor, apply: Apply, least: float = 0.0) -> TriedLevel | None:
    """Find the level of white noise that may grow with the light.

    Args:
        noisy: float32 (C, h, w), h and w at least `LEAST_SIDE`, where black is 0 and white is 1.
        apply: the network.
        least: levels that are clearly lower are not sought any further.

    Returns None for these, and if the network takes away what it should at no level.
    """
    part = _Part.of(noisy, (LevelFunction.constant(0.0),) * len(noisy))
    even = (LevelFunction.constant(1.0),) * len(noisy)
    found = _fitted(part, even, _climbed(part, apply, even))
    if found is None or over_channels(found) < least / CLEARLY:
        return None
    part = _Part.of(noisy, found)
    found = _fitted(part, found, [part.tried(apply, found, scale) for scale in AROUND])
    if found is None:
        return None
    return TriedLevel(found, part.attempt(apply, found, 1.0))


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
    def of(cls, noisy: Tensor, levels: tuple[LevelFunction, ...]) -> "_Part":
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

    def attempt(self, apply: Apply, levels: tuple[LevelFunction, ...], scale: float) -> Trial:
        """Tell the network these levels times `scale`."""
        told = (scale * _levels_at(levels, self.smooth)).clamp(min=LOWEST)
        return attempt(lambda planes: apply(planes, told), self.noisy, told)

    def tried(self, apply: Apply, levels: tuple[LevelFunction, ...], scale: float) -> _Step:
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


def over_channels(levels: tuple[LevelFunction, ...]) -> float:
    """The level of all channels together: the root mean square."""
    return math.sqrt(sum(level.sigma**2 for level in levels) / len(levels))


def _levels_at(levels: tuple[LevelFunction, ...], smooth: Tensor) -> Tensor:
    """The level of each value by its intensity, (C, h, w) both."""
    planes = [
        torch.from_numpy(level.at(plane.double().numpy())).float()
        for level, plane in zip(levels, smooth, strict=True)
    ]
    return torch.stack(planes)


def _off_ends(smooth: Tensor, levels: tuple[LevelFunction, ...]) -> Tensor:
    """Which values, by their intensity (C, h, w), noise of such levels hardly takes to the ends."""
    margin = (CLEAR * _levels_at(levels, smooth)).clamp(min=ENDS)
    return (smooth > margin) & (smooth < 1 - margin)


def _sums(plane: Tensor, groups: Tensor) -> Array:
    """The sum of a plane (h, w) in each group, (GROUPS,)."""
    values = plane.flatten().double().numpy()
    sums: Array = np.bincount(groups.flatten().numpy(), values, GROUPS + 1).astype(float)
    return sums[:GROUPS]


def _climbed(part: _Part, apply: Apply, levels: tuple[LevelFunction, ...]) -> list[_Step]:
    """Trials with higher and higher multiples of `levels`, until all groups have had enough."""
    steps: list[_Step] = []
    for scale in LADDER:
        steps.append(part.tried(apply, levels, scale))
        if (steps[-1].ratios < 1).all():
            break
    return steps


def _fitted(
    part: _Part, levels: tuple[LevelFunction, ...], steps: list[_Step]
) -> tuple[LevelFunction, ...] | None:
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
        variances.append((scale * float(level.at(np.array([intensity]))[0])) ** 2)
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
    """The simplest level function for the variances: constant, of photons, or of both."""
    fits = [fit_powers(at, variances, each, certainty) for each in ((0,), (1,), (0, 1))]
    least = min(error for _, error in fits)
    best = min(fits[:2], key=lambda fit: fit[1])
    factors = best[0] if best[1] <= max(SIMPLER * least, NEAR) else fits[2][0]
    if best is fits[0] and factors is best[0]:
        return LevelFunction.constant(math.sqrt(float(factors[0])))
    offset, gain = (0.0, factors[0]) if len(factors) == 1 else factors
    variance = float(offset + gain * plane.clamp(0, 1).mean())
    return LevelFunction((float(offset), float(offset + gain)), 0.0, 1.0, math.sqrt(variance))
