"""The rows of a benchmark's table: the metrics of each method, compared with the best."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.evaluation.measurements import Floats, Measurement
from dae_tui.core.evaluation.metrics.image_metrics import (
    SIGN_TEST,
    WILCOXON,
    sign_test,
    wilcoxon,
    wilson_interval,
)
from dae_tui.core.weights.cost import Cost
from dae_tui.spec.table import BenchmarkRow, Example, rank


@dataclass(frozen=True)
class Entry:
    """The measurements of one method at one noise, one for each seed, which become a row."""

    view: str
    method: str | None
    noise: str | None
    measurements: list[Measurement]
    cost: Cost | None = None

    def row(
        self, labels: NDArray[np.int64] | None, classes: int, *, per_class: bool
    ) -> BenchmarkRow:
        """The row, not yet compared with others."""
        right = self.right(labels)
        accuracy, low, high = _accuracy(right)
        spread = None
        if right is not None and len(right) > 1:
            spread = float(100 * right.mean(1).std(ddof=1))
        original = self.view == "original"
        seconds = sum(each.seconds for each in self.measurements)
        count = sum(len(each.psnr) for each in self.measurements)
        first = self.measurements[0]
        row = BenchmarkRow(
            self.view,
            self.method,
            self.noise,
            accuracy,
            low,
            high,
            psnr=None if original else float(self.decibels().mean()),
            ssim=1.0 if original else _mean([each.ssim for each in self.measurements]),
            images_per_second=count / seconds if seconds else None,
            psnr_fitted=(
                None if original else _mean([each.psnr_fitted for each in self.measurements])
            ),
            sharpness=1.0 if original else _mean([each.sharpness for each in self.measurements]),
            edge_energy=_mean([each.edge_energy for each in self.measurements]),
            # Noise has edges of its own, which are as narrow as edges can be.
            edge_width=(
                None
                if self.view == "noisy"
                else _mean([each.edge_width for each in self.measurements])
            ),
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
            predictions = np.concatenate([each.reads for each in self.measurements])
            confusion = _confusion(predictions, np.tile(labels, len(self.measurements)), classes)
            shares = [
                float(100 * counts[label] / counts.sum()) if counts.sum() else None
                for label, counts in enumerate(confusion)
            ]
            row = replace(row, per_class=shares, confusion=confusion.tolist())
        return row

    def right(self, labels: NDArray[np.int64] | None) -> NDArray[np.bool_] | None:
        """(seeds, N): whether each prediction was right; None without a classifier."""
        if labels is None or not all(len(each.reads) for each in self.measurements):
            return None
        return np.stack([each.reads == labels for each in self.measurements])

    def decibels(self) -> Floats:
        """The mean PSNR of each image over the seeds, (N,)."""
        mean: Floats = np.mean([each.psnr for each in self.measurements], axis=0)
        return mean

    def example(self, count: int) -> Example:
        first = self.measurements[0]
        return Example(
            self.method or self.view,
            first.examples[:count],
            None if self.view == "original" else first.psnr[:count].tolist(),
            first.reads[:count].tolist() if len(first.reads) else None,
        )


def make_rows(
    entries: Sequence[Entry],
    labels: NDArray[np.int64] | None,
    classes: int,
    *,
    per_class: bool = False,
) -> list[BenchmarkRow]:
    """The rows of all entries; the methods at one noise are compared with the best of them."""
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


def test_of(labelled: bool) -> str:
    """The name of the paired test behind the p-values."""
    return SIGN_TEST if labelled else WILCOXON


def _compared(
    row: BenchmarkRow, entry: Entry, best: Entry, labels: NDArray[np.int64] | None
) -> BenchmarkRow:
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
    """Accuracy and its interval in percent; None without a classifier.

    Seeds are averaged, and the interval is that of the number of images: the same image with other
    noise says little about other images.
    """
    if right is None:
        return None, None, None
    images = right.shape[1]
    low, high = wilson_interval(right.mean() * images, images)
    return float(100 * right.mean()), 100 * low, 100 * high


def _confusion(
    predictions: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """The confusion matrix; a classifier may know more classes than the images have."""
    confusion = np.zeros((classes, max(classes, int(predictions.max()) + 1)), np.int64)
    np.add.at(confusion, (labels, predictions), 1)
    return confusion


def _mean(metrics: Sequence[Floats]) -> float | None:
    known = np.concatenate(metrics)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None
