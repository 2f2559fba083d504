"""How many processes pay: a cost model of training with an all-reduce of the gradients. No torch.

The time of a step with n processes is the sum of: computing a share of the batch; drawing the rest
of the batch, as each process draws all of it; the part of the ring all-reduce that is not hidden
behind the backward pass, with which DistributedDataParallel overlaps it; and small all-reduces that
are not hidden, of the loss and of the batch normalisation statistics, forward and backward. The
ring sends 2 (n - 1) / n times the gradients in 2 (n - 1) messages; small all-reduces go up and down
a tree in 2 log2 n (Thakur et al. 2005).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log2

PROCESSES = (1, 2, 4, 8, 16, 32, 64)
BYTES_OF_GRADIENT = 4
# Two thirds of a step's arithmetic are the backward pass.
BACKWARD = 2 / 3
# Doubling the processes pays if it gives at least so many times the images per second.
PAYS = 1.25


@dataclass(frozen=True)
class Machine:
    """The speed of one process, and the network between processes."""

    images_per_second: float
    parameters: int
    bandwidth: float
    """Bytes per second that a process sends."""
    latency: float
    """Seconds per message."""
    drawing: float = 0.0
    """Seconds to select an image and to add its noise."""
    barriers: int = 1
    """Small all-reduces per step that are not hidden: of the loss, of statistics."""


@dataclass(frozen=True)
class Scaling:
    """The model's prediction for n processes."""

    processes: int
    images_per_second: float
    efficiency: float
    """Relative to n times the speed of one process."""
    exchange: float
    """Share of a step spent waiting for gradients."""


def model_scaling(
    machine: Machine, batch: int, processes: Sequence[int] = PROCESSES, *, grows: bool = False
) -> list[Scaling]:
    """Images per second with a batch that n processes share, or that `grows` with their number."""
    found = []
    for count in processes:
        whole = batch * count if grows else batch
        compute = whole / count / machine.images_per_second
        waiting = exposed(machine, count, compute)
        # The measured speed of one process includes drawing its share.
        drawing = (whole - whole / count) * machine.drawing
        rate = whole / (compute + drawing + waiting)
        efficiency = rate / (count * machine.images_per_second)
        found.append(Scaling(count, rate, efficiency, waiting / (compute + drawing + waiting)))
    return found


def exposed(machine: Machine, processes: int, compute: float) -> float:
    """Seconds of a step spent waiting for gradients; `compute` is its computing time."""
    ring = 2 * (processes - 1) * machine.latency
    sent = 2 * (processes - 1) / processes * machine.parameters * BYTES_OF_GRADIENT
    exchange = sent / machine.bandwidth + ring
    tree = 2 * ceil(log2(processes)) * machine.latency
    return max(0.0, exchange - BACKWARD * compute) + machine.barriers * tree


def stops_paying(found: Sequence[Scaling]) -> int | None:
    """The largest number of processes that still pays; None if all of them do."""
    for fewer, more in pairwise(found):
        if more.images_per_second < PAYS * fewer.images_per_second:
            return fewer.processes
    return None
