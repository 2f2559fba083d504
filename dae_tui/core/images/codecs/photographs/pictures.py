"""What the codecs of photographs and animations have in common: Pillow's pictures as arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.images.image_file import About

EXIF_PREFIX = b"Exif\0\0"
_ALPHA = ("LA", "RGBA", "PA", "La", "RGBa")
_GREY = ("1", "L", "LA", "La")


def about(image: Image.Image) -> About:
    """Profile, EXIF and resolution as Pillow found them."""
    exif = image.info.get("exif", b"").removeprefix(EXIF_PREFIX)
    dpi = image.info.get("dpi")
    icc = image.info.get("icc_profile")
    return About(icc or None, exif or None, (float(dpi[0]), float(dpi[1])) if dpi else None)


def values_of(image: Image.Image) -> NDArray[np.uint8]:
    """A picture (H, W, C) of 8 bits: grey or RGB, with alpha or without; palettes become RGB."""
    alpha = image.mode in _ALPHA or "transparency" in image.info
    mode = ("LA" if alpha else "L") if image.mode in _GREY else ("RGBA" if alpha else "RGB")
    converted = image if image.mode == mode else image.convert(mode)
    values = np.asarray(converted)
    return values if values.ndim == 3 else values[..., None]


def picture(values: NDArray[np.uint8]) -> Image.Image:
    """A Pillow picture of values (H, W, C) of 8 bits."""
    height, width, channels = values.shape
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    return Image.frombytes(mode, (width, height), np.ascontiguousarray(values).tobytes())


def alike(frames: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Frames with as many channels each: grey becomes RGB and gets alpha if another has it."""
    colour = max(frame.shape[-1] - (frame.shape[-1] in (2, 4)) for frame in frames)
    alpha = any(frame.shape[-1] in (2, 4) for frame in frames)
    return [_with_channels(frame, colour, alpha) for frame in frames]


def _with_channels(frame: NDArray[Any], colour: int, alpha: bool) -> NDArray[Any]:
    has_alpha = frame.shape[-1] in (2, 4)
    if frame.shape[-1] == colour + alpha and has_alpha == alpha:
        return frame
    pixels = frame[..., :-1] if has_alpha else frame
    if pixels.shape[-1] < colour:
        pixels = np.repeat(pixels, colour, axis=-1)
    if not alpha:
        return pixels
    opacity = frame[..., -1:] if has_alpha else np.full_like(frame[..., :1], 255)
    return np.concatenate([pixels, opacity], axis=-1)
