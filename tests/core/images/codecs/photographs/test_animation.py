"""Animated PNG and WebP made by Pillow, changed by dae, and read by Pillow again."""

import io
from typing import Any

import numpy as np
import pytest
from broken_files import check_broken
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.core.images.image_file import ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
DURATIONS = [100, 200, 300]


def frames(mode: str) -> NDArray[np.uint8]:
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    values = RANDOM.integers(1, 200, (3, 24, 32, channels), dtype=np.uint8)
    return values.squeeze()


def saved(kind: str, values: NDArray[np.uint8], **options: Any) -> bytes:
    pictures = [Image.fromarray(frame) for frame in values]
    out = io.BytesIO()
    options = {"duration": DURATIONS, "loop": 2, **options}
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], **options)
    return out.getvalue()


def changed(file: ImageFile) -> Image.Image:
    stack = file.stacks[0]
    return Image.open(io.BytesIO(file.encode([Stack(stack.values + np.uint8(1), stack.alpha)])))


def seen(image: Any) -> tuple[list[NDArray[np.uint8]], list[int]]:
    found, durations = [], []
    for number in range(image.n_frames):
        image.seek(number)
        image.load()
        found.append(np.asarray(image))
        durations.append(round(image.info["duration"]))
    return found, durations


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_frames_change_and_all_else_stays(kind: str, mode: str) -> None:
    values = frames(mode)
    content = saved(kind, values, **({"lossless": True, "exact": True} if kind == "webp" else {}))
    assert kind_of_content(content) == f"animated {kind}"
    file = read(content, "a")
    assert file.kind == kind
    assert file.remarks == ("its frames are stored whole",)
    assert file.stacks[0].alpha == (mode == "RGBA")
    image = changed(file)
    found, durations = seen(image)
    assert durations == DURATIONS
    assert image.info["loop"] == 2
    for before, after in zip(values, found, strict=True):
        shown = after[..., 0] if before.ndim == 2 and after.ndim == 3 else after
        np.testing.assert_array_equal(shown[..., : values.shape[-1]], before + 1)


def test_metadata_stays() -> None:
    exif = Image.Exif()
    exif[271] = "maker"
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", "said")
    options = {"exif": exif, "icc_profile": b"profile", "dpi": (96, 96), "pnginfo": said}
    image: Any = changed(read(saved("png", frames("RGB"), **options), "a"))
    assert image.text["Comment"] == "said"
    assert image.info["icc_profile"] == b"profile"
    assert image.getexif()[271] == "maker"
    webp = saved("webp", frames("RGB"), exif=exif, xmp=b"<x/>", icc_profile=b"profile")
    image = changed(read(webp, "a"))
    assert (image.info["xmp"], image.info["icc_profile"]) == (b"<x/>", b"profile")
    assert image.getexif()[271] == "maker"


def test_lossy_frames_are_told() -> None:
    file = read(saved("webp", frames("RGB"), quality=50), "a")
    assert file.remarks[1] == "its frames are compressed anew, with quality 90"


def test_refused() -> None:
    content = bytearray(saved("png", frames("RGB")))
    content[24] = 16
    with pytest.raises(DataError, match="16 bits"):
        read(bytes(content), "a")
    content[24] = 8
    at = content.index(b"acTL") + 4
    content[at : at + 4] = (10**9).to_bytes(4, "big")
    with pytest.raises(DataError, match="too many to be true"):
        read(bytes(content), "a")


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_broken_files(kind: str) -> None:
    assert check_broken(saved(kind, frames("RGB")), kind, 60) > 10
