"""The tone curve of sRGB, between the light that a sensor counts and the values of a picture."""

import torch
from torch import Tensor

# IEC 61966-2-1: a straight line in the dark, and a power above.
DARKEST, SLOPE = 0.0031308, 12.92


def to_srgb(light: Tensor) -> Tensor:
    """The values of light, where black is 0 and white is 1; beyond both the curve goes on."""
    bright = 1.055 * light.clamp(min=DARKEST) ** (1 / 2.4) - 0.055
    return torch.where(light <= DARKEST, SLOPE * light, bright)


def from_srgb(values: Tensor) -> Tensor:
    """The light of values: the inverse of `to_srgb`."""
    darkest = SLOPE * DARKEST
    bright = ((values.clamp(min=darkest) + 0.055) / 1.055) ** 2.4
    return torch.where(values <= darkest, values / SLOPE, bright)
