"""Conversion of stored values to images in [0, 1] and back, and unusual values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.images.image_file import Stack
from dae_tui.errors import DataError

# Unclipped noise exceeds 1, but not this far: such floats have another range than [0, 1].
HIGHEST_FLOAT = 16
# Rows that are checked together, so that an image of 12 000 × 12 000 needs no second copy.
BAND = 1024


@dataclass(frozen=True)
class Oddities:
    """Stored values that an image should not have."""

    values: int = 0
    """The number of all values."""
    not_finite: int = 0
    """NaN or infinite. They stay so."""
    outside: int = 0
    """Below black or above white."""
    lowest: float = 0.0
    highest: float = 1.0
    """Within [0, 1] if no value is outside."""

    def remarks(self) -> list[str]:
        """One line for the user about each of them."""
        lines = []
        if self.not_finite:
            lines.append(f"{self.not_finite:,} values are NaN or infinite, and stay so")
        if self.outside:
            lines.append(
                f"{self.outside:,} of {self.values:,} values lie outside [0, 1], "
                f"from {self.lowest:.3g} to {self.highest:.3g}"
            )
        return lines


def to_unit(values: NDArray[Any], white: float, white_is_zero: bool = False) -> Tensor:
    """Stored values of any shape as float32 images, where 0 is black and 1 is `white`.

    Values that are not finite become the mean of the others, so that the network gets none.
    """
    if values.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            unit = values.astype(np.float32) / np.float32(white)
        finite = np.isfinite(unit)
        if not finite.all():
            unit[~finite] = unit[finite].mean() if finite.any() else 0.0
    else:
        unit = values.astype(np.float32)
        unit /= np.float32(white)
    if white_is_zero:
        np.subtract(1, unit, out=unit)
    return torch.from_numpy(unit)


def from_unit(
    images: Tensor, like: NDArray[Any], white: float, white_is_zero: bool = False
) -> NDArray[Any]:
    """Images in [0, 1] as values of the type of `like`, their original values.

    NaN and infinite values of `like` are kept, because nothing was measured there.
    """
    unit = images.numpy()
    if white_is_zero:
        unit = 1 - unit
    kind = like.dtype.kind
    if kind == "b":
        return unit >= 0.5
    if kind == "u":
        limit = min(float(np.iinfo(like.dtype).max), white)
        # float32 cannot hold every value of 32 bits.
        scaled = unit.astype(np.float64) if like.dtype.itemsize > 2 else unit
        rounded: NDArray[Any] = scaled * scaled.dtype.type(white)
        np.rint(rounded, out=rounded)
        return rounded.clip(0, limit, out=rounded).astype(like.dtype)
    stored = (unit * np.float32(white)).astype(like.dtype)
    finite = np.isfinite(like)
    return stored if finite.all() else np.where(finite, stored, like).astype(like.dtype)


def find_oddities(stack: Stack, white: float, name: str) -> Oddities:
    """Unusual values in a stack, without alpha.

    Raises DataError for floats whose range cannot be [0, white] and for values that are all NaN.
    """
    values = image_values(stack)
    if values.dtype.kind != "f" and white == stack.white:
        return Oddities(values.size)
    if values.dtype.kind == "u" and white > stack.white:
        raise DataError(
            f"{name} holds values up to {stack.white:g}, so {white:g} cannot be white",
            "leave --white out, or give the value that is white in it",
        )
    not_finite = outside = 0
    lowest, highest = np.inf, -np.inf
    for part in _parts(values):
        known = part.ravel()
        if part.dtype.kind == "f":
            known = part[np.isfinite(part)]
            not_finite += part.size - known.size
        if known.size == 0:
            continue
        lowest = min(lowest, float(known.min()) / white)
        highest = max(highest, float(known.max()) / white)
        outside += int(np.count_nonzero((known < 0) | (known > white)))
    if not_finite == values.size:
        raise DataError(f"{name} holds nothing but NaN and infinite values")
    if max(highest, -lowest) > HIGHEST_FLOAT:
        raise DataError(
            f"{name} holds values from {lowest * white:g} to {highest * white:g}, and {white:g} is "
            "white",
            "say what is white in them, such as --white 255",
        )
    return Oddities(values.size, not_finite, outside, lowest, highest)


def _parts(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """All of some images (N, H, W, C): many small ones together, large ones band by band."""
    together = max(1, BAND // values.shape[1])
    for first in range(0, len(values), together):
        for top in range(0, values.shape[1], BAND):
            yield values[first : first + together, top : top + BAND]


def image_values(stack: Stack) -> NDArray[Any]:
    """The values (N, H, W, C) of a stack without its alpha."""
    return stack.values[..., :-1] if stack.alpha else stack.values
