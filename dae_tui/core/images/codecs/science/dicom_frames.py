"""The compressed frames of DICOM images: decoded, and packed again where that loses nothing."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import encaps, uid
from pydicom.pixels.utils import pixel_array

from dae_tui.core.images.image_file import MOST_PIXELS
from dae_tui.errors import DataError

_JPEG2000_MARK = b"\xff\x4f\xff\x51"
# Start-of-frame markers of JPEG and JPEG-LS, without the tables in between.
_FRAMES = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}
# A progressive image comes in about ten scans, each of which goes over all of it.
_SCAN, _MOST_SCANS = b"\xff\xda", 100
# Decoded here, as pydicom would need further libraries; all others by pydicom with Pillow.
_DECODERS: dict[str, Callable[[bytes], Any]] = {
    uid.JPEGExtended12Bit: imagecodecs.jpeg8_decode,
    uid.JPEGLossless: imagecodecs.ljpeg_decode,
    uid.JPEGLosslessSV1: imagecodecs.ljpeg_decode,
    uid.JPEGLSLossless: imagecodecs.jpegls_decode,
    uid.JPEGLSNearLossless: imagecodecs.jpegls_decode,
    uid.JPEG2000Lossless: imagecodecs.jpeg2k_decode,
    uid.JPEG2000: imagecodecs.jpeg2k_decode,
    uid.HTJ2KLossless: imagecodecs.htj2k_decode,
    uid.HTJ2KLosslessRPCL: imagecodecs.htj2k_decode,
    uid.HTJ2K: imagecodecs.htj2k_decode,
}
_BY_PYDICOM = (uid.JPEGBaseline8Bit, uid.RLELossless)
_KEPT = (uid.JPEGLSLossless, uid.JPEG2000Lossless)


def is_kept(form: Any) -> bool:
    """Whether a file is written with its compression again, as nothing is lost by it."""
    if form.bits > 16:
        return False
    return form.syntax == uid.RLELossless or (form.syntax in _KEPT and form.samples == 1)


def decoded(dataset: Any, form: Any, name: str) -> tuple[NDArray[Any], Any]:
    """The values (N, H, W, C) of compressed frames, and their form, whose colours are RGB now.

    Raises DataError for compressions that cannot be decoded, and for frames of other sizes than
    the file says.
    """
    if form.syntax not in (*_DECODERS, *_BY_PYDICOM):
        raise DataError(
            f"{name} is compressed as {form.syntax.name}, which dae does not decode",
            "uncompress it first: dcmdjpeg, or gdcmconv --raw",
        )
    if "PixelData" not in dataset:
        raise DataError(f"{name} has no pixels")
    frames = list(encaps.generate_frames(dataset.PixelData, number_of_frames=form.frames))
    if len(frames) != form.frames:
        raise DataError(f"{name} is damaged: it has {len(frames)} frames of {form.frames}")
    shape = (form.rows, form.columns, form.samples)
    dtype = np.dtype(f"{form.kind}{form.bits // 8}")
    if form.syntax == uid.RLELossless:
        _check_rle(frames, form, name)
    else:
        for frame in frames:
            _check_size(frame, form, name)
    if form.syntax in _BY_PYDICOM:
        values = np.asarray(pixel_array(dataset))
    else:
        decode = _DECODERS[form.syntax]
        parts = [_typed(np.asarray(decode(frame)), dtype, form, name) for frame in frames]
        values = np.stack(parts)
    if values.size != form.frames * np.prod(shape) or values.dtype.kind != dtype.kind:
        raise DataError(f"{name} is damaged: its frames are not of the size that it says")
    if form.samples == 3:
        form = form._replace(photometric="RGB", planar=False)
    return values.reshape(form.frames, *shape).astype(dtype, copy=False), form


def pack(dataset: Any, form: Any, values: NDArray[Any]) -> None:
    """Put values into the dataset, compressed as they were."""
    if form.syntax == uid.RLELossless:
        dataset.PhotometricInterpretation = form.photometric
        shaped = values if form.frames > 1 else values[0]
        shaped = shaped if form.samples > 1 else shaped[..., 0]
        dataset.compress(uid.RLELossless, np.ascontiguousarray(shaped), generate_instance_uid=False)
        return
    frames = [_encoded(image[..., 0], form) for image in values]
    dataset.PixelData = encaps.encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True


def _encoded(image: NDArray[Any], form: Any) -> bytes:
    image = np.ascontiguousarray(image)
    if form.syntax == uid.JPEGLSLossless:  # It knows no signs.
        bits = np.array((1 << form.used) - 1, f"u{form.bits // 8}")
        return bytes(imagecodecs.jpegls_encode(image.view(bits.dtype) & bits))
    made = imagecodecs.jpeg2k_encode(
        image, level=0, reversible=True, codecformat="j2k", bitspersample=form.used
    )
    return bytes(made)


def _typed(values: NDArray[Any], dtype: np.dtype[Any], form: Any, name: str) -> NDArray[Any]:
    """Decoded values as those of the file's type; decoders take signed ones for unsigned."""
    if values.dtype.itemsize > dtype.itemsize:
        raise DataError(f"{name} is damaged: its frames have more bits than it says")
    if dtype.kind == values.dtype.kind:
        return values.astype(dtype)
    if dtype.kind == "i":
        unused = form.bits - form.used
        whole = values.astype(f"u{dtype.itemsize}").view(dtype)
        return np.asarray((whole << unused) >> unused)
    return values.astype(f"i{dtype.itemsize}").view(dtype)


def _check_size(frame: bytes, form: Any, name: str) -> None:
    """Raise DataError for a frame of another size than the file says, before it is decoded."""
    if frame[:2] == b"\xff\xd8" and frame.count(_SCAN) > _MOST_SCANS:
        raise DataError(f"{name} is damaged: a frame has too many parts")
    found = _jpeg2000_size(frame) if _JPEG2000_MARK in frame[:512] else _jpeg_size(frame)
    if found != (form.rows, form.columns):
        raise DataError(f"{name} is damaged: a frame has not the {form.rows}×{form.columns} pixels")


def _check_rle(frames: Sequence[bytes], form: Any, name: str) -> None:
    """Raise DataError for runs that are longer than the image: two bytes give up to 128."""
    size = form.rows * form.columns * form.samples * form.bits // 8
    for frame in frames:
        if len(frame) * 64 < size or size > 8 * MOST_PIXELS:
            raise DataError(f"{name} is damaged: a frame is too short for its size")


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """Height and width by the start of frame; None if there is none."""
    position = 2
    while position + 9 <= len(frame) and frame[position] == 0xFF:
        marker, size = (
            frame[position + 1],
            int.from_bytes(frame[position + 2 : position + 4], "big"),
        )
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", frame, position + 5)
            return height, width
        position += 1 if marker == 0xFF else 2 + size
    return None


def _jpeg2000_size(frame: bytes) -> tuple[int, int] | None:
    """Height and width of a codestream (ISO 15444-1, annex A.5.1), tiles of that size at most."""
    at = frame.index(_JPEG2000_MARK)
    if len(frame) < at + 40:
        return None
    width, height, left, top = struct.unpack_from(">IIII", frame, at + 8)
    return height - top, width - left
