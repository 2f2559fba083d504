"""What the calmest blocks of a noisy image tell: they hold noise, and hardly anything else."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

LAGS = 3
"""The correlation is measured to this distance, in pixels, counting 0."""
CALM = 0.1
"""The part of the blocks that vary least hold noise and hardly anything else."""
CALMER = 0.15
"""The quantile of their variances that stands for noise that a camera has smoothed. On the 35
photographs of PolyU it is 0.75 of the true level in the median: texture and chance make up for each
other."""
BLOCK = 16
"""The side of a block, in pixels."""
LEAST_BLOCKS = 20
INTENSITIES = 5
"""Groups of blocks of equal intensity."""
MOST_CLIPPED = 0.02
"""Blocks with more values at black or white tell nothing."""
NOTHING = 1e-3
"""A lower level, where white is 1, is no noise."""


@dataclass(frozen=True)
class Spread:
    """How noise is spread over neighbouring pixels, channels, and values."""

    correlation: Array
    """Between pixels so many rows and columns apart (LAGS, LAGS); 1 at (0, 0)."""
    shared: float
    """The correlation between channels; 0 of one channel."""
    kurtosis: float
    """The excess kurtosis of differences of neighbours: what lies below the noise drops out."""
    bright: float = 1.0
    """The part of the variance that the mean of the channels has."""
    bright_neighbours: float = 0.0
    """The correlation of a pixel with those beside and below it, in the mean of the channels."""
    colour_neighbours: float = 0.0
    """And in what is left of the channels without their mean; 0 of one channel."""

    @property
    def neighbours(self) -> float:
        """The correlation of a pixel with those beside and below it."""
        return float((self.correlation[0, 1] + self.correlation[1, 0]) / 2)


def white() -> Spread:
    """That of white Gaussian noise."""
    correlation = np.zeros((LAGS, LAGS))
    correlation[0, 0] = 1
    return Spread(correlation, 0.0, 0.0)


def spread_of(noise: Tensor) -> Spread:
    """That of noise (C, …, h, w) without an image below it, or hardly any."""
    mean = noise.mean(0, keepdim=True)
    colour = noise - mean
    bright = float(mean.square().mean() / noise.square().mean())
    return Spread(
        _lagged(noise),
        _between_channels(noise),
        _kurtosis(noise),
        bright,
        _beside(mean),
        _beside(colour) if len(noise) > 1 else 0.0,
    )


def spread_in_calm_blocks(image: Tensor) -> Spread:
    """How the noise of an image (C, H, W) is spread, as seen where the image is calmest.

    The calmest blocks of each of some groups of equal intensity count alike: what grows with the
    light is weak in the shade, where texture is left.
    """
    rows, columns = (side // BLOCK for side in image.shape[1:])
    if rows * columns < LEAST_BLOCKS:
        return white()
    blocks = _blocks(image)
    means = blocks.mean((0, 2, 3))
    clipped = ((blocks <= 0) | (blocks >= 1)).float().mean((0, 2, 3)) > MOST_CLIPPED
    blocks = _without_planes(blocks)
    energy = blocks.square().mean((0, 2, 3))
    used = ~clipped & (energy > NOTHING**2)
    if int(used.sum()) < LEAST_BLOCKS:
        return white()
    found = []
    for group in torch.tensor_split(means[used].argsort(), INTENSITIES):
        calm = group[energy[used][group].argsort()[: max(2, round(CALM * len(group)))]]
        part = blocks[:, used][:, calm]
        scaled = part / part.square().mean((0, 2, 3), keepdim=True).sqrt()
        found.append(spread_of(scaled))
    return typical(found)


def typical(spreads: Sequence[Spread]) -> Spread:
    """The median of several."""
    medians = {
        field.name: np.median([getattr(each, field.name) for each in spreads], axis=0)
        for field in fields(Spread)
    }
    correlation = medians.pop("correlation")
    return Spread(correlation, **{name: float(value) for name, value in medians.items()})


def variances_in_calm_blocks(image: Tensor, at: Array) -> Array:
    """The variance of the calmer blocks of an image (C, H, W) at intensities (n,), (C, n).

    Noise that a camera has smoothed is stronger over some pixels than between neighbours, where a
    level function sees next to none of it.
    """
    found = []
    for blocks in _blocks(image):
        means, energy = blocks.mean((1, 2)), _without_planes(blocks).square().mean((1, 2))
        groups = torch.tensor_split(means.argsort(), INTENSITIES)
        known = [float(means[group].mean()) for group in groups]
        variances = [float(energy[group].quantile(CALMER)) for group in groups]
        found.append(np.interp(at, known, variances))
    return np.stack(found)


def _blocks(image: Tensor) -> Tensor:
    """The whole blocks of an image (C, H, W), (C, n, BLOCK, BLOCK)."""
    parts = image.unfold(1, BLOCK, BLOCK).unfold(2, BLOCK, BLOCK)
    return parts.reshape(len(image), -1, BLOCK, BLOCK)


def _without_planes(blocks: Tensor) -> Tensor:
    """Blocks (…, n, n) without the plane that fits each best."""
    side = blocks.shape[-1]
    slope = torch.linspace(-1, 1, side)
    basis = torch.stack(
        [torch.ones(side, side), slope.expand(side, side), slope[:, None].expand(side, side)]
    )
    basis = basis.flatten(1) / basis.flatten(1).norm(dim=1, keepdim=True)
    flat = blocks.flatten(-2)
    left: Tensor = (flat - flat @ basis.T @ basis).view(blocks.shape)
    return left


def _lagged(noise: Tensor) -> Array:
    """The correlation of noise (…, h, w) between pixels, (LAGS, LAGS)."""
    height, width = noise.shape[-2:]
    power = noise.square().mean()
    found = [
        [
            float(
                (noise[..., : height - down, : width - right] * noise[..., down:, right:]).mean()
                / power
            )
            for right in range(LAGS)
        ]
        for down in range(LAGS)
    ]
    return np.array(found)


def _beside(noise: Tensor) -> float:
    """The correlation of noise (…, h, w) between pixels side by side, and one below the other."""
    right = (noise[..., 1:] * noise[..., :-1]).mean()
    below = (noise[..., 1:, :] * noise[..., :-1, :]).mean()
    return float((right + below) / 2 / noise.square().mean())


def _between_channels(noise: Tensor) -> float:
    """The mean correlation of channels (C, …); 0 of one channel."""
    if len(noise) < 2:
        return 0.0
    flat = noise.flatten(1)
    together = np.corrcoef(flat.numpy())
    return float(together[np.triu_indices(len(flat), 1)].mean())


def _kurtosis(noise: Tensor) -> float:
    """The excess kurtosis of differences of neighbours: what lies below the noise drops out."""
    steps = (noise[..., 1:] - noise[..., :-1]).flatten()
    return float(steps.pow(4).mean() / steps.square().mean().square()) - 3
