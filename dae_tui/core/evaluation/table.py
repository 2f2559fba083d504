"""The table of a benchmark: a row for each view, method and noise, made of cells."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.evaluation.measurements import Cell, Floats
from dae_tui.core.evaluation.metrics import wilson_interval
from dae_tui.core.evaluation.significance import SIGN_TEST, WILCOXON, sign_test, wilcoxon
from dae_tui.core.weights.cost import Cost

# The noise of pairs, which nobody has made.
AS_GIVEN = "as given"
TEXTS = ("view", "method", "noise", "setting")
LISTS = ("per_class", "confusion")


@dataclass(frozen=True)
class Row:
    """One line of the table; None is no such figure."""

    view: str
    """`original`, `noisy` or `denoised`."""
    method: str | None
    """Who denoised; of a noisy row who read it in the judge's place: an oracle."""
    noise: str | None
    accuracy: float | None
    """Percent of images that the classifier reads rightly; None without classifier or labels."""
    accuracy_low: float | None
    """Ends of the 95 % Wilson interval, percent."""
    accuracy_high: float | None
    psnr: float | None
    """dB, averaged over images; None for the originals, where it is infinite."""
    ssim: float | None
    """Averaged over images; None below 7×7 pixels."""
    images_per_second: float | None
    """Of the method alone, with the images in memory; None where nothing is denoised."""
    sharpness: float | None = None
    """The share of the original's edges that is kept, averaged over images."""
    difference: float | None = None
    """To the best method at this noise: points of accuracy, or dB where nobody reads."""
    p_value: float | None = None
    """How likely chance alone gives so large a difference, on the same images."""
    setting: str | None = None
    """What a filter was tuned to."""
    parameters: int | None = None
    multiply_adds: int | None = None
    """Of a network, for one image."""
    peak_bytes: int | None = None
    """Memory that one image takes, parameters aside."""
    accuracy_spread: float | None = None
    """The standard deviation of the accuracy over the noise seeds, where there are several."""
    per_class: list[float | None] | None = None
    """Accuracy in percent for each class that has images, where it was asked for."""
    confusion: list[list[int]] | None = None
    """How often each class (rows) was read as each (columns), where it was asked for."""


@dataclass(frozen=True)
class Example:
    """The first test images in one view."""

    title: str
    """`original`, `noisy`, or the method."""
    images: NDArray[np.uint8]
    """(n, C, H, W)."""
    psnr: list[float] | None
    reads: list[int] | None


@dataclass(frozen=True)
class Table:
    """A benchmark: the conditions and a row per view, method and noise."""

    protocol: dict[str, Any]
    rows: list[Row]
    examples: list[Example] = field(default_factory=list)
    """At the first noise."""

    def as_json(self) -> dict[str, Any]:
        return {"protocol": self.protocol, "rows": [dataclasses.asdict(row) for row in self.rows]}

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "Table":
        """Read back what `as_json` gave, without the examples; an older version may lack figures.

        Raises ValueError for what is no table.
        """
        rows = [_row(row) for row in stored["rows"]]
        noise, images = stored["protocol"].get("noise"), stored["protocol"].get("images")
        listed = isinstance(noise, list) and all(isinstance(each, str) for each in noise)
        if not rows or not isinstance(images, int) or not (listed or isinstance(noise, str)):
            raise ValueError("it lacks rows, or does not say of which images and noise")
        return Table(stored["protocol"], rows)


