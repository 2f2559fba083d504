"""Arrays of any number of axes as images."""

from typing import Any

import numpy as np
import pytest

from dae_tui.core.images.codecs.science.values import (
    as_images,
    check_values,
    grey_images,
    image_shape,
)
from dae_tui.core.images.image_file import Stack
from dae_tui.errors import DataError


@pytest.mark.parametrize(
    ("shape", "dtype", "images"),
    [
        ((7, 9), "i2", (1, 7, 9, 1)),
        ((2, 3, 4, 7, 9), "f4", (24, 7, 9, 1)),
        ((7, 9, 3), "u1", (1, 7, 9, 3)),
        ((2, 7, 9, 4), "u2", (2, 7, 9, 4)),
        ((7, 9, 3), "i2", (7, 9, 3, 1)),
        ((3, 7, 9), "u1", (3, 7, 9, 1)),
        ((9,), "u1", None),
        ((0, 7, 9), "u1", None),
    ],
)
def test_shapes(shape: tuple[int, ...], dtype: str, images: Any) -> None:
    assert image_shape(shape, np.dtype(dtype)) == images
    if images:
        assert as_images(np.zeros(shape, dtype)).shape == images


def test_values_are_of_this_machine() -> None:
    assert as_images(np.zeros((5, 5), ">i2")).dtype.isnative


@pytest.mark.parametrize(
    ("dtype", "message"),
    [("c8", "complex"), ([("a", "i4")], "records"), ("U3", "<U3"), (np.longdouble, "float")],
)
def test_what_is_no_number(dtype: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_values(np.dtype(dtype), "x")


def test_grey_images() -> None:
    stacks = [Stack(np.array([[[[True], [False]]]], bool), white_is_zero=True)] * 2
    np.testing.assert_array_equal(grey_images(stacks, "mrc", ["uint8"])[1], [[0, 255]])
    with pytest.raises(DataError, match="one size"):
        grey_images([*stacks, Stack(np.zeros((1, 3, 3, 1)))], "mrc", ["uint8"])
