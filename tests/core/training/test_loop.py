"""The training loop: what it yields, that it learns, and that it goes on exactly where it was."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load as tensors_of
from torch import Generator, Tensor, nn

from dae_tui.core.data.crops import Crops
from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.data.load_data import load
from dae_tui.core.data.shards import load_shards
from dae_tui.core.hardware import place
from dae_tui.core.training.loop import Training, learning_rate
from dae_tui.core.training.moving_average import MovingAverage
from dae_tui.core.training.objectives import Classification, Denoising, Objective, ValidationResult
from dae_tui.errors import DivergedError, RunError
from dae_tui.models.registry import build
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
from dae_tui.spec.training_config import TrainingConfig, default_config

CPU = torch.device("cpu")
DENOISER = TrainingConfig(data="digits", epochs=4, batch_size=20)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return load("digits", "train", tmp_path_factory.mktemp("data")).select(slice(200))


def training(
    digits: ImageSet,
    config: TrainingConfig = DENOISER,
    *,
    objective: Objective | None = None,
    network: str = "autoencoder",
    resume: bytes | None = None,
    stop: threading.Event | None = None,
    precision: str = "fp32",
) -> Training:
    torch.manual_seed(config.seed)
    return Training(
        config,
        place(build(network, {"widths": [4, 8]}), CPU),
        objective or Denoising(parse_noise(config.noise), True, "mse", None),
        digits.select(slice(len(digits) - 40)),
        [digits.select(slice(len(digits) - 40, None))],
        digits.select(slice(2)),
        device=CPU,
        precision=precision,
        metadata={"data": "digits"},
        resume=resume,
        stop=stop,
    )


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events if not isinstance(event, Step)]


def last_state(events: Iterator[Event], epoch: int) -> bytes:
    """Train until the state after `epoch` is saved, then drop the training, as a kill would."""
    for event in events:
        if isinstance(event, Checkpoint) and event.kind == "last" and event.epoch == epoch:
            return event.files["state.safetensors"]
    raise AssertionError("the training ended before")


def weights(trained: Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trained.network.state_dict().items()}


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


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


# Pairs


def as_pairs(digits: ImageSet) -> ImageSet:
    """Digits whose noisy images are half as bright."""
    return dataclasses.replace(digits, noisy=digits.images // 2)


@dataclasses.dataclass(frozen=True)
class Watched(Denoising):
    """Keeps what goes into the network beside what is to come out."""

    seen: list[tuple[Tensor, Tensor]] = dataclasses.field(default_factory=list)

    def loss(
        self, network: nn.Module, inputs: Sequence[Tensor], images: Tensor, labels: Tensor | None
    ) -> Tensor:
        self.seen.append((inputs[0], images))
        return super().loss(network, inputs, images, labels)


@pytest.mark.parametrize("moved", [0, 2])
def test_of_a_pair_the_noisy_image_goes_in_as_it_is(moved: int, digits: ImageSet) -> None:
    config = dataclasses.replace(DENOISER, epochs=1, shift=moved)
    watched = Watched(parse_noise("none"), True, "mse", None, pairs=True)
    list(training(as_pairs(digits), config, objective=watched).events())
    assert len(watched.seen) == 8
    for noisy, clean in watched.seen:
        assert torch.equal((noisy * 255).round(), ((clean * 255).round() / 2).floor())


def test_noise_that_is_asked_for_is_added_to_pairs(digits: ImageSet) -> None:
    watched = Watched(parse_noise("gaussian:0.1"), False, "mse", None, pairs=True)
    list(training(as_pairs(digits), DENOISER, objective=watched).events())
    noisy, clean = watched.seen[0]
    added = noisy - (clean * 255).round().div(2).floor() / 255
    assert added.std().item() == pytest.approx(0.1, rel=0.05)


def test_pairs_resume_exactly_and_are_validated_and_shown_as_they_are(digits: ImageSet) -> None:
    def pairs(resume: bytes | None = None) -> Training:
        halved = Denoising(parse_noise("none"), True, "mse", None, pairs=True)
        return training(as_pairs(digits), objective=halved, resume=resume)

    whole = pairs()
    events = list(whole.events())
    resumed = pairs(last_state(pairs().events(), 1))
    list(resumed.events())
    assert_same(weights(whole), weights(resumed))
    sample = next(event for event in events if isinstance(event, Sample))
    original, noisy = ((view * 255).round() for view in (sample.original, sample.noisy))
    assert (noisy == original // 2).all()


def test_a_network_that_takes_a_level_is_told_that_of_the_noisy_image(digits: ImageSet) -> None:
    told = Denoising(parse_noise("none"), True, "mse", None, pairs=True)
    unet = build("unet", {"widths": [4, 8]})
    noisy = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    given, levels = told.draw(unet, noisy, torch.Generator())
    assert torch.equal(given, noisy)
    assert levels.tolist() == pytest.approx([1 / 12**0.5] * 3, rel=0.15)


# Crops, the moving average of the weights, gradients that are clipped

CROPPED = dataclasses.replace(DENOISER, epochs=3, ema=0.9, gradient_clip=0.1)


def on_crops(
    digits: ImageSet,
    config: TrainingConfig = CROPPED,
    *,
    resume: bytes | None = None,
    stop: threading.Event | None = None,
) -> Training:
    """A training on crops of thirty pairs: four steps an epoch; validated on pairs of two sizes."""
    halved = Denoising(parse_noise("none"), True, "mse", None, pairs=True)
    whole = training(digits, config, objective=halved)
    images = as_pairs(digits)
    assert images.noisy is not None
    crops = Crops("crops", tuple(images.images[:30]), 16, tuple(images.noisy[:30]), augment=True)
    return Training(
        config,
        whole.network,
        halved,
        crops,
        two_sizes(images.select(slice(160, 200))),
        images.select(slice(2)),
        device=CPU,
        precision="fp32",
        metadata={},
        resume=resume,
        stop=stop,
    )


def two_sizes(images: ImageSet) -> list[ImageSet]:
    """Ten of the images as they are, and the middles of the others."""
    others = images.select(slice(10, None))
    assert others.noisy is not None
    middles = dataclasses.replace(
        others, images=others.images[..., 4:24, 4:24], noisy=others.noisy[..., 4:24, 4:24]
    )
    return [images.select(slice(10)), middles]


def averaged(trained: Training) -> dict[str, Tensor]:
    assert trained.average is not None
    return {name: value.clone() for name, value in trained.average.state().items()}


@pytest.mark.parametrize("after", [4, 6])
def test_on_crops_it_goes_on_to_the_same_bits_with_average_and_clipping(
    digits: ImageSet, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an epoch, and in the middle of one."""
    monkeypatch.setattr("dae_tui.core.training.step_statistics.REPORT_STEPS", 1)
    whole = on_crops(digits)
    started, *_ = list(whole.events())
    assert isinstance(started, Started)
    assert (started.training_images, started.steps_per_epoch) == (90, 4)
    assert started.validation_images == 40
    stop = threading.Event()
    broken = on_crops(digits, stop=stop)
    state = b""
    for event in broken.events():
        if isinstance(event, Checkpoint) and event.kind == "last":
            state = event.files["state.safetensors"]
        if isinstance(event, Step) and event.step == after:
            stop.set()
    assert broken.progress.step == after
    torch.manual_seed(99)
    resumed = on_crops(digits, resume=state)
    events = list(resumed.events())
    assert isinstance(events[0], Started)
    assert events[0].step == after
    assert_same(weights(whole), weights(resumed))
    assert_same(averaged(whole), averaged(resumed))


