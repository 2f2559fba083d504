"""FFDNet's architecture, to compare its speed: Zhang, Zuo, Zhang, IEEE TIP 2018, section III.

Squares of 2×2 pixels become channels, beside a map of the noise level; then convolutions of 3×3
with ReLU, and back. Grey: 15 layers of 64 channels, colour: 12 of 96. Batch normalisation, which
the published weights have folded, is left out.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GATHER = 2


@dataclass(frozen=True)
class Settings:
    """Those of grey images are the defaults."""

    channels: int = 1
    widths: tuple[int, ...] = (64,)
    layers: int = 15
    gather: int = GATHER


COLOUR = Settings(channels=3, widths=(96,), layers=12)


class FFDNet(nn.Module):
    """With random weights: the speed does not depend on them."""

    takes_sigma = True
    stride = GATHER

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        gathered, (width,) = settings.channels * GATHER**2, settings.widths
        sizes = [gathered + 1, *[width] * (settings.layers - 1), gathered]
        layers: list[nn.Module] = []
        for given, made in pairwise(sizes):
            layers += [nn.Conv2d(given, made, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers[:-1])
        self.receptive_field = GATHER * (settings.layers + 1)

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """(N, C, H, W) in and out, H and W even; `sigma` (N,) is the noise level."""
        gathered = F.pixel_unshuffle(noisy, GATHER)
        level = sigma.to(noisy.dtype).view(-1, 1, 1, 1).expand(-1, 1, *gathered.shape[-2:])
        return F.pixel_shuffle(self.layers(torch.cat([gathered, level], dim=1)), GATHER)
