"""AVIF, still and animated: 8 bits through Pillow, 10 and 12 bits through imagecodecs."""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin

from dae_tui.core.images.codecs.conversions import only_image
from dae_tui.core.images.codecs.photographs.pictures import about as about_of
from dae_tui.core.images.codecs.photographs.pictures import alike, picture, values_of
from dae_tui.core.images.file_content import FREE, Source, check_unpacked
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels, check_stacks
from dae_tui.errors import DataError

_QUALITY = 90
_BEST = 100
_GREY = "4:0:0"
# Larger ones are mostly headers.
_MOST_BYTES = 8


def read(content: bytes, name: str) -> ImageFile:
    """The image or the frames of an AVIF: uint8, or uint16 of 10 or 12 bits; alpha or not.

    Raises DataError for animations of more than 8 bits, and for broken files.
    """
    bits, subsampling = _form(content, name)
    with AvifImagePlugin.AvifImageFile(io.BytesIO(content)) as image:
        count = int(getattr(image, "n_frames", 1))
        check_stacks(name, count, "frames")
        check_pixels(name, count, image.height, image.width)
        check_unpacked(name, len(content), 4 * count * image.height * image.width)
        if bits > 8:
            if count > 1:
                raise DataError(f"{name} is an animated avif of {bits} bits")
            return _deep(content, bits, name, (image.height, image.width))
        frames, durations = [], []
        for number in range(count):
            image.seek(number)
            image.load()
            values = values_of(image)
            # Pillow gives grey pictures as RGB.
            alpha = list(range(3, values.shape[-1]))
            frames.append((values[..., [0, *alpha]] if subsampling == _GREY else values).copy())
            durations.append(image.info.get("duration", 0))
        found = about_of(image)
        options: dict[str, Any] = {
            "quality": _QUALITY,
            "subsampling": subsampling,
            "icc_profile": image.info.get("icc_profile"),
            "exif": image.info.get("exif", b""),
            "xmp": image.info.get("xmp", b""),
        }
    if count > 1:
        options |= {"save_all": True, "duration": durations}
    values = np.stack(alike(frames))
    stack = Stack(values, alpha=values.shape[-1] in (2, 4))
    remark = f"it is compressed anew, with quality {_QUALITY}"
    return ImageFile("avif", [stack], partial(_encode, options=options), found, (remark,))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """An AVIF of more than some megabytes has many frames."""
    return 0, 8 * FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """An AVIF of one uint8 image of the highest quality, with profile, EXIF and XMP."""
    values = only_image(stacks, "avif", ("uint8",))
    options: dict[str, Any] = {
        "quality": _BEST,
        "subsampling": "4:4:4",
        "icc_profile": about.icc,
        "exif": about.exif or b"",
        "xmp": about.xmp or b"",
    }
    return _encode([Stack(values[None])], options)


def _form(content: bytes, name: str) -> tuple[int, str]:
    """Bits, and how much coarser colours are stored, by the configuration (AV1-ISOBMFF, 2.3)."""
    at = content.find(b"av1C", 0, 1 << 20)
    if at < 0 or at + 8 > len(content):
        raise DataError(f"{name} is not a whole avif file: it has no image")
    flags = content[at + 6]
    bits = (10, 12)[flags >> 5 & 1] if flags >> 6 & 1 else 8
    if flags >> 4 & 1:
        return bits, _GREY
    return bits, {0b00: "4:4:4", 0b10: "4:2:2", 0b11: "4:2:0"}.get(flags >> 2 & 3, "4:4:4")


def _deep(content: bytes, bits: int, name: str, size: tuple[int, int]) -> ImageFile:
    """An image of 10 or 12 bits."""
    values = np.asarray(imagecodecs.avif_decode(content))
    values = values if values.ndim == 3 else values[..., None]
    if values.dtype != np.uint16 or values.shape[:2] != size or values.shape[-1] > 4:
        raise DataError(f"{name} is damaged: its headers contradict each other")
    stack = Stack(
        values[None], alpha=values.shape[-1] in (2, 4), stated=(0.0, float((1 << bits) - 1))
    )
    remarks = (
        f"it is compressed anew, with quality {_QUALITY}",
        "its profile and EXIF are left out, as those of 10 and 12 bits cannot be written",
    )
    return ImageFile("avif", [stack], partial(_encode_deep, bits=bits), About(), remarks)


def _encode(stacks: Sequence[Stack], options: dict[str, Any]) -> bytes:
    pictures = [picture(frame) for frame in stacks[0].values]
    out = io.BytesIO()
    more = {"append_images": pictures[1:]} if len(pictures) > 1 else {}
    pictures[0].save(out, "AVIF", **options, **more)
    return out.getvalue()


def _encode_deep(stacks: Sequence[Stack], bits: int) -> bytes:
    values: NDArray[Any] = np.ascontiguousarray(stacks[0].values[0])
    if values.shape[-1] == 1:
        values = values[..., 0]
    return bytes(imagecodecs.avif_encode(values, level=_QUALITY, bitspersample=bits))
