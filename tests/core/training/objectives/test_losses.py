"""Losses: what they measure, that they can be learnt from, and what they refuse."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from small_training import DENOISER, assert_same, last_state, training, weights
from torch import Tensor, nn

from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.evaluation.metrics.image_metrics import ssim
from dae_tui.core.training.objectives.frozen_classifier import frozen_classifier
from dae_tui.core.training.objectives.losses import (
    WeightedSum,
    charbonnier,
    cross_entropy,
    edge_error,
    make_loss,
    multiscale_dissimilarity,
    scales_of,
)
from dae_tui.core.training.objectives.supervised import Denoising
from dae_tui.core.weights.weights_file import load_weights, to_bytes
from dae_tui.errors import UsageError, WeightsError
from dae_tui.spec.loss_spec import LOSS_KINDS, parse_loss
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise

FEATURES = published()["mnist-features"]


@pytest.fixture
def classifier() -> nn.Module:
    return load_weights(FEATURES, task="classify").network


def loss(text: str, classifier: nn.Module, side: int = 28) -> WeightedSum:
    return make_loss(parse_loss(text), side, [classifier])


@pytest.fixture
def originals(digits: ImageSet) -> Tensor:
    return digits.images[:3] / 255


@pytest.mark.parametrize("kind", LOSS_KINDS)
def test_a_noisy_image_can_be_mended_by_its_gradient(
    kind: str, classifier: nn.Module, originals: Tensor
) -> None:
    measured = loss(kind, classifier)
    generator = torch.Generator().manual_seed(0)
    noisy = originals + 0.2 * torch.randn(originals.shape, generator=generator)
    image = noisy.clone()
    for step in range(12):
        image.requires_grad_()
        (gradient,) = torch.autograd.grad(measured(image, originals), image)
        assert gradient.isfinite().all()
        image = image.detach() - 0.1 / (1 + step / 2) * gradient.sign()
    best = measured(originals, originals)
    assert measured(noisy, originals) > measured(image, originals) > best
    assert kind == "bce" or best.item() == pytest.approx(0, abs=1e-6)
    # What the layers of a classifier do not see stays as it is.
    gained = 0.95 if kind == "features" else 0.6
    assert F.mse_loss(image, originals) < gained * F.mse_loss(noisy, originals)


@pytest.mark.parametrize("kind", LOSS_KINDS)
def test_black_white_and_values_beyond_them_have_finite_gradients(
    kind: str, classifier: nn.Module
) -> None:
    for value in (-0.5, 0.0, 1.0, 1.5):
        image = torch.full((2, 1, 28, 28), value, requires_grad=True)
        for original in (torch.zeros(2, 1, 28, 28), torch.ones(2, 1, 28, 28)):
            found = loss(kind, classifier)(image, original)
            (gradient,) = torch.autograd.grad(found, image)
            assert found.isfinite() and gradient.isfinite().all()


def test_a_sum_adds_its_terms_with_their_weights(classifier: nn.Module, originals: Tensor) -> None:
    noisy = originals + 0.1
    parts = [loss(kind, classifier)(noisy, originals) for kind in ("l1", "features", "mse")]
    found = loss("l1+0.1*features+3*mse", classifier)(noisy, originals)
    assert found.item() == pytest.approx((parts[0] + 0.1 * parts[1] + 3 * parts[2]).item())
    assert torch.equal(loss("mse", classifier)(noisy, originals), F.mse_loss(noisy, originals))


def test_ssim_is_one_less_the_metric(classifier: nn.Module, originals: Tensor) -> None:
    noisy = (originals + 0.1 * torch.linspace(-1, 1, 28)).clamp(0, 1)
    found = loss("ssim", classifier)(noisy, originals)
    assert found.item() == pytest.approx(1 - ssim(noisy, originals).mean().item(), abs=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss("ssim", classifier)(noisy, originals), found)


def test_ms_ssim_has_the_scales_that_fit() -> None:
    assert [scales_of(side) for side in (7, 13, 14, 28, 64, 111, 112, 4000)] == [
        *(1, 1, 2, 3, 4, 4, 5, 5)
    ]
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((2, 1, 112, 112), generator=generator)
    # The brightness counts at the coarsest scale alone: (1 - l) with its weight.
    brighter = multiscale_dissimilarity(image + 0.2, image)
    lightness = (2 * 0.5 * 0.7 + 1e-4) / (0.5**2 + 0.7**2 + 1e-4)
    assert brighter.item() == pytest.approx(1 - lightness**0.1333, abs=3e-3)
    assert multiscale_dissimilarity(1 - image, image).item() == pytest.approx(1, abs=1e-3)


def test_the_simple_losses_are_what_they_are_called() -> None:
    original = torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    half = torch.full_like(original, 0.5)
    assert charbonnier(half, original).item() == pytest.approx(0.5, abs=2e-3)
    assert cross_entropy(half, original).item() == pytest.approx(0.6931, abs=1e-4)
    assert edge_error(half, original).item() == pytest.approx(2)
    assert edge_error(original + 0.3, original).item() == pytest.approx(0, abs=1e-6)


def test_features_see_the_channels_of_a_colour_image_by_themselves(
    classifier: nn.Module, originals: Tensor
) -> None:
    features = loss("features", classifier)
    noisy = originals + 0.1
    colours = [torch.cat([each, each.flip(0)], 1) for each in (noisy, originals)]
    assert features(*colours).item() == pytest.approx(features(noisy, originals).item(), rel=1e-4)


@pytest.mark.parametrize(("kind", "side"), [("ssim", 6), ("ms-ssim", 13), ("edge", 1)])
def test_images_that_are_too_small_are_refused(kind: str, side: int) -> None:
    with pytest.raises(UsageError, match=f"{kind} needs images of at least {side + 1} pixels"):
        make_loss(parse_loss(f"mse+{kind}"), side)
    make_loss(parse_loss(f"mse+{kind}"), side + 1)


def test_no_network_is_trained_against_the_classifier_that_evaluates(tmp_path: Path) -> None:
    evaluating = published()["mnist-classifier"]
    copied = tmp_path / "mine.safetensors"
    copied.write_bytes(evaluating.read_bytes())
    for path in (evaluating, copied):
        with pytest.raises(UsageError, match="mnist-classifier evaluates"):
            frozen_classifier(path, None, (1, 28, 28))
    chosen = load_weights(FEATURES, task="classify")
    with pytest.raises(UsageError, match="mnist-features evaluates"):
        frozen_classifier(FEATURES, chosen, (1, 28, 28))
    found = frozen_classifier(FEATURES, None, (3, 28, 28)).network
    assert not any(each.requires_grad for each in found.parameters())


def test_a_classifier_for_other_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="at least 8 pixels a side, these are 7×30"):
        frozen_classifier(FEATURES, None, (1, 7, 30))
    with pytest.raises(WeightsError, match="denoise"):
        frozen_classifier(published()["mnist-unet"], None, (1, 28, 28))
    colour = tmp_path / "colour.safetensors"
    network = type(load_weights(FEATURES, task="classify").network)
    settings = dataclasses.replace(
        load_weights(FEATURES, task="classify").network.settings,  # type: ignore[type-var]
        channels=3,
    )
    colour.write_bytes(to_bytes(network(settings), {"network": "classifier"}))
    with pytest.raises(WeightsError, match="images of 3 channels, these have 1"):
        frozen_classifier(colour, None, (1, 28, 28))


def test_a_resumed_training_with_features_goes_on_to_the_same_bits(
    classifier: nn.Module, digits: ImageSet
) -> None:
    before = classifier.state_dict()
    kept = {name: value.clone() for name, value in before.items()}
    config = dataclasses.replace(DENOISER, loss="l1+0.1*features+0.1*ms-ssim", epochs=2)
    objective = Denoising(parse_noise(config.noise), True, loss(config.loss, classifier), None)
    some = digits.select(slice(60))
    whole = training(some, config, objective=objective)
    list(whole.events())
    state = last_state(training(some, config, objective=objective).events(), 1)
    resumed = training(some, config, objective=objective, resume=state)
    list(resumed.events())
    assert_same(weights(resumed), weights(whole))
    assert_same(kept, classifier.state_dict())
