"""Filters on all cores: a pool of processes that never import torch."""

import multiprocessing
import signal
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self

import numpy as np

from dae_tui.core.filters.classical_filters import FILTERS, Images, Setting, apply_filter, contrast
from dae_tui.system.cores import usable_cores

# Pixels that a process gets at a time: few enough that all processes are busy to the end.
CHUNK_PIXELS = 50 * 28 * 28
# Side of the image with which memory is measured.
PROBE = 128
# The noise level assumed for images without noise.
LOWEST = 1e-3


@dataclass(frozen=True)
class Tuned:
    """A filter with its setting, and the gain and offset that restore the contrast."""

    name: str
    setting: Setting
    gain: float
    offset: float
    psnr: float
    """In dB, on the images that it was tuned with."""

    def words(self) -> str:
        """`size 3, gain 1.33, offset -0.234`."""
        parts = {**self.setting, "gain": self.gain, "offset": self.offset}
        return ", ".join(
            f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in parts.items()
        )


class FilterPool:
    """Processes that filter, one per core; started when the first filter needs them."""

    def __init__(self) -> None:
        self._processes = usable_cores()
        self._executor: ProcessPoolExecutor | None = None
        self._others: set[BaseProcess] = set()
        """Child processes that do not belong to the pool."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes; jobs that have not begun are dropped."""
        if self._executor is None:
            return
        if kind is not None:
            # An interrupted pool may wait for a worker that waits for the rest of a message.
            for process in set(multiprocessing.active_children()) - self._others:
                process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = None

    def start(self) -> None:
        """Have every process import what it needs, so that this time is not measured; once."""
        if self._executor is not None:
            return
        image = np.zeros((1, 16, 16), np.float32)
        jobs = [(tuned, image) for tuned in _ANY_SETTING] * self._processes
        list(self._map(_filter, jobs))

    def filter(self, tuned: Tuned, batches: Sequence[Images]) -> list[Images]:
        """`apply_filter` for batches of float32 images (N, H, W), shared among the processes."""
        parts = [(number, part) for number, batch in enumerate(batches) for part in _cut(batch)]
        filtered = self._map(_filter, [(tuned, part) for _, part in parts])
        results: list[list[Images]] = [[] for _ in batches]
        for (number, _), result in zip(parts, filtered, strict=True):
            results[number].append(result)
        return [np.concatenate(result) for result in results]

    def tune(
        self, name: str, noisy: Images, original: Images, *, pairs: bool = False
    ) -> list[Tuned]:
        """All settings of a filter with restored contrast, in the order of falling PSNR.

        Args:
            name: of `FILTERS`.
            noisy: float32 (N, H, W), images to tune with.
            original: the same without noise.
            pairs: whether the noise is real, so that more settings are tried.
        """
        level = max(LOWEST, float(np.sqrt(np.mean((noisy - original) ** 2))))
        filter_ = FILTERS[name]
        candidates = filter_.candidates_for_pairs(level) if pairs else filter_.candidates(level)
        found = self._map(_try, [(name, setting, noisy, original) for setting in candidates])
        return sorted(found, key=lambda tuned: -tuned.psnr)

    def peak_bytes(self, tuned: Tuned, pixels: int) -> int:
        """Peak memory, in bytes, of the arrays for filtering an image of so many pixels."""
        (found,) = self._map(_bytes_per_pixel, [(tuned,)])
        return int(pixels * found)

    def _map(self, function: Any, jobs: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        if self._executor is None:
            self._others = set(multiprocessing.active_children())
            # Not fork: the parent has threads of torch, whose locks a fork would inherit.
            self._executor = ProcessPoolExecutor(
                self._processes, multiprocessing.get_context("spawn"), _leave_ctrl_c_to_the_parent
            )
        return self._executor.map(function, *zip(*jobs, strict=True))


def _cut(images: Images) -> list[Images]:
    """Split images (N, H, W) into the parts that a process takes at a time."""
    count, height, width = images.shape
    size = max(1, CHUNK_PIXELS // (height * width))
    return [images[first : first + size] for first in range(0, count, size)]


_ANY_SETTING = [Tuned(name, filter_.usual, 1, 0, 0) for name, filter_ in FILTERS.items()]


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _filter(tuned: Tuned, images: Images) -> Images:
    return apply_filter(tuned.name, images, tuned.setting, tuned.gain, tuned.offset)


def _try(name: str, setting: Setting, noisy: Images, original: Images) -> Tuned:
    gain, offset = contrast(FILTERS[name].apply(noisy, **setting), original)
    restored = apply_filter(name, noisy, setting, gain, offset)
    errors = np.square(restored - original, dtype=np.float64).mean((1, 2))
    return Tuned(name, setting, gain, offset, float(np.mean(-10 * np.log10(errors + 1e-10))))


def _bytes_per_pixel(tuned: Tuned) -> int:
    """Rounded to whole bytes, because small Python objects do not grow with the pixels."""
    image = np.random.default_rng(0).random((1, PROBE, PROBE), np.float32)
    _filter(tuned, image)  # Imports and caches are not part of the cost of an image.
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        _filter(tuned, image)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return round(peak / image.size)
