"""JPEG 2000 made by OpenJPEG, changed by dae, and read by Pillow and OpenJPEG."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
from broken_files import check_broken
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.images.codecs.photographs import jpeg2000
from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.core.images.image_file import About, Stack
from dae_tui.errors import DataError


def smooth(channels: int, dtype: str = "uint8", most: float = 250) -> NDArray[Any]:
    y, x = np.mgrid[:24, :32]
    waves = [np.sin((x * (1 + c) + y) / 9) for c in range(channels)]
    return ((0.5 + 0.45 * np.stack(waves, -1).squeeze()) * most).astype(dtype)


def saved(values: NDArray[Any], lossless: bool = True, **options: Any) -> bytes:
    options = {
        "level": 0 if lossless else 45,
        "reversible": lossless,
        "codecformat": "jp2",
        **options,
    }
    return bytes(imagecodecs.jpeg2k_encode(values, **options))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("dtype", "most"), [("uint8", 250), ("uint16", 60000), ("int16", 30000)])
@pytest.mark.parametrize("form", ["jp2", "j2k"])
def test_lossless_ones_lose_nothing(channels: int, dtype: str, most: float, form: str) -> None:
    values = smooth(channels, dtype, most)
    content = saved(values, codecformat=form)
    assert kind_of_content(content) == "jp2"
    file = read(content, "a.jp2")
    stack = file.stacks[0]
    assert stack.values.dtype == dtype
    assert stack.alpha == (channels in (2, 4))
    assert stack.stated is None
    assert file.remarks == ()
    made = file.encode([Stack(stack.values + stack.values.dtype.type(1), stack.alpha)])
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(made), values + 1)
    assert made[:40] == content[:40]


def test_bits_in_use_are_stated() -> None:
    values = smooth(1, "uint16", 4000)
    file = read(saved(values, bitspersample=12), "a.jp2")
    again = read(file.encode(file.stacks), "a.jp2")
    assert [found.stacks[0].stated for found in (file, again)] == [(0, 4095)] * 2


def test_lossy_ones_stay_near() -> None:
    file = read(saved(smooth(3), lossless=False), "a.jp2")
    assert file.remarks == ("it is compressed anew, to 50 dB",)
    again = read(file.encode(file.stacks), "a.jp2").stacks[0].values.astype(float)
    assert np.abs(again - file.stacks[0].values).mean() < 1


def test_boxes_stay() -> None:
    content = saved(smooth(3))
    at = content.index(b"jp2c") - 4
    said = struct.pack(">I4s", 16, b"xml ") + b"<said/> "
    content = content[:at] + said + content[at:] + said
    file = read(content, "a.jp2")
    made = file.encode([Stack(file.stacks[0].values + np.uint8(1))])
    assert made[: at + 16] == content[: at + 16]
    assert made.endswith(said)
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(made))), file.stacks[0].values[0] + 1
    )


def test_ink_is_no_alpha() -> None:
    content = saved(smooth(4), colorspace="CMYK", mct=False)
    stack = read(content, "a.jp2").stacks[0]
    assert (stack.alpha, stack.white_is_zero) == (False, True)
    with_colours = content.replace(b"colr\1\0\0\0\0\0\x0c", b"colr\1\0\0\0\0\0\x12")
    with pytest.raises(DataError, match="YCC"):
        read(with_colours, "a.jp2")


def test_write() -> None:
    for channels in (1, 3, 4):
        values = smooth(channels)
        made = jpeg2000.write([Stack(values.reshape(1, 24, 32, -1), channels == 4)], About())
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(made))), values)
    with pytest.raises(DataError, match="float32"):
        jpeg2000.write([Stack(np.zeros((1, 4, 4, 1), np.float32))], About())


def test_refused() -> None:
    content = bytearray(saved(smooth(1), codecformat="j2k"))
    content[8:16] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(DataError, match="too many to be true"):
        read(bytes(content), "a.j2k")
    content[8:16] = struct.pack(">II", 20_000, 20_000)
    with pytest.raises(DataError, match="cannot hold"):
        read(bytes(content), "a.j2k")
    content = bytearray(saved(smooth(3), codecformat="j2k"))
    content[46:48] = b"\2\2"
    with pytest.raises(DataError, match="coarser"):
        read(bytes(content), "a.j2k")


def test_broken_files() -> None:
    assert check_broken(saved(smooth(3)), "jp2") > 10
