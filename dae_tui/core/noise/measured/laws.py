"""Laws of the variance of noise over the intensity, and the simplest that explains what is seen."""

import math

import numpy as np
from numpy.typing import NDArray

from dae_tui.spec.noise_spec import NoiseStage

Array = NDArray[np.float64]

SIMPLER = 1.15
"""A simpler law is taken if it misses the variances at most so many times as far as the best."""
NEAR = 0.06
"""Or if it misses them by no more than this, root mean square, relative."""
NO_OFFSET = 0.1
"""An offset below this part of what grows with the light passes for none."""
UNIFORM = -0.3
"""The excess kurtosis of differences of neighbours: 0 of Gaussian noise, -0.6 of uniform noise."""
NO_PHOTONS = 1e-12


def simplest_law(
    at: Array, variances: Array, correlation: tuple[float, float, float], kurtosis: float
) -> NoiseStage:
    """The simplest law of the variance over the intensity that explains what was measured.

    Args:
        at: intensities (n,), in [0, 1].
        variances: of the noise there (n,), above 0.
        correlation: width, shared part and further blur of the colour, as a noise spec has them;
            three zeros: white.
        kurtosis: the excess kurtosis of differences of neighbours.
    """
    powers = {"constant": (0,), "photons": (1,), "speckle": (2,), "sensor": (0, 1)}
    laws = {name: fit_powers(at, variances, each) for name, each in powers.items()}
    least = min(error for _, error in laws.values())
    name = next(name for name, (_, error) in laws.items() if error <= max(SIMPLER * least, NEAR))
    offset, gain = laws["sensor"][0]
    if name == "sensor" and offset < NO_OFFSET * gain * float(at.mean()):
        name = "photons"
    factor = float(laws[name][0][0])
    if any(correlation):
        if name == "constant":
            return NoiseStage.at("correlated", math.sqrt(factor), *correlation)
        return NoiseStage.at("poisson-gaussian", gain, offset, *correlation)
    stages = {
        "constant": NoiseStage.at("gaussian", math.sqrt(factor)),
        "photons": NoiseStage.at("poisson", 1 / factor),
        "speckle": NoiseStage.at("speckle", math.sqrt(factor)),
        "sensor": NoiseStage.at("poisson-gaussian", gain, offset),
    }
    if name == "constant" and kurtosis < UNIFORM:
        return NoiseStage.at("uniform", math.sqrt(3 * factor))
    return stages[name]


def fit_powers(
    at: Array, variances: Array, powers: tuple[int, ...], certainty: Array | None = None
) -> tuple[Array, float]:
    """Fit powers of the intensity to variances, by least squares of relative errors.

    Args:
        at: intensities (n,), in [0, 1].
        variances: of the noise there (n,), above 0.
        powers: which ones, (p,).
        certainty: how much each counts (n,); alike if left out.

    Returns the factors of the powers (p,), none negative, and how far they miss, relatively.
    """
    from scipy.optimize import nnls

    weights = np.ones(len(at)) if certainty is None else certainty
    basis = np.stack([at**power for power in powers], axis=1) / variances[:, None]
    factors, _ = nnls(basis * weights[:, None], weights)
    misses = (basis @ factors - 1) ** 2
    return np.maximum(factors, 1e-12), math.sqrt(float(np.average(misses, weights=weights**2)))


def variances_of(stage: NoiseStage, at: Array) -> Array:
    """The variance of a noise at some intensities (n,); 0 of a kind that has no law."""
    ones = np.ones(len(at))
    laws: dict[str, Array] = {
        "gaussian": stage.low**2 * ones,
        "correlated": stage.low**2 * ones,
        "uniform": stage.low**2 / 3 * ones,
        "poisson": at / max(stage.low, NO_PHOTONS),
        "speckle": (stage.low * at) ** 2,
        "poisson-gaussian": stage.low * at + sum(stage.extras[:1]),
    }
    return laws.get(stage.kind, 0 * ones)
