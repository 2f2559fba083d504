"""Small images of one size from many files, inspected and denoised in one batch.

For a single digit the overhead of each step would exceed the step itself.
"""

import numpy as np
import torch
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute, check_fits, denoise_images
from dae_tui.core.denoising.denoise_stack import inverts
from dae_tui.core.denoising.inspection import (
    dark_on_light,
    estimate_together,
    taken_structure,
    unlike,
)
from dae_tui.core.denoising.loaded_file import LoadedFile
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import from_unit, image_values
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import DenoiseOptions


def denoise_small(
    entries: list[LoadedFile], choice: WeightsChoice, options: DenoiseOptions, compute: Compute
) -> None:
    """Inspect and denoise files of one small image each, all of one shape, in one batch."""
    noisy = torch.cat([entry.planes for entry in entries if entry.planes is not None])
    if options.sigma is None:
        sigma = estimate_together(noisy)
    else:
        sigma = torch.full((len(noisy),), options.sigma)
    dark = dark_on_light(noisy).tolist()
    _, channels, height, width = noisy.shape
    by_weights: dict[int, tuple[Weights, list[int]]] = {}
    for number, entry in enumerate(entries):
        entry.outcome.sigma = float(sigma[number])
        try:
            weights = choice.weights_for(height, width, entry.outcome.sigma)
            check_fits(weights, channels, height, width)
        except DaeError as failure:
            entry.outcome.error = failure
            continue
        entry.outcome.weights = weights.name
        entry.outcome.inverted = inverts(weights, options, dark[number])
        by_weights.setdefault(id(weights), (weights, []))[1].append(number)
    for weights, numbers in by_weights.values():
        chosen = [entries[number] for number in numbers]
        _apply(chosen, noisy[numbers], sigma[numbers], weights, compute)


def _apply(
    entries: list[LoadedFile], noisy: Tensor, sigma: Tensor, weights: Weights, compute: Compute
) -> None:
    """Denoise small images (N, C, H, W) and convert them back to the stored form of each file."""
    negative = torch.tensor([entry.outcome.inverted for entry in entries])[:, None, None, None]
    noisy = torch.where(negative, 1 - noisy, noisy)
    denoised = denoise_images(weights, noisy, sigma, compute)
    structure = taken_structure(noisy, denoised).tolist()
    restored = torch.where(negative, 1 - denoised, denoised).movedim(1, -1)
    _, height, width, channels = restored.shape
    for number, entry in enumerate(entries):
        stack = entry.file.stacks[0]
        values = np.empty_like(stack.values)
        values[..., channels:] = stack.values[..., channels:]
        values[..., :channels] = from_unit(
            restored[number : number + 1],
            image_values(stack),
            entry.outcome.whites[0],
            stack.white_is_zero,
        )
        entry.denoised = [Stack(values, stack.alpha, stack.white_is_zero)]
        entry.outcome.warn(unlike(weights, (height, width), structure[number]))
