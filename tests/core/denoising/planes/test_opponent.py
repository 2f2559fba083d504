"""Brightness and colour differences: the way back is exact, and white noise stays white."""

import pytest
import torch

from dae_tui.core.denoising.planes.opponent import (
    from_opponent,
    opponent_sigmas,
    opponent_variance,
    to_opponent,
)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_the_way_back_is_exact() -> None:
    images = 3 * draw(2, 3, 20, 30)
    assert (from_opponent(to_opponent(images)) - images).abs().max() < 1e-5


def test_grey_is_its_brightness_and_two_halves() -> None:
    grey = torch.rand((1, 1, 5, 5), generator=torch.Generator().manual_seed(0))
    planes = to_opponent(grey.expand(1, 3, 5, 5))
    assert (planes[:, 0] - grey[:, 0]).abs().max() < 1e-6
    assert (planes[:, 1:] - 0.5).abs().max() < 1e-6


@pytest.mark.parametrize("sigmas", [(0.1, 0.1, 0.1), (0.02, 0.1, 0.3)])
def test_white_noise_is_as_strong_as_computed(sigmas: tuple[float, float, float]) -> None:
    levels = torch.tensor(sigmas)
    noise = draw(1, 3, 400, 400) * levels[:, None, None]
    found = to_opponent(noise).std(dim=(2, 3))
    expected = opponent_sigmas(levels[None])
    assert expected.shape == (1, 3)
    assert ((found / expected) - 1).abs().max() < 0.01


@pytest.mark.parametrize("shared", [0.0, 0.2])
def test_the_sum_of_the_variances_stays_whatever_channels_share(shared: float) -> None:
    noise = 0.1 * draw(1, 3, 200, 200) + shared * draw(1, 1, 200, 200)
    before = noise.var(dim=(2, 3)).sum()
    found = opponent_variance(to_opponent(noise).std(dim=(2, 3)))
    assert float(found) == pytest.approx(float(before), rel=1e-4)


def test_equal_noise_is_uncorrelated_between_planes() -> None:
    planes = to_opponent(draw(1, 3, 400, 400))[0].flatten(1)
    assert (torch.corrcoef(planes) - torch.eye(3)).abs().max() < 0.01
