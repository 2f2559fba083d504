"""Pairs whose two sides are shifted against each other, or differ in brightness from pair to pair.

A tripod that gives way, or a shutter, moves the second photograph. A network cannot know by how
much, and so it learns to blur: the mean over all shifts is what has the least squared error.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Shifts below are within what noise makes of none; shifts above are not only shifts.
LEAST, MOST = 0.05, 3.0
STEPS = 4
# A shift must explain at least this part of the squared difference.
EXPLAINED = 0.01
MARGIN = 16
LEVELS, LEAST_VALUES = 32, 64
"""So many levels of brightness are compared, those that have so many values,"""
MOST_CLIPPED = 0.02
"""if not more of these are black or white: clipping makes their mean brighter, or darker."""
MOST_VALUES = 2**20
AS_BRIGHT = 0.05
"""Images whose brightness differs by less are equally bright."""
LEAST_GAIN = 0.2
"""With less, two images show different things."""


def find_shift(clean: Tensor, noisy: Tensor) -> tuple[float, float]:
    """By how many rows and columns a clean image must move to lie on a noisy one; or 0, 0.

    Both are float32 (C, H, W).

    Least squares over the gradients of the clean image, with a gain and an offset beside (Lucas and
    Kanade 1981), repeated with the image moved. 0, 0 where the shift is too small or too large, or
    explains too little of the difference.
    """
    clean, noisy = clean.mean(0), noisy.mean(0)
    if min(clean.shape) < 2 * MARGIN:
        return 0.0, 0.0
    rows = columns = 0.0
    left = math.inf
    for step in range(STEPS):
        image = shifted(clean[None], rows, columns)[0] if step else clean
        down, right, left = _fit(image, noisy)
        rows, columns = rows + down, columns + right
        if math.hypot(rows, columns) > MOST:
            return 0.0, 0.0
    before = _fit(clean, noisy, moves=False)[2]
    if math.hypot(rows, columns) < LEAST or left > (1 - EXPLAINED) * before:
        return 0.0, 0.0
    return rows, columns


def _fit(clean: Tensor, noisy: Tensor, *, moves: bool = True) -> tuple[float, float, float]:
    """The shift that explains most of the difference, and the mean squared difference left."""
    inner = slice(MARGIN // 2, -MARGIN // 2)
    down, right = (grad[inner, inner].flatten() for grad in torch.gradient(clean))
    given, target = clean[inner, inner].flatten(), noisy[inner, inner].flatten()
    unknown = [-down, -right] if moves else []
    system = torch.stack([*unknown, given, torch.ones_like(given)], dim=1).double()
    # The normal equations: there are four unknowns, and as many rows as pixels.
    square = system.T @ system + 1e-9 * torch.eye(system.shape[1], dtype=torch.float64)
    found = torch.linalg.solve(square, system.T @ target.double())
    left = float((system @ found - target).square().mean())
    # A gain scales the gradients too.
    gain = max(float(found[-2]), 1e-3)
    return (float(found[0]) / gain, float(found[1]) / gain, left) if moves else (0.0, 0.0, left)


def fit_brightness(clean: Tensor, noisy: Tensor) -> tuple[float, float]:
    """The gain and the offset that make a clean image as bright as a noisy one, by least squares.

    Both are float32 of one shape. 1 and 0 for a clean image that is flat.
    """
    given, target = clean.double(), noisy.double()
    spread = given.var(correction=0)
    if spread < 1e-9:
        return 1.0, 0.0
    gain = float(((given - given.mean()) * (target - target.mean())).mean() / spread)
    return gain, float(target.mean() - gain * given.mean())


def find_brightness(clean: Tensor, noisy: Tensor) -> tuple[float, float]:
    """The gain and the offset that make a clean image as bright as a noisy one; or 1, 0.

    Unlike `fit_brightness` it finds none where noise may be what brightens or darkens: at levels
    where it was clipped, and where medians disagree with means, as with impulses.

    Both are float32 of one shape, where black is 0 and white is 1.
    """
    step = max(1, clean.numel() // MOST_VALUES)
    given, target = clean.flatten()[::step], noisy.flatten()[::step]
    at = (given.clamp(0, 1) * LEVELS).long().clamp(max=LEVELS - 1)
    seen = []
    for level in range(LEVELS):
        values = target[at == level]
        clipped = ((values <= 0) | (values >= 1)).float().mean()
        if len(values) >= LEAST_VALUES and clipped <= MOST_CLIPPED:
            here = given[at == level].mean(), values.mean(), values.median(), len(values)
            seen.append([float(each) for each in here])
    if len(seen) < 2:
        return 1.0, 0.0
    of_clean, means, medians, counts = np.array(seen).T
    line, of_medians = (
        np.polyfit(of_clean, values, 1, w=np.sqrt(counts)) for values in (means, medians)
    )
    gain, offset = line
    ends = of_clean[[0, -1]]
    fitted = np.polyval(line, ends)
    differs = np.abs(fitted - ends).max() > AS_BRIGHT
    agree = np.abs(fitted - np.polyval(of_medians, ends)).max() < AS_BRIGHT / 2
    return (float(gain), float(offset)) if differs and agree and gain > LEAST_GAIN else (1.0, 0.0)


def common_brightness(
    clean: Sequence[Tensor], fits: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """The gain and the offset that lead from matched images back to clean ones, on the whole.

    Args:
        clean: images (C, H, W).
        fits: of each the gain and the offset of `fit_brightness`.
    """
    matched = torch.cat(
        [
            (gain * image + offset).flatten()
            for image, (gain, offset) in zip(clean, fits, strict=True)
        ]
    )
    return fit_brightness(matched, torch.cat([image.flatten() for image in clean]))


def shifted(image: Tensor, rows: float, columns: float) -> Tensor:
    """An image (C, H, W), float32, moved down and to the right, by fractions of a pixel too.

    By the phases of its Fourier transform, mirrored at the edges.
    """
    height, width = image.shape[1:]
    wide = F.pad(image[None], (MARGIN,) * 4, mode="reflect")[0]
    down = torch.fft.fftfreq(wide.shape[1])[:, None] * rows
    right = torch.fft.rfftfreq(wide.shape[2]) * columns
    phases = torch.exp(-2j * math.pi * (down + right))
    moved: Tensor = torch.fft.irfft2(torch.fft.rfft2(wide) * phases, s=wide.shape[1:])
    return moved[:, MARGIN : MARGIN + height, MARGIN : MARGIN + width].contiguous()
