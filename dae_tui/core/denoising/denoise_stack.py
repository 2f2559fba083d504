"""Denoise stored images and keep their type, size, alpha and NaN.

`inspect` finds out what has to be known before, `denoise_stack` denoises, and `structure_taken`
evaluates the result.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.apply_network import (
    Compute,
    check_fits,
    denoise_images,
    denoise_large,
    fits_whole,
)
from dae_tui.core.denoising.inspection import crops, dark_on_light, taken_structure
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import (
    Oddities,
    find_oddities,
    from_unit,
    image_values,
    to_unit,
)
from dae_tui.core.noise.estimation import estimate_sigma
from dae_tui.core.weights.weights_file import Weights
from dae_tui.spec.denoising import DenoiseOptions

# How many images of a stack are inspected.
INSPECTED_IMAGES = 64
# Pixels that are converted to float32 together, few enough to stay in the cache: storing 10 000
# digits took 0.15 s when all were converted at once, and takes 0.01 s this way.
AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Inspection:
    """The properties of a stack of images."""

    sigma: float
    """The noise level: the one that the user gave, else the median estimate."""
    dark_on_light: bool
    oddities: Oddities
    white: float


def white_of(stack: Stack, options: DenoiseOptions) -> float:
    """The stored value of white in a stack; `--white` does not apply to bilevel images."""
    if options.white is None or stack.values.dtype.kind == "b":
        return stack.white
    return options.white


def inspect(stack: Stack, options: DenoiseOptions, name: str) -> Inspection:
    """Find out what network and user need to know. Raises DataError like `find_oddities`."""
    white = white_of(stack, options)
    oddities = find_oddities(stack, white, name)
    places = _places(stack, white)
    sigma = options.sigma
    if sigma is None:
        sigma = float(torch.cat([estimate_sigma(planes) for planes in places]).median())
    dark = torch.cat([dark_on_light(planes) for planes in places]).float().mean() > 0.5
    return Inspection(sigma, bool(dark), oddities, white)


def inverts(weights: Weights, options: DenoiseOptions, dark: bool) -> bool:
    """Whether the network gets the negative of the image, because it is dark on light."""
    return options.invert == "yes" or (options.invert == "auto" and dark and weights.light_on_dark)


def denoise_pages(
    weights: Weights,
    pages: Sequence[Stack],
    found: Sequence[Inspection],
    options: DenoiseOptions,
    compute: Compute,
) -> list[Stack]:
    """Denoise small pages of one image each; pages of the same form are batched.

    Alone, a page of a few pixels takes 4 ms on two cores; in a batch it takes 0.02 ms.
    Raises WeightsError like `denoise_stack`.
    """
    together: dict[Any, list[int]] = defaultdict(list)
    for number, (page, inspection) in enumerate(zip(pages, found, strict=True)):
        negative = inverts(weights, options, inspection.dark_on_light)
        form = page.values.shape, page.values.dtype, page.alpha, page.white_is_zero
        together[form, inspection.white, negative].append(number)
    denoised: dict[int, Stack] = {}
    for numbers in together.values():
        first = pages[numbers[0]]
        parts = [pages[number].values for number in numbers]
        values = np.concatenate(parts, dtype=first.values.dtype)
        stack = Stack(values, first.alpha, first.white_is_zero)
        sigmas = torch.tensor([found[number].sigma for number in numbers])
        done = denoise_stack(weights, stack, found[numbers[0]], options, compute, sigmas)
        for place, number in enumerate(numbers):
            part = done.values[place : place + 1]
            denoised[number] = Stack(part, first.alpha, first.white_is_zero)
    return [denoised[number] for number in range(len(pages))]


def denoise_stack(
    weights: Weights,
    stack: Stack,
    found: Inspection,
    options: DenoiseOptions,
    compute: Compute,
    sigmas: Tensor | None = None,
) -> Stack:
    """Denoise a stack.

    `sigmas` (N,) are the noise levels of small images, if they differ from image to image.
    Raises WeightsError if the network does not accept this image size or number of channels.
    """
    values = image_values(stack)
    count, height, width, channels = values.shape
    check_fits(weights, channels, height, width)
    negative = inverts(weights, options, found.dark_on_light)
    denoised = np.empty_like(stack.values)
    if stack.alpha:
        denoised[..., -1] = stack.values[..., -1]
    out = denoised[..., :channels]

    def unit(part: NDArray[Any]) -> Tensor:
        planes = to_unit(part, found.white, stack.white_is_zero).movedim(-1, -3)
        return 1 - planes if negative else planes

    def store(place: NDArray[Any], like: NDArray[Any], planes: Tensor) -> None:
        planes = (1 - planes if negative else planes).movedim(-3, -1)
        place[...] = from_unit(planes, like, found.white, stack.white_is_zero)

    if fits_whole(weights, height, width, compute):
        together = max(1, AT_ONCE // (height * width))
        levels = torch.full((count,), found.sigma) if sigmas is None else sigmas
        for first in range(0, count, together):
            part = slice(first, first + together)
            denoised_part = denoise_images(weights, unit(values[part]), levels[part], compute)
            store(out[part], values[part], denoised_part)
        return Stack(denoised, stack.alpha, stack.white_is_zero)
    for image, target in zip(values, out, strict=True):
        rows_of = partial(_rows, image, unit)
        for top, planes in denoise_large(weights, rows_of, (height, width), found.sigma, compute):
            rows = slice(top, top + planes.shape[-2])
            store(target[rows], image[rows], planes)
    return Stack(denoised, stack.alpha, stack.white_is_zero)


def _rows(
    image: NDArray[Any], unit: Callable[[NDArray[Any]], Tensor], top: int, end: int
) -> Tensor:
    """Some rows of a stored image as network input."""
    return unit(image[top:end])


def structure_taken(stack: Stack, denoised: Stack, white: float) -> float:
    """How much of what was removed was not noise; see `inspection.taken_structure`."""
    pairs = zip(_places(stack, white), _places(denoised, white), strict=True)
    return float(torch.cat([taken_structure(before, after) for before, after in pairs]).median())


def _places(stack: Stack, white: float) -> list[Tensor]:
    """Images and crops (N, C, H, W) in [0, 1] from all over a stack, those of one size together."""
    values = image_values(stack)
    chosen = values[:: max(1, len(values) // INSPECTED_IMAGES)]
    places = [crops(image) for image in chosen]
    return [
        to_unit(np.stack(together), white, stack.white_is_zero).movedim(-1, -3)
        for together in zip(*places, strict=True)
    ]
