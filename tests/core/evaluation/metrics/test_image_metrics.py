"""PSNR and SSIM against scikit-image, fitted PSNR against numpy.

The Wilson interval against tables, scipy and simulation.
Paired tests: what is certain, what is chance, and how often chance is taken for certain.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from dae_tui.core.evaluation.metrics.image_metrics import (
    fitted_psnr,
    psnr,
    sharpness,
    sign_test,
    ssim,
    wilcoxon,
    wilson_interval,
)

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 7, 7), (3, 31, 17), (1, 64, 40)]


def originals(kind: str, channels: int, height: int, width: int) -> NDArray[np.float32]:
    """Four images (N, C, H, W): white noise, or edges and gradients as images have them."""
    generator = np.random.default_rng(0)
    shape = (4, channels, height, width)
    if kind == "random":
        return generator.random(shape, np.float32)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    disc = (np.hypot(rows - 0.5, columns - 0.5) < 0.3).astype(np.float32)
    scales = generator.uniform(0.3, 1, (4, channels, 1, 1))
    images: NDArray[np.float32] = (scales * (0.7 * disc + 0.3 * columns)).astype(np.float32)
    return images


def noisy_versions(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each image with a stronger noise than the one before."""
    generator = np.random.default_rng(1)
    sigmas = np.array([0.02, 0.1, 0.3, 0.7])[:, None, None, None]
    noise = sigmas * generator.normal(size=images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


@pytest.mark.parametrize("kind", ["random", "structured"])
@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_agrees_with_scikit_image(kind: str, shape: tuple[int, int, int]) -> None:
    clean = originals(kind, *shape)
    noisy = noisy_versions(clean)
    expected = [
        peak_signal_noise_ratio(a.astype(float), b.astype(float), data_range=1)
        for a, b in zip(clean, noisy, strict=True)
    ]
    found = psnr(torch.from_numpy(noisy), torch.from_numpy(clean))
    assert found.tolist() == pytest.approx(expected, abs=1e-4)
    assert (found.diff() < 0).all()


@pytest.mark.parametrize("kind", ["random", "structured"])
@pytest.mark.parametrize("shape", SHAPES)
def test_fitted_psnr_is_that_after_a_least_squares_line(
    kind: str, shape: tuple[int, int, int]
) -> None:
    clean = originals(kind, *shape)
    noisy = 0.6 * noisy_versions(clean) + 0.1
    expected = []
    for image, reference in zip(noisy.astype(float), clean.astype(float), strict=True):
        # One line for all channels of an image.
        gain, offset = np.polyfit(image.ravel(), reference.ravel(), 1)
        expected.append(-10 * np.log10(np.mean((gain * image + offset - reference) ** 2)))
    found = fitted_psnr(torch.from_numpy(noisy), torch.from_numpy(clean))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    assert (found > psnr(torch.from_numpy(noisy), torch.from_numpy(clean))).all()


def test_fitted_psnr_does_not_depend_on_gain_and_offset() -> None:
    clean = torch.from_numpy(originals("structured", 3, 31, 17)).double()
    noisy = torch.from_numpy(noisy_versions(clean.float().numpy())).double()
    dim = fitted_psnr(0.2 * noisy + 0.3, clean)
    torch.testing.assert_close(dim, fitted_psnr(noisy, clean))
    assert (fitted_psnr(0.5 * clean + 0.25, clean) > 200).all()
    # Nothing fits better than the mean to an image without any structure.
    flat = fitted_psnr(torch.full_like(clean, 0.7), clean)
    torch.testing.assert_close(flat, psnr(clean.mean((1, 2, 3), True).expand_as(clean), clean))


@pytest.mark.parametrize("kind", ["random", "structured"])
@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_agrees_with_scikit_image(kind: str, shape: tuple[int, int, int]) -> None:
    clean = originals(kind, *shape)
    noisy = noisy_versions(clean)
    expected = [
        structural_similarity(a.astype(float), b.astype(float), data_range=1, channel_axis=0)
        for a, b in zip(clean, noisy, strict=True)
    ]
    found = ssim(torch.from_numpy(noisy), torch.from_numpy(clean))
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_psnr_of_an_offset_of_a_tenth_is_20_db() -> None:
    images = torch.full((2, 1, 8, 8), 0.5)
    assert psnr(images + 0.1, images).tolist() == pytest.approx([20, 20], abs=1e-5)


def test_an_identical_image_has_infinite_psnr_and_an_ssim_of_one() -> None:
    images = torch.from_numpy(originals("structured", 3, 12, 12))
    assert psnr(images, images.clone()).tolist() == [float("inf")] * 4
    assert ssim(images, images.clone()).tolist() == pytest.approx([1] * 4, abs=1e-12)


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_identical_flat_images_have_an_ssim_of_one(grey: float) -> None:
    images = torch.full((1, 1, 9, 9), grey)
    assert ssim(images, images.clone()).item() == pytest.approx(1, abs=1e-12)


def test_black_against_white_has_a_psnr_and_an_ssim_of_about_nothing() -> None:
    black, white = torch.zeros(1, 1, 9, 9), torch.ones(1, 1, 9, 9)
    assert psnr(black, white).item() == pytest.approx(0, abs=1e-12)
    assert ssim(black, white).item() == pytest.approx(1e-4 / (1 + 1e-4), abs=1e-9)


def test_ssim_of_an_inverted_pattern_is_negative() -> None:
    pattern = torch.from_numpy(originals("random", 1, 16, 16))
    assert (ssim(1 - pattern, pattern) < -0.5).all()


@pytest.mark.parametrize("figure", [psnr, ssim])
def test_each_image_of_a_batch_is_measured_alone(
    figure: Callable[[Tensor, Tensor], Tensor],
) -> None:
    clean = originals("structured", 1, 20, 20)
    noisy = torch.from_numpy(noisy_versions(clean))
    together = figure(noisy, torch.from_numpy(clean))
    alone = [figure(noisy[i : i + 1], torch.from_numpy(clean[i : i + 1])).item() for i in range(4)]
    assert together.shape == (4,)
    assert together.tolist() == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_wilson_interval_is_the_published_one(
    correct: int, total: int, low: float, high: float
) -> None:
    """Newcombe 1998, Statistics in Medicine 17:857, table I, method 3."""
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.data())
def test_the_wilson_interval_agrees_with_scipy_and_holds_the_observed_share(
    data: st.DataObject,
) -> None:
    total = data.draw(st.integers(1, 100_000))
    correct = data.draw(st.integers(0, total))
    low, high = wilson_interval(correct, total)
    expected = binomtest(correct, total).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-7)
    assert 0 <= low <= correct / total + 1e-12
    assert correct / total - 1e-12 <= high <= 1


