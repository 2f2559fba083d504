"""Noise that is correlated between pixels and between channels: as strong and as wide as asked."""

import pytest
import torch
from torch import Generator, Tensor

from dae_tui.core.noise.synthetic.correlated import neighbour_correlation, unit_noise

IMAGES = torch.zeros(4, 3, 96, 96)


def noise(width: float, shared: float, colour: float = 0.0, images: Tensor = IMAGES) -> Tensor:
    return unit_noise(images, Generator().manual_seed(3), width, shared, colour)


def beside(values: Tensor) -> float:
    return float((values[..., 1:] * values[..., :-1]).mean() / values.square().mean())


@pytest.mark.parametrize("width", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("colour", [0.0, 1.5])
def test_the_variance_is_1_whatever_the_correlation(
    width: float, shared: float, colour: float
) -> None:
    found = noise(width, shared, colour)
    assert found.shape == IMAGES.shape
    assert float(found.var()) == pytest.approx(1, abs=0.08)


def test_colour_is_blurred_further_and_adds_nothing_to_the_brightness() -> None:
    found = noise(0.5, 0.4, 1.2)
    bright = found.mean(1, keepdim=True)
    assert float(bright.square().mean()) == pytest.approx(0.4, abs=0.02)
    assert beside(bright) == pytest.approx(neighbour_correlation(0.5), abs=0.02)
    assert beside(found - bright) == pytest.approx(neighbour_correlation(1.3), abs=0.02)


def test_one_channel_has_no_colour() -> None:
    grey = IMAGES[:, :1]
    assert torch.equal(noise(0.5, 0.4, 1.2, grey), noise(0.5, 0.4, 0.0, grey))


def test_channels_share_the_part_that_was_asked_for() -> None:
    found = noise(0.0, 0.3).movedim(1, 0).flatten(1)
    assert float(torch.corrcoef(found)[0, 1]) == pytest.approx(0.3, abs=0.03)
