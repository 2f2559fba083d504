"""A residual U-Net for images of any size, with the noise level as an optional input.

Skip connections keep what the autoencoder's bottleneck loses, so that fine lines of a photograph
survive. As in DRUNet (Zhang et al. 2021) a channel holds the noise level, convolutions have no
biases and there is no normalisation; it is much narrower, to be fast on a CPU.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dae_tui.models.registry import check_shape


@dataclass(frozen=True)
class Settings:
    """Channels of the images and of each scale, and residual blocks per scale and direction."""

    channels: int = 1
    widths: tuple[int, ...] = (24, 48, 96)
    blocks: int = 1
    gather: int = 1
    """Squares of so many pixels a side become channels, and the first scale is coarser by that."""
    sigma: bool = True
    """Whether the noise level is an input."""
    residual: bool = True
    """Whether the output is the noise, to be subtracted, or the image: better for strong noise."""

    def __post_init__(self) -> None:
        check_shape(self.channels, self.widths)
        if not 1 <= self.blocks <= 16:
            raise ValueError(f"a scale has 1 to 16 blocks, not {self.blocks}")
        if not 1 <= self.gather <= 8:
            raise ValueError(f"squares of 1 to 8 pixels a side are gathered, not {self.gather}")


class Block(nn.Module):
    """Two convolutions around a ReLU, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        refined: Tensor = self.layers(features)
        return refined + features


class Network(nn.Module):
    """Down and up through the scales; with `residual` its output is subtracted from the input."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.takes_sigma = settings.sigma
        widths, blocks = settings.widths, settings.blocks
        gathered = settings.channels * settings.gather**2
        self.head = nn.Conv2d(gathered + settings.sigma, widths[0], 3, padding=1, bias=False)
        self.encoder, self.down = nn.ModuleList(), nn.ModuleList()
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        for width, coarser in pairwise(widths):
            self.encoder.append(nn.Sequential(*(Block(width) for _ in range(blocks))))
            self.down.append(nn.Conv2d(width, coarser, kernel_size=2, stride=2, bias=False))
            self.up.append(nn.ConvTranspose2d(coarser, width, kernel_size=2, stride=2, bias=False))
            self.decoder.append(nn.Sequential(*(Block(width) for _ in range(blocks))))
        self.middle = nn.Sequential(*(Block(widths[-1]) for _ in range(blocks)))
        self.tail = nn.Conv2d(widths[0], gathered, 3, padding=1, bias=False)
        if settings.residual:  # Start as the identity.
            nn.init.zeros_(self.tail.weight)
        scales = [settings.gather * 2**scale for scale in range(len(widths))]
        self.stride = scales[-1]
        convolutions = 4 * sum(scales[:-1]) + 2 * scales[-1]
        self.receptive_field = 2 * scales[0] + blocks * convolutions + 2 * scales[-1]

    def forward(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        """(N, C, H, W) noisy in, (N, C, H, W) denoised out; any H and W.

        `sigma` is the noise level, (N,) or of each pixel (N, 1, H, W), if the settings ask for it.
        """
        height, width = noisy.shape[-2:]
        pad = (0, -width % self.stride, 0, -height % self.stride)
        padded = F.pad(noisy, pad, mode="replicate") if any(pad) else noisy
        gathered = F.pixel_unshuffle(padded, self.settings.gather)
        if sigma is not None:
            level = sigma.to(padded.dtype)
            if level.ndim == 4:
                level = F.pad(level, pad, mode="replicate") if any(pad) else level
                level = F.avg_pool2d(level, self.settings.gather)
            else:
                level = level.view(-1, 1, 1, 1).expand(-1, 1, *gathered.shape[-2:])
            gathered = torch.cat([gathered, level], dim=1)
        features = self.head(gathered)
        skipped = []
        for refine, down in zip(self.encoder, self.down, strict=True):
            features = refine(features)
            skipped.append(features)
            features = down(features)
        features = self.middle(features)
        for refine, up in zip(reversed(self.decoder), reversed(self.up), strict=True):
            features = refine(up(features) + skipped.pop())
        given = F.pixel_shuffle(self.tail(features), self.settings.gather)
        denoised = padded - given if self.settings.residual else given
        return denoised[..., :height, :width]
