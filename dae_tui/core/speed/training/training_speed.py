"""The textbook's loop against this program's, in turns: images per second, waiting, memory."""

import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from dae_tui.core.speed.isolated_process import Isolated
from dae_tui.core.speed.repeated_measurement import Spread, spread
from dae_tui.core.speed.training.training_loops import Round, Task, own_rounds, textbook_rounds

# After its turn the textbook's data loaders fill their queues; this must not slow the next loop.
REST_SECONDS = 0.5
TEXTBOOK = "textbook"
OURS = "dae"


@dataclass(frozen=True)
class LoopSpeed:
    """How fast a loop trains a network."""

    network: str
    loop: str
    """`textbook` or `dae`."""
    precision: str
    images_per_second: Spread
    ratio: float
    """Ratio of its median speed to that of the textbook's loop."""
    waiting: float
    """Share of the time spent waiting for data."""
    peak_bytes: int


def training_speed(
    task: Task, precisions: list[str], rounds: int
) -> Generator[str, None, list[LoopSpeed]]:
    """Measure both loops on a task, ours in each precision; yields its progress.

    They take turns, so that other load on the machine affects all of them. The first round of each
    is a warm-up and does not count.
    """
    variants = [(TEXTBOOK, "fp32"), *((OURS, precision) for precision in precisions)]
    found: list[list[Round]] = [[] for _ in variants]
    with ExitStack() as opened:
        loops = []
        for loop, precision in variants:
            yield f"{task.network}: starting {loop} in {precision}"
            rounds_of = textbook_rounds if loop == TEXTBOOK else own_rounds
            isolated = Isolated[Round](rounds_of, replace(task, precision=precision))
            loops.append(opened.enter_context(isolated))
            isolated.next()
        for number in range(rounds):
            for (loop, precision), isolated, measured in zip(variants, loops, found, strict=True):
                yield f"{task.network}: round {number + 1}/{rounds}, {loop} in {precision}"
                time.sleep(REST_SECONDS)
                measured.append(isolated.next())
    speeds = [spread([each.images / each.seconds for each in measured]) for measured in found]
    return [
        LoopSpeed(
            task.network,
            loop,
            precision,
            speed,
            speed.median / speeds[0].median,
            sum(each.waited for each in measured) / sum(each.seconds for each in measured),
            measured[-1].peak_bytes,
        )
        for (loop, precision), speed, measured in zip(variants, speeds, found, strict=True)
    ]
