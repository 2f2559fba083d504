"""Denoise many image files: decoding, network and encoding run at the same time.

Small images are processed in chunks, those of one size in a batch; other images one by one.
While the network processes a chunk, one thread reads and decodes the next, and another encodes and
writes the previous one. While a large file is in memory, no other file is.
"""

import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.denoise_stack import candidates_for, denoise_stack
from dae_tui.core.denoising.examination import examine, examine_small, is_small
from dae_tui.core.denoising.files.denoise_paged import PagedOutcome, Progress, denoise_paged, paged
from dae_tui.core.denoising.files.loaded_file import LoadedFile
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.denoising.files.tally import Tally
from dae_tui.core.denoising.small_images import denoise_small
from dae_tui.core.hardware import helper_thread, keep_freed_memory
from dae_tui.core.images import formats as kinds
from dae_tui.core.images.kinds import KINDS
from dae_tui.core.images.output_file import (
    FAILURES,
    check_output,
    encoded,
    has_output,
    is_full,
    not_processed,
    not_written,
    write_output,
)
from dae_tui.core.images.padding import find_padding
from dae_tui.core.images.value_range import find_range
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.errors import DaeError, DataError
from dae_tui.spec.denoising import DenoiseOptions, Job

# Small images per chunk: enough for the network, and few enough to be written soon.
CHUNK_FILES = 512
# A chunk with more bytes than this is alone in memory.
LARGE_BYTES = 64_000_000


