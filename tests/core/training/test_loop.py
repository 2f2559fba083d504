"""The training loop: what it yields, that it learns, and that it goes on exactly where it was."""

import dataclasses
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import CPU, DENOISER, assert_same, kinds, last_state, training, weights
from torch import Generator, Tensor, nn

from dae_tui.core.data.beyond_memory.shards import load_shards
from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.training.loop import Training, learning_rate
from dae_tui.core.training.objectives.supervised import Classification, ValidationResult
from dae_tui.errors import DivergedError, RunError
from dae_tui.spec.events import (
    Checkpoint,
    Event,
    Finished,
    Sample,
    Started,
    Step,
    Validation,
    as_json,
)
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import default_config


def test_yields_what_happens_in_order(digits: ImageSet) -> None:
    events = list(training(digits, dataclasses.replace(DENOISER, epochs=1)).events())
    early_samples = ["Sample"] * 5  # before any step, and after 1, 2, 4 and 8 steps
    assert kinds(events) == [
        "Started",
        *early_samples,
        "Validation",
        "Sample",
        "Checkpoint",
        "Checkpoint",
        "Finished",
    ]
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert (started.training_images, started.steps_per_epoch) == (160, 8)
    assert (finished.epoch, finished.step, finished.complete) == (1, 8, True)


def test_learns(digits: ImageSet) -> None:
    validations = [event for event in training(digits).events() if isinstance(event, Validation)]
    assert validations[-1].val_loss < 0.8 * validations[0].val_loss
    assert validations[-1].val_psnr is not None
    assert validations[0].val_psnr is not None
    assert validations[-1].val_psnr > validations[0].val_psnr


def test_train_loss_is_the_mean_of_the_step_losses(digits: ImageSet) -> None:
    events = list(training(digits, dataclasses.replace(DENOISER, epochs=1)).events())
    validation = next(event for event in events if isinstance(event, Validation))
    steps = [event for event in events if isinstance(event, Step)]
    ends = [0, *(step.step for step in steps)]
    counts = [later - earlier for earlier, later in pairwise(ends)]
    mean = sum(step.loss * count for step, count in zip(steps, counts, strict=True)) / 8
    assert validation.train_loss == pytest.approx(mean)


def test_only_the_best_epochs_are_kept_as_best(digits: ImageSet) -> None:
    best: list[int] = []
    validations: list[Validation] = []
    for event in training(digits).events():
        if isinstance(event, Validation):
            validations.append(event)
        if isinstance(event, Checkpoint) and event.kind == "best":
            best.append(event.epoch)
    lowest = float("inf")
    expected = []
    for event in validations:
        if event.val_loss < lowest:
            lowest = event.val_loss
            expected.append(event.epoch)
    assert best == expected


def test_samples_show_three_views_of_the_same_digits(digits: ImageSet) -> None:
    samples = [e for e in training(digits).events() if isinstance(e, Sample)]
    first, last = samples[0], samples[-1]
    assert first.original.shape == first.noisy.shape == first.denoised.shape == (2, 1, 28, 28)
    assert (first.noisy == last.noisy).all()
    assert ((last.denoised - last.original) ** 2).mean() < (
        (first.denoised - first.original) ** 2
    ).mean()
    assert last.labels is not None
    assert digits.labels is not None
    assert last.labels.tolist() == digits.labels[:2].tolist()


