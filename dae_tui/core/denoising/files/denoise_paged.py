"""Denoise a file page by page: for files that are larger than they should be in memory.

Black and white are one for all pages of a form, found in a sample of them; each page has its own
noise level. While the network processes a page, one thread reads and examines the next, and
another encodes and writes the previous one.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.denoise_stack import candidates_for, denoise_stack
from dae_tui.core.denoising.denoised import Denoised, Done
from dae_tui.core.denoising.examination import Examination, examine, is_small
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.denoising.files.tally import Tally
from dae_tui.core.denoising.small_images import denoise_small
from dae_tui.core.denoising.stored_image import AT_ONCE
from dae_tui.core.hardware import helper_thread
from dae_tui.core.images.formats import one_error
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.padding import with_padding
from dae_tui.core.images.paged.open_paged import open_paged
from dae_tui.core.images.paged.paged_file import PagedFile, PageWriter
from dae_tui.core.images.value_range import ValueRange, find_range, image_values, usable
from dae_tui.core.noise.level.level_function import LEAST_PIXELS
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.errors import DaeError
from dae_tui.spec.denoising import DenoiseOptions, Job
from dae_tui.system.atomic import written_beside
from dae_tui.system.packed_folder import remove

SAMPLE_PAGES = 16
"""So many pages from all over a file show what is black and white in it."""
SAMPLE_PIXELS = 1 << 21
"""Of each of them, so many pixels at most are looked at."""
_BAND = 64

Progress = Callable[[Job, int, int], None]
"""Is told how many pages of a file are done, of how many."""


@dataclass
class PagedOutcome(Outcome):
    """The outcome of a job whose file goes through page by page."""

    file: PagedFile | None = None
    """Closed and None when it is done."""


@dataclass
class _Page:
    """A page on its way through a network."""

    stack: Stack
    found: Examination | None
    """None if it holds nothing but NaN and no-data."""


def paged(job: Job) -> PagedOutcome | None:
    """The file of a job, if it goes through page by page; None for others.

    Files from and to pipes, in another format, and those whose images the caller wants to keep go
    through as a whole. Raises DataError for a file with broken headers.
    """
    source, target = job.source, job.target
    if source is None or target is None or job.keep:
        return None
    file = open_paged(source, job.name, LEAST_PIXELS)
    if file is None:
        return None
    if job.kind not in (None, file.kind) or not _takes(target, source.is_dir()):
        file.close()
        return None
    return PagedOutcome(job, file=file)


def _takes(target: Path, folder: bool) -> bool:
    """Whether a file, or a folder, can be made beside a target and get its name."""
    if folder:
        return target.suffix.lower() != ".zip" and (target.is_dir() or not target.exists())
    return target.is_file() or not target.exists()


def denoise_paged(
    outcome: PagedOutcome,
    choice: WeightsChoice,
    options: DenoiseOptions,
    compute: Compute,
    progress: Progress | None = None,
) -> None:
    """Denoise and write a file; its outcome says what was done, or what failed.

    The output is whole or absent, whatever happens meanwhile.

    Args:
        outcome: with the open file.
        choice: chooses the weights for each image.
        options: what the user says about the images.
        compute: where and how the network is applied.
        progress: is called after each page, in this thread.

    Raises OSError if the output cannot be written, DaeError, and what torch and the codecs raise.
    """
    file, job = outcome.file, outcome.job
    assert file is not None
    assert job.target is not None
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.replace and (obstacle := job.obstacle()):
            raise obstacle
        run = _Run(file, job, choice, options, compute)
        with written_beside(job.target, replace=job.replace) as beside:
            with closing(file.writer(beside)) as writer:
                notes = run.all_pages(writer, progress)
                if notes.changed:
                    writer.finish()
            if not notes.changed:  # Bit for bit as it was.
                remove(beside)
                file.copy_to(beside)
        notes.tell(outcome, file)
    finally:
        outcome.file = None
        file.close()


@dataclass
class _Notes:
    """What was found and done, of all pages together."""

    tally: Tally = field(default_factory=Tally)
    size: tuple[int, ...] = ()
    images: int = 0
    changed: bool = False
    """Whether a page has changed."""

    def add(self, page: _Page, denoised: Denoised) -> None:
        self.size = self.size or page.stack.values.shape[1:3]
        self.images += len(page.stack.values)
        self.changed |= not denoised.is_unchanged
        self.tally.add(page.found, denoised)

    def tell(self, outcome: Outcome, file: PagedFile) -> None:
        """Put it all into the outcome."""
        outcome.images, outcome.size = self.images, self.size
        for remark in file.remarks:
            outcome.warn(remark)
        self.tally.tell(outcome)


@dataclass
class _Run:
    """A file on its way through a network."""

    file: PagedFile
    job: Job
    choice: WeightsChoice
    options: DenoiseOptions
    compute: Compute
    ranges: dict[Hashable, ValueRange] = field(default_factory=dict)
    padding: dict[Hashable, float] = field(default_factory=dict)
    """Of each form that has some."""

    def all_pages(self, writer: PageWriter, progress: Progress | None) -> _Notes:
        """Denoise and write all pages."""
        notes = _Notes()
        with helper_thread() as reading, helper_thread() as writing:
            try:
                reading.submit(self._find_ranges).result()
                read = reading.submit(self._read, 0)
                written = None
                next_ = 0
                while pages := read.result():
                    next_ += len(pages)
                    read = reading.submit(self._read, next_)
                    results = self._denoise(pages)
                    if written is not None:
                        written.result()
                    written = writing.submit(_put, writer, [each.stack for each in results])
                    for page, denoised in zip(pages, results, strict=True):
                        notes.add(page, denoised)
                    if progress is not None:
                        progress(self.job, next_, len(self.file))
                if written is not None:
                    written.result()
            finally:
                reading.shutdown(wait=True, cancel_futures=True)
                writing.shutdown(wait=True, cancel_futures=True)
        return notes

    def _page(self, number: int) -> Stack:
        with one_error(self.file.kind, self.job.name):
            page = self.file.page(number)
        padding = self.padding.get(self.file.form(number))
        return page if padding is None else replace(page, no_data=padding)

    def _find_ranges(self) -> None:
        """Padding, black and white of each form, from a sample of its pages.

        Raises DataError like `find_range`.
        """
        together: dict[Hashable, list[int]] = defaultdict(list)
        for number in range(len(self.file)):
            together[self.file.form(number)].append(number)
        for form, numbers in together.items():
            places = np.linspace(0, len(numbers) - 1, min(SAMPLE_PAGES, len(numbers))).astype(int)
            parts = [_part(self._page(numbers[place])) for place in places]
            sample, remark = with_padding(
                replace(parts[0], values=np.concatenate([part.values for part in parts]))
            )
            if remark and sample.no_data is not None:
                self.padding[form] = sample.no_data
                self.file.remarks[remark] = None
            options = self.options
            self.ranges[form] = find_range(sample, self.job.name, options.black, options.white)

    def _read(self, first: int) -> list[_Page]:
        """The next page, or several that are small; none at the end."""
        pages: list[_Page] = []
        pixels = 0
        for number in range(first, len(self.file)):
            stack = self._page(number)
            pages.append(_Page(stack, self._examine(stack, self.ranges[self.file.form(number)])))
            count, height, width, _ = stack.values.shape
            pixels += count * height * width
            if not is_small(stack) or pixels >= AT_ONCE:
                break
        return pages

    def _examine(self, stack: Stack, found: ValueRange) -> Examination | None:
        """What is found in a page that has the range of its form; None if nothing is measured."""
        values = image_values(stack)
        use = usable(values, stack.no_data)
        if use is not None and not use.any():
            return None
        white = found.white
        if values.dtype.kind in "ui":
            white = min(white, float(np.iinfo(values.dtype).max))
        told = replace(self.options, black=found.black, white=white)
        examination = examine(stack, told, self.job.name)
        # Nothing is clipped to a range that this page does not keep.
        lowest = min(found.lowest, examination.range.lowest)
        highest = max(found.highest, examination.range.highest)
        return replace(examination, range=replace(found, lowest=lowest, highest=highest))

    def _denoise(self, pages: Sequence[_Page]) -> list[Denoised]:
        """Denoise pages, in order; small single images in batches."""
        results: dict[int, Denoised | DaeError] = {}
        single = [
            number
            for number, page in enumerate(pages)
            if page.found is not None and not page.found.noise and len(page.stack.values) == 1
        ]
        together = [(pages[number].stack, pages[number].found) for number in single]
        if together:
            stacks = [stack for stack, _ in together]
            found = [examination for _, examination in together if examination is not None]
            done = denoise_small(stacks, found, self.choice, self.options, self.compute)
            results |= zip(single, done, strict=True)
        for number, page in enumerate(pages):
            if page.found is None:
                results[number] = Denoised(page.stack, [Done(None)] * len(page.stack.values))
            elif number not in results:
                results[number] = denoise_stack(
                    candidates_for(self.choice, page.stack, page.found),
                    page.stack,
                    page.found,
                    self.options,
                    self.compute,
                )
        return list(_without_errors(results[number] for number in range(len(pages))))


def _without_errors(results: Iterator[Denoised | DaeError]) -> Iterator[Denoised]:
    for result in results:
        if isinstance(result, DaeError):
            raise result
        yield result


def _put(writer: PageWriter, stacks: Sequence[Stack]) -> None:
    for stack in stacks:
        writer.put(stack)


def _part(stack: Stack) -> Stack:
    """A stack, or bands of rows from all over it if it has too many pixels for a sample."""
    count, height, width, _ = stack.values.shape
    if count * height * width <= SAMPLE_PIXELS:
        return stack
    images = stack.values[:: max(1, count * min(height, _BAND) * width // SAMPLE_PIXELS)]
    rows = max(1, SAMPLE_PIXELS // (len(images) * width))
    bands = np.linspace(0, max(0, height - _BAND), max(1, rows // _BAND)).astype(int)
    parts = [images[:, top : top + min(rows, _BAND)] for top in bands]
    return replace(stack, values=np.concatenate(parts, axis=1))
