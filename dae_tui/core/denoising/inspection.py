"""Properties of an image: noise level, dark on light or not, like the training data or not."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.weights.weights_file import Weights
from dae_tui.spec.training_config import DATA_SETS_SIZE

# Images with more pixels than this are inspected in crops, 4 × 4 of 512 pixels a side.
WHOLE_UP_TO = 2048 * 2048
PLACES = 4
PLACE = 512
# If the quick estimates of a batch of small images are within the ratio ALIKE of each other, only
# SAMPLE of them get the accurate estimate.
SAMPLE = 16
ALIKE = 1.6
# The ground of a page is looked for in squares of so many pixels a side; it is even where it varies
# by no more than EVEN, and strokes are at least so much darker.
GROUND = 15
EVEN = 0.08
STROKE = 0.25
LEAST_EVEN = 0.4
LEAST_STROKES, MOST_STROKES = 0.05, 0.35
LIGHT = 0.8
COLOURLESS = 0.05
# The root mean square of the structure in what the network removed. Measured with the
# published weights at sigma 0.1 to 0.8: digits 0.03 to 0.13 (98 of 100), their negatives 0.27 to
# 0.33, photographs of 28×28 to 200×200 pixels 0.14 to 0.26 (at 0.5 and below: from 0.18).
UNLIKE = 0.15


def crops(image: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """The whole image (H, W, C), or square crops from all over it if it is large."""
    return [image[place] for place in places(*image.shape[:2])]


def places(height: int, width: int) -> list[tuple[slice, slice]]:
    """Where `crops` of an image are."""
    if height * width <= WHOLE_UP_TO:
        return [(slice(0, height), slice(0, width))]
    tops = np.linspace(0, max(0, height - PLACE), PLACES).astype(int)
    lefts = np.linspace(0, max(0, width - PLACE), PLACES).astype(int)
    return [
        (slice(top, top + PLACE), slice(left, left + PLACE))
        for top in set(tops.tolist())
        for left in set(lefts.tolist())
    ]


def estimate_together(images: Tensor) -> Tensor:
    """The noise levels (N,) of small images (N, C, H, W) of one size, like `estimate_sigma`.

    `estimate_sigma` takes a millisecond per digit, many times as long as denoising. So only a
    sample is measured with it; its ratio to a quick estimate (Immerkær 1996) is used for all
    images, unless their noise levels differ too much.
    """
    if len(images) <= SAMPLE:
        return estimate_sigma(images)
    quick = _quick_sigma(images)
    low, high = quick.quantile(torch.tensor([0.02, 0.98])).tolist()
    if high > ALIKE * low:
        return estimate_sigma(images)
    sample = torch.linspace(0, len(images) - 1, SAMPLE).long()
    return quick * (estimate_sigma(images[sample]) / quick[sample].clamp(min=1e-6)).median()


def _quick_sigma(images: Tensor) -> Tensor:
    """A quick estimate from the mean response to a difference of Laplacians."""
    # Second differences down and across: a third of the time of the convolution.
    planes = F.pad(images, (1, 1, 1, 1))
    response = planes.diff(n=2, dim=-1).diff(n=2, dim=-2).abs()
    return response.reshape(len(images), -1).mean(1) * math.sqrt(math.pi / 2) / 6


def dark_on_light(images: Tensor) -> Tensor:
    """Whether images (N, C, H, W) show dark strokes on a light ground, (N,), by their medians."""
    return images.flatten(1).median(1).values > 0.5


def shows_page(planes: Tensor) -> bool:
    """Whether an image (C, H, W) in [0, 1] shows writing: dark strokes on an even light ground."""
    grey = planes.mean(0, keepdim=True)
    height, width = grey.shape[-2:]
    if min(height, width) < 4 * GROUND or (planes - grey).abs().mean() > COLOURLESS:
        return False
    # The lightest mean of nine pixels nearby is the ground, which noise does not lighten much.
    smooth = F.avg_pool2d(grey, 3, 1)
    ground = F.max_pool2d(smooth, GROUND, 1, GROUND // 2)
    depth = ground - smooth
    even = (depth < EVEN).float().mean()
    strokes = (depth > STROKE).float().mean()
    light = ground.median() > LIGHT
    return bool(light and even > LEAST_EVEN and LEAST_STROKES < strokes < MOST_STROKES)


def unlike(weights: Weights, size: tuple[int, ...], structure: float) -> str:
    """A warning for images of a size (H, W) that are unlike the training data of the weights.

    `structure` is how much was removed that is not noise, as measured by `taken_structure`.
    Empty if there is nothing to warn about.
    """
    height, width = size
    trained = f"{weights.name} was trained on {weights.metadata.get('data', 'other images')}"
    if weights.light_on_dark and (height, width) != DATA_SETS_SIZE:
        return f"{trained} of 28×28 pixels, and this image has {width}×{height}"
    if structure > UNLIKE:
        return f"{trained}, and this image is unlike that: more than noise was removed"
    return ""


def taken_structure(noisy: Tensor, denoised: Tensor) -> Tensor:
    """How much of what was removed is not noise, (N,), as a root mean square in [0, 1].

    Neighbouring pixels of white noise are uncorrelated, so any correlation between neighbours
    comes from the image. Both arguments are (N, C, H, W) in [0, 1].
    """
    taken = noisy - denoised
    taken = taken - taken.mean((2, 3), keepdim=True)
    shared = [
        (ahead * behind).flatten(1).mean(1)
        for ahead, behind in (
            (taken[..., 1:], taken[..., :-1]),
            (taken[..., 1:, :], taken[..., :-1, :]),
        )
        if ahead[0].numel()
    ]
    if not shared:
        return torch.zeros(len(noisy))
    return torch.stack(shared).mean(0).clamp(min=0).sqrt()
