"""Small images of one size from many files or pages, examined and denoised in one batch.

For a single digit the overhead of each step would exceed the step itself: alone, a page of a few
pixels takes 4 ms on two cores; in a batch it takes 0.02 ms.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.denoise_stack import candidates_for, denoise_stack
from dae_tui.core.denoising.denoised import Denoised
from dae_tui.core.denoising.examination import Examination, joined
from dae_tui.core.images.image_file import Stack
from dae_tui.core.weights.choice import Candidates, WeightsChoice
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import DenoiseOptions


def denoise_small(
    stacks: Sequence[Stack],
    found: Sequence[Examination],
    choice: WeightsChoice,
    options: DenoiseOptions,
    compute: Compute,
) -> list[Denoised | DaeError]:
    """Denoise stacks of one small image each; those of one form are batched.

    An error stands for each stack that no network accepts.
    """
    together: dict[Any, list[int]] = defaultdict(list)
    chosen: dict[Any, Candidates] = {}
    for number, (stack, examination) in enumerate(zip(stacks, found, strict=True)):
        candidates = candidates_for(choice, stack, examination)
        dtype = stack.values.dtype
        form = stack.values.shape, dtype, stack.alpha, stack.white_is_zero, stack.no_data
        names = tuple(id(weights) for weights in candidates.weights)
        together[form, examination.range, names].append(number)
        chosen[form, examination.range, names] = candidates
    results: dict[int, Denoised | DaeError] = {}
    for key, numbers in together.items():
        try:
            done = denoise_stack(
                chosen[key],
                _joined([stacks[number] for number in numbers]),
                joined([found[number] for number in numbers]),
                options,
                compute,
            )
        except DaeError as failure:
            results |= dict.fromkeys(numbers, failure)
        else:
            results |= zip(numbers, done.split(), strict=True)
    return [results[number] for number in range(len(stacks))]


def _joined(stacks: Sequence[Stack]) -> Stack:
    """One stack of images of the same form."""
    first = stacks[0]
    values = np.concatenate([stack.values for stack in stacks], dtype=first.values.dtype)
    return replace(first, values=values)