def denoise_files(
    jobs: Sequence[Job],
    choice: WeightsChoice,
    options: DenoiseOptions,
    compute: Compute,
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Denoise and write the files of all jobs; yields their outcomes in order.

    A file that fails does not stop the others, except for a full disk: then no more are started.

    Args:
        jobs: what to do.
        choice: chooses the weights for each image.
        options: what the user says about the images.
        compute: where and how the network is applied.
        progress: is told of each page of files that go through page by page.
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
                _denoise(chunk, choice, options, compute)
                _denoise_paged(chunk, choice, options, compute, progress, full)
                previous, written = written, writer.submit(_write_all, chunk, full)
                if previous is not None:
                    yield from previous.result()
                if large:  # It must be alone in memory.
                    yield from written.result()
                    written, chunk = None, []
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
        small = isinstance(entry, Outcome) or _is_single(entry)
        small &= not isinstance(entry, PagedOutcome)
        size += _bytes(entry)
        if not small or len(chunk) == CHUNK_FILES or size > LARGE_BYTES:
            break
    return chunk


def _bytes(entry: "LoadedFile | Outcome") -> int:
    """The memory that a file takes: its decoded images or its bytes, whichever is larger."""
    if isinstance(entry, PagedOutcome):
        return LARGE_BYTES + 1
    if isinstance(entry, Outcome):
        return 0
    return max(len(entry.content), sum(stack.values.nbytes for stack in entry.file.stacks))


def _load(job: Job, options: DenoiseOptions, given: bytes | DaeError) -> "LoadedFile | Outcome":
    outcome = Outcome(job)
    if has_output(job):  # Another process has written it since the jobs were planned.
        outcome.skipped = True
        return outcome
    try:
        if (large := paged(job)) is not None:
            return large
        content = given if job.source is None else kinds.content_of(job.source, job.name)
        if isinstance(content, DaeError):
            raise content
        file = find_padding(kinds.read(content, job.name))
        check_output(file, job)
        loaded = LoadedFile(outcome, file, content)
        if not _is_single(loaded):  # Single small images are examined together, in batches.
            loaded.found = [examine(stack, options, job.name) for stack in file.stacks]
    except (DaeError, *FAILURES) as failure:
        outcome.error = _of_file(failure, job)
        return outcome
    outcome.images = sum(len(stack.values) for stack in file.stacks)
    outcome.size = file.stacks[0].values.shape[1:3]
    outcome.remarks += file.remarks
    return loaded


def _is_single(entry: LoadedFile) -> bool:
    """Whether a file holds one small image."""
    stacks = entry.file.stacks
    return len(stacks) == 1 and len(stacks[0].values) == 1 and is_small(stacks[0])


def _denoise(
    chunk: Sequence["LoadedFile | Outcome"],
    choice: WeightsChoice,
    options: DenoiseOptions,
    compute: Compute,
) -> None:
    """Denoise the stacks of every file; single small images of one size in a batch."""
    together: dict[tuple[int, ...], list[LoadedFile]] = defaultdict(list)
    for entry in chunk:
        if isinstance(entry, Outcome):
            continue
        if not entry.found:
            together[entry.file.stacks[0].values.shape[1:]].append(entry)
            continue
        try:
            _denoise_file(entry, choice, options, compute)
        except (DaeError, *FAILURES) as failure:
            entry.outcome.error = _of_file(failure, entry.outcome.job)
    for entries in together.values():
        try:
            _denoise_together(entries, choice, options, compute)
        except FAILURES as failure:
            for entry in entries:
                entry.outcome.error = _of_file(failure, entry.outcome.job)


def _denoise_paged(
    chunk: Sequence["LoadedFile | Outcome"],
    choice: WeightsChoice,
    options: DenoiseOptions,
    compute: Compute,
    progress: Progress | None,
    full: threading.Event,
) -> None:
    """Denoise and write the files of a chunk that go through page by page."""
    for entry in chunk:
        if not isinstance(entry, PagedOutcome):
            continue
        try:
            denoise_paged(entry, choice, options, compute, progress)
        except OSError as failure:
            if isinstance(failure, FileExistsError) and has_output(entry.job):
                entry.skipped = True
            else:
                entry.error = _not_written(failure, entry.job, full)
        except (DaeError, *FAILURES) as failure:
            entry.error = _of_file(failure, entry.job)


def _denoise_together(
    entries: list[LoadedFile], choice: WeightsChoice, options: DenoiseOptions, compute: Compute
) -> None:
    """Examine and denoise files of one small image each, all of one size."""
    usable, stacks, ranges = [], [], []
    for entry in entries:
        stack, name = entry.file.stacks[0], entry.outcome.job.name
        try:
            ranges.append(find_range(stack, name, options.black, options.white))
        except DaeError as failure:
            entry.outcome.error = failure
            continue
        usable.append(entry)
        stacks.append(stack)
    if not usable:
        return
    found = examine_small(stacks, ranges, options)
    results = denoise_small(stacks, found, choice, options, compute)
    for entry, examination, result in zip(usable, found, results, strict=True):
        entry.found = [examination]
        if isinstance(result, DaeError):
            entry.outcome.error = result
        else:
            entry.denoised = [result]
            _note(entry)


def _denoise_file(
    entry: LoadedFile, choice: WeightsChoice, options: DenoiseOptions, compute: Compute
) -> None:
    """Denoise every stack of a file; its small single pages in batches."""
    stacks, found = entry.file.stacks, entry.found
    pages = [
        number
        for number, stack in enumerate(stacks)
        if len(stack.values) == 1 and not found[number].noise
    ]
    results = denoise_small(
        [stacks[page] for page in pages], [found[page] for page in pages], choice, options, compute
    )
    done = dict(zip(pages, results, strict=True))
    for number, (stack, examination) in enumerate(zip(stacks, found, strict=True)):
        if number not in done:
            candidates = candidates_for(choice, stack, examination)
            done[number] = denoise_stack(candidates, stack, examination, options, compute)
        result = done[number]
        if isinstance(result, DaeError):
            raise result
        entry.denoised.append(result)
    _note(entry)


def _note(entry: LoadedFile) -> None:
    """Note in the outcome what was found and done."""
    tally = Tally()
    for found, denoised in zip(entry.found, entry.denoised, strict=True):
        tally.add(found, denoised)
    tally.tell(entry.outcome)


def _write_all(chunk: Sequence["LoadedFile | Outcome"], full: threading.Event) -> list[Outcome]:
    """Encode and write a chunk, up to a full disk; returns outcomes in the order of the jobs."""
    outcomes = []
    for entry in chunk:
        outcome = entry if isinstance(entry, Outcome) else entry.outcome
        if full.is_set() and outcome.error is None:
            continue
        outcomes.append(outcome)
        if isinstance(entry, Outcome) or outcome.error is not None:
            continue
        try:
            outcome.skipped = not _write(entry)
        except BrokenPipeError:
            raise  # The reader of standard output has closed it.
        except OSError as failure:
            outcome.error = _not_written(failure, outcome.job, full)
        except (DaeError, *FAILURES) as failure:
            outcome.error = _of_file(failure, outcome.job)
        if outcome.job.keep and not outcome.skipped:
            outcome.before, outcome.after = entry.file.stacks, entry.stacks
    return outcomes


def _not_written(failure: OSError, job: Job, full: threading.Event) -> DataError:
    """The error for an output that cannot be written; notes a full disk."""
    if is_full(failure):
        full.set()
    return not_written(failure, job)


def _of_file(failure: Exception, job: Job) -> DaeError:
    """Turn a failure into an error of one file, so that it does not stop the others."""
    return not_processed(failure, job, "denoised", "a smaller --tile needs less memory")


def _write(entry: LoadedFile) -> bool:
    """Encode and write a file; False if another process was faster."""
    job, file = entry.outcome.job, entry.file
    other = job.kind is not None and job.kind != file.kind
    # What cannot be written back becomes another kind in any case.
    if entry.is_unchanged and not other and not KINDS[file.kind].becomes:
        return write_output(entry.content, job)
    return write_output(encoded(file, entry.stacks, job), job)
