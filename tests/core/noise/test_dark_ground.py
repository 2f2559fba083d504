"""Noise of digits that is clearly not Gaussian is told from Gaussian noise, and from none."""

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.noise.dark_ground import ENOUGH, is_dark, other_noise, stages_on_dark_ground
from dae_tui.core.noise.synthesis import add_noise
from dae_tui.spec.noise_spec import parse_noise


@cache
def digits() -> Tensor:
    return unit(load("digits", "train", Path()).images[:300])


def noisy(spec: str) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return (add_noise(digits(), parse_noise(spec), generator) * 255).round() / 255


@pytest.mark.parametrize(
    "spec",
    [
        "salt-pepper:0.1",
        "impulse:0.15",
        "uniform:0.4",
        "masking:0.5",
        "stripes:0.3",
        "correlated:0.3",
        "poisson-gaussian:0.3,0.02",
    ],
)
def test_other_kinds_are_found(spec: str) -> None:
    found = other_noise(noisy(spec))
    assert found is not None
    assert found.kind == spec.partition(":")[0]


@pytest.mark.parametrize(
    "spec", ["none", "gaussian:0.1", "gaussian:0.5", "jpeg:30", "stripes:0.01"]
)
def test_gaussian_noise_none_and_weak_noise_are_no_other_kind(spec: str) -> None:
    assert other_noise(noisy(spec)) is None


@pytest.mark.parametrize("sigma", [0.002, 0.004, 0.01])
def test_weak_noise_that_rounding_hides_in_most_places_is_not_taken_for_impulses(
    sigma: float,
) -> None:
    found = stages_on_dark_ground(noisy(f"gaussian:{sigma}"))
    assert [stage.kind for stage in found] in ([], ["gaussian"])
    assert all(stage.low < 0.02 for stage in found)


def test_few_images_and_light_ones_tell_nothing() -> None:
    images = noisy("stripes:0.3")
    assert other_noise(images[:ENOUGH]) is not None
    assert other_noise(images[: ENOUGH - 1]) is None
    assert not is_dark(1 - digits())
    assert other_noise(1 - images) is None
