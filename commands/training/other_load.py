"""Other load on the processor, which slows every step of a training."""

import time
from math import floor

import torch

from dae_tui.commands.training.result import Display
from dae_tui.devices.processor import Processor
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.spec.events import Event, Started, Step

# Seconds of training before the measurement, and the load in cores that is worth reporting.
LOOK_AFTER = 1.0
WORTH_TELLING = 0.4


class OtherLoad:
    """Measures other load once, soon after the first steps of a training on the CPU.

    On two cores, the recipe `fast` beside a process that takes one core: 10.8 s, and 2.4 s with a
    single thread. The choice is left to the person: the number of threads changes the last bits.
    """

    def __init__(self, writer: RunWriter, display: Display) -> None:
        self._writer = writer
        self._display = display
        self._on_cpu = False
        self._processor: Processor | None = None
        self._since = 0.0

    def notice(self, event: Event) -> None:
        """Take the next event of the training."""
        if isinstance(event, Started):
            self._on_cpu = event.device == "cpu"
        elif isinstance(event, Step) and self._on_cpu:
            # Not before the first steps: torch may compile until then, in processes of its own.
            if self._processor is None:
                self._processor, self._since = Processor(), time.monotonic()
            elif time.monotonic() - self._since >= LOOK_AFTER:
                self._on_cpu = False
                self._tell(self._processor)

    def _tell(self, processor: Processor) -> None:
        taken = processor.taken_by_others() or 0.0
        fewer = max(1, floor(processor.count - taken))
        if taken < WORTH_TELLING or fewer >= torch.get_num_threads():
            return
        said = (
            f"other work takes {taken:.1f} of {processor.count} cores, and a training waits for "
            f"the slowest thread: OMP_NUM_THREADS={fewer} may be faster"
        )
        self._writer.log(said)
        self._display.say(said)
