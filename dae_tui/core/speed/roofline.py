"""What share of the machine a network uses, and what limits it (the roofline model).

Peaks are measured, not looked up: a large matrix product for arithmetic, a large copy for memory.
Williams, Waterman and Patterson (2009) call the diagram of both a roofline.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dae_tui.core.denoising.apply_network import Compute, batch_pixels, denoise_batch
from dae_tui.core.hardware import keep_freed_memory, place, synchronize
from dae_tui.core.speed.repeated_measurement import spread
from dae_tui.core.weights.cost import CountingMode, network_cost, without_compiler
from dae_tui.core.weights.weights_file import Weights
from dae_tui.models.registry import takes_sigma

SIDE = {"cpu": 2048, "cuda": 8192}
COPY_BYTES = {"cpu": 256 * 2**20, "cuda": 2**30}
ROUNDS = 7
# Operators that are listed.
NAMED = 4


@dataclass(frozen=True)
class Peaks:
    """The measured peaks of the device."""

    flops: Mapping[str, float]
    """Floating-point operations per second of a large matrix product, by precision."""
    bytes_per_second: float
    """Bytes read and written by a large copy."""


@dataclass(frozen=True)
class Share:
    """What share of the device a network uses."""

    method: str
    precision: str
    batch: int
    images_per_second: float
    flops: float
    """Floating-point operations per second, two for a multiply-add of a convolution or product."""
    share_of_flops: float
    share_of_bandwidth: float
    """If every operator read its inputs from memory and wrote its output there, once."""
    binds: str
    """`arithmetic`, `memory`, or `neither`: below half of both."""
    operators: Mapping[str, float]
    """Time shares of the slowest operators."""


def measure_peaks(device: torch.device, precisions: list[str]) -> Peaks:
    """Measure each peak as the highest of several measurements."""
    side, size = SIDE.get(device.type, 2048), COPY_BYTES.get(device.type, 2**28)
    flops = {}
    for precision in precisions:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        flops[precision] = 2 * side**3 / _fastest(partial(torch.matmul, left, right), device)
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    return Peaks(flops, 2 * size / _fastest(partial(target.copy_, source), device))


def measure_shares(
    networks: list[Weights],
    noisy: Tensor,
    device: torch.device,
    peaks: Peaks,
) -> Generator[str, None, list[Share]]:
    """Measure each network in each precision of `peaks`, in batches that suit a CPU."""
    keep_freed_memory()
    shares = []
    for weights in networks:
        batch = batch_pixels(weights, Compute(device)) // noisy[0].numel()
        images = noisy[:batch].to(device)
        network = place(weights.folded, device)
        cost = network_cost(weights.network, *images.shape[1:])
        moved = _bytes_moved(network, images)
        for precision, peak in peaks.flops.items():
            yield f"share of the peak: {weights.name} in {precision}"

            def apply(
                network: nn.Module = network, images: Tensor = images, precision: str = precision
            ) -> Tensor:
                return denoise_batch(network, images, precision)

            rate = len(images) / _fastest(apply, device)
            flops = 2 * (cost.multiply_adds or 0) * rate
            bandwidth = moved * rate * (0.5 if precision == "bf16" else 1)
            of_flops, of_bandwidth = flops / peak, bandwidth / peaks.bytes_per_second
            shares.append(
                Share(
                    weights.name,
                    precision,
                    len(images),
                    rate,
                    flops,
                    of_flops,
                    of_bandwidth,
                    _binding(of_flops, of_bandwidth),
                    _operators(apply, device),
                )
            )
    return shares


def _binding(of_flops: float, of_bandwidth: float) -> str:
    if max(of_flops, of_bandwidth) < 0.5:
        return "neither"
    return "arithmetic" if of_flops > of_bandwidth else "memory"


def _fastest(act: Callable[[], Any], device: torch.device) -> float:
    """Seconds of the fastest of several rounds, without the first one."""
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        act()
        synchronize(device)
        seconds.append(time.perf_counter() - began)
    return spread(seconds[1:]).low


class _Stopwatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Times each operator. torch's own profiler does too, but prints to stderr."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        began = time.perf_counter()
        result = func(*args, **(kwargs or {}))
        synchronize(self._device)
        name = str(func.overloadpacket).rpartition(".")[2].strip("_")
        self.seconds[name] += time.perf_counter() - began
        return result


without_compiler(_Stopwatch)


def _bytes_moved(network: nn.Module, images: Tensor) -> int:
    """Bytes moved for one image in fp32, without weights, which are read once per batch."""
    moved: list[int] = []
    for count in (1, 2):
        levels = [torch.zeros(count, device=images.device)] if takes_sigma(network) else []
        with torch.no_grad(), CountingMode() as counted:
            network(images[:count], *levels)
        moved.append(counted.moved_bytes)
    return moved[1] - moved[0]


def _operators(act: Callable[[], Any], device: torch.device) -> dict[str, float]:
    """Shares of the time by operator, the largest first."""
    with _Stopwatch(device) as watch:
        for _ in range(ROUNDS):
            act()
    total = sum(watch.seconds.values()) or 1.0
    largest = sorted(watch.seconds.items(), key=lambda each: -each[1])[:NAMED]
    return {name: seconds / total for name, seconds in largest}
