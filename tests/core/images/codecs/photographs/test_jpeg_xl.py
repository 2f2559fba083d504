"""JPEG XL made by libjxl, changed by dae, and read by libjxl again."""

from typing import Any

import imagecodecs
import numpy as np
import pytest
from broken_files import check_broken
from numpy.typing import NDArray

from dae_tui.core.images.codecs.photographs import jpeg_xl
from dae_tui.core.images.codecs.photographs.jxl_header import boxed, parse_header, split_boxes
from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.core.images.image_file import About, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)


def image(channels: int, dtype: str) -> NDArray[Any]:
    shape = (48, 64, channels) if channels > 1 else (48, 64)
    if dtype.startswith("float"):
        return RANDOM.random(shape).astype(dtype) / 2
    return RANDOM.integers(0, 200, shape).astype(dtype)


def saved(values: NDArray[Any], **options: Any) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(values, **options))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_lossless_ones_lose_nothing(channels: int, dtype: str) -> None:
    values = image(channels, dtype)
    content = saved(values, lossless=True)
    assert kind_of_content(content) == "jxl"
    file = read(content, "a.jxl")
    stack = file.stacks[0]
    assert stack.values.dtype == dtype
    assert stack.alpha == (channels in (2, 4))
    assert file.remarks == ()
    step = stack.values.dtype.type(1 if dtype[0] == "u" else 0.125)
    made = file.encode([Stack(stack.values + step, stack.alpha)])
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(made), values + step)


def test_lossy_ones_stay_near() -> None:
    y, x = np.mgrid[:48, :64]
    values = (100 + 90 * np.sin((x + y) / 9)).astype(np.uint8)
    file = read(saved(values, distance=1.0), "a.jxl")
    assert file.remarks == ("it is compressed anew, with a distance of 0.5",)
    again = imagecodecs.jpegxl_decode(file.encode(file.stacks)).astype(float)
    assert np.abs(again - file.stacks[0].values[0, ..., 0]).mean() < 1


def test_metadata_stays() -> None:
    kept = b"\0\0\0\x10Exif" + bytes(8) + b"\0\0\0\x0cxml <x/>"
    content = boxed(saved(image(3, "uint8"), lossless=True), kept)
    file = read(content, "a.jxl")
    made = file.encode([Stack(file.stacks[0].values + np.uint8(1))])
    assert split_boxes(made, "a")[1] == kept
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(made), file.stacks[0].values[0] + 1)


def test_other_colours_are_read_but_not_written() -> None:
    # 8 bits are sRGB, and 16 bits linear, as imagecodecs has it.
    content = saved(image(3, "uint16"), lossless=True)
    assert parse_header(split_boxes(content, "a")[0]).colours == (0, 1, 1, -8)
    file = read(content, "a.jxl")
    with pytest.raises(DataError, match="colour profile") as failure:
        jpeg_xl._encode(file.stacks, b"", lossless=True, same_colours=False)
    assert "--format tiff" in failure.value.hint


@pytest.mark.parametrize("channels", [1, 3])
def test_write(channels: int) -> None:
    values = image(channels, "uint8")
    made = jpeg_xl.write([Stack(values.reshape(1, 48, 64, channels))], About(exif=b"II*\0"))
    np.testing.assert_array_equal(imagecodecs.jpegxl_decode(made), values)
    assert split_boxes(made, "a")[1] == b"\0\0\0\x10Exif\0\0\0\0II*\0"


def test_refused() -> None:
    content = saved(image(1, "uint8"), lossless=True)
    # Not a multiple of 8: 30 bits of each side.
    sides = 0 | 3 << 1 | (49_999 << 3) | 0 << 33 | 3 << 36 | (49_999 << 38)
    huge = b"\xff\x0a" + (sides | 1 << 68).to_bytes(16, "little") + content[4:]
    with pytest.raises(DataError, match="50000×50000 pixels, too many"):
        read(huge, "a.jxl")
    with pytest.raises(DataError, match="no image"):
        read(boxed(b"", b""), "a.jxl")


@pytest.mark.parametrize("container", [False, True])
def test_broken_files(container: bool) -> None:
    content = saved(image(3, "uint8"), lossless=True, usecontainer=container)
    assert check_broken(content, f"jxl {container}", 50) > 10
