"""Objectives for noisy images alone: no clean image is known, and no second take.

Both need noise that is independent from pixel to pixel and has the mean zero. Their loss is that
of predicting a noisy value: it cannot fall below the variance of the noise, and falls little.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.denoising.apply_network import denoise_batch
from dae_tui.core.denoising.examination import find_correlation
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.noise.level.level_function import estimate_level_functions
from dae_tui.core.training.objectives.supervised import (
    ValidationResult,
    parts_of,
    validation_generator,
)
from dae_tui.models.registry import takes_sigma
from dae_tui.spec.events import Sample

# So many images say whether their noise is correlated.
LOOKED_AT = 8
# One pixel of each square of so many pixels a side is hidden.
STRIDE = 4
# A hidden pixel gets the value of another one at most so many pixels away.
REACH = 2
# The weight of the difference between scales (Huang et al. use 1 to 2).
CONSISTENCY = 1.0
# Noise of so many levels is added to one copy of an image, and one through so many to the other.
ADDED = 0.5
# The side of the neighbourhood whose mean decides the noise level of a pixel is twice this and one.
SMOOTHED = 2
KNOTS = 65
# Small images: more of them say how strong the noise is.
LOOKED_AT_PIXELS = 2**16


class _NoisyAlone(ABC):
    """An objective that needs nothing but noisy images."""

    def draw(self, network: nn.Module, images: Tensor, generator: Generator) -> list[Tensor]:
        """What `_drawn` gives, and the noise levels (N,) if the network is told them."""
        levels = []
        if takes_sigma(network):
            levels = [estimate_sigma(images.cpu()).to(images.device)]
        return [*self._drawn(images, generator), *levels]

    @abstractmethod
    def _drawn(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """What the network gets, and what the loss needs beside it."""

    @abstractmethod
    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        """See `Objective`."""

    @torch.inference_mode()
    def evaluate(self, network: nn.Module, validation: Sequence[ImageSet]) -> ValidationResult:
        generator = validation_generator()
        loss = 0.0
        for images, part in parts_of(validation):
            noisy = unit(images.images[part])
            inputs = [each.to(noisy.device) for each in self.draw(network, noisy.cpu(), generator)]
            loss += self.loss(network, inputs, noisy, None).item() * len(noisy)
        return ValidationResult(loss / sum(map(len, validation)))

    @torch.inference_mode()
    def sample(
        self, network: nn.Module, examples: ImageSet, epoch: int, step: int
    ) -> Sample | None:
        noisy = unit(examples.images)
        shown = noisy.clamp(0, 1).cpu().numpy()
        denoised = denoise_batch(network, noisy).clamp(0, 1).cpu().numpy()
        return Sample(epoch, step, shown, shown, denoised, None, None)


class BlindSpot(_NoisyAlone):
    """Predict hidden pixels from those around them (Krull et al., "Noise2Void", CVPR 2019).

    One pixel of each square is replaced by another of its neighbourhood, and the loss is that at
    those pixels alone; Batson and Royer ("Noise2Self", ICML 2019) show that it is the error to the
    clean image plus a constant.
    """

    def _drawn(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """The images with hidden pixels, and where they are: (N, 1, H, W), 1 at hidden pixels."""
        return hide_pixels(images, generator)

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        given, hidden, *levels = inputs
        predicted: Tensor = network(given, *levels)
        squares = (predicted.float() - images).square() * hidden
        return squares.sum() / (hidden.sum() * images.shape[1])


class Neighbours(_NoisyAlone):
    """Predict one of two neighbouring pixels from the other (Huang et al., "Neighbor2Neighbor",
    CVPR 2021).

    Each square of 2×2 pixels gives one pixel to each of two images of half the size, which show
    the same with independent noise. The difference of what they show is taken from the image that
    the network denoises at full size.
    """

    def _drawn(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """One of the two images, and which pixels are in both: (N, 2, H/2, W/2), 0 to 3."""
        chosen = _choose(images, generator)
        return _pick(images, chosen[:, :1]), chosen

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        given, chosen, *levels = inputs
        first, second = chosen[:, :1], chosen[:, 1:]
        predicted: Tensor = network(given, *levels)
        difference = predicted.float() - _pick(images, second)
        with torch.no_grad():
            whole: Tensor = network(images, *levels).float()
        expected = _pick(whole, first) - _pick(whole, second)
        return difference.square().mean() + CONSISTENCY * (difference - expected).square().mean()


class Recorrupted(_NoisyAlone):
    """Predict one noisier copy of an image from another (Pang et al., "Recorrupted-to-Recorrupted",
    CVPR 2021).

    Of white Gaussian noise whose level is known, noise is added to one copy and taken from the
    other, so that the noise of both is independent. Unlike the other two, the network sees all of
    each pixel.
    """

    def __init__(self, images: Sequence[Tensor] | Tensor) -> None:
        """`images`: noisy ones (C, H, W), whose noise level over intensity is measured."""
        self._variances = level_table(images)

    def _drawn(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """The copy that the network gets, and the one that it predicts."""
        noise = self._levels(images) * torch.randn(
            images.shape, generator=generator, device=images.device
        )
        return images + ADDED * noise, images - noise / ADDED

    def _levels(self, images: Tensor) -> Tensor:
        """The noise level of each value, by the mean of its neighbourhood."""
        width = 2 * SMOOTHED + 1
        smooth = F.avg_pool2d(images, width, 1, SMOOTHED, count_include_pad=False)
        table = self._variances.to(images.device)
        places = (smooth.clamp(0, 1) * (table.shape[1] - 1)).round().long()
        channels = torch.arange(len(table), device=images.device)[:, None, None]
        return table[channels, places].sqrt()

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        given, target, *levels = inputs
        predicted: Tensor = network(given, *[(1 + ADDED**2) ** 0.5 * level for level in levels])
        return F.mse_loss(predicted.float(), target)


def level_table(images: Sequence[Tensor] | Tensor) -> Tensor:
    """The variance of the noise of images (C, H, W) at `KNOTS` intensities from 0 to 1, (C, KNOTS).

    The mean over some of the images.
    """
    count = max(LOOKED_AT, LOOKED_AT_PIXELS // images[0][0].numel())
    at = np.linspace(0, 1, KNOTS)
    found = [
        [function.at(at) ** 2 for function in estimate_level_functions(unit(image).cpu())]
        for image in images[:: max(1, len(images) // count)]
    ]
    return torch.from_numpy(np.mean(found, axis=0)).float()


def correlation_remark(images: Sequence[Tensor] | Tensor) -> str:
    """A line for the user where noisy images (C, H, W) have noise that these cannot learn from."""
    step = max(1, len(images) // LOOKED_AT)
    some = [unit(image) for image in images[::step][:LOOKED_AT]]
    found = [find_correlation(image, estimate_level_functions(image)) for image in some]
    if not found or sum(each.between_pixels for each in found) <= len(found) / 2:
        return ""
    ratio = median(each.ratio for each in found)
    return (
        f"the noise is {ratio:.1f} times as strong between every second pixel as between "
        "neighbours: it is correlated, and a network that learns from noisy images alone keeps "
        "such noise; pairs or several takes are safe"
    )


def hide_pixels(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Replace a pixel of each square by a neighbour: images (N, C, H, W), places (N, 1, H, W)."""
    count, channels, height, width = images.shape
    device = images.device
    rows, columns = -(-height // STRIDE), -(-width // STRIDE)
    size = count, rows, columns

    def drawn(values: int) -> Tensor:
        return torch.randint(values, size, generator=generator, device=device)

    squares = torch.arange(rows, device=device)[:, None], torch.arange(columns, device=device)
    top = (squares[0] * STRIDE + drawn(STRIDE)).clamp(max=height - 1)
    left = (squares[1] * STRIDE + drawn(STRIDE)).clamp(max=width - 1)
    # Not the pixel itself: the way there is drawn from all others of the neighbourhood.
    side = 2 * REACH + 1
    way = drawn(side**2 - 1)
    way = way + (way >= side**2 // 2)
    other_top = _reflected(top + way // side - REACH, height)
    other_left = _reflected(left + way % side - REACH, width)
    places = (top * width + left).flatten(1)[:, None]
    others = (other_top * width + other_left).flatten(1)[:, None]
    flat = images.flatten(2)
    values = flat.gather(2, others.expand(-1, channels, -1))
    given = flat.scatter(2, places.expand(-1, channels, -1), values)
    hidden = torch.zeros(count, 1, height * width, device=device).scatter_(2, places, 1.0)
    return given.view_as(images), hidden.view(count, 1, height, width)


def _reflected(places: Tensor, length: int) -> Tensor:
    """Places beyond an edge of an axis, mirrored at it."""
    inside = places.abs()
    return torch.where(inside >= length, 2 * (length - 1) - inside, inside).clamp(0, length - 1)


def _choose(images: Tensor, generator: Generator) -> Tensor:
    """Two neighbouring pixels of each square of 2×2, numbered 0 to 3 by rows: (N, 2, H/2, W/2)."""
    count, _, height, width = images.shape
    size = count, height // 2, width // 2
    device = images.device
    first = torch.randint(4, size, generator=generator, device=device)
    # The neighbour to the side differs in the lowest bit, the one above or below in the next.
    second = first ^ (1 + torch.randint(2, size, generator=generator, device=device))
    return torch.stack([first, second], 1)


def _pick(images: Tensor, chosen: Tensor) -> Tensor:
    """The chosen (N, 1, H/2, W/2) pixel of each square of 2×2: (N, C, H/2, W/2)."""
    count, channels = images.shape[:2]
    height, width = chosen.shape[-2:]
    even = images[..., : 2 * height, : 2 * width]
    squares = F.pixel_unshuffle(even, 2).view(count, channels, 4, height, width)
    index = chosen[:, :, None].expand(-1, channels, -1, -1, -1)
    return squares.gather(2, index)[:, :, 0]
