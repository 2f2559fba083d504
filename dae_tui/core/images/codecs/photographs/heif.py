"""HEIF with HEVC inside (HEIC), through libheif: upright, written as TIFF.

There is no encoder of HEVC under a permissive licence, so such files are read alone.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pi_heif
from numpy.typing import NDArray

from dae_tui.core.images.codecs import tiff
from dae_tui.core.images.codecs.photographs.heif_items import read_items
from dae_tui.core.images.codecs.photographs.pictures import EXIF_PREFIX
from dae_tui.core.images.file_content import FREE, Source, check_unpacked
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

# By what pi_heif calls them; a small a is alpha that the colours are multiplied with.
_CHANNELS = {"L": 1, "I": 1, "RGB": 3, "RGBA": 4, "RGBa": 4}
_LARGEST = 65535
# Primaries and curves of sRGB and the like (ISO 23091-2); 2 is unknown.
_USUAL_PRIMARIES = (1, 2)
_USUAL_CURVES = (1, 2, 6, 13, 14, 15)


def read(content: bytes, name: str) -> ImageFile:
    """The primary picture of a HEIF file: uint8, or uint16 of all its bits; grey or RGB; upright.

    With alpha or without. Values of 9 bits and more are spread over 16 bits. Raises DataError for
    image sequences alone, for codecs other than HEVC, and for broken files.
    """
    items = read_items(content, name)
    check_pixels(name, items.height, items.width)
    try:
        # Values as they are stored: what pi_heif does with them trusts the header.
        file = pi_heif.open_heif(
            content, convert_hdr_to_8bit=False, hdr_to_16bit=False, remove_stride=False
        )
        image = file[file.primary_index] if len(file) else None
        # Pictures of codecs that libheif was built without are not among them.
        if image is None or not image.info["primary"]:
            raise SyntaxError("its codec is not HEVC")
        form = _Form.of(image)
        check_unpacked(name, len(content), form.bytes * items.height * items.width)
        values = _values(image, form, name)
    except SyntaxError as failure:  # So pi_heif calls what libheif was built without.
        what = str(failure).strip().splitlines()[0]
        raise DataError(
            f"{name} holds a picture that cannot be decoded: {what}", "convert it to PNG or TIFF"
        ) from failure
    alpha = values.shape[-1] in (2, 4)
    stated = (0.0, float(_LARGEST)) if values.dtype == np.uint16 else None
    about = _about(image.info)
    return ImageFile(
        "heif",
        [Stack(values[None], alpha, stated=stated)],
        partial(_encode, about=about),
        about,
        tuple(_remarks(image.info, len(file) - 1, items.moves)),
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """Photographs have some megabytes; one with many pictures may have more."""
    return 0, 8 * FREE


def _encode(stacks: Sequence[Stack], about: About) -> bytes:
    return tiff.write(stacks, about)


class _Form(NamedTuple):
    """How libheif hands over a picture."""

    channels: int
    bits: int

    @classmethod
    def of(cls, image: Any) -> "_Form":
        return cls(_CHANNELS[image.mode.partition(";")[0]], image.info["bit_depth"])

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("<u2" if self.bits > 8 else "u1")

    @property
    def bytes(self) -> int:
        """Of a pixel."""
        return self.channels * self.dtype.itemsize


def _values(image: Any, form: _Form, name: str) -> NDArray[Any]:
    """The values (H, W, C) of a picture."""
    rows = np.frombuffer(image.data, np.uint8)
    width, height = image.size
    wanted = form.bytes * width
    if image.stride < wanted or rows.size < image.stride * height or form.bits > 16:
        raise DataError(f"{name} is damaged: its headers contradict each other")
    # A copy, as libheif owns these bytes.
    packed = rows[: image.stride * height].reshape(height, -1)[:, :wanted].copy()
    values = packed.view(form.dtype).reshape(height, width, form.channels)
    if form.bits > 8:
        values = _spread(values.astype(np.uint16, copy=False), form.bits, name)
    if image.mode.startswith("RGBa"):
        values = _unmultiplied(values)
    is_grey = form.channels == 4 and "chroma" not in image.info
    return _without_colour(values) if is_grey else values


def _spread(values: NDArray[np.uint16], bits: int, name: str) -> NDArray[np.uint16]:
    """Values of some bits as 16 bits, whose largest is white too; the first bits come again."""
    if values.max() >> bits:
        raise DataError(f"{name} is damaged: it holds more than {bits} bits")
    return (values << np.uint16(16 - bits)) | (values >> np.uint16(2 * bits - 16))


def _unmultiplied(values: NDArray[Any]) -> NDArray[Any]:
    """RGBA whose colours were multiplied with their alpha, as they were before."""
    largest = np.iinfo(values.dtype).max
    alpha = values[..., 3:].astype(np.float32)
    colours = values[..., :3] * (largest / np.maximum(alpha, 1))
    stored = np.clip(np.rint(colours), 0, largest).astype(values.dtype)
    return np.concatenate([stored, values[..., 3:]], -1)


def _without_colour(values: NDArray[Any]) -> NDArray[Any]:
    """Grey with alpha, which comes as RGBA."""
    same = (values[..., :1] == values[..., 1:3]).all()
    return np.ascontiguousarray(values[..., [0, 3]]) if same else values


def _about(info: dict[str, Any]) -> About:
    """Profile, EXIF and XMP. The picture was turned already, so these no longer say so."""
    said = {"exif": info.get("exif") or b"", "xmp": info.get("xmp") or b""}
    pi_heif.set_orientation(said)
    exif = said["exif"].removeprefix(EXIF_PREFIX)
    xmp = said["xmp"].rstrip(b"\0") if b"rdf:RDF" in said["xmp"] else b""
    return About(icc=info.get("icc_profile") or None, exif=exif or None, xmp=xmp or None)


def _remarks(info: dict[str, Any], others: int, moves: bool) -> list[str]:
    """Lines for what becomes different, and for what the primary picture does not show."""
    remarks = []
    if info["bit_depth"] > 8:
        remarks.append(f"its {info['bit_depth']} bits are spread over 16")
    if others:
        remarks.append("the further pictures beside the primary one are left out")
    if moves:
        remarks.append("the image sequence beside its picture is left out")
    if info["depth_images"]:
        remarks.append("its depth map is left out")
    if info.get("aux"):
        remarks.append("its auxiliary pictures, such as a gain map for HDR, are left out")
    colours = info.get("nclx_profile")
    if colours and not (
        colours["color_primaries"] in _USUAL_PRIMARIES
        and colours["transfer_characteristics"] in _USUAL_CURVES
    ):
        remarks.append("its colours are not those of sRGB, and no profile says so any more")
    return remarks
