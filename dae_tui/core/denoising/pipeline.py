"""Many image files through a network: decoding, network and encoding at the same time.

Small images go in chunks, those of one size through the network together; others go one by one.
While the network has a chunk, the next is read and decoded by a thread and the one before is
encoded and written by another. Beside a large file nothing else is in memory.
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

# Small images of a chunk: enough for the network, soon enough written.
CHUNK_FILES = 512
# Bytes of a chunk's images beside which no other chunk is read or kept.
LARGE_BYTES = 64_000_000
# What torch and the codecs raise for images that they cannot manage.
FAILURES = (MemoryError, RuntimeError, ValueError)
# Pixels of images that are worth bringing together.
SMALL = 128 * 128
# The same of the pages of one file, and how many are done one by one.
SMALL_PAGE = 64 * 64
FEW_PAGES = 64


def denoise_files(
    jobs: Sequence[Job],
    choice: WeightsChoice,
    options: DenoiseOptions,
    compute: Compute,
) -> Iterator[Outcome]:
    """Denoise and write every job, and tell what became of each, in order.

    A file that fails stops no other, but for a full disk, after which nothing is begun any more.

    Args:
        jobs: what to do.
        choice: the weights for each image.
        options: what the user says of the images.
        compute: where and how.
    """
    keep_freed_memory()
    # In the main thread: a thread that waits for input cannot be interrupted.
    given = _given() if any(job.source is None for job in jobs) else b""
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
                if large:  # Nothing else is in memory beside it.
                    yield from written.result()
                    written, chunk, loaded = None, [], []
                    read = reader.submit(_read_chunk, waiting, options, given)
            if written is not None:
                yield from written.result()
        finally:
            reader.shutdown(wait=False, cancel_futures=True)
            writer.shutdown(wait=True, cancel_futures=True)


def _given() -> bytes | DaeError:
    """What is on standard input, or what is wrong with it."""
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
    """What a file takes in memory: its images as they are stored, or all that it says of them."""
    if isinstance(entry, Outcome):
        return 0
    return max(entry.size, sum(stack.values.nbytes for stack in entry.file.stacks))


def _load(job: Job, options: DenoiseOptions, given: bytes | DaeError) -> "LoadedFile | Outcome":
    outcome = Outcome(job)
    if _is_made(job):  # By another process, since the jobs were planned.
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


def _is_made(job: Job) -> bool:
    """Whether an output that may not be replaced is there, in the folder that was named for it."""
    if job.replace or job.target is None or job.inside is None:
        return False
    return os.path.lexists(job.target)


def _is_small(stack: Stack, pixels: int) -> bool:
    count, height, width, _ = stack.values.shape
    return bool(count == 1 and height * width <= pixels)


def _denoise(
    loaded: list[LoadedFile], choice: WeightsChoice, options: DenoiseOptions, compute: Compute
) -> None:
    """Denoise the stacks of every file; small images of one size together."""
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
    """Every stack of a file, each with the weights for its size."""
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
    """The small ones of many pages, denoised together, by their numbers."""
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
    """Encode and write a chunk; the outcomes in the order of the jobs, up to a full disk."""
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
            raise  # Whoever read standard output has seen enough.
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
    """A failure as one of a file, so that it stops no other."""
    if isinstance(failure, DaeError):
        return failure
    what = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    if isinstance(failure, MemoryError):
        what = "there is not enough memory"
    return DataError(f"{job.name} cannot be denoised: {what}", "a smaller --tile needs less memory")


def _write(entry: LoadedFile) -> bool:
    """Encode and write a file; False where another process was faster."""
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
        if not _is_made(job):
            raise
        return False
    return True
