"""Colour as brightness and two differences, for networks that denoise one channel at a time.

The differences hold little but noise, so that a grey network takes more of it away there than in
red, green and blue (as in Dabov et al.: "Color image denoising via sparse 3D collaborative
filtering", ICIP 2007). The axes are orthogonal: white noise stays white and equally strong.
"""

import torch
from torch import Tensor

_AXES = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
_AXES = _AXES / _AXES.norm(dim=1, keepdim=True)
# Brightness ranges over the square root of 3; the differences lie around 0.
_SCALES = torch.tensor([3**-0.5, 1.0, 1.0])
_OFFSETS = torch.tensor([0.0, 0.5, 0.5])


def to_opponent(images: Tensor) -> Tensor:
    """Brightness and differences of images (N, 3, H, W) in [0, 1], about in [0, 1] too."""
    planes = torch.einsum("ij,njhw->nihw", _AXES * _SCALES[:, None], images)
    return planes + _OFFSETS[:, None, None]


def from_opponent(planes: Tensor) -> Tensor:
    """Red, green and blue of `to_opponent`."""
    moved = (planes - _OFFSETS[:, None, None]) / _SCALES[:, None, None]
    return torch.einsum("ji,njhw->nihw", _AXES, moved)


def opponent_sigmas(sigmas: Tensor) -> Tensor:
    """The noise levels (…, 3) of `to_opponent`, for levels (…, 3) of independent channels."""
    variances = torch.einsum("ij,...j->...i", _AXES.square(), sigmas.square())
    return variances.sqrt() * _SCALES


def opponent_variance(sigmas: Tensor) -> Tensor:
    """The sum (N,) of the variances of red, green and blue, for levels (N, 3) of `to_opponent`."""
    return (sigmas / _SCALES).square().sum(1)
