"""Noise added to image files, which keep their type, size, pages, alpha and metadata."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator

from dae_tui.core.images import formats
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.output_file import (
    FAILURES,
    encoded,
    is_full,
    not_processed,
    not_written,
    write_output,
)
from dae_tui.core.images.value_range import (
    ValueRange,
    find_range,
    from_unit,
    image_values,
    to_unit,
)
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import Job
from dae_tui.spec.noise_spec import NoiseSpec


@dataclass(frozen=True)
class NoiseOptions:
    """Which noise is added, and what the user says about the images."""

    noise: NoiseSpec
    seed: int
    black: float | None = None
    """The stored value of black; None finds it out."""
    white: float | None = None


@dataclass(frozen=True)
class Added:
    """The result of one job."""

    job: Job
    images: int = 0
    error: DaeError | None = None


def add_to_files(jobs: Sequence[Job], options: NoiseOptions) -> Iterator[Added]:
    """Add noise to the files of all jobs and write them; yields the results in order.

    Each file gets noise of its own, from the seed and its number among the jobs. A file that fails
    does not stop the others, except for a full disk: then no more are started.
    """
    for number, job in enumerate(jobs):
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + number)
        try:
            yield Added(job, _add(job, options, generator))
        except OSError as failure:
            yield Added(job, error=not_written(failure, job))
            if is_full(failure):
                return
        except (DaeError, *FAILURES) as failure:
            yield Added(job, error=not_processed(failure, job, "made noisy"))


def _add(job: Job, options: NoiseOptions, generator: Generator) -> int:
    """Add noise to one file; returns how many images it holds."""
    assert job.source is not None
    file = formats.read_file(job.source, job.name)
    noisy = [_of_stack(stack, options, generator, job.name) for stack in file.stacks]
    write_output(encoded(file, noisy, job), job)
    return sum(len(stack.values) for stack in noisy)


def _of_stack(stack: Stack, options: NoiseOptions, generator: Generator, name: str) -> Stack:
    found = find_range(stack, name, options.black, options.white)
    values = image_values(stack)
    noisy = stack.values.copy()
    for number, image in enumerate(values):
        unit = to_unit(image, found, stack.white_is_zero, stack.no_data).movedim(-1, 0)
        measured = unit.isfinite()
        # What was not measured stays, whatever the noise makes of it.
        drawn = add_noise(unit.nan_to_num()[None], options.noise, generator, clip=False)[0]
        drawn = torch.where(measured, drawn, unit)
        stored = from_unit(
            drawn.movedim(0, -1), image, _limits(found), stack.white_is_zero, stack.no_data
        )
        noisy[number, ..., : values.shape[-1]] = stored
    return replace(stack, values=noisy)


def _limits(found: ValueRange) -> ValueRange:
    """The range with the limits that noise may reach.

    A type or a header that says what black and white are clips noise as a sensor does; limits that
    were found in the data do not.
    """
    if found.source == "data":
        return replace(found, lowest=-math.inf, highest=math.inf)
    return found
