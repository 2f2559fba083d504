"""Rows of 784 numbers: each may be an image of 28×28 pixels, as MNIST is often distributed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 28
PIXELS = SIDE * SIDE
# Rows that are looked at.
_LOOKED_AT = 512


def are_digits(rows: NDArray[Any]) -> bool:
    """Whether rows (N, 784) are images of 28×28 pixels each, and not one image 784 wide.

    In an image, the pixel below is much like the one above. In the one case it stands 28 numbers
    further in the row, in the other in the next row: the smaller difference decides.
    """
    if rows.ndim != 2 or rows.shape[1] != PIXELS:
        return False
    if len(rows) == 1:
        return True
    some = rows[:_LOOKED_AT].astype(np.float64)
    some = np.where(np.isfinite(some), some, 0)
    within = np.abs(some[:, SIDE:] - some[:, :-SIDE]).mean()
    between = np.abs(some[1:] - some[:-1]).mean()
    return bool(within < between)


def as_digits(rows: NDArray[Any]) -> NDArray[Any] | None:
    """Rows (N, 784) as images (N, 28, 28, 1); None if they are not images each."""
    return rows.reshape(-1, SIDE, SIDE, 1) if are_digits(rows) else None
