"""Megapixels of photographs denoised per second: ours, FFDNet's architecture, and filters."""

import importlib.util
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dae_tui.core.denoising.apply_network import (
    Compute,
    denoise_images,
    denoise_large,
    fits_whole,
)
from dae_tui.core.filters.classical_filters import FILTERS
from dae_tui.core.filters.worker_pool import FilterPool, Tuned
from dae_tui.core.hardware import keep_freed_memory, resolve_device, resolve_precision, synchronize
from dae_tui.core.speed.denoising.ffdnet import COLOUR, FFDNet, Settings
from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.core.speed.roofline import measure_peaks
from dae_tui.core.weights.cost import network_cost
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.spec.model_cards import published
from dae_tui.system.free_memory import free_memory

# Height and width of photographs of 1, 4 and 24 megapixels.
SIZES = ((1000, 1000), (2000, 2000), (4000, 6000))
# Filters take minutes for a megapixel: of a square of so many pixels a side, their speed is that
# of any.
FILTERED_SIDE = 512
# The multiply-adds of a pixel are those of a square of so many pixels a side.
COUNTED_SIDE = 64
SIGMA = 25 / 255
OURS = {1: "photos-unet", 3: "photos-unet-colour"}
FFDNET, NLM, BM3D = "FFDNet", "non-local-means", "bm3d"
# A measurement that takes longer is not repeated.
LONG_SECONDS = 30.0


@dataclass(frozen=True)
class PhotographThroughput:
    """How fast one method denoises photographs of one size."""

    method: str
    channels: int
    precision: str | None
    """None for a filter."""
    megapixels: float
    """Of the photograph, or of the part of it that a filter got."""
    per_second: Spread
    """Megapixels."""
    kilo_multiply_adds: float | None
    """Of the network for each pixel, without what tiles overlap."""
    share_of_peak: float | None
    """Those operations a second over those of a large matrix product."""


@dataclass(frozen=True)
class _Job:
    method: str
    channels: int
    precision: str | None
    size: tuple[int, int]
    run: Callable[[], object]
    adds: float | None = None
    """Multiply-adds of a pixel."""

    @property
    def megapixels(self) -> float:
        return self.size[0] * self.size[1] / 1e6

    def __str__(self) -> str:
        colour = "grey" if self.channels == 1 else "colour"
        what = self.method if self.precision is None else f"{self.method} in {self.precision}"
        return f"{self.megapixels:.1f} megapixels in {colour}: {what}"

    def found(self, seconds: list[float], peaks: Mapping[str, float]) -> PhotographThroughput:
        """What came of it."""
        rate = spread([self.megapixels / each for each in seconds])
        share = kilo = None
        if self.adds is not None and self.precision is not None:
            kilo = self.adds / 1e3
            share = 2 * self.adds * 1e6 * rate.median / peaks[self.precision]
        return PhotographThroughput(
            self.method, self.channels, self.precision, self.megapixels, rate, kilo, share
        )


def photograph_throughput(
    device: str, rounds: int, sizes: tuple[tuple[int, int], ...] = SIZES
) -> Generator[str, None, list[PhotographThroughput]]:
    """Measure all methods on grey and on colour, in turns; yields its progress.

    Networks get photographs as `dae denoise` hands them over: whole or in tiles, float32.
    """
    keep_freed_memory()
    where = resolve_device(device)
    best = resolve_precision("auto", where)
    precisions = list(dict.fromkeys(["fp32", best]))
    yield "photographs: measuring the peaks"
    peaks = measure_peaks(where, precisions).flops
    found = []
    with FilterPool() as pool:
        for channels in OURS:
            for size in sizes:
                jobs = list(_networks(channels, size, where, precisions))
                if size == sizes[0]:
                    jobs += _filters(channels, pool)
                found += yield from _in_turns(jobs, where, rounds, peaks)
    return found


def _in_turns(
    jobs: list[_Job], where: torch.device, rounds: int, peaks: Mapping[str, float]
) -> Generator[str, None, list[PhotographThroughput]]:
    seconds: list[list[float]] = [[] for _ in jobs]
    for number in range(rounds):
        for job, taken in zip(jobs, seconds, strict=True):
            if taken and max(taken) > LONG_SECONDS:
                continue
            yield f"round {number + 1}/{rounds}, {job}"
            began = time.perf_counter()
            job.run()
            synchronize(where)
            taken.append(time.perf_counter() - began)
    return [job.found(taken, peaks) for job, taken in zip(jobs, seconds, strict=True)]


def _networks(
    channels: int, size: tuple[int, int], where: torch.device, precisions: list[str]
) -> Generator[_Job]:
    """Ours as `dae denoise` runs it, in the best precision, and FFDNet in each."""
    name = OURS[channels]
    ours = load_weights(published()[name], name)
    ffdnet = FFDNet(Settings() if channels == 1 else COLOUR).eval().requires_grad_(False)
    noisy = _photograph(channels, size)
    compute = Compute(where, "fp32", free_bytes=free_memory())
    if where.type == "cuda":
        compute = replace(compute, free_bytes=torch.cuda.mem_get_info(where)[0])
    pairs = [(ours, precision) for precision in reversed(precisions)]
    pairs += [(Weights(FFDNET, ffdnet, {}), precision) for precision in precisions]
    for weights, precision in pairs:
        run = _application(weights, noisy, replace(compute, precision=precision))
        adds = network_cost(weights.network, channels, COUNTED_SIDE, COUNTED_SIDE).multiply_adds
        each = (adds or 0) / COUNTED_SIDE**2
        yield _Job(weights.name, channels, precision, size, run, each)


def _application(weights: Weights, noisy: Tensor, compute: Compute) -> Callable[[], object]:
    channels, height, width = noisy.shape
    sigmas = torch.full((channels,), SIGMA)

    def run() -> object:
        if fits_whole(weights, height, width, compute):
            return denoise_images(weights, noisy[None], sigmas[None, :1], compute)
        bands = denoise_large(
            [(weights, 1.0)],
            lambda top, end: noisy[:, top:end],
            (channels, height, width),
            sigmas,
            compute,
        )
        return [rows for _, rows in bands]

    return run


def _filters(channels: int, pool: FilterPool) -> list[_Job]:
    """Non-local means as `dae benchmark` runs it, and BM3D where it is installed."""
    pool.start()
    size = FILTERED_SIDE, FILTERED_SIDE
    noisy = _photograph(channels, size).numpy()
    tuned = Tuned(NLM, FILTERS[NLM].usual, 1, 0, 0)
    jobs = [_Job(NLM, channels, None, size, lambda: pool.filter(tuned, [noisy]))]
    if importlib.util.find_spec(BM3D) is not None:
        bm3d: Any = importlib.import_module(BM3D)
        if channels == 1:
            jobs.append(_Job(BM3D, 1, None, size, lambda: bm3d.bm3d(noisy[0], SIGMA)))
        else:
            image = np.ascontiguousarray(noisy.transpose(1, 2, 0))
            jobs.append(_Job(BM3D, 3, None, size, lambda: bm3d.bm3d_rgb(image, SIGMA)))
    return jobs


def _photograph(channels: int, size: tuple[int, int]) -> Tensor:
    """A smooth picture with white noise, (C, H, W): what it shows does not change the speed."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, channels, size[0] // 16, size[1] // 16, generator=generator)
    smooth = F.interpolate(coarse, size, mode="bicubic", align_corners=False)[0]
    return smooth + SIGMA * torch.randn(smooth.shape, generator=generator)
