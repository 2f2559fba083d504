"""Noise of every kind, generated on the device of the images from a seeded generator.

Each kind is a function of images (N, C, H, W) in [0, 1], levels (N, 1, 1, 1), a generator, and the
kind's further numbers. It processes the whole batch at once, without a Python loop over images; but
for JPEG, whose library knows no batches.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from dae_tui.core.noise.synthetic.camera import camera_noise
from dae_tui.core.noise.synthetic.compression import compress
from dae_tui.core.noise.synthetic.correlated import unit_noise
from dae_tui.core.noise.synthetic.jpeg import jpeg
from dae_tui.spec.noise_spec import KINDS, NoiseChain, NoiseSpec, NoiseStage

# Below this gain photons are too many to be counted, and their noise is below 0.001.
NO_GAIN = 1e-6


def add_noise(images: Tensor, spec: NoiseSpec, generator: Generator, clip: bool = True) -> Tensor:
    """Noisy copies of `images`.

    Args:
        images: float32 (N, C, H, W) in [0, 1].
        spec: the noise. Of alternatives one is drawn for each image, and from a range a level.
        generator: on the device of `images`; the same state gives the same noise.
        clip: clip the result (not the intermediate steps) to [0, 1]. What was quantized is clipped
            in any case.
    """
    if spec.is_none:
        return images.clone()
    return draw_noise(images, spec, generator).stored(clip)


@dataclass(frozen=True)
class DrawnNoise:
    """Noisy images before clipping."""

    unclipped: Tensor
    """(N, C, H, W)."""
    quantized: Tensor | None = None
    """Which images were quantized, (N,), and are clipped in any case; None: none of them."""

    def stored(self, clip: bool) -> Tensor:
        """The images, clipped to [0, 1] if `clip` is set or they were quantized."""
        if clip:
            return self.unclipped.clamp(0, 1)
        if self.quantized is None:
            return self.unclipped
        each = self.quantized[:, None, None, None]
        return torch.where(each, self.unclipped.clamp(0, 1), self.unclipped)


def draw_noise(images: Tensor, spec: NoiseSpec, generator: Generator) -> DrawnNoise:
    """Noisy copies of `images`, before clipping; see `add_noise`."""
    chains, device = spec.chains, images.device
    if len(chains) == 1:
        noisy = _chain(images, chains[0], generator)
        which = torch.zeros(len(images), dtype=torch.long, device=device)
    else:
        which = torch.randint(len(chains), (len(images),), generator=generator, device=device)
        noisy = _alternatives(images, chains, which, generator)
    if not any(chain.quantizes for chain in chains):
        return DrawnNoise(noisy)
    quantized = torch.zeros_like(which, dtype=torch.bool)
    for number, chain in enumerate(chains):
        if chain.quantizes:
            quantized |= which == number
    return DrawnNoise(noisy, quantized)


def _alternatives(
    images: Tensor, chains: Sequence[NoiseChain], which: Tensor, generator: Generator
) -> Tensor:
    """Noisy copies of `images`, each by the chain whose number is in `which`, (N,)."""
    noisy = torch.empty_like(images)
    for chain in dict.fromkeys(chains):
        chosen = torch.zeros_like(which, dtype=torch.bool)
        for number, other in enumerate(chains):
            if other == chain:
                chosen |= which == number
        # To find the chosen images, the host would have to wait for the GPU.
        if images.is_cuda:
            drawn = _chain(images, chain, generator)
            noisy = torch.where(chosen[:, None, None, None], drawn, noisy)
        else:
            noisy[chosen] = _chain(images[chosen], chain, generator)
    return noisy


def _chain(images: Tensor, chain: NoiseChain, generator: Generator) -> Tensor:
    noisy = images
    for stage in chain.stages:
        levels = _levels(stage, images, generator)
        noisy = _KINDS[stage.kind](noisy, levels, generator, *stage.extras)
    return noisy


def _levels(stage: NoiseStage, images: Tensor, generator: Generator) -> Tensor:
    """One level per image, (N, 1, 1, 1); a fixed level draws nothing."""
    shape = (len(images), 1, 1, 1)
    if stage.low == stage.high:
        return torch.full(shape, stage.low, device=images.device)
    drawn = torch.rand(shape, generator=generator, device=images.device)
    if KINDS[stage.kind].whole:
        steps = stage.high - stage.low + 1
        return stage.low + (drawn * steps).floor().clamp(max=steps - 1)
    if KINDS[stage.kind].logarithmic:
        return stage.low * (stage.high / stage.low) ** drawn
    return stage.low + drawn * (stage.high - stage.low)


def _normal(images: Tensor, generator: Generator) -> Tensor:
    return torch.randn(images.shape, generator=generator, device=images.device)


def _uniform(images: Tensor, generator: Generator) -> Tensor:
    return torch.rand(images.shape, generator=generator, device=images.device)


def _gaussian(images: Tensor, sigma: Tensor, generator: Generator) -> Tensor:
    return images + sigma * _normal(images, generator)


def _poisson(images: Tensor, peak: Tensor, generator: Generator) -> Tensor:
    return torch.poisson(images.clamp(min=0) * peak, generator=generator) / peak


def _speckle(images: Tensor, sigma: Tensor, generator: Generator) -> Tensor:
    return images + images * sigma * _normal(images, generator)


def _salt_pepper(images: Tensor, fraction: Tensor, generator: Generator) -> Tensor:
    drawn = _uniform(images, generator)
    # [0, fraction/2) turns black, [fraction/2, fraction) white: one draw decides both.
    return torch.where(drawn < fraction, (drawn >= fraction / 2).float(), images)


def _impulse(images: Tensor, fraction: Tensor, generator: Generator) -> Tensor:
    hit = _uniform(images, generator) < fraction
    return torch.where(hit, _uniform(images, generator), images)


def _uniform_noise(images: Tensor, half_width: Tensor, generator: Generator) -> Tensor:
    return images + half_width * (2 * _uniform(images, generator) - 1)


def _masking(images: Tensor, fraction: Tensor, generator: Generator) -> Tensor:
    return images * (_uniform(images, generator) >= fraction)


def _stripes(images: Tensor, sigma: Tensor, generator: Generator) -> Tensor:
    """An offset per row or per column, chosen at random, the same in every channel."""
    count, _, height, width = images.shape
    rows = torch.randn((count, 1, height, 1), generator=generator, device=images.device)
    columns = torch.randn((count, 1, 1, width), generator=generator, device=images.device)
    by_row = torch.rand((count, 1, 1, 1), generator=generator, device=images.device) < 0.5
    return images + sigma * torch.where(by_row, rows, columns)


def _poisson_gaussian(
    images: Tensor,
    gain: Tensor,
    generator: Generator,
    offset: float,
    width: float,
    shared: float,
    colour: float,
) -> Tensor:
    """Variance `gain` × intensity + `offset`. White noise is photons that are counted."""
    if width or shared or colour:
        deviation = (gain * images.clamp(min=0) + offset).sqrt()
        return images + deviation * unit_noise(images, generator, width, shared, colour)
    photons = gain.clamp(min=NO_GAIN)
    counted = torch.poisson(images.clamp(min=0) / photons, generator=generator) * photons
    lit = torch.where(gain > NO_GAIN, counted, images)
    return lit + math.sqrt(offset) * _normal(images, generator)


def _correlated(
    images: Tensor, sigma: Tensor, generator: Generator, width: float, shared: float, colour: float
) -> Tensor:
    return images + sigma * unit_noise(images, generator, width, shared, colour)


def _jpeg(images: Tensor, quality: Tensor, generator: Generator) -> Tensor:
    return jpeg(images, quality)


def _quantize(images: Tensor, bits: Tensor, generator: Generator) -> Tensor:
    steps = 2**bits - 1
    return (images * steps).round() / steps


_KINDS: dict[str, Callable[..., Tensor]] = {
    "gaussian": _gaussian,
    "poisson": _poisson,
    "speckle": _speckle,
    "salt-pepper": _salt_pepper,
    "impulse": _impulse,
    "uniform": _uniform_noise,
    "masking": _masking,
    "stripes": _stripes,
    "poisson-gaussian": _poisson_gaussian,
    "correlated": _correlated,
    "camera": camera_noise,
    "jpeg": _jpeg,
    "quantize": _quantize,
    "compress": compress,
}
