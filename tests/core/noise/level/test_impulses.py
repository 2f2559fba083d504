"""Salt and pepper and hot pixels are found and mended; letters, stars and texture are left."""

import numpy as np
import pytest
import torch
from noisy_pictures import Array, decibels, grey, impulses, page_of_text, shot_noise
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data

from dae_tui.core.noise.level.impulses import find_impulses, find_single_pixels, repair_impulses

PICTURES = ("camera", "astronaut", "coins", "moon", "chelsea", "coffee", "rocket", "brick", "grass")


def plane(image: Array) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32))


def mended(image: Array) -> Array:
    found = find_impulses(plane(image))
    assert found is not None
    return repair_impulses(plane(image), found).numpy().astype(np.float64)


@pytest.mark.parametrize("name", [*PICTURES, "page", "text", "clock", "hubble_deep_field"])
@pytest.mark.parametrize("side", [128, 256])
def test_pictures_hold_no_impulses(name: str, side: int) -> None:
    assert find_impulses(plane(grey(name, side))) is None


@pytest.mark.parametrize("name", ["camera", "brick", "grass", "gravel", "page", "text"])
def test_pictures_at_full_size_hold_no_impulses(name: str) -> None:
    assert find_impulses(plane(getattr(data, name)() / 255)) is None


@pytest.mark.parametrize("name", ["camera", "coins", "rocket", "grass"])
def test_other_noise_is_none_of_impulses(name: str) -> None:
    clean = grey(name, 128)
    draw = np.random.default_rng(0)
    assert find_impulses(plane(clean + draw.normal(0, 0.05, clean.shape))) is None
    assert find_impulses(plane((clean + draw.normal(0, 0.3, clean.shape)).clip(0, 1))) is None
    assert find_impulses(plane(shot_noise(clean, 20))) is None
    assert find_impulses(plane(clean * (1 + draw.normal(0, 0.1, clean.shape)))) is None


@pytest.mark.parametrize("sigma", [0, 10 / 255, 50 / 255])
def test_letters_are_no_impulses(sigma: float) -> None:
    page = page_of_text() / 255
    noisy = page + np.random.default_rng(0).normal(0, sigma, page.shape)
    assert find_impulses(plane(noisy)) is None
    assert find_impulses(plane(noisy.clip(0, 1))) is None
    assert find_impulses(plane(1 - noisy)) is None


@pytest.mark.parametrize("name", ["camera", "moon", "chelsea", "rocket", "brick"])
@pytest.mark.parametrize(("share", "gain"), [(0.05, 5), (0.1, 5), (0.3, 2)])
def test_salt_and_pepper_is_mended_far_better_than_by_the_median_filter(
    name: str, share: float, gain: float
) -> None:
    clean = grey(name, 160)
    noisy = impulses(clean, share)
    medians = [decibels(ndimage.median_filter(noisy, size), clean) for size in (3, 5)]
    assert decibels(mended(noisy), clean) > max(medians) + gain


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_the_impulses_that_are_found_are_those_that_were_added(share: float) -> None:
    clean = grey("camera", 160)
    noisy = impulses(clean, share)
    found = find_impulses(plane(noisy))
    assert found is not None
    added = np.abs(noisy - clean) > 0.2
    assert (found & added).sum() > 0.95 * added.sum()
    assert (found & (noisy == clean)).sum() < 0.02 * found.size
    repaired = repair_impulses(plane(noisy), found).numpy()
    assert (repaired[~found] == noisy.astype(np.float32)[~found]).all()


def test_impulses_of_any_value_are_found() -> None:
    clean = grey("moon", 160)
    draw = np.random.default_rng(0)
    noisy = np.where(draw.random(clean.shape) < 0.1, draw.random(clean.shape), clean)
    assert decibels(mended(noisy), clean) > decibels(noisy, clean) + 8


@pytest.mark.parametrize("name", ["camera", "moon"])
def test_impulses_in_white_noise_are_found(name: str) -> None:
    clean = grey(name, 160)
    without = clean + np.random.default_rng(1).normal(0, 0.05, clean.shape)
    assert decibels(mended(impulses(without, 0.1)), clean) > decibels(without, clean) - 2


def with_hot_pixels(clean: Array, share: float, sign: int) -> tuple[Array, NDArray[np.bool_]]:
    """White noise, and pixels that are lighter or darker by 0.5 to 1, and where these are."""
    draw = np.random.default_rng(0)
    noisy: Array = clean + draw.normal(0, 0.03, clean.shape)
    hot = draw.random(clean.shape) < share
    noisy[hot] += sign * draw.uniform(0.5, 1, hot.sum())
    return noisy, hot


