"""Digits denoised per second: by networks in batches of several sizes, and by filters."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from dae_tui.core.denoising.apply_network import denoise_batch
from dae_tui.core.filters.classical_filters import FILTERS
from dae_tui.core.filters.worker_pool import FilterPool, Tuned
from dae_tui.core.hardware import keep_freed_memory, place, synchronize
from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.core.weights.weights_file import Weights

BATCHES = (1, 10, 50, 200, 1000, 2000)
# Digits of a round: at least one batch, and enough for the clock.
LEAST = 50
IMAGES = 2000
SECONDS = 0.5
# For comparison: the best-known filter, and the best filter of Table 1.
COMPARED = ("median", "non-local-means")


@dataclass(frozen=True)
class Throughput:
    """Digits per second of one method."""

    method: str
    precision: str | None
    """None for a filter."""
    batch: int | None
    """None for a filter: all cores share the digits."""
    images_per_second: Spread


def measure_inference(
    networks: list[Weights], noisy: Tensor, device: torch.device, precision: str, rounds: int
) -> Generator[str, None, list[Throughput]]:
    """Measure networks in batches and filters on all cores, in turns; yields its progress.

    `noisy` are float32 digits (N, 1, H, W), of which as many as needed are used.
    """
    keep_freed_memory()
    jobs: dict[tuple[str, str | None, int | None], Callable[[], float]] = {}
    for weights in networks:
        for batch in BATCHES:
            jobs[weights.name, precision, batch] = _network(
                weights, noisy, device, precision, batch
            )
    found: dict[tuple[str, str | None, int | None], list[float]] = {}
    with FilterPool() as pool:
        pool.start()
        for name in COMPARED:
            jobs[name, None, None] = _filter(pool, name, noisy)
        for number in range(rounds):
            for key, job in jobs.items():
                what = key[0] if key[2] is None else f"{key[0]} in batches of {key[2]:,}"
                yield f"denoising, round {number + 1}/{rounds}: {what}"
                if not number:
                    job()  # Warm-up: torch prepares for each new shape.
                found.setdefault(key, []).append(job())
    return [
        Throughput(name, chosen, batch, spread(rates))
        for (name, chosen, batch), rates in found.items()
    ]


def _network(
    weights: Weights, noisy: Tensor, device: torch.device, precision: str, batch: int
) -> Callable[[], float]:
    network = place(weights.folded, device)
    images = noisy[: max(batch, LEAST)].repeat(1 + batch // len(noisy), 1, 1, 1)
    parts = [images[at : at + batch].to(device) for at in range(0, len(images) - batch + 1, batch)]

    def measure() -> float:
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS / len(BATCHES):
            for part in parts:
                denoise_batch(network, part, precision)
            synchronize(device)
            done += batch * len(parts)
        return done / (time.perf_counter() - began)

    return measure


def _filter(pool: FilterPool, name: str, noisy: Tensor) -> Callable[[], float]:
    tuned = Tuned(name, FILTERS[name].usual, 1, 0, 0)
    images = noisy[:IMAGES, 0].cpu().numpy()

    def measure() -> float:
        began = time.perf_counter()
        pool.filter(tuned, [images])
        return len(images) / (time.perf_counter() - began)

    return measure
