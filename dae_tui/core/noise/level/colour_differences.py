"""The level functions of a colour image, from the differences of its channels.

Texture is mostly brightness, which all channels share. The difference of two channels holds little
of it, but the noise of both where that is independent. The differences of three channels tell the
variance of each: a polynomial in the intensity, as in `level_function`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.level.estimation import (
    SPREAD,
    estimate_sigma,
    noise_patches,
    weak_variance,
)
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.level.patch_groups import (
    GROUPS,
    LEAST_IN_GROUP,
    MOST_BIAS,
    ROUNDS,
    TEXTURE,
    grouped,
    polynomials,
    variance_ratios,
    without_slope,
)

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

PAIRS = ((0, 1), (0, 2), (1, 2))
SPECKLE = -1
"""Stands for a degree: noise that is a share of the intensity."""
MOST_PATCHES = 2**14
"""Of one channel, spread evenly over it."""
LEAST_KEPT = 0.2
"""With a smaller share of patches without texture nothing is known."""
CLEAR_OF_ENDS = 2.5
"""So many levels from black and white a patch must be in a channel that touches them: nearer, noise
was clipped."""
MISFIT = 0.12
"""The relative error of the variances, root mean square, above which they are not believed."""
CHANCE = 0.06
"""Below this error a polynomial explains the differences."""
WORSE = 1.3
"""How many times the error of a richer polynomial a simpler one may have."""
AS_MANY = 0.95
"""The share of the patches of a richer polynomial that a simpler one must explain."""
MORE_GROUPS = 2
"""So many more groups than terms must be known, or a polynomial explains all of them."""
ALIKE = 1.1
"""Where white noise by channels is within this factor of that by differences, the channels count:
they see values that were clipped, too."""
SHARED = 2.3
"""The noise is not independent where brightness has so many times the variance that independent
channels would give it, in the weak directions of its calmest patches."""
CALM = 0.1
"""The share of the patches that count as its calmest."""


def levels_by_differences(planes: Tensor) -> tuple[LevelFunction, ...] | None:
    """The level function of each channel of a colour image.

    Measured with shot noise of 100 to 1000 photons at white on photographs that are all texture:
    within 20 %, where the channels by themselves give levels of 0.2 to 3 times the true ones.

    Args:
        planes: float32 (3, H, W) in [0, 1], NaN where nothing was measured.

    Returns None where the channels share noise, where hardly any patch is free of texture or of
    clipped values, and where no polynomial explains the differences.
    """
    patches = _Patches.of(planes)
    if patches is None:
        return None
    best = _simplest(patches)
    if best is None:
        return None
    if best.error > MISFIT or best.kept < LEAST_KEPT or _shared(patches, best) > SHARED:
        return None
    if best.degree == SPECKLE:
        share = math.sqrt(float(best.variances[0, 0]))
        return tuple(LevelFunction.speckle(share, means) for means in patches.means.T)
    if best.degree == 0:
        return _constants(planes, np.sqrt(best.variances[:, 0]))
    return tuple(
        LevelFunction(
            tuple(variances.tolist()),
            patches.low,
            patches.high,
            math.sqrt(float((patches.terms(channel, best.degree) @ variances).mean())),
        )
        for channel, variances in enumerate(best.variances)
    )


def _simplest(patches: "_Patches") -> "_Fit | None":
    """The polynomials of the least degree that explain the patches, one for all channels if so."""
    linear = _fit(patches, 1)
    if linear is None:  # Strong speckle reaches too far beyond it.
        return _fit(patches, SPECKLE, one=True)
    simple = _fit(patches, 0)
    if simple is not None and _will_do(simple, linear):
        return simple
    best = linear
    if linear.error > CHANCE:
        rich = _fit(patches, 2)
        if rich is not None and not _will_do(linear, rich):
            best = rich
    speckle = _fit(patches, SPECKLE, one=True)
    if speckle is not None and _will_do(speckle, best):
        return speckle
    one = _fit(patches, best.degree, one=True)
    return one if one is not None and _will_do(one, best) else best


def _constants(planes: Tensor, sigmas: Array) -> tuple[LevelFunction, ...]:
    """The levels of white noise; `sigmas` (3,) are those by differences."""
    if torch.isfinite(planes).all():
        own = estimate_sigma(planes[:, None].contiguous()).double().numpy()
        alike = np.abs(np.log(own / sigmas)) < math.log(ALIKE)
        sigmas = np.where(alike, own, sigmas)
    return tuple(LevelFunction.constant(float(sigma)) for sigma in sigmas)


@dataclass(frozen=True)
class _Patches:
    """The patches of three channels at the same places."""

    values: tuple[Tensor, ...]
    """Of each channel, (n, size)."""
    means: Array
    """(n, 3)."""
    differences: tuple[Tensor, ...]
    """Of each pair of channels, (n, size), their means subtracted."""
    energies: tuple[Array, ...]
    """The variance within each, (n,), without its slope."""
    group_of: Indices
    low: float
    high: float
    ends: tuple[tuple[bool, bool], ...]
    """Whether each channel touches 0, and 1."""

    @property
    def size(self) -> int:
        return self.values[0].shape[1]

    def terms(self, channel: int, degree: int) -> Array:
        """(n, terms): Bernstein's polynomials, or the square of the intensity for `SPECKLE`."""
        if degree == SPECKLE:
            squares: Array = self.means[:, channel, None] ** 2
            return squares
        return polynomials(self.means[:, channel], self.low, self.high, degree + 1)

    @classmethod
    def of(cls, planes: Tensor) -> "_Patches | None":
        """None if too few were measured, or if they are of one pixel."""
        if min(planes.shape[1:]) == 1:
            return None
        values = [noise_patches(plane[None, None], MOST_PATCHES)[0] for plane in planes]
        whole = torch.stack([torch.isfinite(part).all(1) for part in values]).all(0)
        values = [part[whole] for part in values]
        size = values[0].shape[1]
        if len(values[0]) < GROUPS * LEAST_IN_GROUP * size:
            return None
        means = torch.stack([part.mean(1) for part in values], dim=1).double().numpy()
        differences = []
        for first, second in PAIRS:
            apart = values[first] - values[second]
            differences.append(apart - apart.mean(1, keepdim=True))
        low, high = (float(end) for end in np.quantile(means, [0.0005, 0.9995]))
        light = means.mean(1)
        edges = np.quantile(light, np.linspace(0, 1, GROUPS + 1)[1:-1])
        known = [plane[torch.isfinite(plane)] for plane in planes]
        return cls(
            tuple(values),
            means,
            tuple(differences),
            tuple(_energies(part) for part in differences),
            np.searchsorted(edges, light, side="right"),
            low,
            max(high, low + 1e-6),
            tuple((bool(part.min() == 0), bool(part.max() == 1)) for part in known),
        )


