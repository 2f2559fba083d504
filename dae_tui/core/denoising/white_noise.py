"""Whether an image has white noise beyond doubt, and how strong it is: judged by trials.

A level that trials find may be that of texture or of film grain, and the noise may be of another
kind. White noise is everywhere, and neighbouring pixels do not share it.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.camera_noise import is_grey
from dae_tui.core.denoising.level_by_trials import (
    LEAST_SHARE,
    Apply,
    Levels,
    TriedLevel,
    consistency,
    is_consistent,
    level_by_trials,
    level_in,
    off_ends,
    trial_of,
)
from dae_tui.core.denoising.residual import neighbour_correlations
from dae_tui.core.denoising.risk import middle
from dae_tui.core.weights.choice import for_channels
from dae_tui.core.weights.weights_file import Weights

LEAST_SIDE = 96
"""Smaller images have too few pixels."""
BLOCK = 16
"""The side of the blocks in which what is taken away is compared with what should be."""
OFF_ENDS = 0.9
"""The part of a block that is off the ends."""
QUARTER = 0.25
# White noise is taken away evenly: in three quarters of the blocks at least 0.86 of what should be.
# Clean photographs gave 0.3 to 0.8; those with film grain gave more, but at levels of at most
# 2.1/255 in grey and 0.7/255 in colour.
EVEN = 0.84
LEAST_GREY, LEAST_COLOUR = 2.3 / 255, 1.2 / 255
# Neighbours share hardly more of it than of white noise, nor less: white noise on photographs gave
# -0.02 to 0.11, noise of cameras 0.23 to 0.8; a lawn, which looks like noise, -0.09 down.
CORRELATED, ALTERNATING = 0.13, 0.04
AGREES = 1.5
"""At the level that was found, what is taken away in all may differ from what should be by this
factor: saturated colours gave up to 1.4."""
CLEAR_GAIN = 0.86
"""Noise is taken away only if the expected squared error falls below this part of the noise's:
clean textures gave 0.86 to 0.95, those with noise 0.4 to 0.84."""
UNLIKE = 1.25
"""Levels that trials find are too high in sharp textures, in coins by a fifth: those of patches, if
they give a better image than the noisy one, count as long as they are within this factor."""


def is_white_noise(tried: TriedLevel) -> bool:
    """Whether it is white noise beyond doubt, and worth taking away."""
    level = float(tried.trial.sigmas.square().mean().sqrt())
    correlations = excess_correlations(tried)
    return (
        level > _least(len(tried.levels))
        and 1 / AGREES < consistency(tried.trial, tried.seen) < AGREES
        and evenness(tried) > EVEN
        and tried.trial.risk < CLEAR_GAIN
        and float(correlations.mean(1).max()) < CORRELATED
        and float(correlations.min()) > -ALTERNATING
    )


def _least(channels: int) -> float:
    """The level below which film grain may be all that there is."""
    return LEAST_GREY if channels == 1 else LEAST_COLOUR


def evenness(tried: TriedLevel) -> float:
    """What is taken away over what should be, in the block that three quarters exceed."""
    variances = tried.trial.sigmas.square()
    taken, should = (
        F.avg_pool2d((each / variances).mean(0, keepdim=True)[None], BLOCK)[0, 0]
        for each in (tried.trial.removed, variances - tried.trial.spread)
    )
    seen = tried.seen.all(0)
    counts = F.avg_pool2d(seen[None, None].float(), BLOCK)[0, 0] > OFF_ENDS
    ratios = taken / should.clamp(min=LEAST_SHARE)
    if counts.float().mean() >= QUARTER:
        ratios = ratios[counts]
    return float(ratios.quantile(QUARTER))


def excess_correlations(tried: TriedLevel) -> Tensor:
    """How far neighbours share what is taken away, beyond how they share it of white noise.

    Returns (1, 2) for one channel and (2, 2) for more: down and across, in the channels and in
    their differences from the mean. What is taken away of the probe, which is white, is subtracted.
    """
    trial = tried.trial
    taken = (trial.noisy - trial.denoised) / trial.sigmas
    of_probe = trial.signs * (1 - trial.kept)
    found = [neighbour_correlations(taken) - neighbour_correlations(of_probe)]
    if len(taken) > 1:
        colours, of_white = (each - each.mean(0, keepdim=True) for each in (taken, of_probe))
        found.append(neighbour_correlations(colours) - neighbour_correlations(of_white))
    return torch.stack(found)


def white_noise_in(part: Tensor, weights: Sequence[Weights], compute: Compute) -> Levels | None:
    """The level functions of the white noise of an image, if it has such noise beyond doubt.

    Args:
        part: of the image, (C, h, w), such as `middle` gives, where black is 0 and white is 1.
        weights: of which those for white noise and as many channels are taken.
        compute: where and how they are applied.

    Returns None for other noise and none, for fewer pixels than tell, and where no weights see as
    many channels.
    """
    planes = _distinct(part)
    apply = _network(weights, planes, compute)
    if apply is None:
        return None
    tried = level_by_trials(planes, apply, _least(len(planes)))
    if tried is None or not is_white_noise(tried):
        return None
    return tried.levels * (len(part) // len(planes))


def white_noise_unlike(
    image: Tensor, levels: Levels | None, weights: Sequence[Weights], compute: Compute
) -> Levels | None:
    """The level functions of the white noise of an image (C, H, W), where they differ from these.

    These are right if a network that is told them takes away what it should. The other arguments
    are those of `white_noise_in`. Returns None if they are right, or if no such noise is found.
    """
    rows, columns = (slice(*middle(length)) for length in image.shape[1:])
    part = image[:, rows, columns].contiguous()
    planes = _distinct(part)
    apply = _network(weights, planes, compute)
    if apply is None:
        return None
    if levels is not None:
        own = levels[: len(planes)]
        if is_consistent(trial_of(planes, apply, own), off_ends(planes, own)):
            return None
    found = white_noise_in(part, weights, compute)
    if found is None or not (levels is None or differ(found, levels, part)):
        return None
    return over_image(found, image)


def differ(some: Levels, others: Levels, part: Tensor) -> bool:
    """Whether two levels of a part of an image differ by more than trials may be wrong."""
    ratio = level_in(part, some) / max(level_in(part, others), 1e-9)
    return not 1 / UNLIKE < ratio < UNLIKE


def over_image(levels: Levels, image: Tensor) -> Levels:
    """The same level functions, with the level in a whole image (C, H, W) or in some of it."""
    return tuple(
        replace(level, sigma=level_in(plane[None], (level,)))
        for level, plane in zip(levels, image, strict=True)
    )


def _distinct(part: Tensor) -> Tensor:
    """The channels of an image (C, h, w): one if all are the same."""
    return part[:1] if is_grey(part) else part


def _network(weights: Sequence[Weights], planes: Tensor, compute: Compute) -> Apply | None:
    """Those of several weights that are told the level and see such planes (C, h, w).

    None if there are none, and for small planes. In fp32: bf16 would round the probe away.
    """
    network = for_channels([each for each in weights if each.takes_sigma], len(planes))
    if network is None or min(planes.shape[1:]) < LEAST_SIDE:
        return None
    exact = replace(compute, precision="fp32", best=False)

    def apply(noisy: Tensor, levels: Tensor) -> Tensor:
        def told(_: Tensor) -> Tensor:
            return levels[None]

        return denoise_images(network, noisy[None], told, exact, clip=False)[0]

    return apply
