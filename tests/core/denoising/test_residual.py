"""What was removed, told apart: noise alone, or detail of the image with it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Dae
from noisy_pictures import colour, grey
from PIL import Image
from scipy import ndimage
from torch import Tensor

from dae_tui.core.denoising.residual import (
    CORRELATED,
    colour_correlation,
    residual_correlation,
)

SIDE = 192
SIGMA = 0.08
CLEAN = torch.from_numpy(grey("camera", SIDE).astype(np.float32))[None]
NOISE = SIGMA * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(3))


def blurred(planes: Tensor, width: float) -> Tensor:
    return torch.from_numpy(ndimage.gaussian_filter(planes.numpy(), (0, width, width)))


def test_white_noise_is_not_correlated() -> None:
    assert abs(residual_correlation(CLEAN + NOISE, CLEAN)) < CORRELATED


@pytest.mark.parametrize("width", [1.5, 3.0])
def test_detail_is(width: float) -> None:
    assert residual_correlation(CLEAN + NOISE, blurred(CLEAN, width)) > 2 * CORRELATED


def test_it_is_found_where_the_detail_is_though_little_of_the_image_has_any() -> None:
    """The whole of what was removed hides it: calm pixels are the most."""
    waves = torch.zeros_like(CLEAN) + 0.5
    columns = torch.arange(SIDE)
    waves[..., 140:170] += 0.08 * torch.sin(columns[140:170] * 0.9)
    removed = CLEAN.new_tensor(0.5).expand_as(waves)
    found = residual_correlation(waves + NOISE, removed + (waves - 0.5) * 0.2)
    assert found > CORRELATED


def test_clipped_noise_is_not_taken_for_detail() -> None:
    """White stays white but for noise of one sign, whose mean is not that of the grey."""
    flat = torch.full_like(CLEAN, 0.5)
    flat[..., 96:] = 1.0
    noisy = (flat + NOISE).clamp(0, 1)
    assert residual_correlation(noisy, flat) < CORRELATED
    taken = (noisy - flat) - (noisy - flat).mean()
    assert (taken[..., 1:] * taken[..., :-1]).mean() / taken.square().mean() > CORRELATED


@pytest.mark.parametrize("shape", [(1, 40, 40), (3, 8, 9), (1, 1, 1)])
def test_few_pixels_tell_nothing(shape: tuple[int, ...]) -> None:
    assert residual_correlation(torch.rand(shape), torch.full(shape, 0.5)) == 0.0


def test_nothing_removed_is_nothing_lost() -> None:
    assert residual_correlation(CLEAN, CLEAN) == 0.0


@pytest.mark.parametrize(("times", "warned"), [(1.0, False), (2.5, True)])
def test_a_level_that_is_told_too_high_is_warned_of(
    dae: Dae, tmp_path: Path, times: float, warned: bool
) -> None:
    clean = colour("chelsea", SIDE)
    noisy = clean + 0.06 * np.random.default_rng(0).normal(size=clean.shape)
    np.save(tmp_path / "noisy.npy", noisy.astype(np.float32))
    level = f"{0.06 * times:g}"
    done = dae("denoise", tmp_path / "noisy.npy", "-o", tmp_path / "out.npy", "--sigma", level)
    assert done.code == 0
    assert ("detail went with the noise" in done.err) == warned


@pytest.mark.slow
def test_a_level_that_is_estimated_is_not(dae: Dae, tmp_path: Path) -> None:
    clean = colour("coffee", SIDE)
    noisy = (clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape)).clip(0, 1)
    Image.fromarray((noisy * 255).round().astype(np.uint8)).save(tmp_path / "noisy.png")
    done = dae("denoise", tmp_path / "noisy.png", "-o", tmp_path / "out.png")
    assert done.code == 0
    assert "detail went with the noise" not in done.err


def test_colours_that_neighbours_share_are_told_from_white_noise_and_from_grey() -> None:
    noise = torch.randn((3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    assert abs(colour_correlation(noise)) < 0.02
    assert colour_correlation(blurred(noise, 1.0)) > 0.5
    # Of noise that all channels share, nothing is colour.
    assert abs(colour_correlation(blurred(noise[:1], 1.0).expand(3, -1, -1))) < 0.02
    assert colour_correlation(torch.zeros(3, SIDE, SIDE)) == 0
