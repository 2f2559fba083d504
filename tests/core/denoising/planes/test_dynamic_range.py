"""Stars on a dark sky: the curve that brings both into sight, and what stays as it was measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dae_tui.core.denoising.planes.dynamic_range import Bulk, ground_of, stretch
from dae_tui.core.noise.level.level_function import LevelFunction

LEVEL = 0.001
WHITE = LevelFunction.constant(LEVEL)
SKY = 0.05
BULK = Bulk(0.048, SKY, 0.0515, 0.04, 2.0, 100)


def plane(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[None, None]


def test_the_way_back_leads_to_where_it_came_from() -> None:
    steps = stretch(WHITE, BULK).stabilisation
    given = plane(SKY, SKY + 0.01, 0.1, 0.5, 1.0, 1.9)
    there = steps.forward(given)
    assert torch.allclose(steps.backward(there), given, rtol=1e-3)
    assert there.min() >= 0
    assert there.max() <= 1


def test_the_mean_of_noisy_values_leads_back_to_the_clean_one() -> None:
    function = LevelFunction((LEVEL**2, LEVEL**2 + 1e-4), 0, 1)
    steps = stretch(function, BULK).stabilisation
    drawn = np.random.default_rng(0)
    for clean in (SKY, 0.07, 0.3):
        level = float(function.at(np.array([clean]))[0])
        noisy = torch.from_numpy(drawn.normal(clean, level, (1, 400, 500))).float()
        mean = steps.forward(noisy).mean()
        assert float(steps.backward(mean[None, None, None])) == pytest.approx(clean, abs=level / 50)


@pytest.mark.parametrize("clean", [SKY, SKY + 0.005, 0.1, 0.5])
def test_the_network_is_told_the_noise_after_the_curve(clean: float) -> None:
    found = stretch(WHITE, BULK)
    noisy = torch.from_numpy(np.random.default_rng(0).normal(clean, LEVEL, (1, 300, 300))).float()
    after = found.stabilisation.forward(noisy)
    told = found(after[None])
    assert told.shape == (1, 1, 300, 300)
    assert float(told.mean()) == pytest.approx(float(after.std()), rel=0.05)


def test_the_sky_is_seen_by_the_network_alone_and_bright_stars_stay() -> None:
    found = stretch(WHITE, BULK)
    noisy = found.stabilisation.forward(plane(SKY + LEVEL, 1.0 + LEVEL))
    denoised = found.stabilisation.forward(plane(SKY, 1.0))
    mixed = found.stabilisation.backward(found.mixed(noisy, denoised))[0, 0]
    assert float(mixed[0]) == pytest.approx(SKY, abs=LEVEL / 20)
    assert float(mixed[1]) == pytest.approx(1.0 + LEVEL, abs=LEVEL / 20)


def test_photographs_do_not_stand_out() -> None:
    assert BULK.stands_out(WHITE)
    assert not Bulk(0.1, 0.4, 0.9, 0.0, 1.0, 200).stands_out(WHITE)
    assert not BULK.stands_out(LevelFunction.constant(0.02))
    assert not BULK.stands_out(LevelFunction.constant(0.0))


def test_counts_of_single_photons_do_not_either() -> None:
    assert not replace(BULK, distinct=4).stands_out(WHITE)


def test_the_bulk_is_what_most_values_are() -> None:
    found = Bulk.of(torch.cat([torch.linspace(0, 1, 1001), torch.full((20,), 50.0)]))
    assert found is not None
    assert (found.low, found.middle, found.high) == pytest.approx((0.05, 0.51, 0.97), abs=0.01)
    assert (found.lowest, found.highest) == (0, 50)
    assert found.distinct > 900
    assert Bulk.of(torch.tensor([torch.nan, 1.0])) is None


def test_a_mask_of_one_value_is_not_the_ground() -> None:
    sky = torch.linspace(0.4, 0.6, 1001)
    found = Bulk.of(torch.cat([torch.zeros(2000), sky]))
    assert found is not None
    assert found.middle == pytest.approx(0.5, abs=0.01)


def test_a_ground_that_spans_many_levels_may_be_texture() -> None:
    assert not BULK.is_textured(WHITE)
    assert replace(BULK, high=BULK.low + 0.03).is_textured(WHITE)


def test_levels_of_the_ground_alone_are_those_of_the_image() -> None:
    part = torch.tensor([0.048, 0.05, 0.0515, 1.0])[None, None]
    after = BULK.stretched(part)
    assert float(after.max()) == 1
    span = float((after[0, 0, 1] - after[0, 0, 0]) / (part[0, 0, 1] - part[0, 0, 0]))
    found = BULK.unstretched(LevelFunction.constant(0.1))
    assert found.at(np.array([SKY]))[0] == pytest.approx(0.1 / span, rel=1e-3)
    shot = BULK.unstretched(LevelFunction((0.0, 0.04), sigma=0.1))
    middle = float(after[0, 0, 1])
    assert shot.at(np.array([SKY]))[0] == pytest.approx(np.sqrt(0.04 * middle) / span, rel=1e-2)


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
