"""The classical filters: what they are, tuned so that none is a straw man, on all processors."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import Split, load
from dae_tui.core.filters.classical_filters import FILTERS, Images, apply_filter, contrast
from dae_tui.core.filters.worker_pool import FilterPool, Tuned
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import parse_noise


def digits(split: Split, count: int) -> Images:
    images: Images = unit(load("digits", split, Path()).images[:count])[:, 0].numpy()
    return images


def noisy(images: Images, sigma: float, seed: int, clip: bool = True) -> Images:
    spec = parse_noise(f"gaussian:{sigma}")
    generator = torch.Generator().manual_seed(seed)
    planes = torch.from_numpy(images)[:, None]
    result: Images = add_noise(planes, spec, generator, clip)[:, 0].numpy()
    return result


def decibels(images: Images, original: Images) -> float:
    errors = np.square(images - original, dtype=np.float64).mean((1, 2))
    return float(np.mean(-10 * np.log10(errors)))


@pytest.fixture(scope="module")
def pool() -> Iterator[FilterPool]:
    with FilterPool() as shared:
        yield shared


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("clip", [True, False])
def test_a_filter_takes_noise_away_and_keeps_shape_and_type(name: str, clip: bool) -> None:
    original = digits("test", 6)
    given = noisy(original, 0.2, 0, clip)
    tries = []
    for setting in FILTERS[name].candidates(0.2):
        filtered = FILTERS[name].apply(given, **setting)
        assert filtered.shape == given.shape
        assert filtered.dtype == np.float32
        assert np.isfinite(filtered).all()
        gain, offset = contrast(filtered, original)
        tries.append(decibels(apply_filter(name, given, setting, gain, offset), original))
    assert max(tries) > decibels(given.clip(0, 1), original) + 1


@pytest.mark.parametrize("name", FILTERS)
def test_a_constant_image_stays_constant(name: str) -> None:
    grey = np.full((2, 24, 32), 0.4, np.float32)
    setting = FILTERS[name].candidates(0.3)[0]
    np.testing.assert_allclose(FILTERS[name].apply(grey, **setting), grey, atol=1e-4)


def test_a_bilateral_filter_that_sees_no_difference_is_a_gaussian() -> None:
    image = digits("test", 3)
    blind = FILTERS["bilateral"].apply(image, sigma_color=1e3, sigma_spatial=1.0)
    gaussian = ndimage.gaussian_filter(image, (0, 1, 1), truncate=3)
    np.testing.assert_allclose(blind, gaussian, atol=0.01)
    sharp = FILTERS["bilateral"].apply(image, sigma_color=1e-3, sigma_spatial=1.0)
    np.testing.assert_allclose(sharp, image, atol=0.01)


def test_contrast_is_what_least_squares_give() -> None:
    original = digits("test", 4)
    gain, offset = contrast(0.5 * original + 0.2, original)
    assert (gain, offset) == pytest.approx((2, -0.4), abs=1e-3)
    assert contrast(np.full_like(original, 0.3), original)[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5, 1.0])
def test_tuned_filters_beat_untuned_ones_at_every_sigma(pool: FilterPool, sigma: float) -> None:
    training, test = digits("train", 12), digits("test", 30)
    given = noisy(test, sigma, 1)
    for name in FILTERS:
        each, *others = pool.tune(name, noisy(training, sigma, 0), training)
        assert each.name == name
        assert all(other.psnr <= each.psnr for other in others)
        ours = decibels(pool.filter(each, [given])[0], test)
        usual = decibels(apply_filter(each.name, given, FILTERS[each.name].usual), test)
        assert ours > usual, each.name


@pytest.mark.parametrize("name", FILTERS)
def test_on_pairs_more_settings_are_tried(name: str) -> None:
    usual = FILTERS[name].candidates(0.1)
    candidates = FILTERS[name].candidates_for_pairs(0.1)
    assert all(each in candidates for each in usual)
    assert len({tuple(each.items()) for each in candidates}) == len(candidates)
    assert {tuple(each) for each in candidates} == {tuple(usual[0])}


@pytest.mark.slow
def test_noise_of_pairs_is_found_beside_a_difference_in_contrast(pool: FilterPool) -> None:
    original = digits("train", 12)
    given = noisy(0.4 * original + 0.3, 0.05, 0)
    usual, pairs = (
        pool.tune("non-local-means", given, original, pairs=pairs)[0] for pairs in (False, True)
    )
    assert pairs.psnr > usual.psnr + 0.5
    assert pairs.setting["h"] < usual.setting["h"]


def test_the_pool_gives_what_one_process_gives(pool: FilterPool) -> None:
    batches = [noisy(digits("test", 120), 0.5, 0), np.zeros((2, 40, 90), np.float32)]
    tuned = Tuned("median", {"size": 3}, 1.25, -0.1, 0.0)
    for given, result in zip(batches, pool.filter(tuned, batches), strict=True):
        np.testing.assert_array_equal(
            result, apply_filter("median", given, {"size": 3}, 1.25, -0.1)
        )
    assert tuned.words() == "size 3, gain 1.25, offset -0.1"


def test_memory_is_that_of_arrays_and_the_same_again(pool: FilterPool) -> None:
    tuned = Tuned("gaussian", {"sigma": 1.0}, 1.0, 0.0, 0.0)
    first, second = (pool.peak_bytes(tuned, 100) for _ in range(2))
    # A float32 in, one out, and at most some more on the way.
    assert 100 * 4 < first == second <= 100 * 4 * 6


def test_worker_processes_do_not_load_torch() -> None:
    code = "import sys, dae_tui.core.filters.classical_filters; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
