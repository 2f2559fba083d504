"""GIF, still and animated: all frames as a stack, through Pillow.

Frames are decoded as they are seen, and stored whole. Durations, loops, comments and transparency
are kept; grey frames lose nothing, and coloured ones get a palette each.
"""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from dae_tui.core.images.codecs.photographs.pictures import alike, picture, values_of
from dae_tui.core.images.file_content import Source, check_unpacked
from dae_tui.core.images.image_file import (
    About,
    ImageFile,
    Stack,
    check_pixels,
    check_stacks,
)
from dae_tui.errors import DataError

_MOST_BYTES = 1 << 28
_TRANSPARENT = 255


def read(content: bytes, name: str) -> ImageFile:
    """The frames (N, H, W, C) of a GIF: uint8, grey or RGB, with alpha or without.

    Raises DataError for broken files, and for more frames than are reasonable.
    """
    width = int.from_bytes(content[6:8], "little")
    height = int.from_bytes(content[8:10], "little")
    check_pixels(name, height, width)
    frames: list[NDArray[np.uint8]] = []
    durations: list[int] = []
    with GifImagePlugin.GifImageFile(io.BytesIO(content)) as image:
        options: dict[str, Any] = {"optimize": False}
        for word in ("loop", "comment"):
            if word in image.info:
                options[word] = image.info[word]
        while True:
            check_stacks(name, len(frames), "frames", more=True)
            pixels = (len(frames) + 1) * image.height * image.width
            check_pixels(name, pixels)
            check_unpacked(name, len(content), 4 * pixels)
            image.load()
            frames.append(_seen(image))
            durations.append(image.info.get("duration", 0))
            try:
                image.seek(image.tell() + 1)
            except EOFError:
                break
    if len({frame.shape[:2] for frame in frames}) != 1:
        raise DataError(f"{name} has frames of several sizes")
    values = np.stack(alike(frames))
    if len(frames) > 1 or durations[0]:
        options["duration"] = durations
    remarks = []
    if values.shape[-1] >= 3:
        remarks.append("each of its frames gets a palette of its own colours")
    stack = Stack(values, alpha=values.shape[-1] in (2, 4))
    return ImageFile("gif", [stack], partial(_encode, options=options), About(), tuple(remarks))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The most bytes that a GIF may have: it tells at its end alone how many frames it has."""
    return 0, _MOST_BYTES


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A GIF of uint8 images of one size, ten frames a second if there are several."""
    if len({stack.values.shape[1:] for stack in stacks}) != 1:
        raise DataError("gif holds images of one size only", "write tiff, which holds several")
    stack = stacks[0]
    if stack.values.dtype != np.uint8 or stack.values.shape[-1] - stack.alpha not in (1, 3):
        raise DataError("gif holds grey and RGB of 8 bits only", "write tiff or png")
    values = np.concatenate([entry.values for entry in stacks])
    if stack.white_is_zero:
        values[..., : values.shape[-1] - stack.alpha] ^= 255
    options: dict[str, Any] = {"optimize": False}
    if len(values) > 1:
        options |= {"duration": 100, "loop": 0}
    return _encode([Stack(values, stack.alpha)], options)


def _seen(image: Image.Image) -> NDArray[np.uint8]:
    """A frame as it is seen; grey if all its colours are, without alpha if none is transparent."""
    values = values_of(image)
    if values.shape[-1] in (2, 4) and (values[..., -1] == 255).all():
        values = values[..., :-1]
    if values.shape[-1] >= 3 and (values[..., :1] == values[..., 1:3]).all():
        values = values[..., [0, *range(3, values.shape[-1])]]
    return values.copy()


def _encode(stacks: Sequence[Stack], options: dict[str, Any]) -> bytes:
    alpha = stacks[0].alpha
    pictures = [_indexed(frame, alpha) for frame in stacks[0].values]
    if alpha:
        # What was transparent must not show the frame before.
        options = {**options, "transparency": _TRANSPARENT, "disposal": 2}
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], **options)
    return out.getvalue()


def _indexed(frame: NDArray[np.uint8], alpha: bool) -> Image.Image:
    """A picture with a palette, of which the last colour is transparent where there is alpha."""
    shown = frame[..., :-1] if alpha else frame
    if shown.shape[-1] == 1 and not alpha:
        return picture(shown)
    if shown.shape[-1] == 1:
        grey = np.minimum(shown[..., 0], 254)  # One of 256 colours is the transparent one.
        grey = np.where(frame[..., -1] < 128, _TRANSPARENT, grey).astype(np.uint8)
        indexed = picture(grey[..., None])
        indexed.putpalette([value for value in range(256) for _ in range(3)])
        return indexed
    colours = _TRANSPARENT if alpha else 256
    indexed = picture(shown).quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    if not alpha:
        return indexed
    indexes = np.where(frame[..., -1] < 128, _TRANSPARENT, np.asarray(indexed)).astype(np.uint8)
    palette = (indexed.getpalette() or [])[: 3 * _TRANSPARENT]
    made = Image.fromarray(indexes, "P")
    made.putpalette(palette + [0] * (768 - len(palette)))
    return made
