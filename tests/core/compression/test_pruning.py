"""Progressive compression: the experiment of 1992 in small, and how near it comes to the best."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from dae_tui.core.compression.pruning import (
    Recipe,
    Step,
    prune_progressively,
    squared_error,
    start_units,
)
from dae_tui.models.autoassociative import Network, Settings, cut, join


def photograph() -> Tensor:
    """A photograph of 64×64 pixels in 4 bits, (1, 1, 64, 64) in [0, 1]."""
    means = data.camera().reshape(64, 8, 64, 8).mean((1, 3))
    return torch.from_numpy(np.floor(means / 16) / 15).float()[None, None]


def steps_of(recipe: Recipe, start: int = 16, units: int = 6) -> list[Step]:
    patches = cut(photograph(), 16)[0]
    return list(prune_progressively(patches, Settings(units=start), units, recipe))


def best_error(patches: Tensor, units: int) -> float:
    """The squared error of the best linear code of so many numbers."""
    singular = torch.linalg.svdvals(patches - patches.mean(0))
    return float(singular[units:].square().sum())


@pytest.fixture(scope="module")
def default_steps() -> Sequence[Step]:
    return steps_of(Recipe())


def test_one_unit_is_removed_at_a_time_and_the_last_step_says_so(
    default_steps: Sequence[Step],
) -> None:
    assert [step.units for step in default_steps] == list(range(16, 5, -1))
    assert [step.last for step in default_steps] == [False] * 10 + [True]
    assert default_steps[9].ratio == pytest.approx(256 / 7)
    assert all(0 < step.smallest_angle <= 90 for step in default_steps)


def test_the_error_is_flat_at_first_and_grows_then(default_steps: Sequence[Step]) -> None:
    errors = {step.units: step.squared_error for step in default_steps}
    assert errors[13] < 0.06 * errors[6]
    assert errors[13] < errors[10] < errors[8] < errors[6]


def test_pruning_ends_within_a_fifth_of_the_best_error(default_steps: Sequence[Step]) -> None:
    patches = cut(photograph(), 16)[0]
    assert default_steps[-1].squared_error < 1.2 * best_error(patches, 6)


def test_the_error_that_is_told_is_that_of_the_network(default_steps: Sequence[Step]) -> None:
    patches = cut(photograph(), 16)[0]
    last = default_steps[-1]
    decoded = last.network.decode(last.network.encode(patches)).clamp(0, 1)
    expected = float((decoded - patches).square().sum())
    assert last.squared_error == pytest.approx(expected, rel=1e-4)
    assert squared_error(last.network, patches) == last.squared_error


def test_the_published_way_prunes_too() -> None:
    steps = steps_of(Recipe(first=400, again=50, last=0, published=True))
    assert [step.units for step in steps] == list(range(16, 5, -1))
    assert all(step.network.settings.output == "sigmoid" for step in steps)
    assert steps[0].squared_error < steps[-1].squared_error


def test_a_seed_decides_the_weights() -> None:
    short = Recipe(first=5, again=2, last=2)
    one, same = steps_of(short, 4, 3)[-1].network, steps_of(short, 4, 3)[-1].network
    other = steps_of(Recipe(5, 2, 2, seed=1), 4, 3)[-1].network
    assert torch.equal(one.encoder.weight, same.encoder.weight)
    assert not torch.equal(one.encoder.weight, other.encoder.weight)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a_flat_patch_is_reproduced(value: float) -> None:
    patches = torch.full((1, 16), value)
    [step] = prune_progressively(patches, Settings(side=4, units=1), 1, Recipe(10, 5, 5))
    assert step.squared_error < 1e-6
    assert math.isnan(step.smallest_angle)


def test_as_many_units_to_start_with_as_are_of_use() -> None:
    assert start_units(16, Settings(), 1024) == 24
    assert start_units(6, Settings(), 1024) == 10
    assert start_units(6, Settings(), 4) == 6
    assert start_units(250, Settings(), 1024) == 256


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (32, 16), (33, 17)])
@pytest.mark.parametrize("channels", [1, 3])
def test_patches_make_up_the_image_again(size: tuple[int, int], channels: int) -> None:
    images = torch.rand(2, channels, *size, generator=torch.Generator().manual_seed(0))
    patches = cut(images, 16)
    assert patches.shape == (2, -(-size[0] // 16) * -(-size[1] // 16), channels * 256)
    assert torch.equal(join(patches, tuple(images.shape), 16), images)


def test_more_patches_than_are_trained_on_all_count_in_the_decoder() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(5000, 2, generator=generator) @ torch.rand(2, 16, generator=generator) / 2
    steps = list(prune_progressively(patches, Settings(side=4, units=3), 2, Recipe(60, 60, 100)))
    assert isinstance(steps[-1].network, Network)
    # Two numbers are all that is in these patches.
    assert steps[-1].squared_error / patches.numel() < 1e-4
