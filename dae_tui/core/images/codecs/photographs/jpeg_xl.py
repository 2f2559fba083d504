"""JPEG XL, through libjxl; EXIF and XMP are kept."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.conversions import only_image
from dae_tui.core.images.codecs.photographs.jxl_header import (
    JxlHeader,
    boxed,
    parse_header,
    split_boxes,
)
from dae_tui.core.images.file_content import FREE, START, Source, check_unpacked
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

# Butteraugli's: 1 is called visually lossless.
_DISTANCE = 0.5
_EFFORT = 5


def read(content: bytes, name: str) -> ImageFile:
    """The image of a JPEG XL file: uint8, uint16, float16 or float32; upright.

    Raises DataError for animations and previews, and for broken files.
    """
    code, kept = split_boxes(content, name)
    header = _checked(code, name)
    size = -(-header.bits // 8) * header.height * header.width
    check_unpacked(name, len(content), size * (header.extra_channels + 3))
    values = np.asarray(imagecodecs.jpegxl_decode(content))
    values = values if values.ndim == 3 else values[..., None]
    sides = {header.height, header.width}
    if values.ndim != 3 or set(values.shape[:2]) != sides or values.shape[-1] > 4:
        raise DataError(f"{name} has {values.shape} values, which is no still image")
    remarks = []
    if header.orientation > 1:
        remarks.append("it is stored upright")
    same_colours = header.colours == _written_colours(values)
    if not same_colours:
        remarks.append("its colour profile is not known to imagecodecs")
    if not header.lossless:
        remarks.append(f"it is compressed anew, with a distance of {_DISTANCE}")
    stack = Stack(values[None], alpha=values.shape[-1] in (2, 4))
    encode = partial(_encode, kept=kept, lossless=header.lossless, same_colours=same_colours)
    return ImageFile("jxl", [stack], encode, About(), tuple(remarks))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header."""
    content = source[:START]
    at = 0 if content.startswith(b"\xff\x0a") else content.find(b"\xff\x0a", 32)
    if at < 0:
        raise DataError(f"{name} has more than {START:,} bytes before its image")
    header = _checked(content[at:], name)
    return 0, 20 * header.height * header.width + FREE


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A lossless JPEG XL of one image of uint8, uint16 or float32, with EXIF and XMP."""
    values = only_image(stacks, "jxl", ("uint8", "uint16", "float32"))
    kept = b""
    if about.exif:
        kept = (len(about.exif) + 12).to_bytes(4, "big") + b"Exif" + bytes(4) + about.exif
    if about.xmp:
        kept += (len(about.xmp) + 8).to_bytes(4, "big") + b"xml " + about.xmp
    return _packed(values, kept, lossless=True)


def _checked(code: bytes, name: str) -> JxlHeader:
    try:
        header = parse_header(code)
    except DataError as failure:
        raise DataError(f"{name} is not a jxl file that dae reads: {failure.message}") from failure
    check_pixels(name, header.height, header.width)
    if header.animated:
        raise DataError(f"{name} is an animated jxl, or has a preview", "convert it to apng")
    return header


def _written_colours(values: NDArray[Any]) -> tuple[int, ...]:
    """The colour space of files that are written with such values."""
    made = _packed(values[:8, :8], b"", lossless=True)
    return parse_header(split_boxes(made, "it")[0]).colours


def _packed(values: NDArray[Any], kept: bytes, *, lossless: bool) -> bytes:
    options: dict[str, Any] = {"lossless": True} if lossless else {"distance": _DISTANCE}
    made = bytes(
        imagecodecs.jpegxl_encode(
            np.ascontiguousarray(values if values.shape[-1] > 1 else values[..., 0]),
            effort=_EFFORT,
            usecontainer=False,
            **options,
        )
    )
    return boxed(split_boxes(made, "it")[0], kept) if kept else made


def _encode(stacks: Sequence[Stack], kept: bytes, lossless: bool, same_colours: bool) -> bytes:
    if not same_colours:
        raise DataError(
            "its colour profile cannot be written into a jxl file", "write tiff: --format tiff"
        )
    return _packed(stacks[0].values[0], kept, lossless=lossless)