def _energies(patches: Tensor) -> Array:
    """The variance within each patch (n, size), without its slope."""
    energies: Array = without_slope(patches).square().sum(1).double().numpy()
    return energies / max(1, patches.shape[1] - 3)


@dataclass(frozen=True)
class _Fit:
    variances: Array
    """Of each channel, (3, terms)."""
    error: float
    """Of the variances of the groups around it, relative, root mean square."""
    kept: float
    """The share of the patches that it takes for noise."""
    degree: int
    """Of the polynomials, or `SPECKLE`."""


def _will_do(simple: _Fit, rich: _Fit) -> bool:
    """Whether a simpler polynomial explains the same patches as well."""
    as_well = simple.error < max(CHANCE, WORSE * rich.error)
    return as_well and simple.kept > AS_MANY * rich.kept


def _fit(patches: _Patches, degree: int, *, one: bool = False) -> _Fit | None:
    """Fit polynomials by turns: which patches are noise, and how strong it is in each group.

    With `one` it is the same for all channels. None if hardly any patch is left.
    """
    from scipy.optimize import nnls

    each = [patches.terms(channel, degree) for channel in range(len(PAIRS))]
    terms = each[0].shape[1]
    everything = torch.ones(1, len(patches.means), dtype=torch.bool)
    start = min(float(weak_variance(part[None], everything)[0]) for part in patches.differences)
    usual = float(np.mean([basis.sum(1) for basis in each]))
    found = np.full((len(PAIRS), terms), max(start / 2 / max(usual, 1e-6), 1e-12))
    for turn in range(ROUNDS):
        alone = np.stack([basis @ own for basis, own in zip(each, found, strict=True)], axis=1)
        clear = _clear_of_ends(patches, alone)
        rows, measured, certainty, kept = [], [], [], 0.0
        for pair, apart, energies in zip(PAIRS, patches.differences, patches.energies, strict=True):
            expected = alone[:, pair].sum(1).clip(1e-12)
            noise = energies <= expected * (1 + SPREAD * math.sqrt(2 / patches.size))
            groups = grouped(noise & clear, patches.group_of, GROUPS, LEAST_IN_GROUP * patches.size)
            if len(groups) < terms + MORE_GROUPS:
                return None
            kept += float(noise[clear].mean()) / len(PAIRS)
            ratios = _unbiased_ratios(apart, groups, expected)
            for group, ratio in zip(groups, ratios, strict=True):
                row = np.zeros((len(PAIRS), terms))
                for channel in pair:
                    row[channel] = each[channel][group].mean(0)
                rows.append(row)
                measured.append(max(float(expected[group].mean() * ratio), 1e-12))
                certainty.append(math.sqrt(len(group)))
        basis, goal, weights = np.array(rows), np.array(measured), np.array(certainty)
        if one:
            basis = basis.sum(1)
        basis = basis.reshape(len(basis), -1)
        factors = weights / goal
        for _ in range(3):
            solved, _ = nnls(basis * factors[:, None], goal * factors)
            fitted = (basis @ solved).clip(1e-12)
            factors = weights / fitted * np.where(goal > TEXTURE * fitted, 0.3, 1)
        old = found
        found = np.broadcast_to(solved.reshape(-1, terms), old.shape).clip(1e-12)
        if turn and abs(math.log(found.sum() / old.sum())) < 1e-3:
            break
    error = math.sqrt(float(np.average(np.log(goal / fitted) ** 2, weights=weights**2)))
    return _Fit(found, error, kept, degree)


