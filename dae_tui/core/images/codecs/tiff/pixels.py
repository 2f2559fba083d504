"""Decoding and encoding the strips and tiles of a TIFF's page.

tifffile and imagecodecs do the work, after checks of what they would not notice. Box by box since
(2026-11-26) tifffile's `asarray` fills missing boxes and takes those of another type or with fewer
colours; it also copies what lies in the file as numpy has it: 18 MB in 2.3 ms, here in 0.5 ms.
"""

import logging
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from dae_tui.core.images.codecs.tiff import codes
from dae_tui.core.images.codecs.tiff.pages import Page
from dae_tui.core.images.codecs.tiff.tags import AGAIN, CUT
from dae_tui.core.images.file_content import Source
from dae_tui.errors import DataError

# tifffile logs what it repairs in broken files; such files are refused here.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

# Markers that say how large a JPEG is.
_FRAMES = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}


def unpacked(
    page: Page, content: bytes | Source, opened: tifffile.TiffFile, label: str
) -> NDArray[Any]:
    """The values (H, W, samples) as they are stored."""
    view = _view(page, content)
    if view is not None:
        return view
    opened.filehandle.seek(page.position)
    decoder = tifffile.TiffPage(opened, index=0)
    native = page.dtype.newbyteorder("=")
    array = np.empty((page.height, page.width, page.samples), native)
    for index, (plane, top, left) in enumerate(page.boxes()):
        packed = content[page.offsets[index] : page.offsets[index] + page.counts[index]]
        if page.compression == codes.JPEG:
            _check_jpeg(packed, page.block, label)
        decoded = decoder.decode(packed, index, jpegtables=decoder.jpegtables)[0]
        assert decoded is not None
        where = array[top : top + page.block[0], left : left + page.block[1]]
        if page.planar:
            where = where[..., plane : plane + 1]
        box = decoded[0, : len(where), : where.shape[1]]
        if page.bits == 1:  # Fax comes as bytes.
            box = box != 0
        if box.dtype != native or box.shape != where.shape:
            raise DataError(f"{label} is damaged: it has pixels {box.shape} of type {box.dtype}")
        if box.shape == array.shape:
            return box
        where[...] = box
    return array


def _check_jpeg(packed: bytes, block: tuple[int, int], label: str) -> None:
    """Raise DataError for JPEG data that libjpeg would pad with grey, or with another size."""
    if not packed.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise DataError(f"{label} {CUT}: its JPEG data ends too early", AGAIN)
    place = 2
    marker = 0
    while place + 9 <= len(packed) and marker not in _FRAMES:
        marker, length, height, width = struct.unpack_from(">HHxHH", packed, place)
        place += 2 + length
    if marker not in _FRAMES or not 0 < height <= block[0] or not 0 < width <= block[1]:
        raise DataError(f"{label} is damaged: its JPEG data has another size than it")


def _view(page: Page, content: bytes | Source) -> NDArray[Any] | None:
    """The values (H, W, samples) where they lie in the file as numpy has them, else None."""
    if page.compression != codes.NONE or page.predictor != 1 or page.tiled or page.turned:
        return None
    if page.bits % 8:
        return None
    ends = [offset + count for offset, count in zip(page.offsets, page.counts, strict=True)]
    if page.offsets[1:] != ends[:-1]:
        return None
    shape = (page.samples, page.height, page.width)
    if not page.planar:
        shape = (page.height, page.width, page.samples)
    if ends[-1] - page.offsets[0] != math.prod(shape) * page.dtype.itemsize:
        return None
    start = page.offsets[0]
    if not isinstance(content, bytes):
        content, start = content[start : ends[-1]], 0
    array = np.ndarray(shape, page.dtype, content, start)
    return array.transpose(1, 2, 0) if page.planar else array


def packed(page: Page, image: NDArray[Any]) -> Iterator[bytes | memoryview]:
    """The strips or tiles of an image (H, W, samples), compressed."""
    height, width = page.block
    for plane, top, left in page.boxes():
        box = image[top : top + height, left : left + width]
        if page.planar:
            box = box[..., plane : plane + 1]
        if page.tiled and box.shape[:2] != page.block:
            short = ((0, height - box.shape[0]), (0, width - box.shape[1]), (0, 0))
            box = np.pad(box, short, mode="edge")
        yield _packed_box(page, box)


def _packed_box(page: Page, box: NDArray[Any]) -> bytes | memoryview:
    native = page.dtype.newbyteorder("=")
    if page.bits == 1:
        data = np.packbits(box.astype(bool, copy=False).reshape(len(box), -1), axis=1)
    elif page.predictor == 1:
        data = np.ascontiguousarray(box, page.dtype)
    else:
        data = tifffile.TIFF.PREDICTORS[page.predictor](np.ascontiguousarray(box, native), axis=-2)
        if page.predictor == 2:  # The bytes of floats have an order of their own.
            data = np.ascontiguousarray(data, page.dtype)
    if page.compression == codes.NONE:
        return data.data
    octets = data.reshape(len(box), -1).view(np.uint8)
    if page.compression == codes.PACKBITS:  # It needs the rows.
        return bytes(tifffile.TIFF.COMPRESSORS[codes.PACKBITS](octets, axis=-1))
    return bytes(tifffile.TIFF.COMPRESSORS[page.compression](octets.data))
