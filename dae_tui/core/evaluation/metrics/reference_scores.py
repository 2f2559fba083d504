"""PSNR and SSIM of stored images against clean ones, band by band, for images of any size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.evaluation.metrics.image_metrics import SSIM_WINDOW, ssim
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import ValueRange, find_range, image_values, to_unit
from dae_tui.errors import DataError

BAND = 512


@dataclass(frozen=True)
class Scores:
    """Means over images."""

    psnr: float
    """In dB; infinite if all images equal the clean ones."""
    ssim: float | None
    """None for images of fewer than 7 pixels a side."""


def score(stacks: list[Stack], ranges: list[ValueRange], clean: list[Stack], name: str) -> Scores:
    """Compare images with clean ones of the same shapes, without alpha and what is not measured.

    `ranges` say what is black and white in `stacks`, and in clean images of the same type; clean
    images of another type have their own. Raises DataError, which names the clean file, if shapes
    differ.
    """
    decibels, similarities = [], []
    shapes = [image_values(stack).shape for stack in stacks]
    clean_shapes = [image_values(stack).shape for stack in clean]
    if shapes != clean_shapes:
        raise DataError(
            f"{name} holds images of other sizes: {_sizes(clean_shapes)}, not {_sizes(shapes)}",
            "the reference must be the same image without noise",
        )
    for stack, found, reference in zip(stacks, ranges, clean, strict=True):
        same = reference.values.dtype == stack.values.dtype
        clean_range = found if same else find_range(reference, name)
        pairs = zip(image_values(stack), image_values(reference), strict=True)
        for noisy, original in pairs:
            height, width, _ = noisy.shape
            squares = similarity = 0.0
            known = 0
            for top in range(0, height, BAND):
                # The windows extend six rows further down.
                rows = slice(top, top + BAND + SSIM_WINDOW - 1)
                x = _planes(noisy[rows], found, stack)
                y = _planes(original[rows], clean_range, reference)
                missing = (x - y).isnan()
                x, y = x.masked_fill(missing, 0), y.masked_fill(missing, 0)
                difference = (x - y)[:, :, :BAND].double()
                squares += float(difference.square().sum())
                known += int((~missing[:, :, :BAND]).sum())
                if min(x.shape[-2:]) >= SSIM_WINDOW:
                    similarity += float(ssim(x, y)) * (x.shape[-2] - SSIM_WINDOW + 1)
            error = squares / max(1, known)
            decibels.append(-10 * float(torch.log10(torch.tensor(error, dtype=torch.float64))))
            if min(height, width) >= SSIM_WINDOW:
                similarities.append(similarity / (height - SSIM_WINDOW + 1))
    return Scores(float(np.mean(decibels)), float(np.mean(similarities)) if similarities else None)


def _planes(rows: NDArray[Any], found: ValueRange, stack: Stack) -> Tensor:
    """Rows (h, W, C) as (1, C, h, W), NaN where nothing was measured."""
    planes = to_unit(rows, found, stack.white_is_zero, stack.no_data)
    return planes.movedim(-1, 0)[None]


def _sizes(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(f"{n}×{h}×{w}×{c}" for n, h, w, c in shapes[:3])
