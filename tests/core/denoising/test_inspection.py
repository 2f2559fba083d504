"""What an image is like: light or dark, known to the weights or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.denoising.apply_network import denoise
from dae_tui.core.denoising.inspection import (
    UNLIKE,
    WHOLE_UP_TO,
    crops,
    dark_on_light,
    estimate_together,
    taken_structure,
    unlike,
)
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise


@pytest.fixture(scope="module")
def digits() -> Tensor:
    return unit(load("digits", "test", Path()).images[:60])


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights(published()["mnist-autoencoder"])


def noisy(images: Tensor, sigma: float) -> Tensor:
    return add_noise(images, parse_noise(f"gaussian:{sigma}"), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5, 0.8])
def test_digits_are_light_on_dark_in_any_noise(digits: Tensor, sigma: float) -> None:
    assert not dark_on_light(noisy(digits, sigma)).any()
    assert dark_on_light(noisy(1 - digits, sigma)).all()


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5])
def test_digits_are_known_and_their_negatives_are_not(
    weights: Weights, digits: Tensor, sigma: float
) -> None:
    def structure(images: Tensor) -> Tensor:
        given = noisy(images, sigma)
        return taken_structure(given, denoise(weights, given, torch.device("cpu")))

    assert (structure(digits) > UNLIKE).float().mean() < 0.1
    assert (structure(1 - digits) > UNLIKE).float().mean() > 0.9


def test_white_noise_is_no_structure_and_a_wave_is() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.2 * torch.randn((4, 1, 64, 64), generator=generator)
    flat = torch.full_like(noise, 0.5)
    assert taken_structure(flat + noise, flat).max() < 0.03
    wave = flat + 0.2 * torch.sin(torch.arange(64) / 5)
    assert taken_structure(wave + noise, flat).min() > 0.1
    assert taken_structure(flat[..., :1, :1], flat[..., :1, :1]).max() == 0


def test_what_is_said_of_images_that_the_weights_do_not_know(weights: Weights) -> None:
    assert unlike(weights, (28, 28), 0.05) == ""
    assert "28×28 pixels, and this image has 50×40" in unlike(weights, (40, 50), 0.05)
    assert "more than noise" in unlike(weights, (28, 28), 0.3)


def test_large_images_are_inspected_in_crops() -> None:
    side = int(WHOLE_UP_TO**0.5)
    small = np.zeros((side, side, 1), np.uint8)
    assert crops(small)[0].shape == small.shape
    assert np.shares_memory(crops(small)[0], small)
    large = np.zeros((side, 3 * side, 1), np.uint8)
    places = crops(large)
    assert len(places) == 16
    assert sum(place.size for place in places) <= WHOLE_UP_TO
    thin = np.zeros((3, 2 * WHOLE_UP_TO, 1), np.uint8)
    assert {place.shape[0] for place in crops(thin)} == {3}


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5])
def test_many_small_images_are_measured_quickly_and_as_well(digits: Tensor, sigma: float) -> None:
    given = noisy(digits, sigma)
    found = estimate_together(given)
    assert found.shape == (len(digits),)
    assert float(found.median()) == pytest.approx(float(estimate_sigma(given).median()), rel=0.1)


def test_images_of_different_noise_are_measured_one_by_one(digits: Tensor) -> None:
    given = torch.cat([noisy(digits[:20], 0.1), noisy(digits[20:40], 0.6)])
    assert (estimate_together(given) == estimate_sigma(given)).all()
    assert (estimate_together(given[:5]) == estimate_sigma(given[:5])).all()
    assert estimate_together(torch.zeros(40, 1, 28, 28)).max() < 1e-5
