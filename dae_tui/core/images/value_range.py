"""The stored values of black and white, and conversion of stored values to images in [0, 1].

An 8-bit file says by its type what black and white are. Others may not: 12 bits in 16, detector
counts, floats around zero. There robust limits of the data decide, and no value is clipped to them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.images.image_file import Stack
from dae_tui.errors import DataError

# Rows that are checked together, so that an image of 12 000 × 12 000 needs no second copy.
BAND = 1024
SAMPLE_VALUES = 2**20
"""So many values, spread over a stack, are enough to know its limits."""
TAIL = 0.001
"""The share of values beyond each robust limit: hot pixels and impulses do not set the range."""
FEW = 1000
"""In fewer places single pixels are not told from fine strokes."""
SINGLE = 0.1
"""Values far beyond all others are those of single pixels where in the medians of 3×3 pixels they
are rarer by this factor."""
BLOCK = 4
"""The side of blocks whose means show the image below its noise."""
NEAR_UNIT = 0.1
"""How far the block means of floats from 0 to 1 may lie outside, noise apart."""


@dataclass(frozen=True)
class ValueRange:
    """What stored values mean: `black` becomes 0 and `white` 1."""

    black: float
    white: float
    source: str = "type"
    """`type`, `options` (the user said it), `file` (its header says it) or `data` (measured)."""
    lowest: float = -math.inf
    """No result is stored below this or above `highest`: the limits of the range, or of the data
    where these go beyond it."""
    highest: float = math.inf

    @property
    def span(self) -> float:
        """White minus black, in stored units."""
        return self.white - self.black


@dataclass(frozen=True)
class Limits:
    """The limits of the measured values of a stack."""

    lowest: float
    highest: float
    low: float
    """Robust: all but `TAIL` of the values are above it."""
    high: float
    not_finite: int = 0
    """How many values are NaN or infinite."""


def find_range(
    stack: Stack, name: str, black: float | None = None, white: float | None = None
) -> ValueRange:
    """What is black and white in a stack.

    `black` and `white` are what the user says, in stored units; they do not apply to bilevel
    images. Else the file decides, by its type (8 bits, all of 16 bits, floats from 0 to 1) or its
    header, and else the data.

    Raises DataError for values that are all NaN or no-data, and for a black not below white.
    """
    kind, size = stack.values.dtype.kind, stack.values.dtype.itemsize
    if kind == "b":
        return ValueRange(0.0, 1.0, "type", 0.0, 1.0)
    if kind == "u" and size == 1 and black is None and white is None and stack.no_data is None:
        return ValueRange(0.0, 255.0, "type", 0.0, 255.0)
    limits = find_limits(stack, name)
    if black is not None or white is not None:
        found = _default(stack, limits)
        low = found.black if black is None else black
        if black is None and limits.lowest >= 0:
            low = 0.0  # `--white 4095` alone speaks of a range that begins at 0.
        high = found.white if white is None else white
        if not low < high:
            raise DataError(
                f"{name}: black is {low:g} and white {high:g}", "--black must be below --white"
            )
        if kind in "ui" and high > np.iinfo(stack.values.dtype).max:
            raise DataError(
                f"{name} holds values up to {np.iinfo(stack.values.dtype).max}, so {high:g} cannot "
                "be white",
                "leave --white out, or give the value that is white in it",
            )
        found = ValueRange(low, high, "options")
    else:
        found = _default(stack, limits)
    return ValueRange(
        found.black,
        found.white,
        found.source,
        min(found.black, limits.lowest),
        max(found.white, limits.highest),
    )


def _default(stack: Stack, limits: Limits) -> ValueRange:
    """The range by the file alone."""
    dtype = stack.values.dtype
    limits = _without_single_pixels(stack, limits)
    if stack.stated is not None:
        black, white = stack.stated
        if black < white and black <= limits.low and limits.high <= white:
            return ValueRange(black, white, "file")
    if dtype.kind == "u" and dtype.itemsize <= 2:
        largest = float(np.iinfo(dtype).max)
        # A picture of 16 bits uses them; 12 bits in 16, counts and dark frames do not.
        if dtype.itemsize == 1 or limits.highest > largest / 2:
            return ValueRange(0.0, largest, "type")
    if dtype.kind == "f" and _is_unit(stack, limits):
        return ValueRange(0.0, 1.0, "type")
    low, high = limits.low, limits.high
    if not low < high:
        low, high = limits.lowest, limits.highest
    if not low < high:  # A constant: nothing is there to be denoised.
        high = low + max(1.0, abs(low))
    return ValueRange(low, high, "data")


def _without_single_pixels(stack: Stack, limits: Limits) -> Limits:
    """The limits without those that hot or dead pixels alone set, far from all other values."""
    pixels, medians = _medians(stack)
    if len(medians) < FEW:
        return limits
    low, high = (float(value) for value in np.quantile(medians, [TAIL, 1 - TAIL]))
    far = high - low
    if not far:  # A constant but for these.
        return limits

    usual = pixels[(pixels >= low - far) & (pixels <= high + far)]

    def are_single(sign: int, limit: float) -> bool:
        beyond = float(np.mean(sign * pixels > sign * limit + far))
        return float(np.mean(sign * medians > sign * limit + far)) <= SINGLE * beyond

    if limits.highest - high > far and are_single(1, high):
        high = float(np.quantile(usual, 1 - TAIL))
        limits = replace(limits, highest=high, high=high)
    if low - limits.lowest > far and are_single(-1, low):
        low = float(np.quantile(usual, TAIL))
        limits = replace(limits, lowest=low, low=low)
    return limits


def _medians(stack: Stack) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values from all over a stack, and the medians of the 3×3 pixels around each."""
    values = image_values(stack)
    count, height, width, _ = values.shape
    step = 3 * max(1, int(math.sqrt(values.size / SAMPLE_VALUES)))
    images = values[:: max(1, count // 64)]
    rows = np.arange(0, height - 2, step)[:, None]
    columns = np.arange(0, width - 2, step)[None]
    around = np.stack(
        [images[:, rows + down, columns + across] for down in range(3) for across in range(3)]
    )
    use = usable(around, stack.no_data)
    around = around.astype(np.float64) if use is None else np.where(use, around, np.nan)
    around = around[:, np.isfinite(around).all(0)]
    return around[4], np.median(around, axis=0)


def _is_unit(stack: Stack, limits: Limits) -> bool:
    """Whether floats range from 0 to 1 but for their noise, which may reach far outside."""
    if limits.lowest >= 0 and limits.highest <= 1:
        return limits.high > NEAR_UNIT or limits.highest == 0
    means, noise = _blocks(stack)
    if len(means) == 0:
        return False
    # What is left of white noise in the mean of a block, three standard deviations of it.
    margin = NEAR_UNIT + 3 * noise / BLOCK
    low, high = np.quantile(means, [0.005, 0.995])
    centre = float(means.mean())
    return bool(-margin < low and high < 1 + margin and 0.02 < centre < 1)


def _blocks(stack: Stack) -> tuple[NDArray[np.float64], float]:
    """The means of blocks from all over a stack, and the standard deviation of the noise in them.

    The noise is the median absolute difference of neighbours, as a normal distribution has it.
    """
    values = image_values(stack)
    count, height, width, _ = values.shape
    step = max(1, int(math.sqrt(values.size / SAMPLE_VALUES)))
    rows = np.arange(0, max(1, height - BLOCK + 1), BLOCK * step)
    columns = np.arange(0, max(1, width - BLOCK + 1), BLOCK * step)
    images = values[:: max(1, count // 64)]
    use = usable(images, stack.no_data)
    images = images.astype(np.float64) if use is None else np.where(use, images, np.nan)
    parts = [
        images[:, rows[:, None] + down, columns[None, :] + across]
        for down in range(min(BLOCK, height))
        for across in range(min(BLOCK, width))
    ]
    found = np.stack(parts)
    means = found.mean(0).ravel()
    pairs = found[1:] - found[:-1]
    pairs = pairs[np.isfinite(pairs)]
    noise = 1.4826 * float(np.median(np.abs(pairs))) / math.sqrt(2) if pairs.size else 0.0
    return means[np.isfinite(means)], noise


def find_limits(stack: Stack, name: str) -> Limits:
    """The limits of a stack, without alpha, no-data, NaN, infinite and transparent values.

    If all is transparent, its values count. Raises DataError if no value is left.
    """
    values = image_values(stack)
    sees = stack.alpha and bool(stack.values[..., -1].any())
    lowest, highest, not_finite, known = math.inf, -math.inf, 0, 0
    samples = []
    step = max(1, values.size // SAMPLE_VALUES)
    for whole in _parts(stack.values):
        part = whole[..., : values.shape[-1]]
        use = usable(part, stack.no_data)
        if sees and not (opaque := whole[..., -1:] != 0).all():
            use = np.broadcast_to(opaque, part.shape) if use is None else use & opaque
        if part.dtype.kind == "f":
            not_finite += int(part.size - np.count_nonzero(np.isfinite(part)))
        measured = part.ravel() if use is None else part[use]
        if measured.size == 0:
            continue
        known += measured.size
        lowest = min(lowest, float(measured.min()))
        highest = max(highest, float(measured.max()))
        samples.append(measured[::step])
    if known == 0:
        raise DataError(f"{name} holds nothing but NaN, infinite and no-data values")
    low, high = np.quantile(np.concatenate(samples).astype(np.float64), [TAIL, 1 - TAIL])
    return Limits(lowest, highest, float(low), float(high), not_finite)


def usable(values: NDArray[Any], no_data: float | None) -> NDArray[np.bool_] | None:
    """Which values were measured: finite, and not the no-data value; None for all."""
    known: NDArray[np.bool_] | None = None
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        known = None if finite.all() else finite
    if no_data is not None and not math.isnan(no_data):
        measured: NDArray[np.bool_] = values != values.dtype.type(no_data)
        if not measured.all():
            known = measured if known is None else measured & known
    return known


def to_unit(
    values: NDArray[Any],
    found: ValueRange,
    white_is_zero: bool = False,
    no_data: float | None = None,
) -> Tensor:
    """Stored values of any shape as float32 images, where 0 is black and 1 is white.

    Values beyond black and white lie outside [0, 1]. Values that were not measured become NaN.
    """
    # float32 cannot hold every integer of 32 bits, nor every double.
    exact = values.dtype.itemsize <= 2 or values.dtype == np.float32
    wide: NDArray[Any] = values.astype(np.float32 if exact else np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if found.black:
            wide -= wide.dtype.type(found.black)
        wide /= wide.dtype.type(found.span)
        unit = wide.astype(np.float32, copy=False)
    if white_is_zero:
        np.subtract(1, unit, out=unit)
    use = usable(values, no_data)
    if use is not None:
        unit[~use] = np.nan
    return torch.from_numpy(unit)


def fill_unmeasured(planes: Tensor) -> Tensor:
    """Planes (…, H, W) in which the nearest measured value of its plane stands for each NaN.

    So a network sees neither NaN nor an edge where nothing was measured. Planes without NaN come
    back as they are; a plane of nothing else becomes 0.
    """
    known = torch.isfinite(planes)
    if known.all():
        return planes
    from scipy import ndimage  # Takes a tenth of a second; most images need no filling.

    height, width = planes.shape[-2:]
    filled = planes.reshape(-1, height, width).clone()
    for plane, measured in zip(filled, known.reshape(-1, height, width), strict=True):
        if not measured.any():
            plane.zero_()
        elif not measured.all():
            missing = ~measured.numpy()
            nearest = ndimage.distance_transform_edt(
                missing, return_distances=False, return_indices=True
            )
            plane.copy_(plane[tuple(torch.from_numpy(index) for index in nearest)])
    return filled.reshape(planes.shape)


def from_unit(
    images: Tensor,
    like: NDArray[Any],
    found: ValueRange,
    white_is_zero: bool = False,
    no_data: float | None = None,
) -> NDArray[Any]:
    """Images in [0, 1] as values of the type of `like`, their original values.

    Values outside [0, 1] are kept as far as the data or the type go. Values of `like` that were
    not measured stay.
    """
    unit = images.numpy()
    if white_is_zero:
        unit = 1 - unit
    dtype = like.dtype
    if dtype.kind == "b":
        return unit >= 0.5
    scaled = unit.astype(np.float64) if dtype.itemsize > 2 and dtype != np.float32 else unit.copy()
    scaled *= scaled.dtype.type(found.span)
    if found.black:
        scaled += scaled.dtype.type(found.black)
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        low, high = max(float(limits.min), found.lowest), min(float(limits.max), found.highest)
        np.rint(scaled, out=scaled)
        # The largest integers of 64 bits have no float of their own.
        top = np.nextafter(float(limits.max), 0) if dtype.itemsize == 8 else high
        stored: NDArray[Any] = scaled.clip(low, min(high, top), out=scaled).astype(dtype)
    else:
        stored = scaled.clip(found.lowest, found.highest, out=scaled).astype(dtype)
    use = usable(like, no_data)
    return stored if use is None else np.where(use, stored, like).astype(dtype)


def _parts(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """All of some images (N, H, W, C): many small ones together, large ones band by band."""
    together = max(1, BAND // values.shape[1])
    for first in range(0, len(values), together):
        for top in range(0, values.shape[1], BAND):
            yield values[first : first + together, top : top + BAND]


def image_values(stack: Stack) -> NDArray[Any]:
    """The values (N, H, W, C) of a stack without its alpha."""
    return stack.values[..., :-1] if stack.alpha else stack.values
