"""Denoise many image files: decoding, network and encoding run at the same time.

Small images are processed in chunks, those of one size in a batch; other images one by one.
While the network processes a chunk, one thread reads and decodes the next, and another encodes and
writes the previous one. While a large file is in memory, no other file is.
"""

import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.denoise_stack import (
    denoise_pages,
    denoise_stack,
    inspect,
    inverts,
    structure_taken,
    white_of,
)
from dae_tui.core.denoising.inspection import unlike
from dae_tui.core.denoising.loaded_file import LoadedFile
from dae_tui.core.denoising.outcome import Outcome
from dae_tui.core.denoising.small_images import denoise_small
from dae_tui.core.hardware import helper_thread, keep_freed_memory
from dae_tui.core.images import formats as kinds
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import find_oddities, image_values, to_unit
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import DaeError, DataError
from dae_tui.spec.denoising import DenoiseOptions, Job
from dae_tui.system.atomic import FULL, write_new

# Small images per chunk: enough for the network, and few enough to be written soon.
CHUNK_FILES = 512
# A chunk with more bytes than this is alone in memory.
LARGE_BYTES = 64_000_000
# What torch and the codecs raise for images that they cannot process.
FAILURES = (MemoryError, RuntimeError, ValueError)
# Images of at most so many pixels are batched.
SMALL = 128 * 128
# The same for pages of one file, if there are more than FEW_PAGES.
SMALL_PAGE = 64 * 64
FEW_PAGES = 64


def denoise_files(
    jobs: Sequence[Job],
    choice: WeightsChoice,
    options: DenoiseOptions,
    compute: Compute,
) -> Iterator[Outcome]:
    """Denoise and write the files of all jobs; yields their outcomes in order.

    A file that fails does not stop the others, except for a full disk: then no more are started.

    Args:
        jobs: what to do.
        choice: chooses the weights for each image.
        options: what the user says about the images.
        compute: where and how the network is applied.
    """
    keep_freed_memory()
    # In the main thread: a thread that waits for input cannot be interrupted.
    given = _standard_input() if any(job.source is None for job in jobs) else b""
    waiting = iter(jobs)
    full = threading.Event()
    with helper_thread() as reader, helper_thread() as writer:
        written: Future[list[Outcome]] | None = None
        read = reader.submit(_read_chunk, waiting, options, given)
        try:
            while (chunk := read.result()) and not full.is_set():
                large = sum(map(_bytes, chunk)) > LARGE_BYTES
                if not large:
                    read = reader.submit(_read_chunk, waiting, options, given)
                loaded = [entry for entry in chunk if isinstance(entry, LoadedFile)]
                _denoise(loaded, choice, options, compute)
                previous, written = written, writer.submit(_write_all, chunk, full)
                if previous is not None:
                    yield from previous.result()
                if large:  # It must be alone in memory.
                    yield from written.result()
                    written, chunk, loaded = None, [], []
                    read = reader.submit(_read_chunk, waiting, options, given)
            if written is not None:
                yield from written.result()
        finally:
            reader.shutdown(wait=False, cancel_futures=True)
            writer.shutdown(wait=True, cancel_futures=True)


def _standard_input() -> bytes | DaeError:
    """The content of standard input, or why it cannot be used."""
    try:
        return kinds.content_of_stream(sys.stdin.buffer, "standard input")
    except DaeError as failure:
        return failure


def _read_chunk(
    waiting: Iterator[Job], options: DenoiseOptions, given: bytes | DaeError
) -> list["LoadedFile | Outcome"]:
    """The next files: many small images, or up to the first one that is not small."""
    chunk: list[LoadedFile | Outcome] = []
    size = 0
    for job in waiting:
        chunk.append(entry := _load(job, options, given))
        small = isinstance(entry, Outcome) or entry.planes is not None
        size += _bytes(entry)
        if not small or len(chunk) == CHUNK_FILES or size > LARGE_BYTES:
            break
    return chunk


def _bytes(entry: "LoadedFile | Outcome") -> int:
    """The memory that a file takes: its decoded images or its bytes, whichever is larger."""
    if isinstance(entry, Outcome):
        return 0
    return max(entry.size, sum(stack.values.nbytes for stack in entry.file.stacks))


def _load(job: Job, options: DenoiseOptions, given: bytes | DaeError) -> "LoadedFile | Outcome":
    outcome = Outcome(job)
    if _exists(job):  # Another process has written it since the jobs were planned.
        outcome.skipped = True
        return outcome
    try:
        content = given if job.source is None else kinds.content_of(job.source, job.name)
        if isinstance(content, DaeError):
            raise content
        file = kinds.read(content, job.name)
        loaded = LoadedFile(outcome, file, len(content))
        if len(file.stacks) == 1 and _is_small(file.stacks[0], SMALL):
            stack = file.stacks[0]
            outcome.whites = [white_of(stack, options)]
            oddities = [find_oddities(stack, outcome.whites[0], job.name)]
            planes = to_unit(image_values(stack), outcome.whites[0], stack.white_is_zero)
            loaded.planes = planes.movedim(-1, 1)
        else:
            loaded.found = [inspect(stack, options, job.name) for stack in file.stacks]
            outcome.sigma = float(np.median([found.sigma for found in loaded.found]))
            outcome.whites = [found.white for found in loaded.found]
            oddities = [found.oddities for found in loaded.found]
    except (DaeError, *FAILURES) as failure:
        outcome.error = _of_file(failure, job)
        return outcome
    outcome.images = sum(len(stack.values) for stack in file.stacks)
    outcome.size = file.stacks[0].values.shape[1:3]
    for odd in oddities:
        outcome.remarks += odd.remarks()
    outcome.remarks += file.remarks
    return loaded


