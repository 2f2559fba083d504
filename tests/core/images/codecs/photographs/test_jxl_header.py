"""Headers of JPEG XL files as libjxl writes them."""

from typing import Any

import imagecodecs
import numpy as np
import pytest

from dae_tui.core.images.codecs.photographs.jxl_header import boxed, parse_header, split_boxes
from dae_tui.errors import DataError


@pytest.mark.parametrize("size", [(8, 8), (48, 64), (300, 200), (1, 999), (1080, 1920), (257, 3)])
@pytest.mark.parametrize("lossless", [False, True])
def test_sizes(size: tuple[int, int], lossless: bool) -> None:
    made = imagecodecs.jpegxl_encode(np.zeros(size, np.uint8), lossless=lossless, effort=1)
    header = parse_header(split_boxes(bytes(made), "a")[0])
    assert (header.height, header.width, header.lossless) == (*size, lossless)


@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 16), ("float32", 32)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_types(dtype: Any, bits: int, channels: int) -> None:
    values = np.zeros((16, 24, channels), dtype)
    made = imagecodecs.jpegxl_encode(values, lossless=True, effort=1)
    header = parse_header(split_boxes(bytes(made), "a")[0])
    assert (header.bits, header.floats) == (bits, dtype[0] == "f")
    assert (header.extra_channels, header.animated) == (int(channels in (2, 4)), False)


def test_boxes() -> None:
    code = bytes(imagecodecs.jpegxl_encode(np.zeros((8, 8), np.uint8), lossless=True))
    assert split_boxes(code, "a") == (code, b"")
    whole = boxed(code, b"\0\0\0\x0cxml <x/>")
    assert split_boxes(whole, "a") == (code, b"\0\0\0\x0cxml <x/>")
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(whole), np.zeros((8, 8)))
    with pytest.raises(DataError, match="no image"):
        split_boxes(whole[: -len(code) - 8], "a")


def test_a_header_that_breaks_off() -> None:
    with pytest.raises(DataError, match="breaks off"):
        parse_header(b"\xff\x0a\x06")
