"""Stored values to [0, 1] and back, and what is odd about them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import find_oddities, from_unit, to_unit
from dae_tui.errors import DataError

INTEGERS = [np.uint8, np.uint16, np.uint32]


def ramp(dtype: Any) -> NDArray[Any]:
    kind = np.dtype(dtype)
    top = np.iinfo(kind).max if kind.kind == "u" else 1
    return np.linspace(0, top, 1001).astype(kind).reshape(1, 7, 143, 1)


@pytest.mark.parametrize(
    "dtype", [bool, *INTEGERS, np.float16, np.float32, np.float64, ">u2", ">f4"]
)
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_values_that_nothing_changed_come_back_exactly(dtype: Any, white_is_zero: bool) -> None:
    values = ramp(dtype)
    white = Stack(values).white
    unit = to_unit(values, white, white_is_zero)
    assert unit.min() == 0 and unit.max() == 1
    back = from_unit(unit, values, white, white_is_zero)
    assert back.dtype == values.dtype
    # float32 holds 24 bits of the 32.
    tolerance = 2**9 if dtype == np.uint32 else (1e-7 if values.dtype.kind == "f" else 0)
    assert np.abs(back.astype(np.float64) - values.astype(np.float64)).max() <= tolerance


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_and_stay_in_their_range(dtype: Any) -> None:
    unit = to_unit(np.array([[0.1, 0.5, -1.0, 2.0]]), 1.0)
    top = np.iinfo(dtype).max
    stored = from_unit(unit, np.zeros((1, 4), dtype), float(top))
    assert stored[0, 2] == 0 and stored[0, 3] == top
    assert abs(int(stored[0, 0]) - 0.1 * top) <= max(0.5, top * 1e-7)


def test_twelve_bits_in_sixteen() -> None:
    values = np.array([[0, 2048, 4095]], np.uint16)
    unit = to_unit(values, 4095)
    assert unit.max() == 1
    assert (from_unit(unit, values, 4095) == values).all()
    assert from_unit(unit * 2, values, 4095).max() == 4095


def test_nan_is_the_mean_for_the_network_and_stays_in_the_file() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 0.5, 0.25]], np.float32)
    unit = to_unit(values, 1.0)
    assert unit.tolist() == [[0.375, 0.375, 0.375, 0.5, 0.25]]
    back = from_unit(unit, values, 1.0)
    assert np.isnan(back[0, 0]) and back[0, 1] == np.inf and back[0, 2] == -np.inf
    assert back[0, 3] == 0.5


def test_oddities_are_counted_and_said() -> None:
    values = np.full((2, 1100, 5, 2), 0.5, np.float32)
    values[0, 1050, 0, 0] = np.nan
    values[1, 3, 3, 0] = -0.25
    values[1, 1099, 3, 0] = 1.5
    values[..., 1] = 9  # Alpha is no part of it.
    found = find_oddities(Stack(values, alpha=True), 1.0, "x.tif")
    assert (found.values, found.not_finite, found.outside) == (11000, 1, 2)
    assert (found.lowest, found.highest) == (-0.25, 1.5)
    nan, outside = found.remarks()
    assert nan.startswith("1 values are NaN")
    assert "outside [0, 1], from -0.25 to 1.5" in outside


@pytest.mark.parametrize("dtype", [bool, *INTEGERS, np.float32])
def test_ordinary_values_are_not_remarked(dtype: Any) -> None:
    stack = Stack(ramp(dtype))
    assert find_oddities(stack, stack.white, "x").remarks() == []


def test_integers_above_a_lower_white_are_outside() -> None:
    stack = Stack(np.array([4095, 5000], np.uint16).reshape(1, 1, 2, 1))
    assert find_oddities(stack, 4095, "x").outside == 1


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "nothing but NaN"), (np.inf, "infinite"), (255.0, "to 255")]
)
def test_values_that_are_no_image_are_refused(value: float, words: str) -> None:
    with pytest.raises(DataError, match=words) as raised:
        find_oddities(Stack(np.full((1, 3, 3, 1), value, np.float32)), 1.0, "x.tif")
    assert raised.value.message.startswith("x.tif")
    assert find_oddities(Stack(np.full((1, 3, 3, 1), 255.0)), 255.0, "x").remarks() == []
    with pytest.raises(DataError, match="cannot be white"):
        find_oddities(Stack(np.zeros((1, 3, 3, 1), np.uint8)), 4095.0, "x.png")