@pytest.mark.parametrize("name", ["moon", "coins", "chelsea"])
@pytest.mark.parametrize("share", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("sign", [1, -1], ids=["hot", "dead"])
def test_hot_pixels_and_dead_ones_are_found(name: str, share: float, sign: int) -> None:
    noisy, hot = with_hot_pixels(grey(name, 256), share, sign)
    found = find_impulses(plane(noisy))
    assert found is not None
    assert (found & hot).sum() > 0.85 * hot.sum()
    assert (found & ~hot).mean() < 0.0001


def test_a_part_of_an_image_with_hot_pixels_is_mended_like_the_whole() -> None:
    noisy, _ = with_hot_pixels(grey("coins", 256), 0.001, 1)
    whole = find_impulses(plane(noisy))
    single = find_single_pixels(plane(noisy))
    assert whole is not None
    assert [each.sign for each in single] == [1]
    parts = []
    for top in range(0, 256, 32):
        found = find_impulses(plane(noisy[top : top + 32]), single)
        parts.append(np.zeros((32, 256), bool) if found is None else found)
    assert (np.concatenate(parts) != whole).sum() < 0.2 * whole.sum()
    assert find_impulses(plane(noisy), ()) is None  # Salt and pepper is looked for alone.


def test_far_beyond_the_range_a_few_hot_pixels_are_enough() -> None:
    clean = grey("camera", 128)
    noisy = clean + np.random.default_rng(0).normal(0, 0.03, clean.shape)
    noisy[[40, 0, 70, 100, 127], [50, 127, 20, 90, 0]] = noisy[90:92, 7] = 20.0
    found = find_impulses(plane(noisy))
    assert found is not None
    assert np.array_equal(found, noisy == 20.0)


@pytest.mark.parametrize("name", ["camera", "moon", "coins"])
def test_bright_pixels_of_shot_noise_and_speckle_are_no_hot_ones(name: str) -> None:
    clean = grey(name, 256)
    for photons in (3, 10, 100):
        assert find_impulses(plane(shot_noise(0.2 * clean, photons))) is None
    draw = np.random.default_rng(0)
    assert find_impulses(plane(clean * (1 + draw.normal(0, 0.2, clean.shape)))) is None


@pytest.mark.parametrize("width", [1.0, 1.5, 2.5])
def test_stars_are_no_hot_pixels(width: float) -> None:
    """Their full width at half maximum in pixels; the brightest are far beyond the range."""
    draw = np.random.default_rng(0)
    sky = np.zeros((900, 900))
    np.add.at(sky, tuple(draw.integers(0, 900, (2, 300))), draw.pareto(1.2, 300))
    blurred = ndimage.gaussian_filter(sky, 3 * width / 2.355)
    stars = blurred.reshape(300, 3, 300, 3).sum((1, 3))
    stars /= np.quantile(stars, 0.999)
    assert find_impulses(plane(stars + draw.normal(0, 0.01, stars.shape))) is None


@pytest.mark.parametrize("photons", [0.002, 0.01, 0.03])
def test_single_photons_are_no_hot_pixels(photons: float) -> None:
    counts = np.random.default_rng(0).poisson(photons, (256, 256)).astype(float)
    assert find_impulses(plane(counts / counts.max())) is None
    assert find_impulses(plane(3 * counts)) is None


@pytest.mark.parametrize("sign", [1, -1], ids=["light", "dark"])
@pytest.mark.parametrize("noise", [0, 0.02], ids=["drawn", "printed"])
@pytest.mark.parametrize("step", [3, 4, 8])
def test_dots_in_step_are_no_hot_pixels(step: int, noise: float, sign: int) -> None:
    dots = np.full((256, 256), 0.5)
    dots[1::step, 2::step] += 0.4 * sign
    dots += np.random.default_rng(0).normal(0, noise, dots.shape)
    assert find_impulses(plane(dots)) is None


def test_a_light_tone_in_black_dots_holds_no_dead_pixels() -> None:
    tones = Image.fromarray((255 - 32 * (1 - grey("camera", 256))).astype(np.uint8))
    dithered = np.asarray(tones.convert("1")).astype(float)
    assert find_impulses(plane(dithered)) is None


def test_what_was_not_measured_is_no_impulse() -> None:
    clean = grey("camera", 128).copy()
    clean[::7, ::5] = np.nan
    assert find_impulses(plane(clean)) is None
    noisy = impulses(grey("camera", 128), 0.1)
    noisy[40:60, 40:70] = np.nan
    found = find_impulses(plane(noisy))
    assert found is not None
    assert not found[40:60, 40:70].any()
    repaired = repair_impulses(plane(noisy), found)
    assert repaired[40:60, 40:70].isnan().all()
    assert int(repaired.isnan().sum()) == 600


def test_the_median_of_the_good_neighbours_stands_for_an_impulse() -> None:
    image = torch.arange(25.0).reshape(5, 5)
    image[2, 2], image[2, 3] = 99, 99
    found = image.numpy() == 99
    repaired = repair_impulses(image, found)
    assert repaired[2, 2] == np.median([6, 7, 8, 11, 16, 17, 18])
    assert image[2, 2] == 99  # The argument is left alone.
    # Where no good pixel is near, those that were mended help; where there is none, it stays.
    blot = np.zeros((16, 16), bool)
    blot[4:10, 4:10] = True
    assert (repair_impulses(torch.where(torch.from_numpy(blot), 9.0, 0.5), blot) == 0.5).all()
    everything = np.ones((9, 9), bool)
    assert (repair_impulses(torch.ones(9, 9), everything) == 1).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 100), (100, 3)])
def test_small_planes_hold_none(size: tuple[int, int]) -> None:
    assert find_impulses(torch.rand(size, generator=torch.Generator().manual_seed(0))) is None


@pytest.mark.parametrize("strength", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("name", ["camera", "coins", "rocket"])
def test_speckle_holds_no_impulses(name: str, strength: float) -> None:
    clean = grey(name)
    noisy = clean * (1 + np.random.default_rng(1).normal(0, strength, clean.shape))
    assert find_impulses(torch.from_numpy(noisy.clip(0, 1).astype(np.float32))) is None
