"""The training loop on pairs and crops: moving average, clipped gradients, exact resuming."""

import dataclasses
import threading
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load as tensors_of
from small_training import CPU, DENOISER, assert_same, last_state, training, weights
from torch import Tensor, nn

from dae_tui.core.data.crops import Crops
from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.training.loop import Training
from dae_tui.core.training.moving_average import MovingAverage
from dae_tui.core.training.objectives.supervised import Denoising
from dae_tui.errors import RunError
from dae_tui.models.registry import build
from dae_tui.spec.events import (
    Checkpoint,
    Sample,
    Started,
    Step,
    Validation,
)
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import TrainingConfig


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
    watched = Watched(parse_noise("none"), True, F.mse_loss, None, pairs=True)
    list(training(as_pairs(digits), config, objective=watched).events())
    assert len(watched.seen) == 8
    for noisy, clean in watched.seen:
        assert torch.equal((noisy * 255).round(), ((clean * 255).round() / 2).floor())


def test_noise_that_is_asked_for_is_added_to_pairs(digits: ImageSet) -> None:
    watched = Watched(parse_noise("gaussian:0.1"), False, F.mse_loss, None, pairs=True)
    list(training(as_pairs(digits), DENOISER, objective=watched).events())
    noisy, clean = watched.seen[0]
    added = noisy - (clean * 255).round().div(2).floor() / 255
    assert added.std().item() == pytest.approx(0.1, rel=0.05)


def test_pairs_resume_exactly_and_are_validated_and_shown_as_they_are(digits: ImageSet) -> None:
    def pairs(resume: bytes | None = None) -> Training:
        halved = Denoising(parse_noise("none"), True, F.mse_loss, None, pairs=True)
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
    told = Denoising(parse_noise("none"), True, F.mse_loss, None, pairs=True)
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
    halved = Denoising(parse_noise("none"), True, F.mse_loss, None, pairs=True)
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


def test_an_epoch_of_crops_may_have_more_than_the_images_fill(digits: ImageSet) -> None:
    config = dataclasses.replace(CROPPED, epochs=1, epoch_images=100)
    trained = on_crops(digits, config)
    assert len(trained.training) < 100
    list(trained.events())
    assert trained.progress.step == 100 // trained.batch_size


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
    halved = Denoising(parse_noise("none"), True, F.mse_loss, None, pairs=True)
    network = build("autoencoder", {"widths": [4, 8]}).eval()
    sets = two_sizes(as_pairs(digits).select(slice(40)))
    both = halved.evaluate(network, sets)
    first, second = (halved.evaluate(network, [each]) for each in sets)
    assert first.psnr is not None
    assert second.psnr is not None
    assert first.loss != pytest.approx(second.loss)
    assert both.loss == pytest.approx((10 * first.loss + 30 * second.loss) / 40)
    assert both.psnr == pytest.approx((10 * first.psnr + 30 * second.psnr) / 40)
