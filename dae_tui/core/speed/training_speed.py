"""The textbook's loop against this program's, in turns: images a second, waiting, memory."""

import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from dae_tui.core.speed.isolated_process import Isolated
from dae_tui.core.speed.repeated_figure import Spread, spread
from dae_tui.core.speed.training_loops import Round, Task, own_rounds, textbook_rounds

# The textbook's data loaders fill their queues after its turn, which is no time of the next one's.
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
    """To the textbook's loop, of the medians."""
    waiting: float
    """Share of the time in which it waited for data."""
    peak_bytes: int


def training_speed(
    task: Task, precisions: list[str], rounds: int
) -> Generator[str, None, list[LoopSpeed]]:
    """Measure both loops on a task, ours in each of the precisions; yields what it is at.

    They take turns, so that whatever else the machine does meets all of them. The first round of
    each, in which torch makes itself ready, does not count.
    """
    contenders = [(TEXTBOOK, "fp32"), *((OURS, precision) for precision in precisions)]
    found: list[list[Round]] = [[] for _ in contenders]
    with ExitStack() as opened:
        loops = []
        for loop, precision in contenders:
            yield f"{task.network}: starting {loop} in {precision}"
            rounds_of = textbook_rounds if loop == TEXTBOOK else own_rounds
            isolated = Isolated[Round](rounds_of, replace(task, precision=precision))
            loops.append(opened.enter_context(isolated))
            isolated.next()
        for number in range(rounds):
            for (loop, precision), isolated, measured in zip(contenders, loops, found, strict=True):
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
        for (loop, precision), speed, measured in zip(contenders, speeds, found, strict=True)
    ]
