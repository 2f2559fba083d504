"""The planes of an image on their way to a network and back."""

import numpy as np
import pytest
import torch
from noisy_pictures import Array, colour, decibels, grey, impulses, shot_noise
from torch import Tensor

from dae_tui.core.denoising.planes.conversion import Conversion, mended
from dae_tui.core.denoising.planes.opponent import opponent_sigmas, to_opponent
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.models.registry import build
from dae_tui.spec.model_cards import published

LIGHT = LevelFunction((0.0, 0.01), sigma=0.07)
SPECKLE = LevelFunction((0.0, 0.0, 0.04), sigma=0.07)
WHITE = LevelFunction.constant(0.1)
SIDE = 160


@pytest.fixture(scope="module")
def photos() -> Weights:
    return load_weights(published()["photos-unet"])


@pytest.fixture(scope="module")
def blind() -> Weights:
    return load_weights(published()["mnist-autoencoder"])


def planes(image: Array) -> Tensor:
    """(H, W) or (H, W, C) as (C, H, W)."""
    tensor = torch.from_numpy(image.astype(np.float32))
    return tensor[None] if tensor.ndim == 2 else tensor.movedim(-1, 0)


def planned(
    weights: Weights, noise: ImageNoise, sample: Tensor, negative: bool = False, given: bool = False
) -> Conversion:
    flat = sample.flatten(1)
    ends = flat.amin(1).tolist(), flat.amax(1).tolist()
    return Conversion.plan(weights, noise, sample, ends, negative=negative, given=given)


def normal(shape: tuple[int, ...], sigma: float) -> Array:
    return np.asarray(np.random.default_rng(0).normal(0, sigma, shape))


def test_white_noise_in_grey_needs_no_steps(photos: Weights) -> None:
    image = planes(grey("camera", SIDE) + normal((SIDE, SIDE), 0.1))
    found = planned(photos, ImageNoise((WHITE,)), image)
    assert torch.equal(found.forward(image), image)
    assert torch.equal(found.backward(image), image)
    assert found.sigmas.tolist() == pytest.approx([0.1])
    levels = found.levels_for(photos)
    assert isinstance(levels, Tensor)
    assert levels.tolist() == [pytest.approx([0.1])]


def test_a_network_gets_the_negative_and_gives_it_back(blind: Weights) -> None:
    image = planes(grey("camera", SIDE))
    found = planned(blind, ImageNoise((WHITE,)), image, negative=True)
    assert torch.equal(found.forward(image), 1 - image)
    assert (found.backward(1 - image) - image).abs().max() < 1e-6


def test_networks_that_take_no_level_see_the_image_as_it_is(blind: Weights) -> None:
    image = planes(colour("astronaut", SIDE))
    found = planned(blind, ImageNoise((LIGHT,) * 3), image)
    assert torch.equal(found.forward(image), image)


def test_shot_noise_is_made_equally_strong(photos: Weights) -> None:
    clean = grey("discs", 256)
    image = planes(shot_noise(clean, 100))
    found = planned(photos, ImageNoise((LIGHT,)), image)
    noise = found.forward(image) - found.forward(planes(clean))
    for inside in (clean < 0.1, (clean > 0.2) & (clean < 0.4), clean > 0.4):
        level = noise[0][torch.from_numpy(inside)].std()
        assert float(level / found.sigmas[0]) == pytest.approx(1, abs=0.1)
    assert found.forward(image).min() > -0.01 and found.forward(image).max() < 1.01


@pytest.mark.parametrize("negative", [False, True])
def test_the_levels_of_speckle_differ_from_place_to_place(photos: Weights, negative: bool) -> None:
    clean = grey("discs", 256)
    image = planes(clean * (1 + normal(clean.shape, 0.2)))
    found = planned(photos, ImageNoise((SPECKLE,)), image, negative=negative)
    given = found.forward(image)
    assert torch.equal(given, 1 - image if negative else image)
    levels = found.levels_at(given)
    assert levels.shape == image.shape
    noise = image - planes(clean)
    for inside in (clean < 0.1, (clean > 0.2) & (clean < 0.4), clean > 0.4):
        there = torch.from_numpy(inside)
        expected = float(noise[0][there].std())
        assert float(levels[0][there].square().mean().sqrt()) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("negative", [False, True])
