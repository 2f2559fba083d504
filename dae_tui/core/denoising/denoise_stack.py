"""Stored images through a network and back to what they were: type, size, alpha, NaN.

`inspect` tells what is to be known before, `denoise_stack` does it, `structure_taken` judges it.
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
from dae_tui.core.denoising.inspection import dark_on_light, look, taken_structure
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

# Images of a stack that decide what all of it is like.
LOOKED_AT = 64
# Pixels that are brought to float32 together, few enough to stay in the cache: 10 000 digits took
# 0.15 s to be stored when they were all converted at once, and take 0.01 s so.
AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Inspection:
    """What a stack of images is like."""

    sigma: float
    """How strong its noise is: as the user said, else the median estimate."""
    dark_on_light: bool
    oddities: Oddities
    white: float


def white_of(stack: Stack, options: DenoiseOptions) -> float:
    """The stored value of white in a stack; two values know black and white alone."""
    if options.white is None or stack.values.dtype.kind == "b":
        return stack.white
    return options.white


def inspect(stack: Stack, options: DenoiseOptions, name: str) -> Inspection:
    """Find out what the network and the user need to know. Raises DataError as `find_oddities`."""
    white = white_of(stack, options)
    oddities = find_oddities(stack, white, name)
    places = _places(stack, white)
    sigma = options.sigma
    if sigma is None:
        sigma = float(torch.cat([estimate_sigma(planes) for planes in places]).median())
    dark = torch.cat([dark_on_light(planes) for planes in places]).float().mean() > 0.5
    return Inspection(sigma, bool(dark), oddities, white)


def inverts(weights: Weights, options: DenoiseOptions, dark: bool) -> bool:
    """Whether the network is to see the negative of an image that is dark on light."""
    return options.invert == "yes" or (options.invert == "auto" and dark and weights.light_on_dark)


def denoise_pages(
    weights: Weights,
    pages: Sequence[Stack],
    found: Sequence[Inspection],
    options: DenoiseOptions,
    compute: Compute,
) -> list[Stack]:
    """The same small pages without the noise, one image each; those that are alike go together.

    By itself a page of a few pixels would wait 4 ms on two cores, for what takes 0.02 ms.
    Raises WeightsError as `denoise_stack`.
    """
    together: dict[Any, list[int]] = defaultdict(list)
    for number, (page, what) in enumerate(zip(pages, found, strict=True)):
        negative = inverts(weights, options, what.dark_on_light)
        form = page.values.shape, page.values.dtype, page.alpha, page.white_is_zero
        together[form, what.white, negative].append(number)
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
    """The same stack without the noise.

    `sigmas` (N,) are the noise levels where they differ from image to image of small ones.
    Raises WeightsError where the network cannot take images of this size or these channels.
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
    """Some rows of a stored image as the network is to see them."""
    return unit(image[top:end])


def structure_taken(stack: Stack, denoised: Stack, white: float) -> float:
    """How much of what was taken away was no noise; see `inspection.taken_structure`."""
    pairs = zip(_places(stack, white), _places(denoised, white), strict=True)
    return float(torch.cat([taken_structure(before, after) for before, after in pairs]).median())


def _places(stack: Stack, white: float) -> list[Tensor]:
    """Images (N, C, H, W) in [0, 1] from all over a stack, those of one size together."""
    values = image_values(stack)
    chosen = values[:: max(1, len(values) // LOOKED_AT)]
    places = [look(image) for image in chosen]
    return [
        to_unit(np.stack(together), white, stack.white_is_zero).movedim(-1, -3)
        for together in zip(*places, strict=True)
    ]
