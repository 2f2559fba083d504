"""The noise level over intensity: of light, of sensors, of white noise and of speckle."""

import numpy as np
import pytest
import torch
from noisy_pictures import Array, grey, shot_noise

from dae_tui.core.noise.level.colour_differences import levels_by_differences
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.noise.level.level_function import (
    LEAST_PIXELS,
    LevelFunction,
    estimate_level_function,
    estimate_level_functions,
)


def found_in(image: Array) -> LevelFunction:
    return estimate_level_function(torch.from_numpy(image.astype(np.float32)))


def plane(image: Array) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32))[None, None]


@pytest.mark.parametrize(
    ("name", "photons", "offset", "read"),
    [
        *((name, 20, 0.0, 0.0) for name in ("camera", "coins", "chelsea", "rocket", "waves")),
        *((name, 100, 0.0, 0.0) for name in ("camera", "coins", "coffee", "cell", "discs")),
        *((name, 1000, 0.0, 0.0) for name in ("camera", "coffee", "rocket", "waves")),
        *((name, 20, 0.1, 0.01) for name in ("camera", "coffee", "cell", "discs")),
        *((name, 100, 0.1, 0.01) for name in ("camera", "coins", "chelsea", "waves")),
        *((name, 1000, 0.1, 0.01) for name in ("camera", "coins", "coffee", "rocket", "discs")),
        ("waves", 1000, 0.1, 0.01),
    ],
)
def test_shot_noise_is_found_over_the_range(
    name: str, photons: float, offset: float, read: float
) -> None:
    clean = grey(name)
    found = found_in(shot_noise(clean, photons, offset, read))
    at = np.quantile(clean, [0.1, 0.25, 0.5, 0.75, 0.95])
    true = np.sqrt(at / photons + read**2)
    assert not found.is_constant
    np.testing.assert_allclose(found.at(at + offset), true, rtol=0.1)
    assert found.sigma == pytest.approx(np.sqrt(clean.mean() / photons + read**2), rel=0.1)


@pytest.mark.parametrize(
    ("name", "sigma", "clips"),
    [
        ("camera", 0.02, False),
        ("coins", 0.02, True),
        ("rocket", 0.15, True),
        ("coins", 0.15, False),
    ],
)
def test_white_noise_has_one_level_that_of_the_estimate(
    name: str, sigma: float, clips: bool
) -> None:
    noisy = grey(name) + np.random.default_rng(2).normal(0, sigma, grey(name).shape)
    noisy = noisy.clip(0, 1) if clips else noisy
    found = found_in(noisy)
    assert found.is_constant
    assert found.sigma == float(estimate_sigma(plane(noisy)))
    assert found.sigma == pytest.approx(sigma, rel=0.06)
    assert found.at(np.array([-1.0, 0.3, 2.0])) == pytest.approx([found.sigma] * 3)


@pytest.mark.parametrize("name", ["camera", "coffee", "rocket", "chelsea"])
@pytest.mark.parametrize("strength", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("on_disk", [False, True])
def test_speckle_is_a_share_of_the_intensity(name: str, strength: float, on_disk: bool) -> None:
    clean = grey(name)
    noisy = clean * (1 + np.random.default_rng(1).normal(0, strength, clean.shape))
    found = found_in((noisy.clip(0, 1) * 255).round() / 255 if on_disk else noisy)
    assert found.is_speckle
    at = np.array([0.1, 0.4, 0.8])
    np.testing.assert_allclose(found.at(at), strength * at, rtol=0.1)


@pytest.mark.parametrize("photons", [20, 100])
@pytest.mark.parametrize("name", ["camera", "coins", "waves"])
def test_shot_noise_is_no_speckle(name: str, photons: float) -> None:
    assert not found_in(shot_noise(grey(name), photons)).is_speckle


@pytest.mark.parametrize("across", [0.2, 0.9])
def test_a_gradient_without_noise_has_none_and_with_noise_its_level(across: float) -> None:
    slope = np.broadcast_to(0.05 + across * np.linspace(0, 1, 128), (128, 128))
    assert found_in(slope).sigma < 1e-5
    found = found_in(shot_noise(slope, 1000))
    at = np.quantile(slope, [0.2, 0.5, 0.8])
    np.testing.assert_allclose(found.at(at), np.sqrt(at / 1000), rtol=0.15)


def test_beyond_the_measured_intensities_the_level_is_that_at_their_ends() -> None:
    found = LevelFunction((0.01, 0.04), 0.2, 0.6)
    assert found.at(np.array([-5, 0.2, 0.4, 0.6, 9.0])) == pytest.approx(
        [0.1, 0.1, 0.025**0.5, 0.2, 0.2]
    )
    quadratic = LevelFunction((0.0, 0.0, 0.04), 0.0, 1.0)
    assert quadratic.at(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_the_unit_does_not_matter_but_to_the_scale(shift: float) -> None:
    """Range limits need not be those of the light: stored values may go far beyond [0, 1]."""
    noisy = shot_noise(grey("camera"), 100, read=0.005)
    found = found_in(noisy)
    other = found_in(noisy * 30 + shift)
    at = np.array([0.2, 0.5, 0.8])
    np.testing.assert_allclose(other.at(at * 30 + shift), 30 * found.at(at), rtol=0.08)


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_what_was_not_measured_is_ignored(share: float) -> None:
    noisy = shot_noise(grey("camera"), 100)
    whole = found_in(noisy)
    hole = noisy.copy()
    side = int(share**0.5 * 256)
    hole[20 : 20 + side, 100 : 100 + side] = np.nan
    found = found_in(hole)
    at = np.array([0.2, 0.5, 0.8])
    np.testing.assert_allclose(found.at(at), whole.at(at), rtol=0.1)
    white = 0.5 + np.random.default_rng(0).normal(0, 0.1, (128, 128))
    white[40:60, 30:90] = np.nan
    assert found_in(white).sigma == pytest.approx(0.1, rel=0.05)


def test_nothing_measured_and_nothing_noisy_is_0() -> None:
    assert found_in(np.full((128, 128), np.nan)).sigma == 0
    assert found_in(np.full((128, 128), 0.7)).sigma < 1e-5
    step = np.zeros((128, 128))
    step[:, 60:] = 1
    assert found_in(step).sigma < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (8, 8), (28, 28), (40, 60), (95, 96)])
def test_small_planes_have_one_level(size: tuple[int, int]) -> None:
    assert size[0] * size[1] < LEAST_PIXELS
    noisy = 0.5 + np.random.default_rng(0).normal(0, 0.1, size)
    found = found_in(noisy)
    assert found.is_constant
    assert found.sigma == float(estimate_sigma(plane(noisy)))


@pytest.mark.parametrize("size", [(1, 20000), (20000, 1)])
def test_a_single_row_or_column_has_no_level(size: tuple[int, int]) -> None:
    lines = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    found = estimate_level_functions(lines)
    assert [function.sigma for function in found] == [0, 0, 0]
    assert levels_by_differences(lines) is None


def test_a_constant_is_made_of_its_level() -> None:
    found = LevelFunction.constant(0.2)
    assert (found.is_constant, found.sigma) == (True, 0.2)
    assert found.at(np.array([0.0, 1.0])) == pytest.approx([0.2, 0.2])
