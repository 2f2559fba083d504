"""Stripes: offsets of whole rows or of whole columns, as scanners and sensors leave them.

An offset is the same over the whole width, and has nothing to do with that of the next row. So the
median difference between two rows tells it, whatever the image shows. The sum of these differences
follows the image slowly, but for its edges, and jumps with every offset: what a smooth curve
through it leaves over are the stripes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

LEAST_SIDE = 64
MOST_ACROSS = 1024
"""So many pixels of each row, spread evenly, tell its offset."""
LEAST_LEVEL = 0.003
"""Weaker stripes, where white is 1, are left."""
BANDS = 8
"""Parts of the width whose differences must agree."""
AGREED = 0.8
"""The least correlation of one half of the bands with the other. With the limits below, none of
1320 photographs, pages and fields of microscopy, clean and noisy, passed for striped."""
BAND_AGREED = 0.5
"""That of any band with all others."""
NEXT, LATER = (-0.62, -0.38), 0.2
"""The correlation of a difference with the next one, which is -0.5 for independent offsets, and the
largest with the three after that, which have none."""
OUTLYING = 4.0
"""Differences so many times the usual one are edges of the image."""
LEAST_RATIO = 0.1
"""How slowly the image may change from row to row at least, as a part of the stripes."""
EDGE = 3.0
"""The curve bends freely where it changes so many times as much as usual."""
TURNS = 6
NORMAL = 1.4826
"""The standard deviation of normal values over their median absolute deviation."""


@dataclass(frozen=True)
class Stripes:
    """The offsets of the rows and the columns of an image."""

    offsets: tuple[Tensor, ...]
    """(C, H, 1) of rows, (C, 1, W) of columns, or both."""

    @property
    def sigma(self) -> float:
        """The standard deviation of the offsets, where white is 1."""
        return math.sqrt(sum(float(each.square().mean()) for each in self.offsets))

    def at(self, rows: slice, columns: slice) -> Tensor:
        """Their sum in a part of the image, (C, h, w) or a shape that spreads to it."""
        parts = [
            each[:, rows] if each.shape[2] == 1 else each[:, :, columns] for each in self.offsets
        ]
        return sum(parts[1:], parts[0])


def find_stripes(part: Callable[[slice, slice], Tensor], height: int, width: int) -> Stripes | None:
    """The stripes of an image; None if it has none.

    `part` returns some rows and columns of the image, (C, h, w) in [0, 1]: at most `MOST_ACROSS`
    pixels of each row or column are looked at.
    """
    if min(height, width) < LEAST_SIDE:
        return None
    every = slice(None)
    offsets = []
    columns = slice(None, None, -(-width // MOST_ACROSS))
    of_rows = _offsets(part(every, columns))
    if of_rows is not None:
        offsets.append(of_rows[:, :, None])
    rows = slice(None, None, -(-height // MOST_ACROSS))
    planes = part(rows, every)
    if of_rows is not None:
        planes = planes - of_rows[:, rows, None]
    of_columns = _offsets(planes.mT)
    if of_columns is not None:
        offsets.append(of_columns[:, None, :])
    return Stripes(tuple(offsets)) if offsets else None


def _offsets(planes: Tensor) -> Tensor | None:
    """The offsets of rows (C, H) of planes (C, H, W); None if they are not striped."""
    differences = planes.mean(0).diff(dim=0)
    variances = _variances(differences)
    if variances is None:
        return None
    stripes, image = variances
    image = max(image, stripes * LEAST_RATIO**2)
    offsets = []
    for plane in planes:
        steps = plane.diff(dim=0).median(1).values.double().numpy()
        profile = np.concatenate([[0.0], np.cumsum(steps)])
        offsets.append(profile - _smooth(profile, stripes / image, EDGE**2 * image))
    return torch.from_numpy(np.stack(offsets)).float()


def _variances(differences: Tensor) -> tuple[float, float] | None:
    """The variance of independent offsets of rows, and that by which the image changes.

    `differences` are those of rows, (H - 1, W). None if rows have no offsets of their own.
    """
    whole = differences.median(1).values.double().numpy()
    bands = [part.median(1).values.double().numpy() for part in differences.chunk(BANDS, dim=1)]
    limit = OUTLYING * NORMAL * float(np.median(np.abs(whole)))
    steps, by_band = whole.clip(-limit, limit), np.clip(bands, -limit, limit)
    later = [_correlation(steps[gap:], steps[:-gap]) for gap in (1, 2, 3, 4)]
    stripes = max(-later[0], 0.0) * float(np.mean(steps**2))
    if (
        stripes < LEAST_LEVEL**2
        or not NEXT[0] < later[0] < NEXT[1]
        or max(map(abs, later[1:])) > LATER
    ):
        return None
    if _correlation(by_band[::2].mean(0), by_band[1::2].mean(0)) < AGREED:
        return None
    total = by_band.sum(0)
    if min(_correlation(band, total - band) for band in by_band) < BAND_AGREED:
        return None
    return stripes, max(float(np.mean(steps**2)) - 2 * stripes, 0.0)


def _correlation(first: Array, second: Array) -> float:
    power = float(np.mean(first**2) * np.mean(second**2))
    return float(np.mean(first * second)) / max(math.sqrt(power), 1e-30)


def _smooth(profile: Array, stiffness: float, edge: float) -> Array:
    """A curve through a profile (H,) that follows its slow changes and its edges.

    The state of a random walk seen through white noise; `stiffness` is the variance of that noise
    over that of the walk's steps. Steps whose squares are far above `edge` count less.
    """
    from scipy.linalg import solveh_banded

    weights = np.ones(len(profile) - 1)
    for _ in range(TURNS):
        bands = np.ones((2, len(profile)))
        bands[0, 1:] = -stiffness * weights
        bands[1, :-1] += stiffness * weights
        bands[1, 1:] += stiffness * weights
        curve: Array = solveh_banded(bands, profile)
        weights = 1 / (1 + np.diff(curve) ** 2 / edge)
    return curve
