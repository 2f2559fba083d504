"""AVIF made by Pillow and imagecodecs, changed by dae, and read by them again."""

import io
from typing import Any

import imagecodecs
import numpy as np
import pytest
from broken_files import check_broken
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.images.codecs.photographs import avif
from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.core.images.image_file import About, Stack
from dae_tui.errors import DataError


def smooth(channels: int, shift: float = 0) -> NDArray[np.uint8]:
    y, x = np.mgrid[:24, :32]
    waves = [np.sin((x * (1 + c) + y) / 15 + shift) for c in range(channels)]
    return (127 + 100 * np.stack(waves, -1)).astype(np.uint8)


def saved(values: NDArray[np.uint8], **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "AVIF", speed=10, **options)
    return out.getvalue()


def test_a_picture_comes_back_with_what_it_says() -> None:
    exif = Image.Exif()
    exif[271] = "maker"
    content = saved(smooth(3), exif=exif, icc_profile=b"profile", xmp=b"<x/>", subsampling="4:4:4")
    assert kind_of_content(content) == "avif"
    file = read(content, "a.avif")
    assert file.stacks[0].values.shape == (1, 24, 32, 3)
    assert file.remarks == ("it is compressed anew, with quality 90",)
    assert file.about.icc == b"profile"
    image = Image.open(io.BytesIO(file.encode([Stack(255 - file.stacks[0].values)])))
    difference = np.asarray(image).astype(float) - (255 - file.stacks[0].values[0])
    assert np.abs(difference).mean() < 2
    assert image.info["icc_profile"] == b"profile"
    assert image.info["xmp"] == b"<x/>"
    assert image.getexif()[271] == "maker"


def test_grey_stays_grey() -> None:
    file = read(saved(smooth(1).squeeze(), subsampling="4:0:0"), "a.avif")
    assert file.stacks[0].values.shape == (1, 24, 32, 1)
    again = read(file.encode(file.stacks), "a.avif").stacks[0].values
    assert again.shape == (1, 24, 32, 1)
    assert np.abs(again.astype(float) - file.stacks[0].values).mean() < 2


def test_alpha_stays() -> None:
    values = smooth(4)
    values[..., 3] = 255
    values[:9, :9, 3] = 0
    file = read(saved(values), "a.avif")
    assert file.stacks[0].alpha
    again = read(file.encode(file.stacks), "a.avif").stacks[0].values
    assert np.abs(again[..., 3].astype(float) - file.stacks[0].values[..., 3]).mean() < 2


def test_frames_and_durations_stay() -> None:
    pictures = [Image.fromarray(smooth(3, number)) for number in range(3)]
    out = io.BytesIO()
    more = {"append_images": pictures[1:], "duration": [100, 200, 300], "speed": 10}
    pictures[0].save(out, "AVIF", save_all=True, **more)
    file = read(out.getvalue(), "a.avif")
    assert file.stacks[0].values.shape == (3, 24, 32, 3)
    image: Any = Image.open(io.BytesIO(file.encode(file.stacks)))
    durations = []
    for number in range(image.n_frames):
        image.seek(number)
        image.load()
        durations.append(image.info["duration"])
    assert durations == [100, 200, 300]


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_ones(bits: int) -> None:
    values = smooth(3).astype(np.uint16) << (bits - 8)
    content = bytes(imagecodecs.avif_encode(values, level=95, speed=10, bitspersample=bits))
    file = read(content, "a.avif")
    stack = file.stacks[0]
    assert (stack.values.dtype, stack.stated) == (np.dtype(np.uint16), (0, 2**bits - 1))
    assert "left out" in file.remarks[1]
    again = read(file.encode(file.stacks), "a.avif").stacks[0]
    assert again.stated == stack.stated
    assert np.abs(again.values.astype(float) - stack.values).mean() < 2**bits / 100


def test_write() -> None:
    made = avif.write([Stack(smooth(3)[None])], About(icc=b"profile"))
    image = Image.open(io.BytesIO(made))
    assert np.abs(np.asarray(image).astype(float) - smooth(3)).mean() < 2
    assert image.info["icc_profile"] == b"profile"
    with pytest.raises(DataError, match="uint16"):
        avif.write([Stack(np.zeros((1, 8, 8, 3), np.uint16))], About())


def test_broken_files() -> None:
    assert check_broken(saved(smooth(3)), "avif", 40) > 10
