"""A curve after which noise is equally strong everywhere, and an unbiased way back."""

import numpy as np
import pytest
import torch
from noisy_pictures import shot_noise

from dae_tui.core.denoising.planes.stabilisation import has_few_looks, stabilise, stabilise_looks
from dae_tui.core.noise.level.level_function import LevelFunction

WHITE = 100
LIGHT = LevelFunction((0.0, 1 / WHITE), sigma=0.07)
SENSOR = LevelFunction((0.0025, 0.0125), sigma=0.08)
SPECKLE = LevelFunction((0.0, 0.0, 0.04), sigma=0.1)


def flat(intensity: float) -> np.ndarray:
    return np.full((300, 300), intensity)


@pytest.mark.parametrize("photons", [5, 10, 20, 50, 90])
def test_shot_noise_is_equally_strong_after_it(photons: float) -> None:
    steps = stabilise([LIGHT], [0.0], [1.2])
    assert steps is not None
    noisy = torch.from_numpy(shot_noise(flat(photons / WHITE), WHITE).astype(np.float32))[None]
    stabilised = steps.forward(noisy)
    assert float(stabilised.std() / steps.sigmas[0]) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("photons", [5, 10, 20, 50, 90])
def test_the_mean_is_kept(photons: float) -> None:
    """The mean of stabilised values, as a perfect denoiser gives it, is that of the light."""
    steps = stabilise([LIGHT], [0.0], [1.2])
    assert steps is not None
    noisy = torch.from_numpy(shot_noise(flat(photons / WHITE), WHITE).astype(np.float32))[None]
    mean = steps.forward(noisy).mean().expand(1, 4, 4)
    back = steps.backward(mean)
    assert float(back[0, 0, 0]) * WHITE == pytest.approx(photons, rel=0.01)


@pytest.mark.parametrize("function", [SENSOR, SPECKLE])
@pytest.mark.parametrize("intensity", [0.2, 0.5, 0.8])
def test_other_level_functions_are_stabilised_too(
    function: LevelFunction, intensity: float
) -> None:
    steps = stabilise([function], [-0.1], [1.2])
    assert steps is not None
    level = float(function.at(np.array([intensity]))[0])
    noisy = np.random.default_rng(0).normal(intensity, level, (1, 300, 300)).astype(np.float32)
    stabilised = steps.forward(torch.from_numpy(noisy))
    assert float(stabilised.std() / steps.sigmas[0]) == pytest.approx(1, abs=0.08)
    back = steps.backward(stabilised.mean().expand(1, 4, 4))
    assert float(back[0, 0, 0]) == pytest.approx(intensity, rel=0.01)


def test_the_stabilised_image_ranges_from_0_to_1_and_grows() -> None:
    steps = stabilise([LIGHT], [0.0], [1.2])
    assert steps is not None
    ramp = torch.linspace(0, 1.2, 500)[None, None]
    done = steps.forward(ramp)
    assert float(done[0, 0, 0]) == pytest.approx(0, abs=1e-5)
    assert float(done[0, 0, -1]) == pytest.approx(1, abs=1e-5)
    assert (done.diff() > 0).all()
    assert (steps.backward(done).diff() >= 0).all()


def test_where_the_noise_is_weak_the_way_back_is_the_way_there() -> None:
    steps = stabilise([LevelFunction((1e-8, 1e-6), sigma=1e-3)], [0.0], [1.0])
    assert steps is not None
    ramp = torch.linspace(0.01, 1, 100)[None, None]
    assert (steps.backward(steps.forward(ramp)) - ramp).abs().max() < 1e-3


def test_white_noise_needs_no_curve() -> None:
    white = LevelFunction.constant(0.1)
    assert stabilise([white, white], [0, 0], [1, 1]) is None
    steps = stabilise([white, LIGHT], [0.0, 0.0], [1.0, 1.0])
    assert steps is not None
    planes = torch.rand((2, 20, 20), generator=torch.Generator().manual_seed(0))
    assert (steps.forward(planes)[0] == planes[0]).all()
    assert (steps.backward(planes)[0] == planes[0]).all()
    assert float(steps.sigmas[0]) == pytest.approx(0.1)
    assert not torch.equal(steps.forward(planes)[1], planes[1])


@pytest.mark.parametrize("clean", [0.03, 0.5, 0.97])
def test_what_clipping_took_from_the_mean_comes_back(clean: float) -> None:
    steps = stabilise([LevelFunction.constant(0.1)], [0.0], [1.0], unclip=True)
    assert steps is not None
    noisy = np.random.default_rng(0).normal(clean, 0.1, (1, 300, 300)).clip(0, 1)
    given = torch.from_numpy(noisy.astype(np.float32))
    back = steps.backward(steps.forward(given).mean().expand(1, 4, 4))
    assert float(back[0, 0, 0]) == pytest.approx(clean, abs=0.003)


def test_a_level_that_falls_to_nothing_at_both_ends_makes_no_cliff() -> None:
    """As a parabola through noisy measurements may: small steps must stay small."""
    arch = LevelFunction((1e-12, 2e-5, 1e-12), low=0.03, high=0.88, sigma=0.002)
    steps = stabilise([arch], [0.0], [0.9])
    assert steps is not None
    ramp = torch.linspace(0, 0.9, 1000).view(1, 1, -1)
    stabilised = steps.forward(ramp)
    slopes = stabilised.diff().squeeze()
    assert float(slopes.max() / slopes.min()) < 15
    assert torch.allclose(steps.backward(stabilised), ramp, atol=2e-3)


def looks(count: int, intensity: float = 0.3) -> torch.Tensor:
    """Speckle of radar, on an area that is equally bright everywhere."""
    drawn = np.random.default_rng(0).gamma(count, 1 / count, (1, 300, 300))
    return torch.from_numpy((intensity * drawn).astype(np.float32))


def share_of(count: int) -> LevelFunction:
    return LevelFunction.speckle(count**-0.5, np.array([0.3]))


@pytest.mark.parametrize("count", [1, 2])
def test_speckle_of_few_looks_is_equally_strong_after_the_logarithm(count: int) -> None:
    steps = stabilise_looks(share_of(count), 4.0)
    for intensity, within in ((0.1, 0.25), (0.3, 0.1), (1.0, 0.2)):
        noisy = steps.forward(looks(count, intensity))
        assert noisy.min() >= 0
        excess = 1.2 if count == 1 else 1.06
        assert float(noisy.std() * excess / steps.sigmas[0]) == pytest.approx(1, abs=within)
        back = steps.backward(noisy.mean().expand(1, 4, 4))
        assert float(back[0, 0, 0]) == pytest.approx(intensity, rel=0.02)


def test_few_looks_are_known_by_their_strength_and_sign() -> None:
    assert has_few_looks(share_of(1), looks(1))
    assert not has_few_looks(share_of(4), looks(4))
    assert not has_few_looks(LIGHT, looks(1))
    assert not has_few_looks(share_of(1), looks(1) - 0.1)
    assert not has_few_looks(share_of(1), (looks(1) - 0.1).clamp(min=0))