def _exists(job: Job) -> bool:
    """Whether the output exists in the output folder and may not be replaced."""
    if job.replace or job.target is None or job.inside is None:
        return False
    return os.path.lexists(job.target)


def _is_small(stack: Stack, pixels: int) -> bool:
    count, height, width, _ = stack.values.shape
    return bool(count == 1 and height * width <= pixels)


def _denoise(
    loaded: list[LoadedFile], choice: WeightsChoice, options: DenoiseOptions, compute: Compute
) -> None:
    """Denoise the stacks of every file; small images of one size in a batch."""
    together: dict[tuple[int, ...], list[LoadedFile]] = defaultdict(list)
    for entry in loaded:
        if entry.planes is not None:
            together[tuple(entry.planes.shape)].append(entry)
            continue
        try:
            _denoise_stacks(entry, choice, options, compute)
        except (DaeError, *FAILURES) as failure:
            entry.outcome.error = _of_file(failure, entry.outcome.job)
    for entries in together.values():
        try:
            denoise_small(entries, choice, options, compute)
        except FAILURES as failure:
            for entry in entries:
                entry.outcome.error = _of_file(failure, entry.outcome.job)


def _denoise_stacks(
    entry: LoadedFile, choice: WeightsChoice, options: DenoiseOptions, compute: Compute
) -> None:
    """Denoise every stack of a file, each with the weights for its size."""
    outcome, stacks = entry.outcome, entry.file.stacks
    sizes = [stack.values.shape[1:3] for stack in stacks]
    chosen = [
        choice.weights_for(height, width, found.sigma)
        for (height, width), found in zip(sizes, entry.found, strict=True)
    ]
    outcome.weights = chosen[0].name
    outcome.inverted = any(
        inverts(weights, options, found.dark_on_light)
        for weights, found in zip(chosen, entry.found, strict=True)
    )
    denoised = _denoise_pages(entry, chosen, options, compute)
    for number, (stack, found) in enumerate(zip(stacks, entry.found, strict=True)):
        weights = chosen[number]
        if number not in denoised:
            denoised[number] = denoise_stack(weights, stack, found, options, compute)
        entry.denoised.append(denoised[number])
        structure = structure_taken(stack, denoised[number], found.white)
        outcome.warn(unlike(weights, sizes[number], structure))


def _denoise_pages(
    entry: LoadedFile, chosen: Sequence[Weights], options: DenoiseOptions, compute: Compute
) -> dict[int, Stack]:
    """Denoise the small pages of a file in batches, if there are many; by page number."""
    stacks = entry.file.stacks
    small = [number for number, stack in enumerate(stacks) if _is_small(stack, SMALL_PAGE)]
    if len(small) <= FEW_PAGES:
        return {}
    by_weights: dict[int, list[int]] = defaultdict(list)
    for number in small:
        by_weights[id(chosen[number])].append(number)
    denoised: dict[int, Stack] = {}
    for numbers in by_weights.values():
        pages = denoise_pages(
            chosen[numbers[0]],
            [stacks[number] for number in numbers],
            [entry.found[number] for number in numbers],
            options,
            compute,
        )
        denoised |= zip(numbers, pages, strict=True)
    return denoised


def _write_all(chunk: Sequence["LoadedFile | Outcome"], full: threading.Event) -> list[Outcome]:
    """Encode and write a chunk; returns outcomes in the order of the jobs, up to a full disk."""
    outcomes = []
    for entry in chunk:
        if full.is_set():
            break
        outcome = entry if isinstance(entry, Outcome) else entry.outcome
        outcomes.append(outcome)
        if isinstance(entry, Outcome) or outcome.error is not None:
            continue
        try:
            outcome.skipped = not _write(entry)
        except BrokenPipeError:
            raise  # The reader of standard output has closed it.
        except OSError as failure:
            if failure.errno in FULL:
                full.set()
            outcome.error = DataError(
                f"{failure.filename} cannot be written: {str(failure.strerror).lower()}",
                "make room there, or choose another -o" if full.is_set() else "choose another -o",
            )
        except (DaeError, *FAILURES) as failure:
            outcome.error = _of_file(failure, outcome.job)
        if outcome.job.keep and not outcome.skipped:
            outcome.before, outcome.after = entry.file.stacks, entry.denoised
    return outcomes


def _of_file(failure: Exception, job: Job) -> DaeError:
    """Turn a failure into an error of one file, so that it does not stop the others."""
    if isinstance(failure, DaeError):
        return failure
    what = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    if isinstance(failure, MemoryError):
        what = "there is not enough memory"
    return DataError(f"{job.name} cannot be denoised: {what}", "a smaller --tile needs less memory")


def _write(entry: LoadedFile) -> bool:
    """Encode and write a file; False if another process was faster."""
    job, file = entry.outcome.job, entry.file
    if job.kind is None or job.kind == file.kind:
        content = kinds.encode(file, entry.denoised, job.name)
    else:
        content = kinds.write(job.kind, entry.denoised, file.about, job.name)
    if job.target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return True
    job.target.parent.mkdir(parents=True, exist_ok=True)
    if job.replace and (obstacle := job.obstacle()):
        raise obstacle
    try:
        write_new(job.target, content, replace=job.replace)
    except FileExistsError:
        if not _exists(job):
            raise
        return False
    return True
