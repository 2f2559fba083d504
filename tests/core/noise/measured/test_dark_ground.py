"""Noise of digits that is clearly not Gaussian is told from Gaussian noise, and from none."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.noise.measured.dark_ground import (
    ENOUGH,
    is_dark,
    other_noise,
    stages_on_dark_ground,
)
from dae_tui.core.noise.synthetic.synthesis import add_noise
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


@pytest.mark.parametrize("brightness", ["flat", "shaded", "spotted"])
def test_clean_objects_that_are_no_digits_have_no_other_noise(brightness: str) -> None:
    """Such as the garments of Fashion-MNIST: they fill more of the image, and have textures."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:28, :28] - 13.5
    sides = draw.uniform((4, 5), (13, 14), (300, 2))
    inside = np.stack([(abs(columns) < w) & (abs(rows) < h) for w, h in sides])
    light = draw.uniform(0.4, 0.95, (300, 1, 1)) * np.ones((300, 28, 28))
    if brightness == "shaded":
        light = light * (0.75 + 0.25 * np.sin(rows / 3))
    if brightness == "spotted":
        light = light * np.repeat(np.repeat(draw.uniform(0.4, 1, (300, 7, 7)), 4, 1), 4, 2)
    objects = torch.from_numpy((inside * light * 255).round() / 255).float()[:, None]
    assert is_dark(objects)
    assert other_noise(objects) is None
