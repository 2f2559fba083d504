"""The noise of one image, by a second without it: the variance at each intensity."""

import math

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.measured.calm_blocks import MOST_CLIPPED

Array = NDArray[np.float64]

GRID = 24
"""So many intensities from black to white."""
LEAST, LEAST_PART = 64, 2000
"""So many pixels of an intensity tell its variance, and one in so many of the image."""
SLOW = 63
"""A difference that goes on over so many pixels is one of exposure or colour, and no noise."""
FINE = 5
"""Texture is what is finer than so many pixels."""


def grid() -> Array:
    """The intensities at which variances are given."""
    points: Array = (np.arange(GRID) + 0.5) / GRID
    return points


def places_on_grid(image: Tensor) -> Tensor:
    """The number of the intensity of each value of an image in [0, 1]."""
    return (image.clamp(0, 1) * GRID).long().clamp(max=GRID - 1)


def variances_between(noisy: Tensor, clean: Tensor) -> Array:
    """The variance of the noise of an image at each intensity of the clean one.

    Where one of them is brighter than the other over a large area, that is no noise. Both are
    float32 (C, H, W), where black is 0 and white is 1. Returns (C, GRID), NaN where few pixels
    tell.
    """
    difference = noisy - clean
    # What was clipped varies less than the noise does.
    clipped = (noisy <= 0) | (noisy >= 1)
    planes = zip(places_on_grid(clean), even(difference, SLOW), clipped, strict=True)
    return np.stack([_of_plane(*each) for each in planes])


def texture_of(clean: Tensor) -> Array:
    """The level of the texture of an image (C, H, W) at each intensity, (C, GRID)."""
    energy = even(clean, FINE).square()
    found = []
    for at, plane in zip(places_on_grid(clean), energy, strict=True):
        count, total = _sums(at, plane)
        with np.errstate(invalid="ignore"):
            found.append(np.sqrt(total / count))
    return np.stack(found)


def even(planes: Tensor, over: int) -> Tensor:
    """Planes (C, H, W) without their mean over a square of so many pixels, an odd number."""
    half = over // 2
    down = F.avg_pool2d(planes[None], (over, 1), 1, (half, 0), count_include_pad=False)
    mean = F.avg_pool2d(down, (1, over), 1, (0, half), count_include_pad=False)
    return planes - mean[0]


def level_of(variances: Array) -> float:
    """The root mean square over the intensities that were seen; 0 if none was."""
    seen = np.isfinite(variances)
    return math.sqrt(float(variances[seen].mean())) if seen.any() else 0.0


def _of_plane(at: Tensor, difference: Tensor, clipped: Tensor) -> Array:
    """The variances (GRID,) of a difference (H, W) at the intensities with these numbers."""
    count, total = _sums(at, difference)
    squares, clips = (_sums(at, values)[1] for values in (difference.double() ** 2, clipped))
    least = max(LEAST, at.numel() // LEAST_PART)
    seen = (count >= least) & (clips <= MOST_CLIPPED * count)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (squares - total**2 / count) / (count - 1)
    variances: Array = np.where(seen, found, np.nan)
    return variances


def _sums(at: Tensor, values: Tensor) -> tuple[Array, Array]:
    """How many values have each of the intensities with these numbers, and their sums, (GRID,)."""
    numbers = at.flatten().numpy()
    weights = values.flatten().double().numpy()
    count, total = (np.bincount(numbers, of, GRID) for of in (None, weights))
    return count.astype(np.float64), total.astype(np.float64)
