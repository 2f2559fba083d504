"""The level of white noise, found by what a network takes away, also where all is texture."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from noisy_pictures import Array, grey, shot_noise
from skimage import data
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.level_by_trials import (
    TriedLevel,
    consistency,
    level_by_trials,
    white_noise_in,
    white_noise_unlike,
)
from dae_tui.core.denoising.risk import attempt
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.weights_file import load_weights
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise

SIDE = 192
WEIGHTS = {1: "photos-unet", 3: "photos-unet-colour"}
AT = np.array([0.2, 0.35, 0.5, 0.65, 0.8])


def cut(name: str) -> Array:
    """The middle of a picture of scikit-image, at its own resolution, in [0, 1]."""
    picture = getattr(data, name)() / 255
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    middle: Array = picture[top : top + SIDE, left : left + SIDE]
    return middle


def planes(image: Array) -> Tensor:
    """An image (H, W) or (H, W, 3) as it would be read from a file of 8 bits."""
    stored = np.rint(image * 255).clip(0, 255) / 255
    return torch.from_numpy(np.atleast_3d(stored)).float().movedim(-1, 0)


def network(channels: int) -> Callable[[Tensor, Tensor], Tensor]:
    weights = load_weights(published()[WEIGHTS[channels]])

    def apply(noisy: Tensor, levels: Tensor) -> Tensor:
        def told(_: Tensor) -> Tensor:
            return levels[None]

        return denoise_images(weights, noisy[None], told, Compute(), clip=False)[0]

    return apply


@torch.inference_mode()
def tried(noisy: Tensor) -> TriedLevel | None:
    return level_by_trials(noisy, network(len(noisy)))


def white(image: Array, sigma: float) -> Array:
    noise: Array = image + np.random.default_rng(0).normal(0, sigma, image.shape)
    return noise


@pytest.mark.slow
@pytest.mark.parametrize(
    ("picture", "photons"),
    [("gravel", 300), ("gravel", 1000), ("brick", 1000), ("coins", 300), ("camera", 100)],
)
def test_shot_noise_in_grey_texture(picture: str, photons: float) -> None:
    clean = cut(picture)
    found = tried(planes(shot_noise(clean, photons)))
    assert found is not None
    assert found.is_white_noise
    at = np.quantile(clean, [0.4, 0.6, 0.9])
    assert found.levels[0].at(at) == pytest.approx(np.sqrt(at / photons), rel=0.2)
    assert found.levels[0].sigma == pytest.approx(np.sqrt(clean.mean() / photons), rel=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [5 / 255, 10 / 255, 25 / 255])
def test_white_noise_in_colour(sigma: float) -> None:
    found = tried(planes(white(cut("chelsea"), sigma)))
    assert found is not None
    assert found.is_white_noise
    for level in found.levels:
        assert level.at(AT) == pytest.approx(sigma * np.ones(len(AT)), rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("picture", ["grass", "gravel", "brick", "camera", "coffee", "chelsea"])
def test_pictures_without_noise_have_none(picture: str) -> None:
    found = tried(planes(cut(picture)))
    assert found is None or not found.is_white_noise


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["correlated:0.03,0.7,0.5,1", "camera:0.002,3,0.5+jpeg:90"])
def test_noise_that_neighbours_share_is_not_white(spec: str) -> None:
    clean = planes(cut("chelsea"))
    drawn = torch.Generator().manual_seed(0)
    found = tried(add_noise(clean[None], parse_noise(spec), drawn)[0])
    assert found is None or not found.is_white_noise


def test_nothing_but_noise_is_measured_at_once() -> None:
    """Of a network that knows the clean image, all that it takes away is noise."""
    clean = planes(grey("waves", 96))
    noisy = clean + 0.03 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    found = level_by_trials(noisy, lambda given, levels: clean.expand_as(given))
    assert found is not None
    assert found.levels[0].at(AT) == pytest.approx(0.03 * np.ones(len(AT)), rel=0.05)
    assert found.evenness == pytest.approx(0.95, abs=0.05)
    assert found.correlations.abs().max() < 0.05


def test_a_network_that_takes_nothing_away_finds_nothing() -> None:
    assert level_by_trials(planes(grey("camera", 96)), lambda given, levels: given) is None


def test_consistency_is_what_is_taken_over_what_should_be() -> None:
    noisy = 0.1 * torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    for told, ratio in ((0.1, 1), (0.2, 0.25), (0.05, 4)):
        trial = attempt(torch.zeros_like, noisy, torch.full((1, 1, 1), told))
        assert consistency(trial) == pytest.approx(ratio, rel=0.05)
    idle = attempt(lambda given: given, noisy, torch.full((1, 1, 1), 0.1))
    assert consistency(idle) > 1e3 or consistency(idle) == pytest.approx(0, abs=1e-3)
    half = torch.zeros(1, 64, 64, dtype=torch.bool)
    half[:, :32] = True
    louder = noisy.clone()
    louder[:, 32:] *= 2
    trial = attempt(torch.zeros_like, louder, torch.full((1, 1, 1), 0.1))
    assert consistency(trial) == pytest.approx(2.5, rel=0.05)
    assert consistency(trial, half) == pytest.approx(1, rel=0.05)


@pytest.mark.slow
def test_levels_that_are_right_are_kept_and_wrong_ones_are_not() -> None:
    clean = cut("gravel")
    noisy = planes(shot_noise(clean, 300))
    weights = [load_weights(published()[WEIGHTS[1]])]
    right = LevelFunction((0.0, 1 / 300), sigma=float(np.sqrt(clean.mean() / 300)))
    with torch.inference_mode():
        assert white_noise_unlike(noisy, (right,), weights, Compute()) is None
        wrong = LevelFunction.constant(2 * right.sigma)
        found = white_noise_unlike(noisy, (wrong,), weights, Compute())
        of_colours = white_noise_unlike(noisy.expand(3, -1, -1), None, weights, Compute())
    assert found is not None
    assert found[0].sigma == pytest.approx(right.sigma, rel=0.12)
    assert of_colours == found * 3


def test_without_suitable_weights_nothing_is_tried() -> None:
    small = planes(grey("camera", 64))
    level = LevelFunction.constant(0.1)
    assert white_noise_unlike(small, (level,), [], Compute()) is None
    weights = [load_weights(published()[WEIGHTS[1]])]
    assert white_noise_in(small, weights, Compute()) is None
