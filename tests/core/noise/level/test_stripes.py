"""Stripes are found wherever they are, and never where there are none."""

import numpy as np
import pytest
import torch
from noisy_pictures import Array, decibels, grey, page_of_text, shot_noise
from skimage import data
from torch import Tensor

from dae_tui.core.noise.level.stripes import Stripes, find_stripes

PICTURES = ("camera", "astronaut", "coins", "moon", "chelsea", "coffee", "rocket", "brick", "grass")


def planes_of(image: Array) -> Tensor:
    planes = torch.from_numpy(image).float()
    return planes[None] if planes.ndim == 2 else planes.movedim(-1, 0)


def found_in(image: Array) -> Stripes | None:
    planes = planes_of(image)
    return find_stripes(lambda rows, columns: planes[:, rows, columns], *image.shape[:2])


def without(image: Array, found: Stripes) -> Array:
    every = slice(None)
    rest = planes_of(image) - found.at(every, every)
    return np.asarray(rest.movedim(0, -1).double()).reshape(image.shape)


def striped(clean: Array, sigma: float, axis: int, seed: int = 0) -> Array:
    """With an offset for each row (axis 0) or column, the same in all channels."""
    shape = [1] * clean.ndim
    shape[axis] = clean.shape[axis]
    return clean + np.random.default_rng(seed).normal(0, sigma, shape)


@pytest.mark.parametrize("name", ["camera", "coins", "chelsea", "coffee", "rocket"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sigma", [0.03, 0.1])
@pytest.mark.parametrize("white", [0.0, 0.05])
def test_most_of_them_goes(name: str, axis: int, sigma: float, white: float) -> None:
    clean = grey(name, 320)
    other = clean + np.random.default_rng(1).normal(0, white, clean.shape)
    noisy = striped(other, sigma, axis)
    found = found_in(noisy)
    assert found is not None
    assert found.sigma == pytest.approx(sigma, rel=0.25)
    gain = decibels(without(noisy, found), other) - decibels(noisy, other)
    assert gain > 6


def test_rows_and_columns_at_once_and_channels_of_their_own() -> None:
    clean = np.stack([grey(name, 256) for name in ("camera", "coins", "rocket")], axis=-1)
    noisy = striped(striped(clean, 0.05, 0), 0.03, 1, seed=1)
    noisy[..., 1] = striped(clean[..., 1], 0.05, 0, seed=2)
    found = found_in(noisy)
    assert found is not None
    assert len(found.offsets) == 2
    assert decibels(without(noisy, found), clean) > decibels(noisy, clean) + 5
    parts = found.at(slice(10, 20), slice(30, 70))
    assert torch.equal(parts, found.at(slice(None), slice(None))[:, 10:20, 30:70])


@pytest.mark.parametrize("name", [*PICTURES, "page", "text", "clock", "waves", "discs"])
@pytest.mark.parametrize("noise", [0.0, 0.03, 0.2])
def test_pictures_have_none(name: str, noise: float) -> None:
    clean = grey(name, 256)
    assert found_in(clean + np.random.default_rng(0).normal(0, noise, clean.shape)) is None
    assert found_in(shot_noise(clean, 50)) is None


@pytest.mark.parametrize("name", ["camera", "brick", "grass", "gravel", "page", "text"])
def test_pictures_at_full_size_have_none(name: str) -> None:
    assert found_in(getattr(data, name)() / 255) is None


def test_bars_and_lines_of_text_are_the_image() -> None:
    rows = np.arange(256.0)[:, None]
    for period in (2, 3, 5, 8, 16):
        bars = 0.5 + 0.3 * np.sign(np.sin(2 * np.pi * rows / period + 0.1)) + np.zeros((1, 256))
        assert found_in(bars) is None
    page = page_of_text(256, 320) / 255
    assert found_in(page) is None
    horizon = np.where(rows < 100, 0.8, 0.3) + np.random.default_rng(0).normal(0, 0.02, (256, 256))
    assert found_in(horizon) is None


def test_the_edge_of_a_horizon_stays_sharp() -> None:
    rows = np.arange(256)[:, None]
    clean = np.where(rows < 100, 0.8, 0.3) + np.zeros((1, 256))
    noisy = striped(clean, 0.03, 0)
    found = found_in(noisy)
    assert found is not None
    after = without(noisy, found)
    edge = after[99, 0] - after[100, 0]
    assert edge == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("shape", [(1, 1), (63, 500), (500, 63), (1, 9000)])
def test_small_images_have_none(shape: tuple[int, int]) -> None:
    assert found_in(np.random.default_rng(0).random(shape)) is None


def test_constant_images_have_none() -> None:
    assert found_in(np.full((100, 100), 0.5)) is None
