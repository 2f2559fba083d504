"""What can be said of weights where no clean image is known.

Two takes with independent noise give the error of a denoised take: its mean squared distance from
the other take, less the variance of the other's noise. That variance is half the mean squared
distance of the takes. Single noisy images give no such figure.
"""

import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.denoising.apply_network import Compute, batches
from dae_tui.core.evaluation.images.evaluation_images import of_image_sets
from dae_tui.core.evaluation.measurements import EXAMPLES
from dae_tui.core.evaluation.methods import network_method
from dae_tui.core.weights.weights_file import Weights
from dae_tui.spec.table import AS_GIVEN, BenchmarkRow, Example, Table


def measure_without_clean(
    sets: Sequence[ImageSet], weights: Weights, device: torch.device, *, takes: bool
) -> Table:
    """A table of the noisy and the denoised images.

    Args:
        sets: noisy images, each set of one size; of takes `noisy` is given and `images` its target.
        weights: what denoises them.
        device: where.
        takes: whether there are two takes, from which a PSNR is estimated.
    """
    method = network_method(weights, of_image_sets(sets), Compute(device))
    distance = before = seconds = 0.0
    shown: list[tuple[Tensor, Tensor]] = []
    pixels = sum(images.images.numel() for images in sets)
    for images in sets:
        given = images.images if images.noisy is None else images.noisy
        for part in batches(given):
            noisy, target = unit(given[part]).to(device), unit(images.images[part]).to(device)
            started = time.perf_counter()
            (denoised,) = method.denoise([noisy])
            seconds += time.perf_counter() - started
            distance += float((denoised - target).double().square().sum())
            before += float((noisy - target).double().square().sum())
            shown.append((noisy, denoised))
    variance = before / pixels / 2
    noisy_psnr, psnr = (
        (_decibels(variance), _decibels(distance / pixels - variance)) if takes else (None, None)
    )
    count = sum(map(len, sets))
    cost = method.cost
    rows = [
        BenchmarkRow("noisy", None, AS_GIVEN, None, None, None, noisy_psnr, None, None),
        BenchmarkRow(
            "denoised",
            weights.name,
            AS_GIVEN,
            None,
            None,
            None,
            psnr,
            None,
            count / seconds,
            parameters=cost.parameters,
            multiply_adds=cost.multiply_adds,
            peak_bytes=cost.peak_bytes,
        ),
    ]
    noisy_some, denoised_some = (_bytes([both[side] for both in shown]) for side in (0, 1))
    examples = [
        Example("noisy", noisy_some, None, None),
        Example(weights.name, denoised_some, None, None),
    ]
    description = {
        "data": sets[0].name,
        "images": count,
        "noise": AS_GIVEN,
        "clean": "PSNR estimated from two noisy takes" if takes else "no clean images",
        "device": str(device),
        "precision": "fp32",
    }
    return Table(description, rows, examples)


def _decibels(error: float) -> float | None:
    """The PSNR of a mean squared error; None for an estimate that is not above 0."""
    return -10 * math.log10(error) if error > 0 else None


def _bytes(parts: Sequence[Tensor]) -> NDArray[np.uint8]:
    """The first images of one size, (n, C, H, W)."""
    alike = [part for part in parts if part.shape[1:] == parts[0].shape[1:]]
    some = torch.cat(alike)[:EXAMPLES].clamp(0, 1)
    found: NDArray[np.uint8] = (some * 255).round().to(torch.uint8).cpu().numpy()
    return found
