"""What calm blocks tell of the noise: the noise alone, where there is an image beside it."""

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from dae_tui.core.noise.measured.calm_blocks import (
    spread_in_calm_blocks,
    spread_of,
    typical,
    variances_in_calm_blocks,
    white,
)
from dae_tui.core.noise.synthetic.correlated import neighbour_correlation, unit_noise


def noise(width: float, shared: float, colour: float = 0.0) -> Tensor:
    images = torch.zeros(1, 3, 256, 256)
    return unit_noise(images, Generator().manual_seed(5), width, shared, colour)[0]


def picture() -> Tensor:
    """Grey slopes (3, 256, 256), with strong texture in a corner."""
    slope = torch.linspace(0.3, 0.7, 256)
    image = ((slope + slope[:, None]) / 2).repeat(3, 1, 1)
    texture = torch.rand((1, 96, 96), generator=Generator().manual_seed(1))
    image[:, :96, :96] += 0.3 * (texture - 0.5)
    return image


def test_brightness_and_colour_have_correlations_of_their_own() -> None:
    found = spread_of(noise(0.5, 0.4, 1.2))
    assert found.bright == pytest.approx(0.4, abs=0.03)
    assert found.bright_neighbours == pytest.approx(neighbour_correlation(0.5), abs=0.03)
    assert found.colour_neighbours == pytest.approx(neighbour_correlation(1.3), abs=0.03)


def test_texture_beside_calm_blocks_is_not_taken_for_noise() -> None:
    found = spread_in_calm_blocks(picture() + 0.03 * noise(0.7, 0.2))
    assert found.neighbours == pytest.approx(neighbour_correlation(0.7), abs=0.08)
    assert found.shared == pytest.approx(0.2, abs=0.05)
    at = np.array([0.4, 0.5, 0.6])
    variances = variances_in_calm_blocks(picture() + 0.03 * noise(0.7, 0.2), at)
    assert variances == pytest.approx(np.full((3, 3), 0.03**2), rel=0.3)


def test_a_picture_without_noise_and_a_small_one_tell_nothing() -> None:
    for image in (picture()[:, 96:, 96:], noise(1, 0)[:, :32, :32]):
        found = spread_in_calm_blocks(image)
        assert found.neighbours == white().neighbours == 0


def test_of_several_the_median_counts() -> None:
    several = [spread_of(noise(width, 0.0)) for width in (0.0, 0.5, 3.0)]
    assert typical(several).neighbours == several[1].neighbours
    assert typical(several).bright == np.median([each.bright for each in several])