def _row(stored: dict[str, Any]) -> Row:
    """A row with its figures as numbers and its names as text, or ValueError."""
    values = {each.name: stored.get(each.name) for each in dataclasses.fields(Row)}
    for name, value in values.items():
        kind = str if name in TEXTS else list if name in LISTS else int | float
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"its {name} is {value!r}")
    if values["view"] is None:
        raise ValueError("a row has no view")
    return Row(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Entry:
    """What is to become a row: the cells of one method at one noise, one for each seed."""

    view: str
    method: str | None
    noise: str | None
    cells: list[Cell]
    cost: Cost | None = None

    def row(self, labels: NDArray[np.int64] | None, classes: int, *, per_class: bool) -> Row:
        """The row, not yet compared with others."""
        right = self.right(labels)
        accuracy, low, high = _accuracy(right)
        spread = None
        if right is not None and len(right) > 1:
            spread = float(100 * right.mean(1).std(ddof=1))
        original = self.view == "original"
        seconds = sum(cell.seconds for cell in self.cells)
        count = sum(len(cell.psnr) for cell in self.cells)
        first = self.cells[0]
        row = Row(
            self.view,
            self.method,
            self.noise,
            accuracy,
            low,
            high,
            psnr=None if original else float(self.decibels().mean()),
            ssim=1.0 if original else _mean([cell.ssim for cell in self.cells]),
            images_per_second=count / seconds if seconds else None,
            sharpness=1.0 if original else _mean([cell.sharpness for cell in self.cells]),
            setting=first.setting or None,
            accuracy_spread=spread,
        )
        if self.cost is not None:
            row = replace(
                row,
                parameters=self.cost.parameters,
                multiply_adds=self.cost.multiply_adds,
                peak_bytes=self.cost.peak_bytes,
            )
        if per_class and labels is not None and right is not None:
            reads = np.concatenate([cell.reads for cell in self.cells])
            confusion = _confusion(reads, np.tile(labels, len(self.cells)), classes)
            shares = [
                float(100 * counts[label] / counts.sum()) if counts.sum() else None
                for label, counts in enumerate(confusion)
            ]
            row = replace(row, per_class=shares, confusion=confusion.tolist())
        return row

    def right(self, labels: NDArray[np.int64] | None) -> NDArray[np.bool_] | None:
        """(seeds, N): whether each image was read rightly; None where nobody reads."""
        if labels is None or not all(len(cell.reads) for cell in self.cells):
            return None
        return np.stack([cell.reads == labels for cell in self.cells])

    def decibels(self) -> Floats:
        """(N,), of each image the mean over the seeds."""
        mean: Floats = np.mean([cell.psnr for cell in self.cells], axis=0)
        return mean

    def example(self, count: int) -> Example:
        cell = self.cells[0]
        return Example(
            self.method or self.view,
            cell.examples[:count],
            None if self.view == "original" else cell.psnr[:count].tolist(),
            cell.reads[:count].tolist() if len(cell.reads) else None,
        )


def make_rows(
    entries: Sequence[Entry],
    labels: NDArray[np.int64] | None,
    classes: int,
    *,
    per_class: bool = False,
) -> list[Row]:
    """The rows of all entries; those that denoise at one noise are compared with the best."""
    rows = [entry.row(labels, classes, per_class=per_class) for entry in entries]
    for noise in dict.fromkeys(entry.noise for entry in entries):
        rivals = [
            place
            for place, entry in enumerate(entries)
            if entry.view == "denoised" and entry.noise == noise
        ]
        if len(rivals) < 2:
            continue
        best = max(rivals, key=lambda place: rank(rows[place]))
        for place in rivals:
            if place != best:
                rows[place] = _compared(rows[place], entries[place], entries[best], labels)
    return rows


def rank(row: Row) -> tuple[float, float]:
    """What makes a method better than another: accuracy where there is any, then PSNR."""
    return row.accuracy or 0.0, row.psnr or 0.0


def test_of(labelled: bool) -> str:
    """The name of the paired test behind the p-values."""
    return SIGN_TEST if labelled else WILCOXON


def _compared(row: Row, entry: Entry, best: Entry, labels: NDArray[np.int64] | None) -> Row:
    right, best_right = entry.right(labels), best.right(labels)
    if right is None or best_right is None:
        decibels, best_decibels = entry.decibels(), best.decibels()
        return replace(
            row,
            difference=float(decibels.mean() - best_decibels.mean()),
            p_value=wilcoxon(decibels, best_decibels),
        )
    return replace(
        row,
        difference=float(100 * (right.mean() - best_right.mean())),
        p_value=sign_test(right.sum(0), best_right.sum(0)),
    )


def _accuracy(
    right: NDArray[np.bool_] | None,
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Accuracy and its interval in percent, where anyone judged.

    Seeds are averaged, and the interval is that of so many images: the same image with other noise
    says little of other images.
    """
    if right is None:
        return None, None, None
    images = right.shape[1]
    low, high = wilson_interval(right.mean() * images, images)
    return float(100 * right.mean()), 100 * low, 100 * high


def _confusion(
    reads: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """How often each class was read as each; a judge may know more classes than the images have."""
    confusion = np.zeros((classes, max(classes, int(reads.max()) + 1)), np.int64)
    np.add.at(confusion, (labels, reads), 1)
    return confusion


def _mean(figures: Sequence[Floats]) -> float | None:
    known = np.concatenate(figures)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None
