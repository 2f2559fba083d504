"""JPEG and WebP, through Pillow; the quality and the metadata of a file are kept.

Pillow's own check against huge images would stop at 179 million pixels for some kinds and not for
others, so its classes are used directly.
"""

import math
import struct
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.WebPImagePlugin import WebPImageFile

from dae_tui.core.images.codecs.conversions import fitting_icc, only_image, swapped
from dae_tui.core.images.file_content import FREE, Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_EXIF = b"Exif\0\0"
_APP0, _COMMENT, _SCAN = 0xE0, 0xFE, b"\xff\xda"
# Frames with arithmetic codes, which have no shortest one.
_ARITHMETIC = [bytes((0xFF, 0xC0 + number)) for number in (9, 10, 11, 13, 14, 15)]
# A block of 8×8 takes at least one bit, and the largest component may be halved both ways.
_PIXELS_A_BYTE = 8 * 64 * 4
# The longest codes, and a zero after each byte of ones.
_MOST_JPEG_BYTES = 7
_MOST_WEBP_BYTES = 8
# Of profiles, thumbnails and comments there are some dozens, each in four reads.
_MOST_READS = 40_000
# A progressive image comes in about ten scans, each of which goes over all of it.
_MOST_SCANS = 100
# How much wider and higher brightness is stored than colour, and what Pillow calls it.
_SUBSAMPLINGS: dict[tuple[float, float], str] = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0"}
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_LONGEST = {"JPEG": 65500, "WEBP": 16383}
_NEW_JPEG_QUALITY = 95
# Of XMP, what a segment of a JPEG holds.
_MOST_XMP = 65_000
_LOSSY_WEBP_QUALITY = 90


def read_jpeg(content: bytes, name: str) -> ImageFile:
    """The image of a JPEG file: uint8, grey, RGB or CMYK, not turned.

    Of CMYK, 0 is no ink, thus white.

    Raises DataError for broken files, and for more than 8 bits. Damage inside of the packed pixels
    has no checksum, so it cannot always be told.
    """
    image, least = _jpeg_header(content, name)
    if least > len(content):
        raise DataError(f"{name} is too short for {image.width}×{image.height} pixels")
    if content.count(_SCAN) > _MOST_SCANS:
        raise DataError(f"{name} is damaged: its image comes in too many parts")
    options, remarks = _jpeg_options(image)
    kept = [_segment(kind, body) for kind, body in image.applist if _is_kept(kind, body)]
    if any(_is_mpf(kind, body) for kind, body in image.applist):
        remarks.append("the further pictures after the first are left out")
    image.fp = BytesIO(content)
    values = np.asarray(image)
    encode = partial(_encode_jpeg, kept=b"".join(kept), options=options)
    values = values.reshape(1, *values.shape[:2], -1)
    error = float(np.mean(options["qtables"][0])) / math.sqrt(12)
    stack = Stack(values, white_is_zero=values.shape[-1] == 4, compression_error=error)
    return ImageFile("jpeg", [stack], encode, _about(image), tuple(remarks))


