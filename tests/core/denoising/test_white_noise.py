"""White noise, told from texture, from film grain and from the noise of cameras."""

import numpy as np
import pytest
import torch
from level_trials import WEIGHTS, cut, planes, tried
from noisy_pictures import grey, shot_noise
from torch import Tensor

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.level_by_trials import TriedLevel
from dae_tui.core.denoising.risk import PROBE, Trial
from dae_tui.core.denoising.white_noise import (
    differ,
    evenness,
    is_white_noise,
    over_image,
    white_noise_in,
    white_noise_unlike,
)
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.synthetic.correlated import unit_noise
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.weights_file import load_weights
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise

SHAPE = (1, 128, 128)
LEVEL = 0.03


def drawn(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def taken(noise: Tensor, kept: float = 0.0, level: float = LEVEL) -> TriedLevel:
    """What is seen if a network takes all of a noise away, and leaves so much of the probe."""
    signs = drawn(7).sign()
    sigmas = torch.full(SHAPE, level)
    grey_plane = torch.full(SHAPE, 0.5)
    denoised = grey_plane + kept * noise
    trial = Trial(
        grey_plane + noise, sigmas, signs, denoised, denoised + kept * PROBE * sigmas * signs
    )
    return TriedLevel((LevelFunction.constant(level),), trial)


def test_white_noise_of_the_right_level_is_white_noise() -> None:
    assert is_white_noise(taken(LEVEL * drawn(0)))


@pytest.mark.parametrize(
    "found",
    [
        taken(0.005 * drawn(0), level=0.005),
        taken(LEVEL * drawn(0), level=2 * LEVEL),
        taken(LEVEL * drawn(0), kept=0.95),
        taken(
            LEVEL
            * unit_noise(torch.zeros(1, *SHAPE), torch.Generator().manual_seed(0), 0.7, 0.0)[0]
        ),
        taken(LEVEL * drawn(0) * torch.linspace(0, 2, 128)),
    ],
    ids=["film grain", "a level too high", "hardly a gain", "neighbours share it", "uneven"],
)
def test_nothing_else_is(found: TriedLevel) -> None:
    assert not is_white_noise(found)


def test_evenness_is_that_of_the_calmest_quarter() -> None:
    assert evenness(taken(LEVEL * drawn(0))) == pytest.approx(0.93, abs=0.05)
    half = LEVEL * drawn(0)
    half[..., :64] /= 2
    assert evenness(taken(half)) == pytest.approx(0.25, abs=0.05)


def test_levels_differ_if_trials_cannot_be_so_wrong() -> None:
    part = torch.full((1, 8, 8), 0.25)
    shot = LevelFunction((0.0, 0.01), sigma=0.07)
    assert not differ((shot,), (LevelFunction.constant(0.05),), part)
    assert not differ((shot,), (LevelFunction.constant(0.06),), part)
    assert differ((shot,), (LevelFunction.constant(0.07),), part)
    assert differ((shot,), (LevelFunction.constant(0.0),), part)


def test_the_level_is_that_of_the_whole_image() -> None:
    image = torch.tensor([0.0, 1.0]).expand(2, 4, 2)
    shot = LevelFunction((0.0, 0.01), sigma=0.01)
    for level in over_image((shot, shot), image):
        assert level.sigma == pytest.approx(np.sqrt(0.005), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("picture", ["grass", "gravel", "brick", "camera", "coffee", "chelsea"])
def test_pictures_without_noise_have_none(picture: str) -> None:
    found = tried(planes(cut(picture)))
    assert found is None or not is_white_noise(found)


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["correlated:0.03,0.7,0.5,1", "camera:0.002,3,0.5+jpeg:90"])
def test_noise_that_neighbours_share_is_not_white(spec: str) -> None:
    clean = planes(cut("chelsea"))
    drawn = torch.Generator().manual_seed(0)
    found = tried(add_noise(clean[None], parse_noise(spec), drawn)[0])
    assert found is None or not is_white_noise(found)


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
    assert of_colours is not None
    assert [level.variances for level in of_colours] == [found[0].variances] * 3


def test_without_suitable_weights_nothing_is_tried() -> None:
    small = planes(grey("camera", 64))
    level = LevelFunction.constant(0.1)
    assert white_noise_unlike(small, (level,), [], Compute()) is None
    weights = [load_weights(published()[WEIGHTS[1]])]
    assert white_noise_in(small, weights, Compute()) is None
