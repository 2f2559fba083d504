"""Losses and times of training steps, without making the device wait for the host at each step."""

import math
import time

import torch
from torch import Tensor

from dae_tui.core.hardware import synchronize
from dae_tui.core.training.checkpoint import Progress
from dae_tui.errors import DivergedError

# How often the losses, which stay on the device, are fetched and reported.
REPORT_SECONDS = 0.25
REPORT_STEPS = 100
# A loss that has grown by this factor since the first step will not recover.
EXPLODED = 1000.0
DIVERGED_HINT = "lower the learning rate with --lr; the last good checkpoint is kept"


class StepStatistics:
    """Collects step losses; fetches them only to report, and counts training time only."""

    def __init__(
        self, batch_size: int, device: torch.device, progress: Progress, *, checks: bool = True
    ) -> None:
        """Of several processes with the same losses only rank 0 `checks` whether they explode."""
        self.seconds = 0.0
        self.speed = 0.0
        """Images per second over the steps of the last report."""
        self._batch_size = batch_size
        self._device = device
        self._progress = progress
        self._checks = checks
        self._losses: list[Tensor] = []
        self._reported_at = 0.0
        self._started: float | None = None

    def start(self) -> None:
        """Start the clock, if it is not running."""
        if self._started is None:
            self._started = time.perf_counter()

    def pause(self) -> None:
        """Stop the clock once the device is done: what follows does not count as training."""
        if self._started is not None:
            synchronize(self._device)
            elapsed = time.perf_counter() - self._started
            self._started = None
            self.seconds += elapsed
            self._progress.seconds += elapsed

    def add(self, loss: Tensor) -> None:
        """Add the loss of one step, a scalar on the device."""
        self._losses.append(loss)

    @property
    def pending(self) -> bool:
        """Whether there are steps that were not reported yet."""
        return bool(self._losses)

    def due(self) -> bool:
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        waited = self.seconds + running - self._reported_at
        return waited >= REPORT_SECONDS or len(self._losses) >= REPORT_STEPS

    def report(self) -> float:
        """The mean loss since the last report; stops the clock.

        Raises DivergedError, which names the first step whose loss is not finite or has exploded.
        """
        losses: list[float] = torch.stack(self._losses).tolist()
        self.pause()
        if self._checks:
            self._check(losses)
        self._progress.epoch_loss_sum += sum(losses)
        taken = self.seconds - self._reported_at
        self.speed = len(losses) * self._batch_size / max(taken, 1e-9)
        self._reported_at = self.seconds
        self._losses = []
        return sum(losses) / len(losses)

    def _check(self, losses: list[float]) -> None:
        if self._progress.first_loss is None and math.isfinite(losses[0]):
            self._progress.first_loss = losses[0]
        limit = EXPLODED * (self._progress.first_loss or 1.0)
        for index, loss in enumerate(losses):
            if not loss <= limit:
                step = self._progress.step - len(losses) + index + 1
                raise DivergedError(
                    f"the training diverged: the loss of step {step} is {loss:g}",
                    DIVERGED_HINT,
                )
