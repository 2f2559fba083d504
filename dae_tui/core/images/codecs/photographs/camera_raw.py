"""Raw files of cameras, through LibRaw: demosaicked to linear RGB, written as 16-bit TIFF.

What a sensor measured cannot be written back into such a file.
"""

import io
from collections.abc import Sequence

import numpy as np
import rawpy
from PIL import Image

from dae_tui.core.images.codecs import tiff
from dae_tui.core.images.file_content import FREE, Source, check_unpacked
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

# Description, maker, model, software, date, artist, copyright; and the tables of exposure and GPS.
_SAID = (270, 271, 272, 305, 306, 315, 33432)
_TABLES = (0x8769, 0x8825)
_MAKER_NOTE = 0x927C
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"IIU\0")
# Three numbers of 16 bits and what LibRaw needs beside them, for each pixel of a byte and more.
_MOST_PIXELS = 150_000_000


def read(content: bytes, name: str) -> ImageFile:
    """The picture of a raw file: uint16 RGB, linear light, primaries of sRGB, upright.

    Black is subtracted, and the white balance is the camera's. Raises DataError for broken files.
    """
    with rawpy.RawPy() as raw:
        raw.open_buffer(io.BytesIO(content))
        sizes = raw.sizes
        check_pixels(name, sizes.raw_height, sizes.raw_width)
        if sizes.raw_height * sizes.raw_width > _MOST_PIXELS:
            raise DataError(f"{name} has more than {_MOST_PIXELS:,} pixels", "crop it")
        check_unpacked(name, len(content), 8 * sizes.raw_height * sizes.raw_width)
        raw.unpack()
        thumbnail = _thumbnail(raw)
        values = raw.postprocess(
            output_bps=16,
            gamma=(1, 1),
            no_auto_bright=True,
            use_camera_wb=True,
            output_color=rawpy.ColorSpace.sRGB,
        )
    if values.ndim != 3 or values.shape[2] != 3:
        raise DataError(f"{name} has no colours")
    about = About(exif=_exif(content, thumbnail))
    return ImageFile(
        "raw",
        [Stack(np.ascontiguousarray(values)[None], linear=True)],
        lambda stacks: _encode(stacks, about),
        about,
        ("it becomes a 16-bit TIFF of linear light, with the primaries of sRGB",),
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """Raw files have up to 512 MB."""
    return 0, 8 * FREE


def _encode(stacks: Sequence[Stack], about: About) -> bytes:
    return tiff.write(stacks, about)


def _thumbnail(raw: rawpy.RawPy) -> bytes:
    """The JPEG within the file, which has EXIF where the file is no TIFF."""
    try:
        found = raw.extract_thumb()
    except rawpy.LibRawError:
        return b""
    return bytes(found.data) if found.format == rawpy.ThumbFormat.JPEG else b""


def _exif(content: bytes, thumbnail: bytes) -> bytes | None:
    """What the camera says, without what is only true of the raw file."""
    found = Image.Exif()
    if content[:4] in _TIFF_MARKS:
        order = content[:2]
        found.load(order + (b"*\0" if order == b"II" else b"\0*") + content[4:])
    elif thumbnail:
        with Image.open(io.BytesIO(thumbnail)) as picture:
            found = picture.getexif()
    kept = Image.Exif()
    for code in _SAID:
        if code in found:
            kept[code] = found[code]
    for code in _TABLES:
        table = dict(found.get_ifd(code))
        table.pop(_MAKER_NOTE, None)  # It has addresses of the raw file.
        if table:
            kept.get_ifd(code).update(table)
    if not list(kept) and not kept.get_ifd(_TABLES[0]):
        return None
    return kept.tobytes().removeprefix(b"Exif\0\0")
