"""The training loop, as a generator of events (sections 2.2, 2.3 and 3.1 of the paper).

`train` trains and yields what happened; it prints nothing, writes nothing, and does not know who
reads. While the reader keeps it waiting, it waits: that is how a training is paused.
"""

import math
import threading
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dae_tui.core.config import TrainingConfig
from dae_tui.core.data import ImageSet, shift, unit
from dae_tui.core.events import Checkpoint, Event, Finished, Sample, Started, Step, Validation
from dae_tui.core.hardware import synchronize
from dae_tui.core.objectives import Objective
from dae_tui.core.training_state import Progress, pack, unpack
from dae_tui.core.weights import count_parameters, to_bytes
from dae_tui.errors import DivergedError

# How often the losses, which stay on the device, are fetched and reported.
REPORT_SECONDS = 0.25
REPORT_STEPS = 100
WARMUP = 0.15
# A loss that has grown by so much since the first steps is not coming back.
EXPLODED = 1000.0


def train(
    config: TrainingConfig,
    network: nn.Module,
    objective: Objective,
    training: ImageSet,
    held_out: ImageSet,
    examples: ImageSet,
    *,
    device: torch.device,
    precision: str,
    metadata: dict[str, object],
    resume: bytes | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Event]:
    """Train `network` and yield what happens.

    Args:
        config: how to train; `seed` decides the order of the images and the noise.
        network: on `device`, freshly built.
        objective: what to optimise and how to judge it.
        training, held_out, examples: images on `device`; the examples are shown as samples.
        precision: `fp32`, or `bf16` for autocast.
        metadata: goes into every weights file beside what rebuilds the network.
        resume: the file `state.safetensors` of a checkpoint, to go on from there.
        stop: once it is set, the training ends after the current step, with a checkpoint.

    Raises:
        DivergedError: the loss became NaN, infinite or a thousand times what it was. Nothing is
            saved then: the last checkpoint is from before.
    """
    optimizer = _optimizer(config, network)
    generator = torch.Generator(device).manual_seed(config.seed)
    torch.manual_seed(config.seed)
    progress = Progress()
    if resume is not None:
        progress = unpack(resume, network, optimizer, generator)
    steps_per_epoch = max(1, len(training) // config.batch_size)
    total_steps = config.epochs * steps_per_epoch
    first_step = progress.step
    meter = _Meter(config.batch_size, device, progress)

    def checkpoint(kind: str) -> Checkpoint:
        files = {"weights.safetensors": to_bytes(network, metadata | {"epochs": progress.epoch})}
        if kind == "last":
            files["state.safetensors"] = pack(network, optimizer, generator, progress)
        return Checkpoint(kind, progress.epoch, progress.step, files)

    def sample() -> Iterator[Sample]:
        network.eval()
        sampled = objective.sample(network, examples, progress.epoch, progress.step)
        network.train()
        if sampled is not None:
            yield sampled

    yield Started(
        device=str(device),
        precision=precision,
        parameters=count_parameters(network),
        training_images=len(training),
        validation_images=len(held_out),
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        step=progress.step,
    )
    if progress.step == 0:
        yield from sample()
    network.train()
    while progress.epoch < config.epochs:
        order = _epoch_order(len(training), config.seed, progress.epoch).to(device)
        first = progress.step - progress.epoch * steps_per_epoch
        for position in range(first, steps_per_epoch):
            meter.resume()
            lr = learning_rate(config, progress.step, total_steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            batch = training.select(order[position * config.batch_size :][: config.batch_size])
            images = shift(batch.images, config.shift, generator) if config.shift else batch.images
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                loss = objective.loss(network, unit(images), batch.labels, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            progress.step += 1
            meter.add(loss.detach())
            stopping = stop is not None and stop.is_set()
            if stopping or meter.due() or position == steps_per_epoch - 1:
                mean = meter.report()
                yield Step(
                    progress.epoch + 1, progress.step, mean, lr, meter.speed, progress.seconds
                )
            # The network changes fastest at first: samples after 1, 2, 4, 8, … steps show it.
            if progress.epoch == 0 and progress.step & (progress.step - 1) == 0:
                meter.pause()
                yield from sample()
            if stopping:
                break
        if progress.step == (progress.epoch + 1) * steps_per_epoch:
            meter.pause()
            progress.epoch += 1
            train_loss = progress.epoch_loss_sum / steps_per_epoch
            progress.epoch_loss_sum = 0.0
            network.eval()
            judgement = objective.judge(network, held_out)
            network.train()
            best = progress.best_loss is None or judgement.loss < progress.best_loss
            if best:
                progress.best_loss = judgement.loss
            yield Validation(
                progress.epoch,
                progress.step,
                train_loss,
                judgement.loss,
                judgement.psnr,
                judgement.accuracy,
                best,
                progress.seconds,
            )
            yield from sample()
            if best:
                network.eval()
                yield checkpoint("best")
                network.train()
            yield checkpoint("last")
        elif stopping:
            if progress.best_loss is None:
                network.eval()
                yield checkpoint("best")
                network.train()
            yield checkpoint("last")
        if stop is not None and stop.is_set():
            break
    speed = (progress.step - first_step) * config.batch_size / max(meter.seconds, 1e-9)
    yield Finished(
        progress.epoch,
        progress.step,
        progress.seconds,
        speed if progress.step > first_step else 0.0,
        complete=progress.epoch >= config.epochs,
    )


def learning_rate(config: TrainingConfig, step: int, total_steps: int) -> float:
    """The learning rate of the step after `step` steps of `total_steps`.

    `one-cycle` rises linearly over the first 15 % and falls as a half cosine to zero (Smith and
    Topin 2019). Measured on MNIST, three epochs of the autoencoder: see `SCHEDULES` in the README.
    """
    if config.schedule == "constant":
        return config.lr
    done = (step + 1) / total_steps
    if done < WARMUP:
        return config.lr * done / WARMUP
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - WARMUP) / (1 - WARMUP))))


