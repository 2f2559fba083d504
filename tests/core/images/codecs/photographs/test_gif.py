"""GIFs made by Pillow, changed by dae, and read by Pillow again."""

import io
from typing import Any

import numpy as np
import pytest
from broken_files import check_broken
from PIL import Image

from dae_tui.core.images.codecs.photographs import gif
from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.core.images.image_file import About, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(1, 200, (3, 24, 32), dtype=np.uint8)
# Few colours, so that a palette holds them.
COLOUR = RANDOM.choice([0, 80, 160, 240], (3, 24, 32, 3)).astype(np.uint8)


def saved(pictures: list[Image.Image], **options: Any) -> bytes:
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], **options)
    return out.getvalue()


def opened(content: bytes) -> Any:
    return Image.open(io.BytesIO(content))


def test_grey_frames_lose_nothing() -> None:
    content = saved(
        [Image.fromarray(f) for f in GREY], duration=[50, 60, 70], loop=3, comment=b"hi"
    )
    assert kind_of_content(content) == "gif"
    file = read(content, "a.gif")
    assert file.stacks[0].values.shape == (3, 24, 32, 1)
    assert file.remarks == ()
    image = opened(file.encode([Stack(file.stacks[0].values + np.uint8(1))]))
    assert (image.n_frames, image.info["loop"], image.info["comment"]) == (3, 3, b"hi")
    for number, frame in enumerate(GREY):
        image.seek(number)
        assert image.info["duration"] == [50, 60, 70][number]
        np.testing.assert_array_equal(np.asarray(image.convert("L")), frame + 1)


def test_coloured_frames_get_a_palette_each() -> None:
    content = saved([Image.fromarray(frame) for frame in COLOUR], duration=40)
    file = read(content, "a.gif")
    np.testing.assert_array_equal(file.stacks[0].values, COLOUR)
    assert file.remarks == ("each of its frames gets a palette of its own colours",)
    image = opened(file.encode([Stack(COLOUR + np.uint8(5))]))
    assert "loop" not in image.info
    for number in range(3):
        image.seek(number)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), COLOUR[number] + 5)


@pytest.mark.parametrize("colours", [1, 3])
def test_transparency_stays(colours: int) -> None:
    values = COLOUR[..., :colours]
    hole = np.full((3, 24, 32, 1), 255, np.uint8)
    hole[:, 3:9, 4:20] = 0
    made = gif.write([Stack(np.concatenate([values, hole], -1), alpha=True)], About())
    file = read(made, "a.gif")
    assert file.stacks[0].alpha
    np.testing.assert_array_equal(file.stacks[0].values[..., -1:], hole)
    shown = hole[..., 0] > 0
    np.testing.assert_array_equal(file.stacks[0].values[..., :colours][shown], values[shown])
    again = read(file.encode(file.stacks), "a.gif")
    np.testing.assert_array_equal(again.stacks[0].values[shown], file.stacks[0].values[shown])


def test_a_still_one() -> None:
    file = read(saved([Image.fromarray(GREY[0])]), "a.gif")
    image = opened(file.encode(file.stacks))
    assert (image.n_frames, "duration" in image.info) == (1, False)


def test_refused() -> None:
    with pytest.raises(DataError, match="8 bits"):
        gif.write([Stack(np.zeros((1, 4, 4, 1), np.uint16))], About())
    content = bytearray(saved([Image.fromarray(GREY[0])]))
    content[6:10] = b"\xff\xff\xff\xff"
    with pytest.raises(DataError, match="too many to be true"):
        read(bytes(content), "a.gif")
    content[6:10] = b"\x00\x50\x00\x50"
    with pytest.raises(DataError, match="cannot hold"):
        read(bytes(content), "a.gif")


def test_broken_files() -> None:
    assert check_broken(saved([Image.fromarray(frame) for frame in COLOUR]), "gif", 60) > 10
