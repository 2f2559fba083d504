"""One image in memory, denoised as `dae denoise` does it: examined, and with weights chosen for it.

The playground shows this.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.denoise_stack import candidates_for, denoise_stack
from dae_tui.core.denoising.denoised import Denoised
from dae_tui.core.denoising.examination import Examination, examine
from dae_tui.core.denoising.small_images import denoise_small
from dae_tui.core.images.image_file import Stack
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import DenoiseOptions


@dataclass(frozen=True)
class Chosen:
    """What was found in an image, and what was done with it."""

    weights: Weights | None
    """None if it was left as it was."""
    sigma: float
    """The noise level that was found, in the unit of images in [0, 1]."""
    left: str = ""
    """Why it was left as it was, or what was done without a network; empty otherwise."""


def denoise_single(image: Tensor, choice: WeightsChoice) -> tuple[Tensor, Chosen]:
    """Denoise an image (1, C, H, W) in [0, 1] on the CPU, C being 1 or 3.

    It is stored in 8 bits where they hold it, as a file would be, and in 16 otherwise: the level
    below which there is no noise is that of rounding.

    Args:
        image: the noisy one.
        choice: chooses the weights.

    Raises WeightsError if no network accepts the image.
    """
    stored = image.clamp(0, 1).permute(0, 2, 3, 1).numpy()
    in_bytes = stored * 255
    few = bool(np.abs(in_bytes - in_bytes.round()).max() < 1e-3)
    white, kind = (255, np.uint8) if few else (65535, np.uint16)
    stack = Stack((stored * white).round().astype(kind))
    # The range is known: a dark image is not stretched to it.
    options = DenoiseOptions(white=white, black=0)
    with torch.inference_mode():
        found = examine(stack, options, "the image")
        done = _denoise(stack, found, choice, options)
    values = torch.from_numpy(done.stack.values.astype(np.float32) / white)
    how = done.images[0]
    left = ""
    if how.mended:
        left = "impulses replaced, no other noise found"
    elif how.harmed:
        left = "left as it is: denoising would do it harm"
    elif how.weights is None:
        left = "no noise found: left as it is"
    sigma = how.noise.sigma if how.noise else found.sigma
    return values.permute(0, 3, 1, 2).contiguous(), Chosen(how.weights, sigma, left)


def _denoise(
    stack: Stack, found: Examination, choice: WeightsChoice, options: DenoiseOptions
) -> Denoised:
    if not found.noise:
        [result] = denoise_small([stack], [found], choice, options, Compute())
        if isinstance(result, DaeError):
            raise result
        return result
    return denoise_stack(candidates_for(choice, stack, found), stack, found, options, Compute())
