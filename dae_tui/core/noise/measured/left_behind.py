"""The noise of a camera, by what weights for it take away and what they leave behind."""

import numpy as np
from torch import Tensor

from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.level.patch_groups import polynomials
from dae_tui.core.noise.measured.compared import (
    Array,
    grid,
    level_of,
    texture_of,
    variances_between,
)

# Weights for cameras leave some of the noise, more where there is texture. If what they take away
# at an intensity has the level s, and the texture the level t, the variance of the noise is
# s² + (LEFT_BEHIND + LEFT_IN_TEXTURE t) s. Set on the 35 pairs of PolyU, where the variance comes
# to 0.87 to 1.13 times that of the pairs at each intensity. Of simulated cameras of six kinds the
# level is 1.0 to 1.16 times the true one.
LEFT_BEHIND, LEFT_IN_TEXTURE = 0.005, 0.21
TERMS = 3
"""Of the polynomial that a level function is."""


def with_what_is_left(taken: Array, denoised: Tensor) -> Array:
    """The variances of a camera's noise.

    Args:
        taken: those of what was taken away, (C, GRID).
        denoised: what is left, (C, H, W).

    Returns (C, GRID), NaN where `taken` is.
    """
    left = LEFT_BEHIND + LEFT_IN_TEXTURE * texture_of(denoised)
    return taken + left * np.sqrt(taken)


def levels_of_camera(noisy: Tensor, denoised: Tensor) -> tuple[LevelFunction, ...]:
    """The level function of a camera's noise in each channel.

    Args:
        noisy: a photograph, float32 (C, H, W), where black is 0 and white is 1.
        denoised: the same as weights for cameras see it.
    """
    taken = variances_between(noisy, denoised)
    return tuple(_fitted(each) for each in with_what_is_left(taken, denoised))


def _fitted(variances: Array) -> LevelFunction:
    """That of the variance at each intensity (GRID,)."""
    seen = np.isfinite(variances)
    at, sigma = grid()[seen], level_of(variances)
    if len(at) < TERMS:
        return LevelFunction.constant(sigma)
    low, high = float(at[0]), float(at[-1])
    basis = polynomials(at, low, high, TERMS)
    fitted = np.linalg.lstsq(basis, variances[seen], rcond=None)[0].clip(min=0)
    return LevelFunction(tuple(fitted.tolist()), low, high, sigma)
