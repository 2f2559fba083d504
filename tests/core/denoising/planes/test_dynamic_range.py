"""Stars on a dark sky: the curve that brings both into sight, and what stays as it was measured."""

import numpy as np
import pytest
import torch

from dae_tui.core.denoising.planes.dynamic_range import ground_of, stands_out, stretch
from dae_tui.core.noise.level.level_function import LevelFunction

LEVEL = 0.001
WHITE = LevelFunction.constant(LEVEL)
SKY = 0.05
ENDS = (0.04, 2.0)
BULK = (0.048, SKY, 0.06)


def plane(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[None, None]


def test_the_way_back_leads_to_where_it_came_from() -> None:
    steps = stretch(WHITE, SKY, ENDS).stabilisation
    given = plane(SKY, SKY + 0.01, 0.1, 0.5, 1.0, 1.9)
    there = steps.forward(given)
    assert torch.allclose(steps.backward(there), given, rtol=1e-3)
    assert there.min() >= 0
    assert there.max() <= 1


def test_the_mean_of_noisy_values_leads_back_to_the_clean_one() -> None:
    function = LevelFunction((LEVEL**2, LEVEL**2 + 1e-4), 0, 1)
    steps = stretch(function, SKY, ENDS).stabilisation
    drawn = np.random.default_rng(0)
    for clean in (SKY, 0.07, 0.3):
        level = float(function.at(np.array([clean]))[0])
        noisy = torch.from_numpy(drawn.normal(clean, level, (1, 400, 500))).float()
        mean = steps.forward(noisy).mean()
        assert float(steps.backward(mean[None, None, None])) == pytest.approx(clean, abs=level / 50)


@pytest.mark.parametrize("clean", [SKY, SKY + 0.005, 0.1, 0.5])
def test_the_network_is_told_the_noise_after_the_curve(clean: float) -> None:
    found = stretch(WHITE, SKY, ENDS)
    noisy = torch.from_numpy(np.random.default_rng(0).normal(clean, LEVEL, (1, 300, 300))).float()
    after = found.stabilisation.forward(noisy)
    told = found(after[None])
    assert told.shape == (1, 1, 300, 300)
    assert float(told.mean()) == pytest.approx(float(after.std()), rel=0.05)


def test_the_sky_is_seen_by_the_network_alone_and_bright_stars_stay() -> None:
    found = stretch(WHITE, SKY, ENDS)
    noisy = found.stabilisation.forward(plane(SKY + LEVEL, 1.0 + LEVEL))
    denoised = found.stabilisation.forward(plane(SKY, 1.0))
    mixed = found.stabilisation.backward(found.mixed(noisy, denoised))[0, 0]
    assert float(mixed[0]) == pytest.approx(SKY, abs=LEVEL / 20)
    assert float(mixed[1]) == pytest.approx(1.0 + LEVEL, abs=LEVEL / 20)


def test_photographs_do_not_stand_out() -> None:
    assert stands_out(WHITE, BULK, ENDS)
    assert not stands_out(WHITE, (0.1, 0.4, 0.9), (0.0, 1.0))
    assert not stands_out(LevelFunction.constant(0.02), BULK, ENDS)
    assert not stands_out(LevelFunction.constant(0.0), BULK, ENDS)


def test_the_ground_is_what_does_not_stand_out() -> None:
    sky = torch.from_numpy(np.random.default_rng(0).normal(SKY, LEVEL, (128, 128))).float()
    assert torch.equal(ground_of(sky), sky)
    starry = sky.clone()
    starry[40:44, 40:44] = 1.5
    found = ground_of(starry)
    assert int(found.isnan().sum()) == 16
    assert torch.equal(found[~found.isnan()], starry[~found.isnan()])


@pytest.mark.parametrize("value", [0.0, torch.nan])
def test_planes_without_noise_or_values_are_returned(value: float) -> None:
    flat = torch.full((8, 8), value)
    assert torch.equal(ground_of(flat).isnan(), flat.isnan())