def bounds_jpeg(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header; raises DataError as `read_jpeg`.

    The most is large because phones append a video of some seconds to a photograph.
    """
    image, least = _jpeg_header(source, name)
    return least, _MOST_JPEG_BYTES * image.height * image.width * image.layers + FREE


def write_jpeg(stacks: Sequence[Stack], about: About) -> bytes:
    """A JPEG of one uint8 image: grey, RGB or CMYK, of quality 95 with all of its colour.

    Raises DataError for all other images.
    """
    values = only_image(stacks, "jpeg", ("uint8",), channels=(1, 3, 4), alpha=False)
    options: dict[str, Any] = {
        "quality": _NEW_JPEG_QUALITY,
        "subsampling": "4:4:4",
        "icc_profile": fitting_icc(about, values.shape[-1]),
        "exif": _EXIF + about.exif if about.exif else b"",
    }
    if about.xmp and len(about.xmp) <= _MOST_XMP:
        options["xmp"] = about.xmp
    if about.dpi:
        options["dpi"] = about.dpi
    if values.shape[-1] == 4:  # Pillow wants ink.
        values = swapped(values, alpha=False)
    return _saved(values, "JPEG", options)


def read_webp(content: bytes, name: str) -> ImageFile:
    """The image of a WebP file: uint8, RGB, with alpha or without.

    Raises DataError for broken and animated files. Damage inside of the packed pixels has no
    checksum, so it cannot always be told.
    """
    if 8 + int.from_bytes(content[4:8], "little") > len(content):
        raise DataError(f"{name} is not a whole webp file: it ends too early")
    width, height = _webp_size(content, name)
    image = WebPImageFile(BytesIO(content))
    if image.is_animated:
        raise DataError(f"{name} is an animated webp", "save its pictures as single files")
    values = np.asarray(image)
    if values.shape[:2] != (height, width):
        raise DataError(f"{name} is damaged: its headers contradict each other")
    about = _about(image)
    options = {
        **_webp_options(lossless=b"VP8L" in content),  # Metadata with this word do no harm.
        "icc_profile": about.icc,
        "exif": about.exif or b"",
        "xmp": image.info.get("xmp", b""),
    }
    encode = partial(_encode_webp, options=options)
    return ImageFile("webp", [Stack(values[None], values.shape[-1] == 4)], encode, about)


def bounds_webp(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header.

    Raises DataError as `read_webp`.
    """
    width, height = _webp_size(source, name)
    return 8 + int.from_bytes(source[4:8], "little"), _MOST_WEBP_BYTES * width * height + FREE


def write_webp(stacks: Sequence[Stack], about: About) -> bytes:
    """A lossless WebP of one uint8 image, grey as RGB, with alpha or without.

    Raises DataError for all other images.
    """
    values = only_image(stacks, "webp", ("uint8",))
    if values.shape[-1] < 3:
        values = values[..., [0, 0, 0, 1][: values.shape[-1] + 2]]
    options = {
        **_webp_options(lossless=True),
        "icc_profile": fitting_icc(about, 3),
        "exif": about.exif or b"",
        "xmp": about.xmp or b"",
    }
    return _saved(values, "WEBP", options)


class _Header:
    """A file for Pillow, of which a header may take so many reads and no more."""

    def __init__(self, source: Source) -> None:
        self._source, self._place, self._reads = source, 0, 0

    def read(self, size: int) -> bytes:
        self._reads += 1
        if self._reads > _MOST_READS:
            raise EOFError("its header has no end")
        part = self._source[self._place : self._place + size]
        self._place += len(part)
        return part

    def seek(self, place: int) -> None:
        self._place = place

    def tell(self) -> int:
        return self._place


def _jpeg_header(source: Source, name: str) -> tuple[JpegImageFile, int]:
    """A file of which the header alone is read, and the least bytes that it must have.

    Raises DataError for what is no header, or one of too many pixels.
    """
    header = _Header(source)
    try:
        image = JpegImageFile(cast(IO[bytes], header))
    except (SyntaxError, OSError) as failure:
        raise DataError(f"{name} is not a whole jpeg file of 8 bits: {failure}") from failure
    if not image.tile:
        raise DataError(f"{name} is not a whole jpeg file: its header breaks off")
    check_pixels(name, image.height, image.width)
    start = source[: header.tell()]
    packed = not any(marker in start for marker in _ARITHMETIC)
    return image, packed * image.height * image.width // _PIXELS_A_BYTE


def _segment(kind: str, body: bytes) -> bytes:
    """A whole segment of what Pillow calls COM or APP0 to APP15."""
    marker = _COMMENT if kind == "COM" else _APP0 + int(kind[3:])
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _is_kept(kind: str, body: bytes) -> bool:
    """Whether a segment holds for other pixels, and is none that the encoder writes (Adobe's)."""
    return kind != "APP14" and not _is_mpf(kind, body)


def _is_mpf(kind: str, body: bytes) -> bool:
    """Whether a segment points to further pictures behind the first."""
    return kind == "APP2" and body.startswith(b"MPF\0")


def _jpeg_options(image: JpegImageFile) -> tuple[dict[str, Any], list[str]]:
    """The options with which Pillow encodes like this file, and remarks."""
    tables = [list(image.quantization[component[3]]) for component in image.layer]
    transform = image.info.get("adobe_transform")
    if len(tables) == 4 and transform == 2:  # YCCK, which Pillow writes as CMYK.
        tables = tables[:1]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    options: dict[str, Any] = {
        "qtables": tables,
        "progressive": "progressive" in image.info,
        "subsampling": "4:4:4",
    }
    if image.layers != 3:
        return options, []
    identifiers = bytes(component[0] for component in image.layer)
    has_jfif = "jfif" in image.info
    options["keep_rgb"] = not has_jfif and (
        transform == 0 if transform is not None else identifiers == b"RGB"
    )
    (_, across, down, _), *chroma = image.layer
    ratios = {(across / part[1], down / part[2]) for part in chroma}
    found = _SUBSAMPLINGS.get(ratios.pop()) if len(ratios) == 1 else None
    options["subsampling"] = found or "4:4:4"
    return options, [] if found else ["its colour becomes as fine as its brightness (4:4:4)"]


def _encode_jpeg(stacks: Sequence[Stack], kept: bytes, options: dict[str, Any]) -> bytes:
    """As the file was, but finely where artefacts were removed: its own tables bring them back."""
    if stacks[0].artefacts_removed:
        options = {name: value for name, value in options.items() if name != "qtables"}
        options["quality"] = _NEW_JPEG_QUALITY
    made = _saved(stacks[0].values[0], "JPEG", options)
    start = 2
    if made[3] == _APP0:
        start += 2 + int.from_bytes(made[4:6], "big")
    return made[:2] + kept + made[start:]


def _webp_size(content: Source, name: str) -> tuple[int, int]:
    """Width and height, as the first chunk has them. Raises DataError for too many pixels."""
    kind, start = content[12:16], content[20:30]
    if kind == b"VP8X":
        width = int.from_bytes(start[4:7], "little") + 1
        height = int.from_bytes(start[7:10], "little") + 1
    elif kind == b"VP8L":
        bits = int.from_bytes(start[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width = int.from_bytes(start[6:8], "little") & 0x3FFF
        height = int.from_bytes(start[8:10], "little") & 0x3FFF
    else:
        raise DataError(f"{name} is not a whole webp file: it has no image")
    check_pixels(name, height, width)
    return width, height


def _webp_options(lossless: bool) -> dict[str, Any]:
    """The options of the encoder; `exact` keeps the colours of transparent pixels."""
    if lossless:
        return {"lossless": True, "exact": True}
    return {"quality": _LOSSY_WEBP_QUALITY, "exact": True}


def _encode_webp(stacks: Sequence[Stack], options: dict[str, Any]) -> bytes:
    return _saved(stacks[0].values[0], "WEBP", options)


def _about(image: Image.Image) -> About:
    """The facts that Pillow found."""
    exif = image.info.get("exif", b"").removeprefix(_EXIF)
    dpi = image.info.get("dpi")
    icc = image.info.get("icc_profile")
    return About(icc or None, exif or None, (float(dpi[0]), float(dpi[1])) if dpi else None)


def _saved(values: NDArray[np.uint8], kind: str, options: dict[str, Any]) -> bytes:
    """A file of values (H, W, C)."""
    height, width, channels = values.shape
    if max(height, width) > _LONGEST[kind]:
        raise DataError(
            f"{kind.lower()} holds up to {_LONGEST[kind]} pixels a side, not {max(height, width)}",
            "write tiff or png",
        )
    mode = "RGBA" if kind == "WEBP" and channels == 4 else _MODES[channels]
    image = Image.frombytes(mode, (width, height), np.ascontiguousarray(values).tobytes())
    made = BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()
