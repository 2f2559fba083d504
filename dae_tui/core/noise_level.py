"""How strong the noise of an image is, where nobody says."""

import torch
from torch import Tensor


def estimate_sigma(images: Tensor) -> Tensor:
    """The standard deviation (N,) of Gaussian noise in images (N, C, H, W) in [0, 1].

    Stand-in: Immerkaer.
    """
    import torch.nn.functional as F

    k = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]], device=images.device)[None, None]
    planes = images.reshape(-1, 1, *images.shape[-2:])
    r = F.conv2d(planes, k).abs().flatten(1).median(1).values / 0.6745 / 6
    return r.view(len(images), -1).mean(1)
