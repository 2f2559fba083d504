"""Animated PNG and WebP: all frames as a stack, through Pillow.

Frames are decoded as they are seen, and stored whole: durations, loops and metadata are kept.
"""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, WebPImagePlugin

from dae_tui.core.images.codecs.photographs.pictures import about, alike, picture, values_of
from dae_tui.core.images.file_content import FREE, START, Source, check_unpacked
from dae_tui.core.images.image_file import ImageFile, Stack, check_pixels, check_stacks
from dae_tui.errors import DataError

_DEPTH = 24
_LOSSY_QUALITY = 90
_TEXT_LIMIT = 1 << 20


def read(content: bytes, name: str) -> ImageFile:
    """The frames (N, H, W, C) of an animation: uint8, grey or RGB, with alpha or without.

    Raises DataError for broken files and for animated PNGs of 16 bits.
    """
    is_png = content[:4] == b"\x89PNG"
    _check(content, name)
    opened = (PngImagePlugin.PngImageFile if is_png else WebPImagePlugin.WebPImageFile)(
        io.BytesIO(content)
    )
    with opened as image:
        count = int(image.n_frames)
        check_stacks(name, count, "frames")
        check_pixels(name, count, image.height, image.width)
        check_unpacked(name, len(content), 4 * count * image.height * image.width)
        options, frames = _frames(image, count)
        options |= _kept(image, is_png)
        found = about(image)
    stack = Stack(np.stack(alike(frames)), alpha=alike(frames)[0].shape[-1] in (2, 4))
    remarks = ["its frames are stored whole"]
    if not is_png:
        lossless = b"VP8L" in content and b"VP8 " not in content
        options |= {"lossless": lossless, "exact": True}
        if not lossless:
            options["quality"] = _LOSSY_QUALITY
            remarks.append(f"its frames are compressed anew, with quality {_LOSSY_QUALITY}")
    kind = "png" if is_png else "webp"
    return ImageFile(
        kind, [stack], partial(_encode, kind=kind, options=options), found, tuple(remarks)
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of an animation of so many frames of such a size."""
    pixels = _check(source[:START], name)
    return 0, 10 * pixels + FREE


def _check(content: bytes, name: str) -> int:
    """The pixels of all frames. Raises DataError for too many, before anything is decoded."""
    if content[:4] == b"\x89PNG":
        width = int.from_bytes(content[16:20], "big")
        height = int.from_bytes(content[20:24], "big")
        if content[_DEPTH] > 8:
            raise DataError(f"{name} is an animated png of 16 bits", "dae reads those of 8 bits")
        at = content.index(b"acTL")
        count = int.from_bytes(content[at + 4 : at + 8], "big")
        if count > 1 and content.count(b"fcTL") > count + 1:
            raise DataError(f"{name} is damaged: it has more frames than it says")
    else:
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
        count = max(1, content.count(b"ANMF"))
    check_pixels(name, count, height, width)
    return count * height * width


def _frames(image: Any, count: int) -> tuple[dict[str, Any], list[NDArray[np.uint8]]]:
    """Options with the durations, and all frames."""
    frames, durations = [], []
    for number in range(count):
        image.seek(number)
        image.load()
        values = values_of(image)
        # Pillow gives every frame of a WebP alpha.
        opaque = values.shape[-1] == 4 and image.format == "WEBP" and (values[..., 3] == 255).all()
        frames.append(values[..., : 3 if opaque else None].copy())
        durations.append(image.info.get("duration", 0))
    options: dict[str, Any] = {"duration": durations, "loop": image.info.get("loop", 0)}
    if image.info.get("default_image"):
        options["default_image"] = True
        options["duration"] = durations[1:]
    return options, frames


def _kept(image: Any, is_png: bool) -> dict[str, Any]:
    """Metadata as options of the encoder."""
    info = image.info
    options: dict[str, Any] = {
        "icc_profile": info.get("icc_profile"),
        "exif": info.get("exif", b""),
    }
    if not is_png:
        options["xmp"] = info.get("xmp", b"")
        if "background" in info:
            options["background"] = info["background"]
        return options
    if "dpi" in info:
        options["dpi"] = info["dpi"]
    said = PngImagePlugin.PngInfo()
    for word, text in (image.text or {}).items():
        if len(text) < _TEXT_LIMIT:
            said.add_text(word, str(text))
    options["pnginfo"] = said
    return options


def _encode(stacks: Sequence[Stack], kind: str, options: dict[str, Any]) -> bytes:
    pictures: list[Image.Image] = [picture(frame) for frame in stacks[0].values]
    if kind == "webp":
        pictures = [
            entry
            if entry.mode in ("RGB", "RGBA")
            else entry.convert("RGBA" if "A" in entry.mode else "RGB")
            for entry in pictures
        ]
    out = io.BytesIO()
    pictures[0].save(out, kind.upper(), save_all=True, append_images=pictures[1:], **options)
    return out.getvalue()