def test_on_crops_it_learns(digits: ImageSet) -> None:
    config = dataclasses.replace(CROPPED, epochs=6)
    found = [event for event in on_crops(digits, config).events() if isinstance(event, Validation)]
    assert found[-1].val_loss < 0.8 * found[0].val_loss


def test_the_average_is_what_is_validated_and_saved(digits: ImageSet) -> None:
    trained = on_crops(digits)
    average = trained.average
    assert average is not None
    for event in trained.events():
        if isinstance(event, Validation):
            expected = trained.objective.evaluate(average.network, trained.validation)
            plain = trained.objective.evaluate(trained.network.eval(), trained.validation)
            assert (event.val_loss, event.val_psnr) == (expected.loss, expected.psnr)
            assert event.val_loss != plain.loss
        if isinstance(event, Checkpoint):
            stored = tensors_of(event.files["weights.safetensors"])
            assert_same(stored, averaged(trained))
            assert any(not torch.equal(stored[name], own) for name, own in weights(trained).items())


def test_the_average_takes_in_every_step_by_its_number(
    digits: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def update(average: MovingAverage, network: nn.Module, step: int) -> None:
        steps.append(step)

    monkeypatch.setattr(MovingAverage, "update", update)
    list(on_crops(digits).events())
    assert steps == list(range(1, 13))


def test_without_an_average_the_network_itself_is_saved(digits: ImageSet) -> None:
    trained = on_crops(digits, dataclasses.replace(CROPPED, ema=0.0))
    saved = [event for event in trained.events() if isinstance(event, Checkpoint)]
    assert trained.average is None
    assert_same(tensors_of(saved[-1].files["weights.safetensors"]), weights(trained))


def test_the_average_does_not_change_how_the_network_is_trained(digits: ImageSet) -> None:
    found = []
    for ema in (0.0, 0.99):
        trained = on_crops(digits, dataclasses.replace(CROPPED, ema=ema))
        list(trained.events())
        found.append(weights(trained))
    assert_same(*found)


def test_a_state_without_the_average_is_refused(digits: ImageSet) -> None:
    plain = dataclasses.replace(CROPPED, ema=0.0)
    state = last_state(on_crops(digits, plain).events(), epoch=1)
    with pytest.raises(RunError, match="checkpoint"):
        on_crops(digits, CROPPED, resume=state)


def first_step(digits: ImageSet, gradient_clip: float) -> Tensor:
    """By how much the first step of SGD changes all weights, with a learning rate of 1."""
    config = dataclasses.replace(
        CROPPED,
        epochs=1,
        epoch_images=20,
        optimizer="sgd",
        schedule="constant",
        lr=1.0,
        gradient_clip=gradient_clip,
    )
    trained = on_crops(digits, config)
    before = [parameter.detach().clone() for parameter in trained.network.parameters()]
    list(trained.events())
    assert trained.progress.step == 1
    return torch.cat(
        [
            (new.detach() - old).flatten()
            for new, old in zip(trained.network.parameters(), before, strict=True)
        ]
    )


def test_a_clipped_gradient_keeps_its_direction_and_has_the_norm_that_was_asked_for(
    digits: ImageSet,
) -> None:
    free = first_step(digits, gradient_clip=0.0)
    # The first step with Nesterov momentum of 0.9 is 1.9 gradients long.
    norm = free.norm().item() / 1.9
    assert norm > 0.02
    clipped = first_step(digits, gradient_clip=0.01)
    assert clipped.norm().item() / 1.9 == pytest.approx(0.01, rel=0.001)
    assert torch.allclose(clipped / 0.01, free / norm, atol=1e-3)


def test_a_gradient_below_the_limit_is_not_clipped(digits: ImageSet) -> None:
    assert torch.equal(first_step(digits, 0.0), first_step(digits, 1000.0))


def test_validation_is_the_mean_over_the_images_of_all_sizes(digits: ImageSet) -> None:
    halved = Denoising(parse_noise("none"), True, "mse", None, pairs=True)
    network = build("autoencoder", {"widths": [4, 8]}).eval()
    sets = two_sizes(as_pairs(digits).select(slice(40)))
    both = halved.evaluate(network, sets)
    first, second = (halved.evaluate(network, [each]) for each in sets)
    assert first.psnr is not None
    assert second.psnr is not None
    assert first.loss != pytest.approx(second.loss)
    assert both.loss == pytest.approx((10 * first.loss + 30 * second.loss) / 40)
    assert both.psnr == pytest.approx((10 * first.psnr + 30 * second.psnr) / 40)