def test_the_clock_counts_training_alone(digits: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what its consumer does meanwhile, nor evaluation, however often it reports."""
    now = 0.0
    monkeypatch.setattr("dae_tui.core.training.step_statistics.time.perf_counter", lambda: now)
    for every in (1, 3, 100):
        monkeypatch.setattr("dae_tui.core.training.step_statistics.REPORT_STEPS", every)
        seconds = []
        for event in training(digits).events():
            now += 100.0  # The reader takes its time, and each step takes none.
            seconds += [event.seconds] if isinstance(event, Step | Validation | Finished) else []
        assert set(seconds) == {0.0}


def test_an_epoch_may_be_less_than_all_images(digits: ImageSet) -> None:
    config = dataclasses.replace(DENOISER, epoch_images=70)
    events = list(training(digits, config).events())
    started, finished = events[0], events[-1]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert (started.steps_per_epoch, finished.epoch, finished.step) == (3, 4, 12)


def test_goes_on_to_the_same_bits_in_epochs_of_less_than_all(digits: ImageSet) -> None:
    config = dataclasses.replace(DENOISER, epoch_images=100)
    whole = training(digits, config)
    list(whole.events())
    resumed = training(
        digits, config, resume=last_state(training(digits, config).events(), epoch=3)
    )
    list(resumed.events())
    assert_same(weights(whole), weights(resumed))


def test_streamed_images_train_as_well_and_go_on_to_the_same_bits(
    digits: ImageSet, tmp_path: Path
) -> None:
    for number, part in enumerate(np.array_split(digits.images.numpy(), 3)):
        np.save(tmp_path / f"images-{number}.npy", part)

    def streamed(resume: bytes | None = None) -> Training:
        images, validation, test = load_shards(tmp_path)
        whole = training(digits)
        return Training(
            whole.config,
            whole.network,
            whole.objective,
            images,
            [validation],
            test.select(slice(2)),
            device=CPU,
            precision="fp32",
            metadata={},
            resume=resume,
        )

    whole = streamed()
    validations = [event for event in whole.events() if isinstance(event, Validation)]
    assert validations[-1].val_loss < 0.8 * validations[0].val_loss
    state = last_state(streamed().events(), epoch=2)
    resumed = streamed(state)
    list(resumed.events())
    assert_same(weights(whole), weights(resumed))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_goes_on_to_the_same_bits_after_a_kill(digits: ImageSet, optimizer: str) -> None:
    config = dataclasses.replace(DENOISER, optimizer=optimizer, lr=1e-3)
    whole = training(digits, config)
    list(whole.events())
    state = last_state(training(digits, config).events(), epoch=2)
    resumed = training(digits, config, resume=state)
    events = list(resumed.events())
    assert isinstance(events[0], Started)
    assert events[0].step == 16
    assert_same(weights(whole), weights(resumed))


def test_goes_on_to_the_same_bits_from_the_middle_of_an_epoch(digits: ImageSet) -> None:
    whole = training(digits)
    validations = [event for event in whole.events() if isinstance(event, Validation)]
    stop = threading.Event()
    files = {}
    for event in training(digits, stop=stop).events():
        if isinstance(event, Sample) and event.step == 4:
            stop.set()
        if isinstance(event, Checkpoint):
            files[event.kind] = event
    assert files["last"].step == 4
    resumed = training(digits, resume=files["last"].files["state.safetensors"])
    again = [event for event in resumed.events() if isinstance(event, Validation)]
    assert_same(weights(whole), weights(resumed))
    assert [event.train_loss for event in again] == pytest.approx(
        [e.train_loss for e in validations]
    )


def test_dropout_and_shifts_go_on_to_the_same_bits(digits: ImageSet) -> None:
    config = dataclasses.replace(
        default_config("classifier"), data="digits", epochs=3, batch_size=20
    )
    whole = training(
        digits, config, objective=Classification(parse_noise("none"), True), network="classifier"
    )
    list(whole.events())
    broken = training(
        digits, config, objective=Classification(parse_noise("none"), True), network="classifier"
    )
    state = last_state(broken.events(), epoch=1)
    torch.manual_seed(99)
    resumed = training(
        digits,
        config,
        objective=Classification(parse_noise("none"), True),
        network="classifier",
        resume=state,
    )
    list(resumed.events())
    assert_same(weights(whole), weights(resumed))


def test_another_seed_gives_another_network(digits: ImageSet) -> None:
    first, second = training(digits), training(digits, dataclasses.replace(DENOISER, seed=1))
    list(first.events())
    list(second.events())
    name = "encoder.0.weight"
    assert not torch.equal(weights(first)[name], weights(second)[name])


def test_stopping_in_the_first_epoch_leaves_weights_and_state(digits: ImageSet) -> None:
    stop = threading.Event()
    stop.set()
    events = list(training(digits, stop=stop).events())
    assert kinds(events) == ["Started", "Sample", "Finished"]
    stop.clear()
    events = []
    for event in training(digits, stop=stop).events():
        events.append(event)
        if isinstance(event, Sample) and event.step == 2:
            stop.set()
    assert [e.kind for e in events if isinstance(e, Checkpoint)] == ["best", "last"]
    assert isinstance(events[-1], Finished)
    assert not events[-1].complete


@pytest.mark.slow
def test_compiled_it_learns_as_well(digits: ImageSet) -> None:
    losses, graphs = [], []
    for choice in ("no", "yes"):
        config = dataclasses.replace(DENOISER, compile=choice, epochs=2)
        trained = training(digits, config, network="dense")
        torch._dynamo.reset()  # What other tests have compiled.
        torch._dynamo.utils.counters.clear()
        validations = [event for event in trained.events() if isinstance(event, Validation)]
        losses.append([event.val_loss for event in validations])
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs == [0, 1]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


def test_bf16_learns_as_well(digits: ImageSet) -> None:
    trained = training(digits, precision="bf16")
    validations = [event for event in trained.events() if isinstance(event, Validation)]
    assert validations[-1].val_loss < 0.8 * validations[0].val_loss
    assert all(value.dtype != torch.bfloat16 for value in weights(trained).values())


class Scripted:
    """An objective whose loss follows a script, whatever the network does."""

    def __init__(self, factors: dict[int, float], validation: float = 1.0) -> None:
        self.factors = factors
        self.validation = validation
        self.steps = 0

    def draw(self, network: nn.Module, images: Tensor, generator: Generator) -> list[Tensor]:
        return [images]

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        self.steps += 1
        output: Tensor = network(*inputs)
        return output.mean() * 0 + self.factors.get(self.steps, 1.0)

    def evaluate(self, network: nn.Module, validation: Sequence[ImageSet]) -> ValidationResult:
        return ValidationResult(self.validation)

    def sample(
        self, network: nn.Module, examples: ImageSet, epoch: int, step: int
    ) -> Sample | None:
        return None


class StopsAt(Scripted):
    """Its loss is not a number at one step, in the middle of which somebody asks to stop."""

    def __init__(self, step: int, stop: threading.Event) -> None:
        super().__init__({step: float("nan")})
        self.last = step
        self.stop = stop

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        if self.steps + 1 == self.last:
            self.stop.set()
        return super().loss(network, inputs, images, labels)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 1001.0])
def test_a_loss_that_explodes_names_its_step_and_keeps_the_checkpoint(
    digits: ImageSet, loss: float
) -> None:
    events: list[Event] = []
    with pytest.raises(DivergedError, match="step 11 ") as raised:
        events.extend(training(digits, objective=Scripted({11: loss})).events())
    assert "--lr" in raised.value.hint
    kept = [event for event in events if isinstance(event, Checkpoint)]
    assert {event.step for event in kept} == {8}


def test_a_loss_that_explodes_just_before_a_stop_is_not_saved(digits: ImageSet) -> None:
    stop = threading.Event()
    events: list[Event] = []
    with pytest.raises(DivergedError, match="step 2 "):
        events.extend(training(digits, objective=StopsAt(2, stop), stop=stop).events())
    assert not any(isinstance(event, Checkpoint) for event in events)


def test_a_validation_loss_that_is_not_finite_is_never_best(digits: ImageSet) -> None:
    events: list[Event] = []
    with pytest.raises(DivergedError, match="validation loss after epoch 1 "):
        events.extend(training(digits, objective=Scripted({}, validation=float("nan"))).events())
    assert not any(isinstance(event, Checkpoint) for event in events)


def test_other_images_than_it_began_with_are_refused(digits: ImageSet) -> None:
    state = last_state(training(digits).events(), epoch=1)
    with pytest.raises(RunError, match="160 images, and digits has 140 now"):
        training(digits.select(slice(20, 200)), resume=state)


def test_going_on_remembers_the_first_loss(digits: ImageSet) -> None:
    """A low loss at the time of resuming is no measure of what has exploded."""
    state = last_state(training(digits, objective=Scripted({})).events(), epoch=1)
    low = Scripted(dict.fromkeys(range(1, 20), 1e-06) | {20: 0.5})
    *_, finished = training(digits, objective=low, resume=state).events()
    assert isinstance(finished, Finished)
    assert finished.complete


@pytest.mark.parametrize("state", [b"", b"\0" * 100, b"not a state"])
def test_a_broken_state_is_refused(digits: ImageSet, state: bytes) -> None:
    with pytest.raises(RunError, match="checkpoint"):
        training(digits, resume=state)


def test_a_state_of_another_network_is_refused(digits: ImageSet) -> None:
    state = last_state(training(digits).events(), epoch=1)
    with pytest.raises(RunError):
        training(digits, network="dense", resume=state)


def test_the_learning_rate_rises_and_falls() -> None:
    config = dataclasses.replace(DENOISER, lr=0.1)
    rates = [learning_rate(config, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1 / 15)
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == 14
    assert rates[-1] == pytest.approx(0)
    constant = dataclasses.replace(config, schedule="constant")
    assert {learning_rate(constant, step, 100) for step in range(100)} == {0.1}


def test_events_become_json_with_the_name_of_their_kind() -> None:
    step = Step(1, 2, 0.123456789, 0.001, 1000.0, 1.5)
    assert as_json(step) == {
        "event": "step",
        "epoch": 1,
        "step": 2,
        "loss": 0.123457,
        "lr": 0.001,
        "images_per_second": 1000.0,
        "seconds": 1.5,
    }
