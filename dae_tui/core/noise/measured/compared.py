"""The noise of one image, by a second without it: the variance at each intensity."""

import math

import numpy as np
import torch
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
"""A difference that goes on over so many pixels is one of light or colour, and no noise."""
FINE = 5
"""Texture is what is finer than so many pixels."""


def grid() -> Array:
    """The intensities at which variances are given."""
    points: Array = (np.arange(GRID) + 0.5) / GRID
    return points


def places_on_grid(image: Tensor) -> Tensor:
    """The number of the intensity of each value of an image in [0, 1]."""
    return (image.clamp(0, 1) * GRID).long().clamp(max=GRID - 1)


def noise_between(noisy: Tensor, clean: Tensor) -> Tensor:
    """The difference of two images (C, H, W), less its mean at each intensity of the clean one.

    So an image that is brighter or darker, or has more contrast, has no noise for that.
    """
    found = []
    for at, plane in zip(places_on_grid(clean), noisy - clean, strict=True):
        count, total = _sums(at, plane)
        means = torch.from_numpy(total / np.maximum(count, 1)).to(plane.dtype)
        found.append(plane - means[at])
    return torch.stack(found)


def variances_between(noisy: Tensor, clean: Tensor) -> Array:
    """The variance of the noise of an image at each intensity of the clean one.

    Where one of them is brighter than the other over `SLOW` pixels, that is taken for light. So
    noise that a blur of 4 pixels has made lacks 0.07 of its variance, and of 8 pixels 0.27.

    Args:
        noisy: float32 (C, H, W), where black is 0 and white is 1.
        clean: the same without noise.

    Returns (C, GRID), NaN where few pixels tell, or where noise was clipped.
    """
    noise = without_local_mean(noise_between(noisy, clean), SLOW)
    # What was clipped varies less than the noise does.
    clipped = (noisy <= 0) | (noisy >= 1)
    planes = zip(places_on_grid(clean), noise, clipped, strict=True)
    return np.stack([_of_plane(*each) for each in planes])


def texture_of(clean: Tensor) -> Array:
    """The level of the texture of an image (C, H, W) at each intensity.

    Returns (C, GRID), NaN at intensities that the image does not have.
    """
    energy = without_local_mean(clean, FINE).square()
    found = []
    for at, plane in zip(places_on_grid(clean), energy, strict=True):
        count, total = _sums(at, plane)
        with np.errstate(invalid="ignore"):
            found.append(np.sqrt(total / count))
    return np.stack(found)


def without_local_mean(planes: Tensor, side: int) -> Tensor:
    """Planes (C, H, W), each pixel less the mean of the square around it.

    `side` is that of the square in pixels, an odd number; at the edges less of it is there.
    """
    means = [_mean_along(_mean_along(plane.double(), side, 0), side, 1) for plane in planes]
    return planes - torch.stack(means).to(planes.dtype)


def _mean_along(plane: Tensor, side: int, axis: int) -> Tensor:
    """The mean of so many values around each one of a plane (H, W), by a running sum."""
    length = plane.shape[axis]
    before = F.pad(plane.cumsum(axis), (0, 0, 1, 0) if axis == 0 else (1, 0))
    at = torch.arange(length)
    first, end = (at - side // 2).clamp(min=0), (at + side // 2 + 1).clamp(max=length)
    total = before.index_select(axis, end) - before.index_select(axis, first)
    count = end - first
    return total / (count[:, None] if axis == 0 else count)


def level_of(variances: Array) -> float:
    """The root mean square over the intensities that were seen; 0 if none was."""
    seen = np.isfinite(variances)
    return math.sqrt(float(variances[seen].mean())) if seen.any() else 0.0


def _of_plane(at: Tensor, noise: Tensor, clipped: Tensor) -> Array:
    """The variances (GRID,) of noise (H, W) at the intensities with these numbers."""
    count, total, squares, clips = _sums(at, noise, noise.double().square(), clipped)
    least = max(LEAST, at.numel() // LEAST_PART)
    seen = (count >= least) & (clips <= MOST_CLIPPED * count)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (squares - total**2 / count) / (count - 1)
    variances: Array = np.where(seen, found, np.nan)
    return variances


def _sums(at: Tensor, *values: Tensor) -> list[Array]:
    """How many pixels have each of the intensities with these numbers, then the sums of values.

    `at` and the values are (H, W); each result is (GRID,).
    """
    numbers = at.flatten().numpy()
    weights = [None, *(each.flatten().double().numpy() for each in values)]
    return [np.bincount(numbers, each, GRID).astype(np.float64) for each in weights]
