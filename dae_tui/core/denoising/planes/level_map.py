"""The noise level of each value of an image, for a network that is told the level.

A network that has learnt from images of many levels also takes one that differs from place to
place. It is an alternative to the curve that makes the noise equally strong everywhere
(`stabilisation`). Measured on photographs of Kodak, the map is better by 0.6 to 6 dB for speckle of
0.2 and 0.4; in colour, for shot noise, by 0.5 dB at 200 and 1000 photons at white, and worse by 0.2
dB at 20. In grey, the curve is better for shot noise of 10 photons and more, by up to 0.15 dB, and
on the noisy fields of microscopy by 0.1 dB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dae_tui.core.denoising.planes.opponent import from_opponent, opponent_sigmas
from dae_tui.core.noise.level.level_function import LevelFunction, levels_at

BLUR = 1.0
"""The standard deviation in pixels of the blur that shows the intensity below the noise."""
LEAST_LEVEL = 0.1
"""The least level, relative to that of the whole channel."""


@dataclass(frozen=True)
class LevelMap:
    """Gives the level of each value of an image by its intensity."""

    functions: Sequence[LevelFunction]
    """Of each channel."""
    negative: bool = False
    """Whether images come as negatives."""
    opponent: Tensor | None = None
    """For images that come as brightness and colour differences: the level of each of these planes
    as a multiple of what channels with independent noise give it, (3,)."""

    def __call__(self, images: Tensor) -> Tensor:
        """The levels of noisy images (N, C, H, W), of the same shape and on the same device."""
        smooth = blurred(images).cpu()
        if self.opponent is not None:
            smooth = from_opponent(smooth)
        if self.negative:
            smooth = 1 - smooth
        least = torch.tensor([LEAST_LEVEL * function.sigma for function in self.functions])
        found = levels_at(self.functions, smooth.movedim(1, 0)).movedim(0, 1)
        found = found.maximum(least[:, None, None])
        if self.opponent is not None:
            independent = opponent_sigmas(found.movedim(1, -1)).movedim(-1, 1)
            found = independent * self.opponent[:, None, None]
        return found.to(images.device)


def blurred(images: Tensor) -> Tensor:
    """Images (N, C, H, W) after a Gaussian of `BLUR` pixels."""
    reach = round(3 * BLUR)
    at = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-at.square() / (2 * BLUR**2))
    kernel /= kernel.sum()
    planes = images.flatten(0, 1)[:, None]
    padded = F.pad(planes, (reach,) * 4, mode="replicate")
    down = F.conv2d(padded, kernel.view(1, 1, -1, 1))
    return F.conv2d(down, kernel.view(1, 1, 1, -1)).view_as(images)
