"""Denoise stored images and keep their type, size, range, alpha and what was not measured."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.apply_network import (
    Compute,
    check_fits,
    denoise_images,
)
from dae_tui.core.denoising.denoised import Denoised, Done
from dae_tui.core.denoising.examination import (
    Examination,
    small_planes,
)
from dae_tui.core.denoising.inspection import UNLIKE, taken_structure
from dae_tui.core.denoising.large_image import LargeImage, inverts
from dae_tui.core.denoising.planes.conversion import QUIET
from dae_tui.core.denoising.planes.opponent import from_opponent, opponent_sigmas, to_opponent
from dae_tui.core.denoising.stored_image import AT_ONCE, StoredImage
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import fill_unmeasured, from_unit, image_values
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.core.weights.choice import Candidates, WeightsChoice
from dae_tui.core.weights.weights_file import Weights
from dae_tui.spec.denoising import DenoiseOptions

# Such noise is structure itself, by which images that weights were not made for are known.
STRUCTURED = ("stripes", "correlated", "masking")


def candidates_for(choice: WeightsChoice, stack: Stack, found: Examination) -> Candidates:
    """The weights for a stack, by what was found in it. Raises WeightsError."""
    _, height, width, channels = stack.values.shape
    return choice.candidates(
        height,
        width,
        found.sigma,
        channels=channels - stack.alpha,
        page=found.page,
        camera=found.camera,
        gaussian=found.other is None,
    )


def denoise_stack(
    candidates: Candidates,
    stack: Stack,
    found: Examination,
    options: DenoiseOptions,
    compute: Compute,
) -> Denoised:
    """Denoise a stack.

    Args:
        candidates: weights. Those that do an image most good are used, and it is left as it is if
            none does it good; those that the user named are used in any case.
        stack: the images.
        found: what `examine` found in them.
        options: what the user says about them.
        compute: where and how networks are applied.

    Raises WeightsError if no network accepts this image size or number of channels.
    """
    values = image_values(stack)
    _, height, width, channels = values.shape
    for weights in candidates.weights:
        check_fits(weights, channels, height, width)
    denoised = np.empty_like(stack.values)
    if stack.alpha:
        denoised[..., -1] = stack.values[..., -1]
    if found.noise:
        images = [
            LargeImage(
                StoredImage(stack, number, found.range, noise.stripes),
                bool(found.dark[number]),
                found,
                noise,
                options,
                compute,
            ).denoise(candidates, denoised[number])
            for number, noise in enumerate(_known(found.noise, candidates))
        ]
    else:
        images = _denoise_small(candidates, stack, found, options, compute, denoised)
    removed = found.artefacts and any(done.weights for done in images)
    return Denoised(replace(stack, values=denoised, artefacts_removed=removed), images)


def _known(noise: Sequence[ImageNoise], candidates: Candidates) -> list[ImageNoise]:
    """The noise of images; networks that know no levels may have been named to remove stripes."""
    if candidates.know_levels:
        return list(noise)
    return [replace(each, stripes=None) for each in noise]


def _denoise_small(
    candidates: Candidates,
    stack: Stack,
    found: Examination,
    options: DenoiseOptions,
    compute: Compute,
    out: NDArray[Any],
) -> list[Done]:
    """Denoise many small images in batches, with a constant noise level for each."""
    count, height, width, _ = stack.values.shape
    together = max(1, AT_ONCE // (height * width))
    first_choice, fallback = candidates.weights[0], candidates.of_one_channel[-1]
    if found.other is not None and found.other.kind in STRUCTURED:
        fallback = first_choice
    images = []
    for first in range(0, count, together):
        part = slice(first, first + together)
        piece = replace(stack, values=stack.values[part])
        seen = small_planes(piece, found.range)
        planes = fill_unmeasured(seen)
        levels, dark = found.sigmas[part], found.dark[part]
        negative = torch.tensor([inverts(first_choice, options, flag) for flag in dark.tolist()])
        denoised = _batch(first_choice, planes, levels, negative, compute)
        if found.range.source == "type":
            denoised = denoised.clamp(0, 1)
        structure = taken_structure(planes, denoised.where(seen.isfinite(), planes))
        unlike = torch.zeros(len(planes), dtype=torch.bool)
        if fallback is not first_choice:
            unlike = structure > UNLIKE if first_choice.light_on_dark else _are_grey(planes)
        if unlike.any():
            upright = torch.zeros(int(unlike.sum()), dtype=torch.bool)
            denoised[unlike] = _batch(fallback, planes[unlike], levels[unlike], upright, compute)
        knows = candidates.know_levels and found.other is None
        quiet = (levels <= found.nothing) & knows
        if options.strength < 1:
            denoised = torch.lerp(planes, denoised, options.strength)
        _store_small(piece, denoised, quiet, found, out[part])
        rows = zip(
            quiet.tolist(), unlike.tolist(), negative.tolist(), structure.tolist(), strict=True
        )
        for is_quiet, is_unlike, inverted, taken in rows:
            if is_quiet:
                images.append(Done(None))
            elif is_unlike:
                images.append(Done(fallback))
            else:
                images.append(Done(first_choice, inverted, structure=taken))
    return images


def _are_grey(planes: Tensor) -> Tensor:
    """Whether images (N, C, H, W) have equal channels, (N,), such as grey pictures stored as RGB.

    A network that sees all channels takes their noise for independent.
    """
    return (planes == planes[:, :1]).flatten(1).all(1)


def _batch(
    weights: Weights, planes: Tensor, sigmas: Tensor, negative: Tensor, compute: Compute
) -> Tensor:
    """Denoise images (N, C, H, W); `negative` (N,) says which the network sees inverted."""
    flip = negative[:, None, None, None]
    noisy = torch.where(flip, 1 - planes, planes)
    if weights.channels == 1 and weights.takes_sigma and planes.shape[1] == 3:
        given = to_opponent(noisy)
        # The colour differences of grey pictures are constant: they stay grey, and all of the noise
        # is in their brightness.
        constant = given.amax((2, 3)) - given.amin((2, 3)) < QUIET
        levels = opponent_sigmas(sigmas[:, None].expand(-1, 3))
        levels[:, 0] = torch.where(constant[:, 1:].all(1), sigmas, levels[:, 0])
        moved = denoise_images(weights, given, levels, compute, clip=False)
        denoised = from_opponent(torch.where(constant[..., None, None], given, moved))
    else:
        denoised = denoise_images(weights, noisy, sigmas, compute, clip=False)
    return torch.where(flip, 1 - denoised, denoised)


def _store_small(
    piece: Stack, denoised: Tensor, quiet: Tensor, found: Examination, out: NDArray[Any]
) -> None:
    """Store images (N, C, H, W) in `out`, but for the quiet ones and what was not measured."""
    values = image_values(piece)
    channels = values.shape[-1]
    stored = from_unit(
        denoised.movedim(1, -1), values, found.range, piece.white_is_zero, piece.no_data
    )
    if piece.alpha:
        stored = np.where(piece.values[..., -1:] != 0, stored, values)
    stored[quiet.numpy()] = values[quiet.numpy()]
    out[..., :channels] = stored
