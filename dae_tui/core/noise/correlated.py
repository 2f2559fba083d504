"""Noise fields that are correlated between neighbouring pixels and between channels."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

REACH = 3.0
"""Where a blur ends, in its standard deviations."""


def unit_noise(images: Tensor, generator: Generator, width: float, shared: float) -> Tensor:
    """Gaussian noise of variance 1 for images (N, C, H, W), on their device.

    Args:
        images: their shape counts, not their values.
        generator: on the device of `images`.
        width: the standard deviation of the Gaussian that blurs white noise, in pixels; 0 leaves it
            white.
        shared: the part of the variance that all channels of an image have in common, in [0, 1].
    """
    count, channels, height, width_of_images = images.shape
    kernel = blur_kernel(width).to(images.device)
    margin = len(kernel) // 2
    shape = (count, channels, height + 2 * margin, width_of_images + 2 * margin)
    noise = torch.randn(shape, generator=generator, device=images.device)
    if shared and channels > 1:
        common = torch.randn((count, 1, *shape[2:]), generator=generator, device=images.device)
        noise = math.sqrt(1 - shared) * noise + math.sqrt(shared) * common
    if not margin:
        return noise
    planes = noise.flatten(0, 1)[:, None]
    planes = F.conv2d(F.conv2d(planes, kernel[None, None, :, None]), kernel[None, None, None])
    return planes.view(count, channels, height, width_of_images)


def blur_kernel(width: float) -> Tensor:
    """A Gaussian of the standard deviation `width`, (2 n + 1,), whose squares add up to 1.

    White noise keeps its variance when it is blurred with it.
    """
    if width == 0:
        return torch.ones(1)
    reach = max(1, math.ceil(REACH * width))
    at = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-at.square() / (2 * width**2))
    unit: Tensor = kernel / kernel.square().sum().sqrt()
    return unit.float()


def neighbour_correlation(width: float) -> float:
    """The correlation of neighbouring pixels of white noise that a Gaussian has blurred."""
    kernel = blur_kernel(width)
    return float((kernel[1:] * kernel[:-1]).sum())


def width_of(correlation: float, most: float) -> float:
    """The width of the Gaussian after which neighbours are so correlated; at most `most`."""
    low, high = 0.0, most
    if correlation <= 0.01:
        return 0.0
    for _ in range(30):
        middle = (low + high) / 2
        if neighbour_correlation(middle) < correlation:
            low = middle
        else:
            high = middle
    return (low + high) / 2
