"""Metrics of images: PSNR, SSIM and sharpness; and how certain they are.

That is the interval of a proportion, and paired tests: is one method better than another on the
same images, or is it chance?
"""

from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SSIM_WINDOW = 7
SIGN_TEST = "sign test (McNemar's, exact)"
WILCOXON = "Wilcoxon signed-rank test"


def psnr(images: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, (N,), of images (N, C, H, W) with a range of 1.

    Infinite if an image equals its reference.
    """
    squared_error = (_exact(images) - _exact(reference)).square().flatten(1).mean(1)
    return -10 * torch.log10(squared_error)


def fitted_psnr(images: Tensor, reference: Tensor) -> Tensor:
    """PSNR in dB, (N,), after the gain and offset that bring each image closest to its reference.

    Least squares over all pixels and channels of an image, of images (N, C, H, W) with a range of
    1; the result is not clipped. Never below `psnr`. Infinite if an image is its reference but for
    gain and offset.
    """
    x, y = (_exact(each).flatten(1) for each in (images, reference))
    x, y = (each - each.mean(1, keepdim=True) for each in (x, y))
    variance = x.square().mean(1, keepdim=True)
    gain = torch.where(variance > 0, (x * y).mean(1, keepdim=True) / variance, 0)
    return -10 * torch.log10((gain * x - y).square().mean(1))


def ssim(images: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004), (N,), of images (N, C, H, W) with a range of 1.

    Like `skimage.metrics.structural_similarity(data_range=1)` by default: windows of 7×7 with
    equal weights, unbiased covariances, windows inside the image only, channels averaged.
    Needs H and W of at least 7.
    """
    x, y = _exact(images), _exact(reference)
    brightness, structure = similarity_maps(x, y)
    return (brightness * structure).flatten(1).mean(1)


def similarity_maps(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The two factors of SSIM for each window: of brightness, and of contrast and structure.

    In the precision of the images (N, C, H, W), so that they can be differentiated as a loss.
    """
    pixels = SSIM_WINDOW**2
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = (
        _window_means(moment) for moment in (x, y, x * x, y * y, x * y)
    )
    unbiased = pixels / (pixels - 1)
    variance_x = unbiased * (mean_xx - mean_x * mean_x)
    variance_y = unbiased * (mean_yy - mean_y * mean_y)
    covariance = unbiased * (mean_xy - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2
    brightness = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return brightness, structure


def _window_means(images: Tensor) -> Tensor:
    """The means of all windows inside images (N, C, H, W), float64.

    Measured on two cores, digits in batches of 200: a sixth of the time of `F.avg_pool2d`.
    """
    return _window_sums(_window_sums(images, 2), 3) / SSIM_WINDOW**2


def _window_sums(images: Tensor, dim: int) -> Tensor:
    """The sums of 7 = 4 + 2 + 1 neighbours along a dimension, from sums of two and of four."""
    count = images.shape[dim] - SSIM_WINDOW + 1
    pairs = images.narrow(dim, 0, count + 5) + images.narrow(dim, 1, count + 5)
    fours = pairs.narrow(dim, 0, count) + pairs.narrow(dim, 2, count)
    return fours + pairs.narrow(dim, 4, count) + images.narrow(dim, 6, count)


def sharpness(images: Tensor, reference: Tensor) -> Tensor:
    """How much of the edges of `reference` is kept, (N,): 1 for all, 0 for none.

    The gradients (Sobel) of images (N, C, H, W) are projected on those of the reference. Blur
    lowers the value; noise, which is uncorrelated with the edges, does not change it. NaN if the
    reference has no edges. Needs H and W of at least 3.
    """
    found, edges = (gradients(each) for each in (images, reference))
    return (found * edges).flatten(1).sum(1) / edges.square().flatten(1).sum(1)


def gradients(images: Tensor) -> Tensor:
    """The gradients (Sobel) of images (N, C, H, W) inside their border, float64, (N, values)."""
    images = _exact(images)
    across = images[..., 2:] - images[..., :-2]
    down = images[..., 2:, :] - images[..., :-2, :]
    across = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    down = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return torch.stack([across, down], dim=1).flatten(1)


def _exact(images: Tensor) -> Tensor:
    """Convert to float64, on the CPU for Apple's GPUs, which do not support it."""
    return (images.cpu() if images.device.type == "mps" else images).double()


def wilson_interval(correct: float, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a proportion, as fractions; 95 % by default (Wilson 1927)."""
    if total == 0:
        return 0.0, 1.0
    share = correct / total
    centre = share + z * z / (2 * total)
    margin = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def sign_test(right: NDArray[np.integer], other: NDArray[np.integer]) -> float:
    """The two-sided p-value of the exact sign test on how often two methods were right.

    With one prediction per image it is McNemar's exact test (McNemar 1947).

    Args:
        right: (N,), how many predictions for each image were right.
        other: the same for the other method.
    """
    from scipy.stats import binomtest

    better, worse = int((right > other).sum()), int((right < other).sum())
    if better + worse == 0:
        return 1.0
    return float(binomtest(better, better + worse).pvalue)


def wilcoxon(metrics: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test on metrics (N,) of the same images."""
    from scipy.stats import wilcoxon as test

    if np.array_equal(metrics, other):
        return 1.0
    return float(test(metrics, other).pvalue)
