"""Pillow's pictures as arrays."""

import numpy as np
import pytest
from PIL import Image

from dae_tui.core.images.codecs.photographs.pictures import about, alike, picture, values_of


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("PA", 4), ("RGB", 3), ("RGBA", 4)],
)
def test_modes(mode: str, channels: int) -> None:
    values = values_of(Image.new(mode, (4, 3)))
    assert values.shape == (3, 4, channels)
    np.testing.assert_array_equal(values_of(picture(values)), values)


def test_frames_become_alike() -> None:
    grey, clear = np.full((2, 2, 1), 7, np.uint8), np.full((2, 2, 2), 9, np.uint8)
    colour = np.full((2, 2, 3), 5, np.uint8)
    made = alike([grey, clear, colour])
    assert [frame[0, 0].tolist() for frame in made] == [
        [7, 7, 7, 255],
        [9, 9, 9, 9],
        [5, 5, 5, 255],
    ]
    assert alike([grey])[0] is grey


def test_about() -> None:
    image = Image.new("L", (2, 2))
    image.info.update(exif=b"Exif\0\0II", dpi=(72, 72), icc_profile=b"icc")
    found = about(image)
    assert (found.exif, found.dpi, found.icc) == (b"II", (72.0, 72.0), b"icc")
