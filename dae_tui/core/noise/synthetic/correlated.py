"""Noise fields that are correlated between neighbouring pixels and between channels."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

REACH = 3.0
"""Where a blur ends, in its standard deviations."""


def unit_noise(
    images: Tensor, generator: Generator, width: float, shared: float, colour: float = 0.0
) -> Tensor:
    """Gaussian noise of variance 1 for images (N, C, H, W), on their device.

    Args:
        images: their shape counts, not their values.
        generator: on the device of `images`.
        width: the standard deviation of the Gaussian that blurs white noise, in pixels; 0 leaves it
            white.
        shared: the part of the variance that all channels of an image have in common, in [0, 1].
        colour: the standard deviation, in pixels, of a further blur of what the channels do not
            share, as cameras and JPEG leave it; that part then adds nothing to their mean. 0: none.
    """
    count, channels, height, columns = images.shape
    if colour and channels > 1:
        bright = _blurred((count, 1, height, columns), images, generator, width)
        own = _blurred(tuple(images.shape), images, generator, math.hypot(width, colour))
        own = (own - own.mean(1, keepdim=True)) * math.sqrt(channels / (channels - 1))
        return math.sqrt(shared) * bright + math.sqrt(1 - shared) * own
    margin = len(blur_kernel(width)) // 2
    shape = (count, channels, height + 2 * margin, columns + 2 * margin)
    noise = torch.randn(shape, generator=generator, device=images.device)
    if shared and channels > 1:
        common = torch.randn((count, 1, *shape[2:]), generator=generator, device=images.device)
        noise = math.sqrt(1 - shared) * noise + math.sqrt(shared) * common
    return _blur(noise, width)


def _blurred(shape: tuple[int, ...], images: Tensor, generator: Generator, width: float) -> Tensor:
    """Blurred white noise of variance 1 and the shape (N, C, H, W), on the device of `images`."""
    margin = len(blur_kernel(width)) // 2
    count, channels, height, columns = shape
    wide = (count, channels, height + 2 * margin, columns + 2 * margin)
    return _blur(torch.randn(wide, generator=generator, device=images.device), width)


def _blur(noise: Tensor, width: float) -> Tensor:
    """White noise (N, C, h, w), blurred; smaller by the margin of the kernel, (N, C, H, W)."""
    kernel = blur_kernel(width).to(noise.device)
    if len(kernel) == 1:
        return noise
    planes = noise.flatten(0, 1)[:, None]
    planes = F.conv2d(F.conv2d(planes, kernel[None, None, :, None]), kernel[None, None, None])
    return planes.view(*noise.shape[:2], *planes.shape[2:])


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