def test_so_do_those_of_brightness_and_colour_differences(photos: Weights, negative: bool) -> None:
    clean = np.stack([grey("discs", 256), grey("waves", 256), grey("discs", 256)[::-1]], axis=-1)
    image = planes(clean * (1 + normal(clean.shape, 0.2)))
    found = planned(photos, ImageNoise((SPECKLE,) * 3), image, negative=negative, given=True)
    assert found.opponent
    given = found.forward(image)
    noise, levels = given - found.forward(planes(clean)), found.levels_at(given)
    bright = clean.mean(-1)
    for inside in (bright < 0.2, (bright > 0.25) & (bright < 0.3), bright > 0.35):
        there = torch.from_numpy(inside)
        expected = noise[:, there].std(1)
        assert levels[:, there].square().mean(1).sqrt() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("level", [WHITE, LIGHT])
@pytest.mark.parametrize("negative", [False, True])
def test_every_step_has_its_way_back(photos: Weights, level: LevelFunction, negative: bool) -> None:
    """A level of nearly nothing, at which the unbiased way back is the plain one."""
    weak = LevelFunction(tuple(1e-4 * variance for variance in level.variances), sigma=1e-3)
    image = planes(colour("astronaut", SIDE) * 0.9 + 0.05)
    found = planned(photos, ImageNoise((weak,) * 3), image, negative=negative, given=True)
    assert found.opponent
    assert found.negative is negative
    assert (found.backward(found.forward(image)) - image).abs().max() < 2e-3


def test_colours_become_brightness_and_differences(photos: Weights) -> None:
    image = planes(colour("astronaut", SIDE) * 0.8 + 0.1 + normal((SIDE, SIDE, 3), 0.02))
    image = image.clamp(0.001, 0.999)
    found = planned(photos, ImageNoise((LevelFunction.constant(0.02),) * 3), image)
    assert torch.allclose(found.forward(image), to_opponent(image[None])[0], atol=1e-6)
    assert torch.allclose(found.sigmas, opponent_sigmas(torch.full((1, 3), 0.02))[0])
    levels = found.levels_for(photos)
    assert isinstance(levels, Tensor)
    assert torch.equal(levels, found.sigmas[None])


def test_noise_that_channels_share_is_measured(photos: Weights) -> None:
    """Grey noise on colour is all in the brightness."""
    noise = normal((SIDE, SIDE, 1), 0.1)
    image = planes(colour("astronaut", SIDE) * 0.4 + 0.3 + noise)
    found = planned(photos, ImageNoise((WHITE,) * 3), image)
    assert float(found.sigmas[0]) == pytest.approx(0.1, rel=0.1)
    assert found.sigmas[1:].max() < 0.03
    told = planned(photos, ImageNoise((WHITE,) * 3), image, given=True)
    assert torch.allclose(told.sigmas, opponent_sigmas(torch.full((1, 3), 0.1))[0])


def test_a_network_of_three_channels_gets_colour_and_one_level() -> None:
    network = build("unet", {"widths": (4, 6), "channels": 3}).eval()
    settings = {"widths": (4, 6), "channels": 3}
    weights = Weights("unet", network, {"settings": settings})
    levels = tuple(LevelFunction.constant(sigma) for sigma in (0.1, 0.2, 0.2))
    image = planes(colour("astronaut", 64) * 0.8 + 0.1)
    found = planned(weights, ImageNoise(levels), image)
    assert not found.opponent
    assert torch.equal(found.forward(image), image)
    told = found.levels_for(weights)
    assert isinstance(told, Tensor)
    assert told.tolist() == pytest.approx([0.03**0.5])


def test_impulses_are_mended_on_the_way(photos: Weights) -> None:
    clean = grey("camera", SIDE)
    image = planes(impulses(clean, 0.1))
    found = planned(photos, ImageNoise((LevelFunction.constant(0.01),), impulses=0.1), image)
    assert decibels(found.forward(image)[0].numpy(), clean) > 32
    assert torch.equal(found.forward(image), mended(image, ()))
    alone = planned(photos, ImageNoise((LevelFunction.constant(0.01),)), image)
    assert torch.equal(alone.forward(image), image)
