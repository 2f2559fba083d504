"""Noise with a pattern of its own: stripes, pixels turned black, few levels of grey."""

import numpy as np
import torch
from torch import Tensor

STRIPED = 4.0
"""Stripes stand out of what pixel noise alone gives by this factor."""
LEAST_STRIPES = 0.004
"""Lower stripes, where white is 1, are none."""
MOST_BITS = 6
"""Images of more levels of grey pass for not quantized."""
DARK = 0.15
"""Where the neighbours are lighter than this, a black pixel stands out."""
LEAST_MASKED = 0.004
# The neighbours without the pixel itself, which would make masked pixels seem to lie in the dark.
AROUND = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
NORMAL = 1.4826
"""The standard deviation of normal values over their median absolute deviation."""


def stripes_level(image: Tensor, side: int = 0) -> float:
    """The standard deviation of offsets of whole rows or columns of an image (C, H, W); 0: none.

    The offsets are the same in all channels. `side`: the height of the parts of which an image was
    laid out; 0 if it is one.
    """
    plane = image.mean(0)
    found = max(_offsets(plane, side), _offsets(plane.T, side))
    return found if found >= LEAST_STRIPES else 0.0


def _offsets(plane: Tensor, side: int) -> float:
    """The standard deviation of the offsets of rows; 0 if they do not stand out."""
    parts = _parts(plane, side)
    # What a row has and the mean of its neighbours has not: edges and slopes drop out.
    bends = parts[:, 1:-1] - (parts[:, :-2] + parts[:, 2:]) / 2
    of_rows = bends.median(-1).values.flatten()
    level = NORMAL * float(of_rows.abs().median())
    pixels = NORMAL * float((bends - bends.median(-1, keepdim=True).values).abs().median())
    by_chance = 1.25 * pixels / parts.shape[-1] ** 0.5
    if level <= STRIPED * by_chance:
        return 0.0
    return float((max(level**2 - by_chance**2, 0) / 1.5) ** 0.5)


def _parts(plane: Tensor, side: int) -> Tensor:
    """The parts (n, h, w) of which a plane was laid out, or the plane itself."""
    if not side:
        return plane[None]
    rows = plane.unfold(0, side, side)
    width = side if plane.shape[1] % side == 0 else plane.shape[1]
    return rows.unfold(1, width, width).reshape(-1, width, side).transpose(1, 2)


def without_stripes(image: Tensor, side: int = 0) -> Tensor:
    """An image (C, H, W) less the offsets of its rows or its columns, whichever are stronger."""
    plane = image.mean(0)
    by_row = _offsets(plane, side) >= _offsets(plane.T, side)
    axis = 2 if by_row else 1
    lower = image.roll(1, 3 - axis), image.roll(-1, 3 - axis)
    bends = image - (lower[0] + lower[1]) / 2
    return image - bends.median(axis, keepdim=True).values


def find_masked(image: Tensor) -> float:
    """The share of pixels that were turned black, as seen where an image (C, H, W) is not dark."""
    from scipy import ndimage

    shares = []
    for plane in image:
        values = plane.numpy()
        around = ndimage.median_filter(values, footprint=AROUND, mode="mirror")
        bright = around > DARK
        if bright.sum() < 1000:
            continue
        black = bright & (values == 0)
        # Salt would come with pepper, and clipped noise with values just above black.
        white = float((bright & (values == 1) & (around < 0.9)).sum() / bright.sum())
        nearly = float((bright & (values > 0) & (values < DARK / 3)).sum() / bright.sum())
        share = float(black.sum() / bright.sum())
        shares.append(share if share > LEAST_MASKED and max(white, nearly) < share / 4 else 0.0)
    return float(np.mean(shares)) if shares else 0.0


def find_bits(image: Tensor) -> int | None:
    """How many bits an image in [0, 1] was quantized to; None if it has more than 2^6 levels."""
    levels = torch.unique(image)
    if not 2 < len(levels) <= 2**MOST_BITS:
        return None
    for bits in range(1, MOST_BITS + 1):
        steps = levels * (2**bits - 1)
        if float((steps - steps.round()).abs().max()) < 0.51 * (2**bits - 1) / 255:
            return bits
    return None
