"""PSNR and SSIM of stored images against clean ones of the same or another type."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dae_tui.core.evaluation.metrics.reference_scores import score
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import ValueRange, find_range
from dae_tui.errors import DataError

BYTES = ValueRange(0.0, 255.0)


def test_scores_are_those_of_scikit_image() -> None:
    random = np.random.default_rng(0)
    for shape in ((1, 7, 9, 1), (2, 520, 33, 3), (1, 519, 20, 1), (1, 1040, 12, 1)):
        clean = random.integers(0, 256, shape, dtype=np.uint8)
        image = np.clip(clean + random.normal(0, 20, shape), 0, 255).astype(np.uint8)
        found = score([Stack(image)], [BYTES], [Stack(clean)], "clean.png")
        pairs = list(zip(clean / 255.0, image / 255.0, strict=True))
        decibels = [peak_signal_noise_ratio(x, y, data_range=1) for x, y in pairs]
        similar = [structural_similarity(x, y, data_range=1, channel_axis=2) for x, y in pairs]
        assert found.psnr == pytest.approx(np.mean(decibels), abs=1e-4)
        assert found.ssim == pytest.approx(np.mean(similar), abs=1e-4)


def test_scores_need_a_reference_of_the_same_size() -> None:
    image = Stack(np.zeros((1, 8, 8, 1), np.uint8))
    with pytest.raises(DataError, match=r"clean.png holds images of other sizes: 1×8×9×1"):
        score([image], [BYTES], [Stack(np.zeros((1, 8, 9, 1), np.uint8))], "clean.png")
    tiny = Stack(np.zeros((1, 6, 8, 1), np.uint8))
    found = score([tiny], [BYTES], [tiny], "x")
    assert found.psnr == np.inf
    assert found.ssim is None


@pytest.mark.parametrize(("dtype", "black", "white"), [("i2", -1000, 1000), ("u4", 0, 3000)])
def test_an_image_of_any_range_is_scored_in_its_own(dtype: str, black: int, white: int) -> None:
    random = np.random.default_rng(0)
    clean = random.uniform(black, white, (1, 40, 40, 1))
    noisy = clean + random.normal(0, 100, clean.shape)
    image = Stack(np.rint(noisy).clip(black, None).astype(dtype))
    found = find_range(image, "x")
    scores = score([image], [found], [Stack(np.rint(clean).astype(dtype))], "clean")
    error = np.mean((image.values - np.rint(clean)) ** 2)
    assert scores.psnr == pytest.approx(10 * np.log10(found.span**2 / error), abs=0.01)


def test_a_reference_of_another_type_has_its_own_white() -> None:
    clean = np.random.default_rng(0).integers(0, 256, (1, 20, 20, 1), dtype=np.uint8)
    found = score([Stack(clean)], [BYTES], [Stack((clean / 255).astype(np.float32))], "x")
    assert found.psnr > 120


def test_alpha_and_what_was_not_measured_do_not_count() -> None:
    random = np.random.default_rng(0)
    clean = random.random((1, 30, 30, 1)).astype(np.float32)
    noisy = clean + 0.1
    noisy[0, 5:9, 5:9], clean[0, 20:22, 3] = np.nan, np.nan
    unit = ValueRange(0, 1)
    assert score([Stack(noisy)], [unit], [Stack(clean)], "x").psnr == pytest.approx(20, abs=1e-4)
    holed = np.where(np.isnan(noisy), -9999, noisy).astype(np.float32)
    stack = Stack(holed, no_data=-9999)
    assert score([stack], [unit], [Stack(clean)], "x").psnr == pytest.approx(20, abs=1e-4)
    both = [Stack(np.concatenate([np.nan_to_num(clean), a], -1), True) for a in (clean, 1 - clean)]
    assert score(both[:1], [unit], both[1:], "x").psnr == np.inf
