"""The results of one method on every image at one noise and seed.

An interrupted benchmark keeps its finished measurements and continues with the others.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.data.image_set import unit
from dae_tui.core.denoising.apply_network import batches
from dae_tui.core.evaluation.classifiers.classifier import Classifier
from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages
from dae_tui.core.evaluation.methods import Method
from dae_tui.core.evaluation.metrics.edges import LEAST_SIDE, edge_energy, edge_width
from dae_tui.core.evaluation.metrics.image_metrics import (
    SSIM_WINDOW,
    fitted_psnr,
    psnr,
    sharpness,
    ssim,
)
from dae_tui.core.hardware import synchronize

# Images kept to be drawn later, if they are small.
EXAMPLES = 10
EXAMPLE_PIXELS = 10 * 512 * 512

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """Metrics of each image (N,), and the first images themselves.

    The names of the fields are those of the stored arrays of an interrupted benchmark.
    """

    reads: NDArray[np.int64]
    """The predicted class; empty without a classifier."""
    psnr: Floats
    """dB, at most 100."""
    psnr_fitted: Floats
    """dB after the best gain and offset, at most 100; NaN but for pairs."""
    ssim: Floats
    """NaN for images of fewer than 7 pixels a side."""
    sharpness: Floats
    edge_energy: Floats
    """NaN unless asked for, as the width."""
    edge_width: Floats
    """Pixels; NaN for images without an edge."""
    seconds: float
    """Time that the method took."""
    examples: NDArray[np.uint8]
    """(n, C, H, W), the first images, clipped to [0, 1] and stored in 8 bits."""
    setting: str = ""
    peak_bytes: int = 0
    """Memory that the method took for an image, if it depends on its setting; else 0."""


def measure_method(
    images: EvaluationImages,
    noisy: Iterator[Tensor],
    method: Method | None,
    classifier: Classifier | None,
    device: torch.device,
    *,
    edges: bool = False,
) -> Iterator[int | Measurement]:
    """Apply a method to all images and measure the result.

    Args:
        images: the originals.
        noisy: the same with noise, float32 on the device, in the batches of `batches`.
        method: what denoises; None measures the noisy images as they are.
        classifier: what predicts their classes, or None.
        device: of the method and the classifier.
        edges: whether to measure their energy and width as well.

    Yields the number of images of each finished batch, and the Measurement last.
    """
    predictions: list[Tensor] = []
    metrics: list[Tensor] = []
    examples: list[Tensor] = []
    timed = _Timed(method, device)
    originals = (
        unit(group.images[part]).to(device)
        for group in images.groups
        for part in batches(group.images)
    )
    both = zip(originals, noisy, strict=True)
    while some := list(islice(both, 1 if method is None else method.together)):
        found = timed.apply([noisy_images for _, noisy_images in some])
        for (original, _), result in zip(some, found, strict=True):
            if classifier is not None:
                predictions.append(classifier.predict(result).cpu())
            metrics.append(_metrics(result, original, pairs=bool(images.noisy), edges=edges))
            if _wanted(examples, result, first=len(metrics) == 1):
                examples.append((result.clamp(0, 1) * 255).round().to(torch.uint8).cpu())
            yield len(original)
    decibels, fitted, similarity, kept, energy, width = torch.cat(metrics, dim=1).numpy()
    yield Measurement(
        torch.cat(predictions).numpy() if predictions else np.empty(0, np.int64),
        decibels,
        fitted,
        similarity,
        kept,
        energy,
        width,
        timed.seconds,
        torch.cat(examples).numpy()[:EXAMPLES] if examples else np.empty((0, 1, 1, 1), np.uint8),
        "" if method is None else method.setting,
        0 if method is None else method.cost.peak_bytes or 0,
    )


class _Timed:
    """A method, and the time that its calls have taken."""

    def __init__(self, method: Method | None, device: torch.device) -> None:
        self._method, self._device = method, device
        self._warm = False
        self.seconds = 0.0

    def apply(self, noisy: list[Tensor]) -> list[Tensor]:
        """The denoised batches, or without a method the noisy ones as they are."""
        if self._method is None:
            return noisy
        if not self._warm:  # The first call includes setup and is not timed.
            self._method.denoise(noisy[:1])
            self._warm = True
        synchronize(self._device)
        started = time.perf_counter()
        denoised = self._method.denoise(noisy)
        synchronize(self._device)
        self.seconds += time.perf_counter() - started
        return denoised


def _metrics(images: Tensor, original: Tensor, *, pairs: bool, edges: bool) -> Tensor:
    """PSNR, fitted PSNR for pairs, SSIM, sharpness, energy and width of edges, (6, N)."""
    # An identical image would have infinitely many decibels: 100 dB is enough.
    decibels = psnr(images, original).clamp(max=100)
    fitted = torch.full_like(decibels, torch.nan)
    if pairs:
        fitted = fitted_psnr(images, original).clamp(max=100)
    measurable = min(images.shape[-2:]) >= SSIM_WINDOW
    unknown = torch.full_like(decibels, torch.nan)
    similarity = ssim(images, original) if measurable else unknown
    kept = sharpness(images, original) if min(images.shape[-2:]) >= 3 else unknown
    energy = width = unknown
    if edges and min(images.shape[-2:]) >= LEAST_SIDE:
        energy, width = edge_energy(images, original), edge_width(images, original)
    return torch.stack([decibels, fitted, similarity, kept, energy, width]).cpu()


def _wanted(examples: list[Tensor], images: Tensor, *, first: bool) -> bool:
    """Whether to keep a batch as examples: from the first image on, of one shape, EXAMPLES."""
    if not examples:
        return first and images.numel() <= EXAMPLE_PIXELS
    same = examples[0].shape[1:] == images.shape[1:]
    return same and sum(map(len, examples)) < EXAMPLES
