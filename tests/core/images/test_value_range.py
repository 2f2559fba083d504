"""What is black and white in stored values of any type, and the way to [0, 1] and back."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data

from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import (
    BAND,
    ValueRange,
    fill_unmeasured,
    find_limits,
    find_range,
    from_unit,
    to_unit,
    usable,
)
from dae_tui.errors import DataError

INTEGERS = [f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)]
FLOATS = ["f2", "f4", "f8"]
ORDERED = [">i2", ">u2", ">u4", ">i8", ">f4", ">f8"]
CAMERA = data.camera()[100:228, 180:308] / 255


def photograph(
    black: float, white: float, dtype: Any, noise: float = 0.05, count: int = 1
) -> NDArray[Any]:
    """Noisy photographs (N, 128, 128, 1) between two stored values; noise is a share of them."""
    draw = np.random.default_rng(0)
    unit = CAMERA + draw.normal(0, noise, (count, *CAMERA.shape))
    stored = black + (white - black) * unit
    kind = np.dtype(dtype)
    if kind.kind in "ui":
        limits = np.iinfo(kind)
        # The largest integers of 64 bits have no float of their own.
        top = np.nextafter(float(limits.max), 0) if kind.itemsize == 8 else limits.max
        stored = np.rint(stored).clip(limits.min, top)
    typed: NDArray[Any] = stored.astype(kind)
    return typed[..., None]


def found_in(values: NDArray[Any], **more: Any) -> ValueRange:
    return find_range(Stack(values, **more), "x.tif")


# Where the type says what black and white are


@pytest.mark.parametrize(
    ("dtype", "white"),
    [("u1", 255), ("u2", 65535), (">u2", 65535), ("f2", 1), ("f4", 1), ("f8", 1)],
)
def test_a_type_that_is_used_in_full_says_its_range(dtype: str, white: float) -> None:
    found = found_in(photograph(0, white, dtype, noise=0).clip(0, white))
    assert (found.black, found.white, found.source) == (0, white, "type")


def test_a_picture_of_two_values_ranges_between_them() -> None:
    found = found_in(photograph(0, 1, "f4") > 0.5)
    assert (found.black, found.white, found.source) == (0, 1, "type")


@pytest.mark.parametrize("values", [[7, 9], [0, 0], [255, 255]])
def test_dark_and_constant_images_of_8_bits_keep_their_range(values: list[int]) -> None:
    found = found_in(np.resize(np.array(values, np.uint8), (1, 16, 16, 3)))
    assert (found.black, found.white, found.source) == (0, 255, "type")


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_from_0_to_1_keep_their_range_in_noise_far_outside(dtype: str, noise: float) -> None:
    values = photograph(0, 1, dtype, noise)
    assert values.max() > 1 or noise < 0.1
    found = found_in(values)
    assert (found.black, found.white, found.source) == (0, 1, "type")
    assert found.lowest <= values.min() and found.highest >= values.max()


def test_a_dim_photograph_in_floats_is_none_of_the_whole_range() -> None:
    values = photograph(0, 0.001, "f4")
    found = found_in(values)
    assert found.source == "data"
    assert found.span == pytest.approx(np.ptp(np.quantile(values, [0.001, 0.999])), rel=0.01)


# Where the data say it


@pytest.mark.parametrize(
    ("dtype", "black", "white"),
    [
        ("u4", 0, 3000),  # Counts of a detector.
        ("u8", 0, 3000),
        ("i4", 0, 3000),
        ("i2", -1000, 1000),  # CT in Hounsfield units.
        ("i8", -1000, 1000),
        (">i2", -1000, 1000),
        ("i1", -90, 90),
        ("u2", 100, 1300),  # The offset of a camera.
        ("u2", 0, 4095),  # 12 bits in 16.
        ("f4", -2, 2),  # Standardised.
        ("f8", -80, 0),  # Decibels.
        ("f4", 1e4, 1.1e4),
        ("f2", -300, 300),
        ("f8", -1e30, 1e30),
        ("f8", 0, 1e-12),
        ("f4", 0, 255),
        ("u4", 0, 2**32 - 1),
        ("u8", 0, 2**64 - 1),
        ("i8", -(2**63), 2**63 - 1),
    ],
)
def test_the_data_say_what_is_black_and_white(dtype: str, black: float, white: float) -> None:
    values = photograph(black, white, dtype)
    found = found_in(values)
    span = float(white) - black
    assert found.source == "data"
    # The photograph has neither full black nor full white, and noise on both.
    assert black - 0.2 * span < found.black < black + 0.1 * span
    assert white - 0.1 * span < found.white < white + 0.2 * span
    assert found.lowest == float(values.min()) and found.highest == float(values.max())


def test_hot_pixels_do_not_set_the_range() -> None:
    values = photograph(0, 3000, "u4")
    without = found_in(values)
    values[0, ::40, ::40] = 4_000_000
    found = found_in(values)
    assert found.span == pytest.approx(without.span, rel=0.1)
    assert found.highest == 4_000_000


@pytest.mark.parametrize("share", [0.0001, 0.005, 0.02])
@pytest.mark.parametrize(("dtype", "hot", "dead"), [("u2", 60000, 0), ("i4", 10**6, -(10**6))])
def test_neither_do_many_nor_those_that_reach_the_end_of_the_type(
    dtype: str, hot: int, dead: int, share: float
) -> None:
    values = photograph(20000, 23000, dtype)
    plain = find_range(Stack(values, alpha=False), "x")
    lot = np.random.default_rng(1).random(values.shape)
    values[lot < share], values[lot > 1 - share] = hot, dead
    found = find_range(Stack(values, alpha=False), "x")
    assert (found.black, found.white) == pytest.approx((plain.black, plain.white), abs=300)
    assert (found.lowest, found.highest) == (values.min(), values.max())


def test_a_lamp_in_the_dark_is_part_of_the_range() -> None:
    values = photograph(100, 3000, "u2")
    values[0, 40:45, 40:45] = 60000
    found = find_range(Stack(values, alpha=False), "x")
    assert (found.black, found.white) == (0, 65535)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize("value", [0, 1, 100])
def test_a_constant_has_a_range_and_comes_back(dtype: str, value: int) -> None:
    values = np.full((1, 16, 16, 1), value, dtype)
    found = found_in(values)
    assert found.black < found.white
    assert (from_unit(to_unit(values, found), values, found) == values).all()


def test_a_few_other_values_in_a_constant_are_its_range() -> None:
    values = np.full((1, 64, 64, 1), 7, np.int32)
    values[0, 3, 3] = 9
    assert (found_in(values).black, found_in(values).white) == (7, 9)


def test_every_band_and_image_of_a_stack_counts() -> None:
    values = np.zeros((3, BAND + 80, 20, 2), np.float32)
    values[1, BAND + 70, 3, 0], values[2, 5, 5, 0] = -7, 9
    values[..., 1] = 1000  # Alpha is no part of it.
    limits = find_limits(Stack(values, alpha=True), "x")
    assert (limits.lowest, limits.highest, limits.not_finite) == (-7, 9, 0)
    values[0, 0, 0, 0] = np.nan
    assert find_limits(Stack(values, alpha=True), "x").not_finite == 1


# What header and user say


def test_a_header_that_fits_the_data_says_the_range() -> None:
    dark = photograph(100, 700, "u2")
    found = found_in(dark, stated=(0.0, 4095.0))
    assert (found.black, found.white, found.source) == (0, 4095, "file")
    # Values beyond what the header says: it is wrong, or means something else.
    assert found_in(photograph(0, 9000, "u2"), stated=(0.0, 4095.0)).source == "data"
    assert found_in(dark, stated=(4095.0, 0.0)).source == "data"


def test_the_user_overrides_data_and_header() -> None:
    stack = Stack(photograph(100, 1300, "u2"), stated=(0.0, 4095.0))
    both = find_range(stack, "x", 100, 1300)
    assert (both.black, both.white, both.source) == (100, 1300, "options")
    white = find_range(stack, "x", white=4095)
    assert (white.black, white.white) == (0, 4095)
    black = find_range(Stack(stack.values), "x", black=100)
    assert black.black == 100
    assert black.white == found_in(stack.values).white
    counts = find_range(Stack(photograph(400, 1300, "i4")), "x", white=4095)
    assert counts.black == 0
    signed = find_range(Stack(photograph(-1000, 1000, "i2")), "x", white=2000)
    assert signed.white == 2000
    assert signed.black < -900
    below = find_range(Stack(photograph(-80, 0, "f4")), "x", white=-3)
    assert below.white == -3
    assert below.black < -70
    eight = find_range(Stack(np.zeros((1, 9, 9, 1), np.uint8)), "x", 16, 235)
    assert (eight.black, eight.white) == (16, 235)
    bits = find_range(Stack(np.zeros((1, 9, 9, 1), bool)), "x", white=255)
    assert (bits.black, bits.white) == (0, 1)


def test_a_range_that_cannot_be_is_refused() -> None:
    stack = Stack(photograph(100, 1300, "u2"))
    with pytest.raises(DataError, match=r"x\.tif: black is 5000 and white 4095"):
        find_range(stack, "x.tif", 5000, 4095)
    with pytest.raises(DataError, match=r"x\.png holds values up to 255, so 4095 cannot be white"):
        find_range(Stack(np.zeros((1, 3, 3, 1), np.uint8)), "x.png", white=4095)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_image_are_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"x\.tif holds nothing but NaN, infinite and no-data"):
        found_in(np.full((1, 9, 9, 1), value, np.float32))


def test_nothing_but_no_data_is_refused() -> None:
    with pytest.raises(DataError, match="no-data"):
        found_in(np.full((1, 9, 9, 1), -9999, np.int16), no_data=-9999)


# What was not measured


@pytest.mark.parametrize(
    ("dtype", "no_data"), [("u2", 65535.0), ("i2", -32768.0), ("f4", -9999.0), ("u1", 0.0)]
)
def test_no_data_neither_sets_the_range_nor_changes(dtype: str, no_data: float) -> None:
    white = 200 if dtype == "u1" else 4000
    values = photograph(white / 8, white, dtype, noise=0.01)
    without = found_in(values, no_data=no_data)
    hole = np.zeros(values.shape, bool)
    hole[0, 20:60, 30:50] = True
    values[hole] = no_data
    found = found_in(values, no_data=no_data)
    assert found.span == pytest.approx(without.span, rel=0.05)
    unit = to_unit(values, found, no_data=no_data)
    assert (unit.isnan().numpy() == hole).all()
    back = from_unit(unit.nan_to_num(0.3) * 0 + 0.5, values, found, no_data=no_data)
    assert (back[hole] == values[hole]).all()
    assert (back[~hole] != values[~hole]).mean() > 0.9


def test_nan_and_infinity_stay() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 0.5, 0.25]], np.float32)
    found = ValueRange(0, 1)
    unit = to_unit(values, found)
    assert unit.isnan().tolist() == [[True, True, True, False, False]]
    back = from_unit(torch.full((1, 5), 0.75), values, found)
    assert np.isnan(back[0, 0]) and back[0, 1] == np.inf and back[0, 2] == -np.inf
    assert back[0, 3:].tolist() == [0.75, 0.75]


def test_what_is_usable() -> None:
    values = np.array([1.0, np.nan, 5.0], np.float32)
    known = usable(values, 5.0)
    assert known is not None
    assert known.tolist() == [True, False, False]
    assert usable(values[:1], 5.0) is None
    assert usable(values[:1], float("nan")) is None
    assert usable(np.array([1, 2], np.uint8), None) is None


def test_the_nearest_measured_value_stands_for_what_is_missing() -> None:
    planes = torch.tensor([[1.0, torch.nan, torch.nan, torch.nan, 5.0]]).repeat(2, 3, 1)
    planes[1] = torch.nan
    filled = fill_unmeasured(planes)
    assert filled[0, 1, 1] == 1 and filled[0, 1, 3] == 5
    assert set(filled[0].flatten().tolist()) == {1, 5}
    assert (filled[1] == 0).all()
    assert planes[0, 0, 1].isnan()  # The argument is left alone.
    assert fill_unmeasured(filled) is filled


# There and back


@pytest.mark.parametrize("dtype", ["?", *INTEGERS, *FLOATS, *ORDERED])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_values_that_nothing_changed_come_back(dtype: str, white_is_zero: bool) -> None:
    kind = np.dtype(dtype)
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "ui" else (0, 1)
    if kind.itemsize >= 4 and kind.kind in "ui":
        low, high = (-70_000 if kind.kind == "i" else 0), 70_000
    if kind.kind == "f":
        low, high = -3, 5
    values = np.linspace(low, high, 1001).astype(kind).reshape(1, 7, 143, 1)
    found = found_in(values)
    unit = to_unit(values, found, white_is_zero)
    assert unit.dtype == torch.float32
    back = from_unit(unit, values, found, white_is_zero)
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    # Integers exactly; floats to the 24 bits of float32, of their range.
    step = {2: 2**-11, 4: 2**-23, 8: 2**-23}[kind.itemsize] * 8 if kind.kind == "f" else 0
    assert np.abs(back.astype(float) - values.astype(float)).max() <= step


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8"])
def test_integers_of_all_their_bits_come_back_to_the_24_bits_of_float32(dtype: str) -> None:
    limits = np.iinfo(dtype)
    top = limits.max if dtype[1] == "4" else np.nextafter(float(limits.max), 0)
    values = np.linspace(limits.min, float(top), 1001).astype(dtype).reshape(1, 7, 143, 1)
    found = found_in(values)
    back = from_unit(to_unit(values, found), values, found).astype(float)
    assert np.abs(back - values.astype(float)).max() <= found.span * 2**-23
    assert (back >= limits.min).all() and (back <= float(limits.max)).all()


@pytest.mark.parametrize("offset", [1e3, 1e6, -1e6])
def test_small_differences_far_from_zero_are_kept(offset: float) -> None:
    values = offset + np.random.default_rng(0).normal(0, 1, (1, 50, 50, 1))
    found = found_in(values)
    back = from_unit(to_unit(values, found), values, found)
    assert np.abs(back - values).max() < 1e-5


def test_black_is_0_and_white_is_1() -> None:
    values = np.array([-1000, 0, 3000], np.int16)
    assert to_unit(values, ValueRange(-1000, 3000)).tolist() == [0, 0.25, 1]
    assert to_unit(values, ValueRange(-1000, 3000), white_is_zero=True).tolist() == [1, 0.75, 0]
    assert to_unit(np.array([0, 5000], np.uint16), ValueRange(0, 4000)).tolist() == [0, 1.25]


def test_nothing_is_clipped_but_to_the_limits_of_data_and_type() -> None:
    values = np.array([-400, 0, 2600], np.int16)
    found = find_range(Stack(values.reshape(1, 1, 3, 1)), "x", 0, 1000)
    unit = to_unit(values, found)
    assert unit.tolist() == pytest.approx([-0.4, 0, 2.6])
    assert (from_unit(unit, values, found) == values).all()
    beyond = from_unit(torch.tensor([-9.0, 0.5, 9.0]), values, found)
    assert beyond.tolist() == [-400, 500, 2600]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_and_never_wrap_around(dtype: str) -> None:
    limits = np.iinfo(dtype)
    found = ValueRange(float(limits.min), float(limits.max))
    like = np.zeros((1, 4), dtype)
    stored = from_unit(torch.tensor([[0.1, 0.5, -1.0, 2.0]]), like, found)
    assert stored.dtype == like.dtype
    assert stored[0, 2] == limits.min
    assert int(limits.max) - int(stored[0, 3]) <= 2**11
    ideal = limits.min + 0.1 * (float(limits.max) - limits.min)
    assert abs(float(stored[0, 0]) - ideal) <= max(0.5, (float(limits.max) - limits.min) * 1e-7)


def test_bilevel_images_are_told_apart_at_the_middle() -> None:
    like = np.zeros((1, 3), bool)
    stored = from_unit(torch.tensor([[0.49, 0.5, 3.0]]), like, ValueRange(0, 1))
    assert stored.tolist() == [[False, True, True]]


def test_transparent_values_do_not_set_the_range() -> None:
    values = np.repeat(photograph(100, 1300, "u2"), 2, axis=-1)
    without = found_in(values, alpha=True)
    values[0, 30:60, 20:90] = (65535, 0)
    found = found_in(values, alpha=True)
    assert found.source == "data"
    assert found.highest == without.highest
    assert found.span == pytest.approx(without.span, rel=0.05)
    values[..., 1] = 0
    assert found_in(values, alpha=True).source == "type"
