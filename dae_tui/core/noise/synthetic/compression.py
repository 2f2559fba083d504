"""Compression as a kind of noise: what a codec leaves of an image at a nominal ratio."""

from functools import cache

import torch
from torch import Generator, Tensor

from dae_tui.core.compression.codecs import Codec, find_codec
from dae_tui.core.compression.coder import decoded, dequantised, quantised
from dae_tui.models.autoassociative import cut, join

DIGITS, PHOTOGRAPHS = "mnist-codec", "photos-codec"
DIGIT_SHAPE = (1, 28, 28)
"""Grey images of this size are digits: one patch of their codec."""


@torch.no_grad()
def compress(images: Tensor, ratio: Tensor, generator: Generator) -> Tensor:
    """Images (N, C, H, W) compressed and decompressed, in [0, 1].

    Grey images of 28×28 pixels go through `mnist-codec`, all others through `photos-codec`. Each
    image has as many units as its ratio (N, 1, 1, 1) asks for, of the values of a patch; nothing is
    drawn from the generator.
    """
    name = DIGITS if tuple(images.shape[1:]) == DIGIT_SHAPE else PHOTOGRAPHS
    codec = _on_device(name, images.device)
    encoder, coder = codec.encoder, codec.encoder.coder
    count, channels, height, width = images.shape
    if channels in (1, coder.channels):
        seen, each = images.expand(-1, coder.channels, -1, -1), 1
        values = coder.side**2 * channels
    else:  # Channel by channel.
        seen, each = images.reshape(-1, 1, height, width), channels
        seen = seen.expand(-1, coder.channels, -1, -1)
        values = coder.side**2
    units = (values / ratio.flatten()).round().clamp(1, coder.units).long()
    units = units.repeat_interleave(each)[:, None, None]
    steps = torch.tensor([coder.step(number + 1) for number in range(coder.units)])
    step = steps.to(images)[units - 1]
    # Codecs are for images: what is outside [0, 1] is clipped, as their files do.
    sizes = encoder.sizes(cut(seen.clamp(0, 1), coder.side))
    kept = torch.arange(coder.units, device=images.device) < units
    codes = torch.where(kept, quantised(sizes, step), 0.0)
    patches = decoded(coder, dequantised(codes, step))
    found = join(patches, tuple(seen.shape), coder.side)
    if coder.channels > 1 and channels != coder.channels:
        found = found.mean(1, keepdim=True)
    return found.reshape(count, channels, height, width)


@cache
def _on_device(name: str, device: torch.device) -> Codec:
    return find_codec(name).to(device)
