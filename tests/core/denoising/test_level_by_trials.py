"""The level of white noise, found by what a network takes away, also where all is texture."""

import math

import numpy as np
import pytest
import torch
from level_trials import cut, planes, tried, white
from noisy_pictures import grey, shot_noise

from dae_tui.core.denoising.level_by_trials import consistency, is_consistent, level_by_trials
from dae_tui.core.denoising.risk import attempt
from dae_tui.core.denoising.white_noise import evenness, excess_correlations, is_white_noise

AT = np.array([0.2, 0.35, 0.5, 0.65, 0.8])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("picture", "photons"),
    [("gravel", 300), ("gravel", 1000), ("brick", 1000), ("coins", 300), ("camera", 100)],
)
def test_shot_noise_in_grey_texture(picture: str, photons: float) -> None:
    clean = cut(picture)
    found = tried(planes(shot_noise(clean, photons)))
    assert found is not None
    assert is_white_noise(found)
    at = np.quantile(clean, [0.4, 0.6, 0.9])
    assert found.levels[0].at(at) == pytest.approx(np.sqrt(at / photons), rel=0.2)
    assert found.levels[0].sigma == pytest.approx(np.sqrt(clean.mean() / photons), rel=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [5 / 255, 10 / 255, 25 / 255])
def test_white_noise_in_colour(sigma: float) -> None:
    found = tried(planes(white(cut("chelsea"), sigma)))
    assert found is not None
    assert is_white_noise(found)
    for level in found.levels:
        assert level.at(AT) == pytest.approx(sigma * np.ones(len(AT)), rel=0.15)


def test_nothing_but_noise_is_measured_at_once() -> None:
    """Of a network that knows the clean image, all that it takes away is noise."""
    clean = planes(grey("waves", 96))
    noisy = clean + 0.03 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    found = level_by_trials(noisy, lambda given, levels: clean.expand_as(given))
    assert found is not None
    assert found.levels[0].at(AT) == pytest.approx(0.03 * np.ones(len(AT)), rel=0.05)
    assert evenness(found) == pytest.approx(0.95, abs=0.05)
    assert excess_correlations(found).abs().max() < 0.05


def test_a_network_that_takes_nothing_away_finds_nothing() -> None:
    assert level_by_trials(planes(grey("camera", 96)), lambda given, levels: given) is None


def test_consistency_is_what_is_taken_over_what_should_be() -> None:
    noisy = 0.1 * torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    for told, ratio in ((0.1, 1), (0.2, 0.25), (0.05, 4)):
        trial = attempt(torch.zeros_like, noisy, torch.full((1, 1, 1), told))
        assert consistency(trial) == pytest.approx(ratio, rel=0.05)
    idle = attempt(lambda given: given, noisy, torch.full((1, 1, 1), 0.1))
    assert consistency(idle) == math.inf
    half = torch.zeros(1, 64, 64, dtype=torch.bool)
    half[:, :32] = True
    louder = noisy.clone()
    louder[:, 32:] *= 2
    trial = attempt(torch.zeros_like, louder, torch.full((1, 1, 1), 0.1))
    assert consistency(trial) == pytest.approx(2.5, rel=0.05)
    assert consistency(trial, half) == pytest.approx(1, rel=0.05)


def test_what_is_taken_away_agrees_with_the_right_level_alone() -> None:
    noisy = 0.1 * torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    for told, right in ((0.1, True), (0.09, False), (0.115, False)):
        trial = attempt(torch.zeros_like, noisy, torch.full((1, 1, 1), told))
        assert is_consistent(trial) == right


def test_levels_that_are_clearly_too_low_are_not_sought_any_further() -> None:
    clean = planes(grey("waves", 96))
    noisy = clean + 0.01 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    assert level_by_trials(noisy, lambda given, levels: clean, least=0.012) is not None
    assert level_by_trials(noisy, lambda given, levels: clean, least=0.03) is None


def test_a_black_channel_gets_the_level_of_another() -> None:
    clean = torch.cat([planes(grey("waves", 96)), torch.zeros(1, 96, 96)])
    noise = 0.03 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noise[1] = 0
    found = level_by_trials(clean + noise, lambda given, levels: clean)
    assert found is not None
    for level in found.levels:
        assert level.at(AT) == pytest.approx(0.03 * np.ones(len(AT)), rel=0.05)


def test_light_with_an_offset_has_the_law_of_a_sensor() -> None:
    clean = planes(grey("waves", 128))
    drawn = torch.Generator().manual_seed(0)
    levels = (0.0004 + 0.002 * clean).sqrt()
    noisy = clean + levels * torch.randn(clean.shape, generator=drawn)
    found = level_by_trials(noisy, lambda given, told: clean)
    assert found is not None
    assert found.levels[0].at(AT) == pytest.approx(np.sqrt(0.0004 + 0.002 * AT), rel=0.08)
