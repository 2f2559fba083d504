"""Patches of an image in groups of equal intensity, and the variance of their noise.

What the level functions of one channel and of three have in common.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.level.estimation import weak_variance

Array = NDArray[np.float64]

GROUPS = 8
"""Of equal numbers of patches, from dark to light."""
LEAST_IN_GROUP = 6
"""Patches of a group per dimension of a patch."""
ROUNDS = 6
TEXTURE = 1.25
"""Groups this many times above the function hold texture, and count less."""
MOST_BIAS = 1.15
"""How many times too low the variances of groups may be, because they have few patches."""


def grouped(
    kept: NDArray[np.bool_], group_of: NDArray[np.intp], groups: int, least: int
) -> list[NDArray[np.intp]]:
    """The kept patches of each group; groups of fewer than `least` join their neighbours.

    Args:
        kept: of each patch, (n,).
        group_of: the number of its group, (n,).
        groups: how many there are.
        least: patches; empty if fewer than these are kept.
    """
    found: list[NDArray[np.intp]] = []
    waiting: list[NDArray[np.intp]] = []
    chosen = np.flatnonzero(kept)
    for number in range(groups):
        waiting.append(chosen[group_of[chosen] == number])
        if sum(map(len, waiting)) >= least:
            found.append(np.concatenate(waiting))
            waiting = []
    if found:
        found[-1] = np.concatenate([found[-1], *waiting])
    return found


def variance_ratios(patches: Tensor, groups: Sequence[NDArray[np.intp]], expected: Array) -> Array:
    """The variance of each group, as a multiple of what is expected of its patches.

    Args:
        patches: their means subtracted, (n, size).
        groups: the patches of each.
        expected: the variance of each patch, (n,).
    """
    scale = torch.from_numpy(1 / np.sqrt(expected)).float()
    largest = max(map(len, groups))
    values = torch.zeros(len(groups), largest, patches.shape[1])
    kept = torch.zeros(len(groups), largest, dtype=torch.bool)
    for number, group in enumerate(groups):
        rows = torch.from_numpy(group)
        values[number, : len(group)] = patches[rows] * scale[rows, None]
        kept[number, : len(group)] = True
    ratios: Array = np.maximum(weak_variance(values, kept).double().numpy(), 1e-6)
    return ratios


def without_slope(patches: Tensor) -> Tensor:
    """Patches (n, side²) without their mean slopes.

    Else none of a gradient would pass for noise but those that happen to hold little of it: the
    levels of smooth images at 1000 photons came out a fifth too low.
    """
    side = math.isqrt(patches.shape[1])
    if side < 2:
        return patches
    across = torch.linspace(-1, 1, side).repeat(side)
    down = across.reshape(side, side).T.flatten()
    slopes = torch.stack([across, down]) / across.norm()
    flat: Tensor = patches - patches @ slopes.T @ slopes
    return flat


def polynomials(at: Array, low: float, high: float, terms: int) -> Array:
    """Bernstein's polynomials of a degree, (n, terms): none is negative over [low, high]."""
    x = np.clip((at - low) / max(high - low, 1e-12), 0, 1)
    degree = terms - 1
    values: Array = np.stack(
        [math.comb(degree, k) * x**k * (1 - x) ** (degree - k) for k in range(terms)], axis=-1
    )
    return values
