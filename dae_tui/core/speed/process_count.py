"""How many processes pay: a cost model of training with an all-reduce of the gradients. No torch.

A step of n processes takes what its share of the batch takes to compute; what the rest of the batch
takes to draw, as each process draws all of it; what of the ring all-reduce is not hidden behind the
backward pass, with which DistributedDataParallel overlaps it; and small all-reduces that nothing
hides: of the loss, and of the statistics of batch normalisations, both ways. The ring sends
2 (n - 1) / n times the gradients in 2 (n - 1) messages; what is small goes through a tree, up and
down, in 2 log2 n (Thakur et al. 2005).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log2

PROCESSES = (1, 2, 4, 8, 16, 32, 64)
BYTES_OF_GRADIENT = 4
# Of a step's arithmetic two thirds are the backward pass.
BACKWARD = 2 / 3
# Twice the processes pay where they give at least so many times the images.
PAYS = 1.25


@dataclass(frozen=True)
class Machine:
    """What one process does, and what lies between them."""

    images_per_second: float
    parameters: int
    bandwidth: float
    """Bytes a second that a process sends."""
    latency: float
    """Seconds of a message."""
    drawing: float = 0.0
    """Seconds in which an image is taken and gets its noise."""
    barriers: int = 1
    """Small all-reduces of a step that nothing hides: of the loss, of statistics."""


@dataclass(frozen=True)
class Scaling:
    """What the model says of n processes."""

    processes: int
    images_per_second: float
    efficiency: float
    """Of n times one process."""
    exchange: float
    """Share of a step in which gradients are waited for."""


def model_scaling(
    machine: Machine, batch: int, processes: Sequence[int] = PROCESSES, *, grows: bool = False
) -> list[Scaling]:
    """Images a second of a batch that n processes share, or that `grows` with their number."""
    found = []
    for count in processes:
        whole = batch * count if grows else batch
        compute = whole / count / machine.images_per_second
        waiting = exposed(machine, count, compute)
        # Of one process, drawing is part of what it was measured to do.
        drawing = (whole - whole / count) * machine.drawing
        rate = whole / (compute + drawing + waiting)
        efficiency = rate / (count * machine.images_per_second)
        found.append(Scaling(count, rate, efficiency, waiting / (compute + drawing + waiting)))
    return found


def exposed(machine: Machine, processes: int, compute: float) -> float:
    """Seconds of a step in which `processes` wait for gradients; `compute` is what it computes."""
    ring = 2 * (processes - 1) * machine.latency
    sent = 2 * (processes - 1) / processes * machine.parameters * BYTES_OF_GRADIENT
    exchange = sent / machine.bandwidth + ring
    tree = 2 * ceil(log2(processes)) * machine.latency
    return max(0.0, exchange - BACKWARD * compute) + machine.barriers * tree


def stops_paying(found: Sequence[Scaling]) -> int | None:
    """The most processes that are worth it; None where all of them are."""
    for fewer, more in pairwise(found):
        if more.images_per_second < PAYS * fewer.images_per_second:
            return fewer.processes
    return None
