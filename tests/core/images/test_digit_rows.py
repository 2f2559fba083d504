"""Rows of 784 numbers are images, unless they are one image 784 wide."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.core.images.codecs import arrays
from dae_tui.core.images.digit_rows import are_digits, as_digits
from dae_tui.core.images.image_file import Stack

RANDOM = np.random.default_rng(0)


def strokes(count: int = 40) -> NDArray[np.float64]:
    """Images (N, 28, 28) of a bright patch each."""
    images = np.zeros((count, 28, 28))
    for image, (row, column) in zip(images, RANDOM.integers(4, 18, (count, 2)), strict=True):
        image[row : row + 8, column : column + 6] = 1
    return images


@pytest.mark.parametrize("sigma", [0, 0.25, 0.5, 1.0])
def test_digits_are_known_in_noise(sigma: float) -> None:
    rows = strokes(400).reshape(-1, 784)
    noisy = rows + RANDOM.normal(0, sigma, rows.shape)
    assert are_digits(noisy)
    assert are_digits(noisy.clip(0, 1) * 255)


@pytest.mark.parametrize("sigma", [0, 0.1, 0.5])
def test_one_image_is_no_digits(sigma: float) -> None:
    y, x = np.mgrid[:300, :784]
    picture = 0.5 + 0.4 * np.sin(x / 23 + y / 31)
    noisy = picture + RANDOM.normal(0, sigma, picture.shape)
    assert not are_digits(noisy)
    assert as_digits(noisy) is None


def test_other_shapes_and_a_single_row() -> None:
    assert not are_digits(np.zeros((5, 783)))
    assert not are_digits(np.zeros((5, 1, 784)))
    assert are_digits(np.zeros((1, 784)))
    assert are_digits(np.full((1, 784), np.nan))


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_of_rows_comes_back_as_it_was(order: str) -> None:
    rows = np.array(strokes().reshape(-1, 784) * 255, np.uint8, order=order)  # type: ignore[call-overload]
    out = io.BytesIO()
    np.save(out, rows)
    file = arrays.read_npy(out.getvalue(), "a.npy")
    assert file.stacks[0].values.shape == (40, 28, 28, 1)
    assert file.remarks == ("its rows are taken for 40 images of 28×28 pixels",)
    assert file.encode(file.stacks) == out.getvalue()
    made = np.load(io.BytesIO(file.encode([Stack(255 - file.stacks[0].values)])))
    np.testing.assert_array_equal(made, 255 - rows)
