"""The level functions of colour images, from the differences of their channels."""

import numpy as np
import pytest
import torch
from noisy_pictures import grey
from torch import Tensor

from dae_tui.core.noise.level.colour_differences import levels_by_differences
from dae_tui.core.noise.level.level_function import LevelFunction, estimate_level_functions

SIDE = 176


def textured(seed: int = 0) -> np.ndarray:
    """An image (H, W, 3) that is all texture, of slowly changing colours."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    light = 0.15 + 0.6 * columns
    white = rng.uniform(-1, 1, (SIDE, SIDE))
    shifted = [np.roll(white, (down, across), (0, 1)) for down in (0, 1) for across in (0, 1)]
    grain = np.sum(shifted, axis=0) / 2
    bright = light * (1 + 0.25 * grain)
    tint = np.stack([1 + 0 * rows, 0.75 + 0.2 * rows, 1 - 0.3 * rows], axis=-1)
    return np.asarray(bright[..., None] * tint).clip(0.02, 0.98)


def planes_of(image: np.ndarray) -> Tensor:
    stored = (image.clip(0, 1) * 255).round() / 255
    return torch.from_numpy(stored).float().permute(2, 0, 1).contiguous()


def errors(
    levels: tuple[LevelFunction, ...], clean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """The estimated over the true level of each channel at three of its intensities."""
    ratios = []
    for channel, level in enumerate(levels):
        at = np.quantile(clean[..., channel], [0.1, 0.5, 0.9])
        true = np.sqrt(np.interp(at, np.linspace(0, 1, len(variance)), variance))
        ratios.append(level.at(at) / true)
    return np.array(ratios)


def test_shot_noise_in_texture() -> None:
    clean, photons = textured(), 400
    planes = planes_of(np.random.default_rng(1).poisson(clean * photons) / photons)
    true = np.array([0.0, 1 / photons])
    found = levels_by_differences(planes)
    assert found is not None
    assert np.abs(errors(found, clean, true) - 1).max() < 0.1
    alone = estimate_level_functions(planes)
    assert np.abs(errors(alone, clean, true) - 1).max() > 0.2


def test_speckle_around_black_areas() -> None:
    waves = grey("waves", 256)
    clean = np.stack([waves, 0.2 + 0.6 * waves.T, 0.9 - 0.7 * waves], axis=-1)
    clean[40:120, 60:140] = 0
    noisy = clean * (1 + np.random.default_rng(7).normal(0, 0.1, clean.shape))
    found = levels_by_differences(planes_of(noisy))
    assert found is None or all(level.is_speckle for level in found)


@pytest.mark.parametrize("strength", [0.1, 0.2])
def test_speckle_is_a_share_of_the_intensity(strength: float) -> None:
    waves = grey("waves", 256)
    clean = np.stack([waves, 0.2 + 0.6 * waves.T, 0.9 - 0.7 * waves], axis=-1)
    noisy = clean * (1 + np.random.default_rng(7).normal(0, strength, clean.shape))
    found = levels_by_differences(planes_of(noisy))
    assert found is not None
    assert all(level.is_speckle for level in found)
    at = np.array([0.1, 0.5])
    for level in found:
        np.testing.assert_allclose(level.at(at), strength * at, rtol=0.1)


def test_white_noise_is_constant() -> None:
    clean = textured(2)
    noisy = clean + np.random.default_rng(3).normal(0, 0.03, clean.shape)
    found = levels_by_differences(planes_of(noisy))
    assert found is not None
    assert all(level.is_constant for level in found)
    assert [level.sigma for level in found] == pytest.approx([0.03] * 3, rel=0.08)


def test_channels_of_different_gain() -> None:
    clean = textured(4)
    gains = np.array([0.002, 0.006, 0.004])
    noise = np.random.default_rng(5).normal(size=clean.shape) * np.sqrt(gains * clean)
    found = levels_by_differences(planes_of(clean + noise))
    assert found is not None
    for channel, level in enumerate(found):
        at = np.quantile(clean[..., channel], [0.2, 0.8])
        assert level.at(at) == pytest.approx(np.sqrt(gains[channel] * at), rel=0.12)


def test_shared_noise_is_left_to_others() -> None:
    clean = textured(6) * 0 + np.array([0.5, 0.4, 0.3])
    rng = np.random.default_rng(7)
    own = rng.normal(0, 0.03, clean.shape)
    shared = rng.normal(0, 0.03, clean.shape[:2])[..., None]
    assert levels_by_differences(planes_of(clean + own)) is not None
    assert levels_by_differences(planes_of(clean + own + shared)) is None
    assert levels_by_differences(planes_of(clean + shared)) is None


def test_nothing_is_said_of_little() -> None:
    assert levels_by_differences(torch.rand(3, 20, 20)) is None
    assert levels_by_differences(torch.full((3, SIDE, SIDE), torch.nan)) is None
    assert levels_by_differences(torch.full((3, SIDE, SIDE), 0.5)) is None


def test_what_was_not_measured_is_passed_over() -> None:
    clean = textured(8)
    planes = planes_of(np.random.default_rng(9).poisson(clean * 100) / 100)
    planes[:, 60:90, 60:90] = torch.nan
    found = levels_by_differences(planes)
    assert found is not None
    assert np.abs(errors(found, clean, np.array([0.0, 0.01])) - 1).max() < 0.12