def _optimizer(config: TrainingConfig, network: nn.Module) -> torch.optim.Optimizer:
    parameters = network.parameters()
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, config.lr, momentum=0.9, nesterov=True, fused=True)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, config.lr, fused=True)
    return torch.optim.Adam(parameters, config.lr, fused=True)


def _epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """A permutation that depends on seed and epoch alone, so that resuming needs no memory of it."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(count, generator=generator)


class _Meter:
    """Losses and time of the steps; fetches a loss from the device only when it reports."""

    def __init__(self, batch_size: int, device: torch.device, progress: Progress) -> None:
        self.seconds = 0.0
        self.speed = 0.0
        self._batch_size = batch_size
        self._device = device
        self._progress = progress
        self._losses: list[Tensor] = []
        self._first_loss: float | None = None
        self._window_seconds = 0.0
        self._started: float | None = None

    def resume(self) -> None:
        if self._started is None:
            self._started = time.perf_counter()

    def pause(self) -> None:
        """Stop the clock: what follows is not training."""
        if self._started is None:
            return
        synchronize(self._device)
        elapsed = time.perf_counter() - self._started
        self._started = None
        self.seconds += elapsed
        self._window_seconds += elapsed
        self._progress.seconds += elapsed

    def add(self, loss: Tensor) -> None:
        self._losses.append(loss)

    def due(self) -> bool:
        elapsed = time.perf_counter() - self._started if self._started is not None else 0.0
        return self._window_seconds + elapsed >= REPORT_SECONDS or len(self._losses) >= REPORT_STEPS

    def report(self) -> float:
        """The mean loss since the last report; leaves the clock stopped. Raises DivergedError."""
        losses: list[float] = torch.stack(self._losses).double().tolist()
        self.pause()
        if self._first_loss is None and math.isfinite(losses[0]):
            self._first_loss = losses[0]
        limit = EXPLODED * (self._first_loss or 1.0)
        for index, loss in enumerate(losses):
            if not loss <= limit:
                step = self._progress.step - len(losses) + index + 1
                raise DivergedError(
                    f"the training diverged: the loss of step {step} is {loss:g}",
                    "lower the learning rate with --lr; the last good checkpoint is kept",
                )
        self._progress.epoch_loss_sum += sum(losses)
        self.speed = len(losses) * self._batch_size / max(self._window_seconds, 1e-9)
        self._losses = []
        self._window_seconds = 0.0
        return sum(losses) / len(losses)
