"""NIfTI, of neuroimaging: the slices of a volume as a stack, through nibabel's header.

Header, affine, scaling and extensions are kept byte for byte.
"""

import io
import logging
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import nibabel
import numpy as np

from dae_tui.core.images.codecs.science.gzipped import (
    bounds_of,
    packed_like,
    start_of,
    unpacked,
)
from dae_tui.core.images.codecs.science.values import check_values, grey_images, native
from dae_tui.core.images.file_content import FREE, Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_LONGEST_HEADER = 540
_PAIRS = (b"ni1\0", b"ni2\0")
# The sizes of both headers, which tell them apart.
_SECOND = (540).to_bytes(4, "little"), (540).to_bytes(4, "big")

# It prints what it mends in headers.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)


class _Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """Where the values begin."""

    @property
    def end(self) -> int:
        """Where they end."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize


def read(content: bytes, name: str) -> ImageFile:
    """The slices of a NIfTI file as stored, without the scaling of its header.

    A volume (X, Y, Z, …) gives images of Y rows and X columns.
    Raises DataError for complex values and colours, for pairs of header and image, and for files
    that are not whole.
    """
    header = _header(start_of(content, _LONGEST_HEADER), name)
    whole = unpacked(content, header.end + FREE, name)
    if len(whole) < header.end:
        raise DataError(f"{name} is not a whole nifti file: it ends too early")
    values = np.frombuffer(whole, header.dtype, math.prod(header.shape), header.start)
    # In the file the first axis runs fastest.
    slices = native(values.reshape(-1, header.shape[1], header.shape[0]))
    encode = partial(_encode, header=header, whole=whole, content=content)
    return ImageFile("nifti", [Stack(slices[..., None])], encode)


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file with such a header; raises DataError as `read`."""
    header = _header(start_of(source, _LONGEST_HEADER), name)
    return bounds_of(header.end, source)


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A NIfTI file of grey images of one size, with voxels of 1 mm. Drops `about`.

    Raises DataError for bool and float16, for colour and for several sizes.
    """
    types = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
    values = grey_images(stacks, "nifti", [*types, "float32", "float64"])
    volume = values.transpose(2, 1, 0)
    image = nibabel.Nifti1Image(volume, np.eye(4), dtype=volume.dtype)
    return bytes(image.to_bytes())


def _header(content: bytes, name: str) -> _Header:
    second = content[:4] in _SECOND
    if content[344:348] in _PAIRS or (second and content[4:8] in _PAIRS):
        raise DataError(
            f"{name} is the header of an image in another file", "convert the pair to .nii"
        )
    kind = nibabel.Nifti2Header if second else nibabel.Nifti1Header
    size = kind.template_dtype.itemsize
    if len(content) < size:
        raise DataError(f"{name} is not a whole nifti file: its header breaks off")
    header = kind.from_fileobj(io.BytesIO(content[:size] + bytes(4)), check=False)
    dtype = header.get_data_dtype()
    check_values(dtype, name)
    shape = tuple(int(side) for side in header.get_data_shape())
    if len(shape) < 2:
        raise DataError(f"{name} has {len(shape)} axes, so that it holds no images")
    check_pixels(name, *shape)
    start = int(header.get_data_offset())
    if not size <= start <= FREE:
        raise DataError(f"{name} is damaged: its values begin at {start}")
    return _Header(dtype, shape, start)


def _encode(stacks: Sequence[Stack], header: _Header, whole: bytes, content: bytes) -> bytes:
    values = np.ascontiguousarray(stacks[0].values, header.dtype)
    made = b"".join([whole[: header.start], values.tobytes(), whole[header.end :]])
    return packed_like(made, content)
