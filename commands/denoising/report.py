"""What `dae denoise` prints: about each file, and about all of them at the end."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dae_tui.commands.denoising.explain import explain, noise_in_words, without_weights
from dae_tui.commands.denoising.plan import MOST_DRAWN, Plan, holds_files
from dae_tui.commands.denoising.views import (
    Image,
    comparison_png,
    first_image,
    preview,
    residual_png,
)
from dae_tui.commands.output.terminal import enduring, graphics_of, print_json, stderr
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.evaluation.metrics.reference_scores import Scores, score
from dae_tui.core.images import formats as kinds
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import find_range
from dae_tui.errors import DaeError, ExitCode
from dae_tui.spec.denoising import Job
from dae_tui.system.atomic import write_new
from dae_tui.system.printable import printable

# Up to so many files get a line each without --verbose.
FEW = 12
PREVIEWS = 8
DRAW_EVERY = 0.1
PREVIEW_ROWS = 30


class DenoiseReport:
    """Takes outcomes as they come, and prints, scores and draws them as asked."""

    def __init__(
        self,
        planned: Plan,
        *,
        json: bool,
        quiet: bool,
        verbose: bool,
        preview: bool,
        compare: Path | None,
        residual: Path | None,
        reference: Path | None,
        sigma_given: bool,
        explain: bool = False,
    ) -> None:
        self._planned = planned
        self._json, self._quiet = json, quiet
        self._each = verbose or explain or len(planned.jobs) <= FEW
        self._preview, self._reference = preview, reference
        self._compare, self._residual = compare, residual
        self._sigma_given = sigma_given
        self._explain = explain
        self._console = stderr()
        self._compared: list[dict[str, Image]] = []
        self._clean_last: tuple[Path, list[Stack]] = Path(), []
        self._failed: list[Outcome] = []
        self._done = self._skipped = self._images = self._left = self._previews = self._taken = 0
        self._began = self._drawn = time.monotonic()
        self._sigmas: list[float] = []
        self._weights: Counter[str] = Counter()
        self._remarks: Counter[str] = Counter()
        self._scores: list[tuple[Scores, Scores]] = []
        self._bar = Progress(
            TextColumn("denoising"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=len(planned.jobs), rate="")

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Files, files per second and time left, where stderr is a terminal."""
        with enduring():
            self._bar.start()
        try:
            for outcome in self._planned.failed:
                self.add(outcome)
            for job in self._planned.done_before:
                self._skip(job)
            yield
        finally:
            with enduring():
                self._bar.stop()

    def add(self, outcome: Outcome) -> None:
        """Take an outcome and print what is known at once."""
        self._advance()
        if outcome.skipped:
            self._skip(outcome.job)
            return
        scores = None
        try:
            if outcome.error is None and self._reference is not None:
                scores = self._score(outcome, self._reference)
            if outcome.error is None and outcome.job.keep:
                self._draw(outcome)
        except DaeError as failure:
            outcome.error = failure
        if outcome.error is not None:
            self._failed.append(outcome)
        else:
            self._count(outcome, scores)
        if self._json:
            self._print_json(self._line(outcome, scores))
        elif self._each and outcome.error is None and not self._quiet:
            self._say(outcome, scores)
        outcome.before, outcome.after = [], []

    def _skip(self, job: Job) -> None:
        self._skipped += 1
        if self._json:
            self._print_json({**_paths(job), "skipped": True})

    def _advance(self) -> None:
        """Move the bar, but only a few times a second: thousands of files can end in one."""
        self._taken += 1
        now = time.monotonic()
        if now - self._drawn > DRAW_EVERY:
            rate = f"{self._taken / (now - self._began):,.0f} files/s"
            self._bar.update(self._task, completed=self._taken, rate=rate)
            self._drawn = now

    def page(self, job: Job, done: int, total: int) -> None:
        """Move the bar within a file that goes through page by page."""
        now = time.monotonic()
        if now - self._drawn > DRAW_EVERY:
            rate = f"page {done:,} of {total:,}"
            self._bar.update(self._task, completed=self._taken + done / total, rate=rate)
            self._drawn = now

    def _count(self, outcome: Outcome, scores: tuple[Scores, Scores] | None) -> None:
        self._done += 1
        self._images += outcome.images
        self._sigmas.append(outcome.sigma)
        if outcome.weights:
            self._weights[outcome.weights] += 1
        self._left += outcome.quiet + outcome.harmed
        self._remarks.update(_kind_of_remark(remark) for remark in outcome.remarks)
        if scores is not None:
            self._scores.append(scores)

    def _say(self, outcome: Outcome, scores: tuple[Scores, Scores] | None) -> None:
        """One file in a line, and a line for each remark."""
        job = outcome.job
        source = "given" if self._sigma_given else "estimated"
        level = f"sigma {outcome.sigma:.3f}"
        if len(outcome.found) == 1:
            level = noise_in_words(outcome.found[0])
        words = [f"{level} ({source})"]
        if outcome.weights:
            words.insert(0, outcome.weights)
        if without := without_weights(outcome):
            words.append(without)
        if outcome.images > 1:
            words.insert(0, f"{outcome.images:,} images")
        if outcome.inverted:
            words.append("inverted")
        if scores is not None:
            words.append(_written(*scores))
        target = "standard output" if job.target is None else printable(job.target)
        self._print(f"{job.name} → {target}  {', '.join(words)}")
        for remark in outcome.remarks:
            self._print(f"warning: {job.name}: {remark}")
        if self._explain:
            utf8 = self._console.encoding.lower().startswith("utf")
            for line in explain(outcome, given=self._sigma_given, utf8=utf8):
                self._print(line)

    def _draw(self, outcome: Outcome) -> None:
        """Draw it in the terminal, and keep it for the pictures."""
        pictures = self._compare is not None or self._residual is not None
        if not (self._preview or pictures):
            return
        views = {
            "before": first_image(outcome.before[0], outcome.found[0].range),
            "after": first_image(outcome.after[0], outcome.found[0].range),
        }
        if self._reference is not None:
            clean = self._clean(outcome.job, self._reference)[0]
            views["reference"] = first_image(clean, find_range(clean, outcome.job.name))
        if pictures and len(self._compared) < MOST_DRAWN:
            self._compared.append(views)
        if self._preview and self._previews < PREVIEWS:
            self._previews += 1
            console = self._console
            rows = max(8, console.height - 4) if console.is_terminal else PREVIEW_ROWS
            drawn = preview(views, graphics_of(console), console.width, rows)
            with enduring():
                console.print(drawn)

    def _score(self, outcome: Outcome, reference: Path) -> tuple[Scores, Scores]:
        clean = self._clean(outcome.job, reference)
        name = printable(self._clean_path(outcome.job, reference))
        ranges = [found.range for found in outcome.found]
        before = score(outcome.before, ranges, clean, name)
        return before, score(outcome.after, ranges, clean, name)

    def _clean(self, job: Job, reference: Path) -> list[Stack]:
        """The clean images of a job; the last are cached, as all jobs may have the same."""
        path = self._clean_path(job, reference)
        if self._clean_last[0] != path:
            self._clean_last = path, kinds.read_file(path, printable(path)).stacks
        return self._clean_last[1]

    @staticmethod
    def _clean_path(job: Job, reference: Path) -> Path:
        """The file itself, or the one of the same name in the folder; the same set of HDF5."""
        if not holds_files(reference):
            return reference
        clean = reference / job.below
        part = None if job.source is None else kinds.split_part(job.source)[1]
        return clean if part is None else Path(f"{clean}:{part}")

    def end(self, seconds: float) -> None:
        """Print failures, then the totals."""
        if self._compared:
            for path, draw in ((self._compare, comparison_png), (self._residual, residual_png)):
                if path is not None:
                    write_new(path, draw(self._compared, str(path)), replace=True)
        for outcome in self._failed:
            assert outcome.error is not None
            self._print(f"error: {outcome.error.message}", always=True)
        for hint in dict.fromkeys(entry.error.hint for entry in self._failed if entry.error):
            if hint:
                self._print(f"hint: {hint}", always=True)
        planned = len(self._planned.jobs + self._planned.failed + self._planned.done_before)
        left = planned - self._done - self._skipped - len(self._failed)
        if left:
            self._print(f"error: {left:,} files were not started: the disk is full", always=True)
        if not self._json:
            self._say_totals(seconds, left)
        if passed_over := self._planned.passed_over():
            self._print(passed_over)

    def _say_totals(self, seconds: float, left: int) -> None:
        if self._skipped:
            words = "whose output exists; --overwrite replaces it"
            self._print(f"skipped {self._skipped:,} file{'s' * (self._skipped > 1)} {words}")
        if self._done and not self._each:
            for remark, count in self._remarks.items():
                self._print(f"warning: {count:,} file{'s' * (count > 1)}: {remark}")
        total = self._done + len(self._failed) + left
        if total > 1 and self._done:
            with_ = ", ".join(name for name, _ in self._weights.most_common()) or "no weights"
            left_over = f"; {self._left:,} images left as they were" if self._left else ""
            self._print(
                f"denoised {self._done:,} of {total:,} files, {self._images:,} images, "
                f"{self._done / seconds:,.0f} files/s, with {with_}; "
                f"sigma {median(self._sigmas):.3f}{left_over}"
            )
        if len(self._scores) > 1:
            before, after = zip(*self._scores, strict=True)
            self._print(_written(_mean(before), _mean(after)))

    def exit_code(self) -> ExitCode:
        """1 if files failed; the error's own code if there was but one file."""
        if len(self._failed) == 1 and not self._done and self._failed[0].error is not None:
            return self._failed[0].error.exit_code
        return ExitCode.FAILURE if self._failed else ExitCode.OK

    def _line(self, outcome: Outcome, scores: tuple[Scores, Scores] | None) -> dict[str, Any]:
        line: dict[str, Any] = _paths(outcome.job)
        if outcome.error is not None:
            return {**line, "error": outcome.error.message, "hint": outcome.error.hint}
        line |= {
            "images": outcome.images,
            "height": outcome.size[0],
            "width": outcome.size[1],
            "weights": outcome.weights,
            "sigma": outcome.sigma,
            "noise": next((str(each.other) for each in outcome.found if each.other), None),
            "inverted": outcome.inverted,
            "left": outcome.quiet + outcome.harmed,
            "remarks": outcome.remarks,
        }
        if scores is not None:
            for name, entry in zip(("before", "after"), scores, strict=True):
                line[name] = {"psnr": entry.psnr, "ssim": entry.ssim}
        return line

    def _print(self, text: str, always: bool = False) -> None:
        if always or not self._quiet:
            with enduring():
                self._console.print(printable(text), soft_wrap=True)

    @staticmethod
    def _print_json(value: dict[str, Any]) -> None:
        with enduring():
            print_json(value)


def _paths(job: Job) -> dict[str, Any]:
    return {
        "input": None if job.source is None else str(job.source),
        "output": None if job.target is None else str(job.target),
    }


def _kind_of_remark(remark: str) -> str:
    """A remark without its numbers, so that remarks that differ in them are counted together."""
    return re.sub(r"^[\d.,]+%? (of the )?|, from \S+ to \S+$", "", remark)


def _mean(scores: tuple[Scores, ...]) -> Scores:
    similarities = [entry.ssim for entry in scores if entry.ssim is not None]
    return Scores(
        sum(entry.psnr for entry in scores) / len(scores),
        sum(similarities) / len(similarities) if similarities else None,
    )


def _written(before: Scores, after: Scores) -> str:
    text = f"PSNR {before.psnr:.2f} → {after.psnr:.2f} dB"
    if before.ssim is not None and after.ssim is not None:
        text += f", SSIM {before.ssim:.3f} → {after.ssim:.3f}"
    return text
