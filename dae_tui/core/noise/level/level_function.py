"""The noise level of an image as a function of its intensity.

Shot noise grows with the light, and so no single level describes it. The variance is a polynomial
of at most the second degree in the intensity: constant (white Gaussian noise), linear
(Poisson-Gaussian, as of Foi et al.: "Practical Poissonian-Gaussian noise modeling", IEEE TIP 2008)
or quadratic (speckle). It is fitted to patches that hold nothing but noise, group by group of equal
intensity, with the weak directions of `estimation`; the patches and the function correct each
other. The simplest function that explains the groups is taken.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.level.estimation import (
    FLAT,
    SPREAD,
    clipped_moments,
    estimate_sigma,
    noise_patches,
    weak_variance,
)
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

MOST_PATCHES = 2**15
"""Of one plane, spread evenly over it."""
LEAST_PIXELS = 96 * 96
"""Smaller planes have too few patches for more than one level."""
MISFIT = 0.1
"""The relative error of a function's variances, root mean square, that passes for chance."""
WORSE = 1.3
"""How many times the error of a richer function a simpler one may have."""
LEAST_SLOPE = 1.35
"""A linear function whose levels differ less than by this factor may pass for a constant."""
ALIKE_CLIPPED = 0.03
"""Below this error clipping at black explains the data well."""
WHITE = 0.04
"""Below this error a constant explains the data well, if it takes as many patches for noise."""
ALL_NOISE = 0.7
"""With so many patches nothing can take many more."""
KNOTS = 161


@dataclass(frozen=True)
class LevelFunction:
    """The standard deviation of noise over intensity, for images in [0, 1]."""

    variances: tuple[float, ...]
    """The variance in Bernstein's basis over [low, high]: one number, two, or three."""
    low: float = 0.0
    high: float = 1.0
    """The intensities between which it was measured; beyond them it is constant."""
    sigma: float = field(default=0.0)
    """The root mean square over the image."""

    @classmethod
    def constant(cls, sigma: float) -> "LevelFunction":
        """The level function of white noise."""
        return cls((sigma**2,), sigma=sigma)

    @classmethod
    def speckle(cls, share: float, means: Array) -> "LevelFunction":
        """That of noise that is a share of the intensity, in an image with the local `means`."""
        sigma = share * math.sqrt(float(np.mean(means**2)))
        return cls((0.0, 0.0, share**2), sigma=sigma)

    @property
    def is_speckle(self) -> bool:
        """Whether the noise is a share of the intensity."""
        square = len(self.variances) > 2 and not any(self.variances[:-1])
        return square and (self.low, self.high) == (0, 1)

    @property
    def is_constant(self) -> bool:
        """Whether the noise is equally strong everywhere."""
        return len(self.variances) == 1

    def at(self, intensities: Array) -> Array:
        """The standard deviation at some intensities."""
        variances = polynomials(intensities, self.low, self.high, len(self.variances)) @ np.array(
            self.variances
        )
        levels: Array = np.sqrt(np.maximum(variances, 0))
        return levels


def levels_at(functions: Sequence[LevelFunction], planes: Tensor) -> Tensor:
    """The noise level of each value by its intensity, planes (C, ...) on the CPU; float32."""
    found = [
        torch.from_numpy(function.at(plane.double().numpy())).float()
        for function, plane in zip(functions, planes, strict=True)
    ]
    return torch.stack(found)


