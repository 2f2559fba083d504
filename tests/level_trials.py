"""Networks for white noise as functions of image and level, and pictures to try them on."""

from collections.abc import Callable

import numpy as np
import torch
from noisy_pictures import Array
from skimage import data
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.level_by_trials import TriedLevel, level_by_trials
from dae_tui.core.weights.weights_file import load_weights
from dae_tui.spec.model_cards import published

SIDE = 192
WEIGHTS = {1: "photos-unet", 3: "photos-unet-colour"}


def cut(name: str) -> Array:
    """The middle of a picture of scikit-image, at its own resolution, in [0, 1]."""
    picture = getattr(data, name)() / 255
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    middle: Array = picture[top : top + SIDE, left : left + SIDE]
    return middle


def planes(image: Array) -> Tensor:
    """An image (H, W) or (H, W, 3) as it would be read from a file of 8 bits."""
    stored = np.rint(image * 255).clip(0, 255) / 255
    return torch.from_numpy(np.atleast_3d(stored)).float().movedim(-1, 0)


def network(channels: int) -> Callable[[Tensor, Tensor], Tensor]:
    weights = load_weights(published()[WEIGHTS[channels]])

    def apply(noisy: Tensor, levels: Tensor) -> Tensor:
        def told(_: Tensor) -> Tensor:
            return levels[None]

        return denoise_images(weights, noisy[None], told, Compute(), clip=False)[0]

    return apply


@torch.inference_mode()
def tried(noisy: Tensor) -> TriedLevel | None:
    return level_by_trials(noisy, network(len(noisy)))


def white(image: Array, sigma: float) -> Array:
    noise: Array = image + np.random.default_rng(0).normal(0, sigma, image.shape)
    return noise
