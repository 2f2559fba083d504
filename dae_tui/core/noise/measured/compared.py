"""The noise of one image, by a second without it: the variance at each intensity."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.measured.calm_blocks import MOST_CLIPPED

Array = NDArray[np.float64]

GRID = 24
"""So many intensities from black to white."""
LEAST, LEAST_PART = 64, 2000
"""So many pixels of an intensity tell its variance, and one in so many of the image."""


def grid() -> Array:
    """The intensities at which variances are given."""
    points: Array = (np.arange(GRID) + 0.5) / GRID
    return points


def places_on_grid(image: Tensor) -> Tensor:
    """The number of the intensity of each value of an image in [0, 1]."""
    return (image.clamp(0, 1) * GRID).long().clamp(max=GRID - 1)


def variances_between(noisy: Tensor, clean: Tensor) -> Array:
    """The variance of the noise of an image at each intensity of the clean one.

    Both are float32 (C, H, W), where black is 0 and white is 1. Returns (C, GRID), NaN where few
    pixels tell.
    """
    planes = zip(places_on_grid(clean), noisy, clean, strict=True)
    return np.stack([_of_plane(number, noisy, clean) for number, noisy, clean in planes])


def level_of(variances: Array) -> float:
    """The root mean square over the intensities that were seen; 0 if none was."""
    seen = np.isfinite(variances)
    return math.sqrt(float(variances[seen].mean())) if seen.any() else 0.0


def _of_plane(number: Tensor, noisy: Tensor, clean: Tensor) -> Array:
    at = number.flatten().numpy()
    difference = (noisy - clean).flatten().double().numpy()
    # What was clipped varies less than the noise does.
    clipped = ((noisy <= 0) | (noisy >= 1)).flatten().numpy()
    count, clips, total, squares = (
        np.bincount(at, weights=weights, minlength=GRID)
        for weights in (None, clipped, difference, difference**2)
    )
    least = max(LEAST, clean.numel() // LEAST_PART)
    seen = (count >= least) & (clips <= MOST_CLIPPED * count)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (squares - total**2 / count) / (count - 1)
    variances: Array = np.where(seen, found, np.nan)
    return variances