def estimate_level_functions(planes: Tensor) -> tuple[LevelFunction, ...]:
    """The level function of each channel of an image (C, H, W), of the same kind for all.

    See `estimate_level_function`. What is noise in one channel is noise of the same origin in the
    others, so that the kind that most channels have is that of all.
    """
    found = [estimate_level_function(plane) for plane in planes]
    kinds = sorted(len(function.variances) for function in found)
    usual = kinds[len(kinds) // 2]
    return tuple(
        function
        if len(function.variances) == usual
        else estimate_level_function(plane, degree=usual - 1)
        for function, plane in zip(found, planes, strict=True)
    )


def estimate_level_function(plane: Tensor, degree: int | None = None) -> LevelFunction:
    """The level function of a plane (H, W) of one channel, float32, NaN where nothing was measured.

    Measured with Poisson-Gaussian noise with an offset, on six photographs and six images of
    microscopy: nine of ten levels are right to 5 % at 20 and 100 photons at white. At 1000 photons
    they are to 10 % in microscopy; photographs that are all texture get a constant there, a third
    off at the ends. A plane of fewer than `LEAST_PIXELS` gets a constant. `degree` is that of the
    polynomial; None takes the simplest that explains the plane.
    """
    whole = bool(torch.isfinite(plane).all())
    if degree == 0 and whole:
        return LevelFunction.constant(float(estimate_sigma(plane[None, None])))
    if whole and plane.numel() < LEAST_PIXELS:
        return LevelFunction.constant(float(estimate_sigma(plane[None, None])))
    patches = _Patches.of(plane)
    if patches is None:
        return LevelFunction.constant(0.0)
    fit = _simplest(patches) if degree is None else _fit(patches, degree, patches.clips_low)
    if fit.is_speckle:
        return LevelFunction.speckle(math.sqrt(float(fit.variances[0])), patches.means)
    if len(fit.variances) == 1 and whole:
        return LevelFunction.constant(float(estimate_sigma(plane[None, None])))
    shares = polynomials(patches.means, patches.low, patches.high, len(fit.variances)).mean(0)
    sigma = math.sqrt(float(shares @ fit.variances))
    return LevelFunction(tuple(fit.variances.tolist()), patches.low, patches.high, sigma)


@dataclass(frozen=True)
class _Patches:
    """The patches of a plane, their means subtracted."""

    values: Tensor
    """(n, size)."""
    means: Array
    energies: Array
    """The variance within each patch, without its slope."""
    low: float
    high: float
    group_of: NDArray[np.intp]
    groups: int
    clips_low: bool
    clips_high: bool

    @property
    def size(self) -> int:
        return self.values.shape[1]

    @classmethod
    def of(cls, plane: Tensor) -> "_Patches | None":
        """None if all patches are constant or of one pixel, or too few of them were measured."""
        if min(plane.shape) == 1:
            return None
        values = noise_patches(plane[None, None], MOST_PATCHES)[0]
        values = values[torch.isfinite(values).all(1)]
        if len(values) < 4 * values.shape[1]:
            return None
        means = values.mean(1)
        values = values - means[:, None]
        energies = without_slope(values).square().sum(1) / max(1, values.shape[1] - 3)
        used = energies > FLAT
        if used.sum() < LEAST_IN_GROUP * values.shape[1]:
            return None
        values, energies = values[used], energies[used]
        at = means[used].double().numpy()
        low, high = (float(end) for end in np.quantile(at, [0.0005, 0.9995]))
        if high - low < 1e-6:
            high = low + 1e-6
        edges = np.concatenate(
            [
                np.quantile(at, np.linspace(0, 1, GROUPS + 1)),
                np.linspace(low, high, GROUPS // 2 + 1),
            ]
        )
        edges = np.unique(edges)
        group_of = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(edges) - 2)
        least, most = plane[torch.isfinite(plane)].aminmax()
        return cls(
            values,
            at,
            energies.double().numpy(),
            low,
            high,
            group_of,
            len(edges) - 1,
            bool(least == 0),
            bool(most == 1),
        )


@dataclass(frozen=True)
class _Fit:
    variances: Array
    error: float
    """Of the groups' variances around the function, relative, root mean square."""
    at: Array
    """The mean intensity of each group."""
    measured: Array
    """The variance of each group."""
    certainty: Array
    """The weight of each group."""
    kept: float
    """The share of the patches that the function takes for noise."""
    is_speckle: bool = False
    """Whether the variance is that of `variances`, one number, times the squared intensity."""


def _simplest(patches: _Patches) -> _Fit:
    """The simplest function that explains the patches."""
    clips_low = patches.clips_low
    white = _fit(patches, 0, clips_low)
    if white.kept > ALL_NOISE and white.error < WHITE:
        return white
    fit = _fit(patches, 2, clips_low)
    # A wrong constant passes over all patches that it does not explain.
    if white.kept > 0.95 * fit.kept and white.error < max(WHITE, WORSE * fit.error):
        return white
    if clips_low:
        # Counts are 0 without being clipped there.
        free = _fit(patches, 2, False)
        explains = free.kept > 0.95 * fit.kept
        if explains and fit.error > max(ALIKE_CLIPPED, 1.2 * free.error):
            fit, clips_low = free, False
    speckle = _speckle(patches, fit)
    if speckle is not None:
        return speckle
    if _simpler_will_do(patches, fit):
        fit = _fit(patches, 1, clips_low)
        # The richer functions may have been measured at few intensities; a constant must explain
        # all patches that they explain.
        agrees = white.error < 2 * MISFIT and white.kept > fit.kept / 2
        if agrees and _simpler_will_do(patches, fit):
            return white
    return fit


def _speckle(patches: _Patches, fit: _Fit) -> _Fit | None:
    """Speckle, if it explains the groups of a quadratic, and better than a line does."""
    if fit.at.min() <= 0:
        return None
    shares = fit.measured / fit.at**2  # Of the variance.
    share = float(np.average(shares, weights=fit.certainty))
    ratios = np.log(shares / share)
    error = math.sqrt(float(np.average(ratios**2, weights=fit.certainty**2)))
    linear = _solve(polynomials(fit.at, patches.low, patches.high, 2), fit.measured, fit.certainty)
    as_well = error <= max(MISFIT, WORSE * _misfit(patches, fit, fit.variances))
    if not as_well or error >= _misfit(patches, fit, linear):
        return None
    return replace(fit, variances=np.array([share]), is_speckle=True)


def _simpler_will_do(patches: _Patches, fit: _Fit) -> bool:
    """Whether a polynomial of a degree less explains the same groups as well."""
    terms = len(fit.variances)
    own = _misfit(patches, fit, fit.variances)
    simpler = _solve(
        polynomials(fit.at, patches.low, patches.high, terms - 1), fit.measured, fit.certainty
    )
    error = _misfit(patches, fit, simpler)
    if terms > 2:
        return error <= max(MISFIT, WORSE * own)
    ends = np.quantile(patches.means, [0.03, 0.97])
    levels = np.sqrt(
        np.maximum(polynomials(ends, patches.low, patches.high, 2) @ fit.variances, 1e-12)
    )
    return error <= MISFIT / 2 or bool(levels.max() < LEAST_SLOPE * levels.min())


def _misfit(patches: _Patches, fit: _Fit, variances: Array) -> float:
    expected = polynomials(fit.at, patches.low, patches.high, len(variances)) @ variances
    ratios = np.log(fit.measured / np.maximum(expected, 1e-12))
    return math.sqrt(float(np.average(ratios**2, weights=fit.certainty**2)))


def _fit(patches: _Patches, degree: int, clips_low: bool) -> _Fit:
    """Fit a polynomial by turns: which patches are noise, and how strong it is in each group."""
    size = patches.size
    start = float(weak_variance(patches.values[None], torch.ones(1, len(patches.values)) > 0)[0])
    variances = np.full(degree + 1, max(start, 1e-12))
    for turn in range(ROUNDS):
        full, expected = _expected(patches, variances, clips_low)
        loss = np.sqrt(full / expected)
        # Clipping on one side makes heavy tails: the kurtosis is about 3 times the loss.
        limit = expected * (1 + SPREAD * np.sqrt(np.maximum(3 * loss - 1, 0) / size))
        groups = _groups(patches, patches.energies <= limit)
        ratios = variance_ratios(patches.values, groups, expected)
        lost = np.array([loss[group].mean() for group in groups])
        power = np.where(ratios > 1, lost.clip(1, 2), 1)
        measured = np.array([full[group].mean() for group in groups]) * ratios**power
        measured = np.maximum(measured, 1e-12)
        certainty = np.sqrt([len(group) for group in groups])
        at = np.array([patches.means[group].mean() for group in groups])
        old = variances
        variances = np.maximum(
            _solve(polynomials(at, patches.low, patches.high, degree + 1), measured, certainty),
            1e-12,
        )
        if turn and np.abs(np.log(variances.sum() / old.sum())) < 1e-3:
            break
    error = math.sqrt(float(np.average(np.log(ratios) ** 2, weights=certainty**2)))
    kept = float((patches.energies <= limit).mean())
    # The fewer patches, the more the weak directions differ by chance, and the weakest count: each
    # group alone comes out some per cent too low, all of them together do not.
    together = [np.concatenate(groups)]
    share = variance_ratios(patches.values, together, expected)[0] / float(
        np.average(ratios, weights=certainty**2)
    )
    share = min(max(share, 1.0), MOST_BIAS)
    return _Fit(variances * share, error, at, measured * share, certainty, kept)


def _groups(patches: _Patches, kept: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """The kept patches of each group of intensities."""
    groups = grouped(kept, patches.group_of, patches.groups, LEAST_IN_GROUP * patches.size)
    if groups:
        return groups
    # All is texture: the least restless patches come nearest to noise.
    quiet = np.argsort(patches.energies)
    return [quiet[: max(LEAST_IN_GROUP * patches.size, len(quiet) // 4)]]


def _expected(patches: _Patches, variances: Array, clips_low: bool) -> tuple[Array, Array]:
    """The variance at the intensity of each patch before and after clipping."""
    terms = len(variances)
    if not (clips_low or patches.clips_high):
        full = np.maximum(
            polynomials(patches.means, patches.low, patches.high, terms) @ variances, 1e-12
        )
        return full, full
    clean = np.linspace(-0.3 if clips_low else 0, 1.3 if patches.clips_high else 1, KNOTS)
    unclipped = np.maximum(polynomials(clean, patches.low, patches.high, terms) @ variances, 1e-12)
    means, variance = clipped_moments(
        torch.from_numpy(clean),
        torch.from_numpy(np.sqrt(unclipped)),
        low=clips_low,
        high=patches.clips_high,
    )
    at = means.numpy()
    full = np.interp(patches.means, at, unclipped)
    expected = np.interp(patches.means, at, variance.numpy())
    return full, np.maximum(expected, 1e-3 * full)


def _solve(basis: Array, measured: Array, certainty: Array) -> Array:
    """Variances that are nowhere negative, by least squares of relative errors."""
    from scipy.optimize import nnls

    weights = certainty / measured
    for _ in range(3):
        found, _ = nnls(basis * weights[:, None], measured * weights)
        fitted = np.maximum(basis @ found, 1e-12)
        weights = certainty / fitted * np.where(measured > TEXTURE * fitted, 0.3, 1)
    result: Array = found
    return result