def _clear_of_ends(patches: _Patches, variances: Array) -> NDArray[np.bool_]:
    """Which patches (n,) were not clipped; `variances` (n, 3) are those expected there."""
    far = CLEAR_OF_ENDS * np.sqrt(variances)
    clear = np.ones(len(far), dtype=bool)
    for channel, (touches_low, touches_high) in enumerate(patches.ends):
        if touches_low:
            clear &= patches.means[:, channel] > far[:, channel]
        if touches_high:
            clear &= patches.means[:, channel] < 1 - far[:, channel]
    return clear


def _unbiased_ratios(values: Tensor, groups: Sequence[Indices], expected: Array) -> Array:
    """The variance of each group as a multiple of what is expected.

    The fewer patches, the more the weak directions differ by chance, and the weakest count.
    """
    ratios = variance_ratios(values, groups, expected)
    whole = float(variance_ratios(values, [np.concatenate(groups)], expected)[0])
    share = whole / float(np.average(ratios, weights=[len(group) for group in groups]))
    return ratios * min(max(share, 1.0), MOST_BIAS)


def _shared(patches: _Patches, fit: _Fit) -> float:
    """The variance of brightness as a multiple of what independent channels would give it."""
    bright = torch.stack(patches.values).mean(0)
    bright = bright - bright.mean(1, keepdim=True)
    variances = [
        patches.terms(channel, fit.degree) @ own for channel, own in enumerate(fit.variances)
    ]
    expected = np.maximum(np.sum(variances, axis=0) / len(PAIRS) ** 2, 1e-12)
    ratios = _energies(bright) / expected
    least = max(LEAST_IN_GROUP * patches.size, int(CALM * len(ratios)))
    calmest = np.argpartition(ratios, least - 1)[:least]
    return float(_unbiased_ratios(bright, [calmest], expected)[0])