def test_another_confidence_is_another_z() -> None:
    expected = binomtest(975, 1000).proportion_ci(0.99, method="wilson")
    assert wilson_interval(975, 1000, z=2.575829) == pytest.approx(
        (expected.low, expected.high), abs=1e-7
    )


def test_without_images_the_interval_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0, 1)


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 0.97])
def test_95_percent_of_intervals_hold_the_true_accuracy(accuracy: float) -> None:
    counts = np.random.default_rng(0).binomial(1000, accuracy, size=4000)
    intervals = [wilson_interval(int(count), 1000) for count in counts]
    coverage = np.mean([low <= accuracy <= high for low, high in intervals])
    # Four standard errors of the simulation, and half a percent for the steps of a binomial.
    assert coverage == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / 4000) ** 0.5 + 0.005)


# Sharpness


def test_sharpness_is_the_share_of_the_edges_that_is_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    original = torch.zeros(3, 1, 32, 32)
    original[:, :, 8:24, 10:22] = 1
    blurred = torch.nn.functional.avg_pool2d(original, 5, stride=1, padding=2)
    noise = 0.3 * torch.randn((400, 1, 32, 32), generator=generator)
    kept = {
        "all": sharpness(original, original),
        "half": sharpness(0.5 * original + 0.2, original),
        "blurred": sharpness(blurred, original),
        "none": sharpness(torch.full_like(original, 0.4), original),
        "noisy": sharpness(original[:1] + noise, original[:1].expand(400, -1, -1, -1)),
    }
    assert kept["all"].tolist() == pytest.approx([1] * 3)
    assert kept["half"].tolist() == pytest.approx([0.5] * 3)
    assert (kept["blurred"] < 0.6).all()
    assert kept["none"].abs().max() < 1e-9
    # Noise has nothing in common with the edges: it neither adds nor takes.
    assert kept["noisy"].mean().item() == pytest.approx(1, abs=0.01)
    assert sharpness(original, torch.zeros_like(original)).isnan().all()


def test_the_sign_test_counts_the_images_that_differ_alone() -> None:
    right = np.array([1] * 90 + [1] * 8 + [0] * 2)
    other = np.array([1] * 90 + [0] * 8 + [1] * 2)
    # McNemar's exact test: 8 against 2 in 10 fair throws.
    assert sign_test(right, other) == pytest.approx(binomtest(8, 10).pvalue)
    assert sign_test(right, other) == pytest.approx(112 / 1024)
    assert sign_test(right, right) == 1


def test_with_several_seeds_an_image_counts_once() -> None:
    right, other = np.array([3, 3, 2, 1]), np.array([3, 1, 0, 2])
    assert sign_test(right, other) == pytest.approx(binomtest(2, 3).pvalue)


def test_chance_alone_is_seldom_taken_for_a_difference() -> None:
    generator = np.random.default_rng(0)
    values = [sign_test(*(generator.random((2, 300)) < 0.9).astype(int)) for _ in range(1000)]
    assert np.mean(np.array(values) < 0.05) < 0.06


def test_wilcoxon_sees_a_shift_that_all_images_have() -> None:
    generator = np.random.default_rng(0)
    figures = 20 + generator.normal(size=12)
    assert wilcoxon(figures, figures - 0.3 - 0.1 * generator.random(12)) == pytest.approx(2 / 2**12)
    assert wilcoxon(figures, figures) == 1
