"""Values that fill what was not measured, in files that do not say so."""

from io import BytesIO

import numpy as np
import pytest
import tifffile

from dae_tui.core.images.formats import read
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.padding import find_padding, with_padding

SIDE = 64
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
OUTSIDE = np.hypot(ROWS - 32, COLUMNS - 32) > 30


def measured(low: float, high: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(
        low + (high - low) * (COLUMNS / SIDE * 0.8 + rng.uniform(0, 0.2, OUTSIDE.shape))
    )


def padded(value: float, low: float, high: float, dtype: str) -> Stack:
    image = np.where(OUTSIDE, value, measured(low, high)).astype(dtype)
    return Stack(image[None, ..., None])


@pytest.mark.parametrize(
    ("value", "low", "high", "dtype"),
    [
        (-2000, -1000, 800, "i2"),
        (-9999, 0, 1, "f4"),
        (-32768, 300, 4000, "i2"),
        (-3.4028234663852886e38, 0, 5000, "f4"),
    ],
)
def test_padding_becomes_no_data(value: float, low: float, high: float, dtype: str) -> None:
    stack, remark = with_padding(padded(value, low, high, dtype))
    assert stack.no_data == value
    assert f"{value:g}" in remark


def test_what_is_near_other_values_is_none() -> None:
    for value, dtype in ((-1000, "i2"), (-1010, "f4")):  # Air in CT, and what a filter cut off.
        assert with_padding(padded(value, -1000, 800, dtype))[0].no_data is None


def test_8_bits_two_values_and_constants_have_none() -> None:
    assert with_padding(padded(0, 100, 200, "u1"))[0].no_data is None
    two = Stack(np.where(OUTSIDE, 0, 4000).astype("u2")[None, ..., None])
    assert with_padding(two)[0].no_data is None
    assert with_padding(Stack(np.full((1, 9, 9, 1), 7, "i2")))[0].no_data is None
    assert with_padding(Stack(np.full((1, 9, 9, 1), np.nan, "f4")))[0].no_data is None


@pytest.mark.parametrize(
    ("ground", "low", "high", "dtype"),
    [(0, 0.3, 1, "f4"), (1, 0.1, 0.7, "f4"), (0, 9000, 40000, "u2"), (65535, 300, 4000, "u2")],
)
def test_a_ground_of_black_or_white_is_none(
    ground: float, low: float, high: float, dtype: str
) -> None:
    assert with_padding(padded(ground, low, high, dtype))[0].no_data is None


def test_impulses_are_none() -> None:
    image = measured(1000, 3000)
    image[np.random.default_rng(1).random(image.shape) < 0.1] = 65535
    assert with_padding(Stack(image.astype("u2")[None, ..., None]))[0].no_data is None


def test_a_file_is_read_with_its_padding() -> None:
    written = BytesIO()
    tifffile.imwrite(written, np.where(OUTSIDE, -2000, measured(-1000, 800)).astype(np.int16))
    assert read(written.getvalue(), "ct.tif").stacks[0].no_data is None
    file = find_padding(read(written.getvalue(), "ct.tif"))
    assert file.stacks[0].no_data == -2000
    assert any("-2000" in remark for remark in file.remarks)
    assert tifffile.imread(BytesIO(file.encode(file.stacks))).min() == -2000
