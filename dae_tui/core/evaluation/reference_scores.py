"""PSNR and SSIM of stored images against clean ones, band by band, for images of any size."""

from dataclasses import dataclass

import numpy as np
import torch

from dae_tui.core.evaluation.metrics import SSIM_WINDOW, ssim
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import image_values, to_unit
from dae_tui.errors import DataError

BAND = 512


@dataclass(frozen=True)
class Scores:
    """Means over images."""

    psnr: float
    """In dB; infinite if all images equal the clean ones."""
    ssim: float | None
    """None for images of fewer than 7 pixels a side."""


def score(stacks: list[Stack], whites: list[float], clean: list[Stack], name: str) -> Scores:
    """Compare images with clean ones of the same shapes, without alpha.

    `whites` are the white values of `stacks`, and of clean images of the same type; clean images of
    another type have that type's. Raises DataError, which names the clean file, if shapes differ.
    """
    decibels, similarities = [], []
    shapes = [image_values(stack).shape for stack in stacks]
    clean_shapes = [image_values(stack).shape for stack in clean]
    if shapes != clean_shapes:
        raise DataError(
            f"{name} holds images of other sizes: {_sizes(clean_shapes)}, not {_sizes(shapes)}",
            "the reference must be the same image without noise",
        )
    for stack, white, reference in zip(stacks, whites, clean, strict=True):
        same = reference.values.dtype == stack.values.dtype
        clean_white = white if same else reference.white
        pairs = zip(image_values(stack), image_values(reference), strict=True)
        for noisy, original in pairs:
            height, width, _ = noisy.shape
            squares = similarity = 0.0
            for top in range(0, height, BAND):
                # The windows extend six rows further down.
                rows = slice(top, top + BAND + SSIM_WINDOW - 1)
                x = to_unit(noisy[rows], white, stack.white_is_zero).movedim(-1, 0)[None]
                y = to_unit(original[rows], clean_white, reference.white_is_zero)
                y = y.movedim(-1, 0)[None]
                difference = (x - y)[:, :, :BAND].double()
                squares += float(difference.square().sum())
                if min(x.shape[-2:]) >= SSIM_WINDOW:
                    similarity += float(ssim(x, y)) * (x.shape[-2] - SSIM_WINDOW + 1)
            error = squares / noisy.size
            decibels.append(-10 * float(torch.log10(torch.tensor(error, dtype=torch.float64))))
            if min(height, width) >= SSIM_WINDOW:
                similarities.append(similarity / (height - SSIM_WINDOW + 1))
    return Scores(float(np.mean(decibels)), float(np.mean(similarities)) if similarities else None)


def _sizes(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(f"{n}×{h}×{w}×{c}" for n, h, w, c in shapes[:3])
