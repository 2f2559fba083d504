"""MRC, of electron microscopy: the sections of a file as a stack, through mrcfile's header.

Everything but the pixels and their statistics in the header is kept byte for byte.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import mrcfile
import numpy as np
from mrcfile import utils
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import NDArray

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

HEADER_BYTES = HEADER_DTYPE.itemsize
_MODE = slice(12, 16)
# IMOD wrote bytes unsigned until it said otherwise in the first bit of its flags.
_IMOD, _IMOD_STAMP, _SIGNED = slice(152, 160), 1146047817, 1
_COMPLEX = (3, 4)
_OTHERS = {101: "values of 4 bits", 16: "colours"}


def read(content: bytes, name: str) -> ImageFile:
    """The sections of an MRC file: int8, uint8 (of IMOD), int16, uint16, float16 or float32.

    Raises DataError for complex and packed values and for files that are not whole.
    """
    header, dtype, start, shape = parse(start_of(content, HEADER_BYTES), name)
    whole = unpacked(content, start + math.prod(shape) * dtype.itemsize + FREE, name)
    size = math.prod(shape) * dtype.itemsize
    if len(whole) < start + size:
        raise DataError(f"{name} is not a whole mrc file: it ends too early")
    stored = np.frombuffer(whole, dtype, math.prod(shape), start).reshape(shape)
    encode = partial(_encode, header=header, dtype=dtype, whole=whole, start=start)
    return ImageFile(
        "mrc",
        [Stack(native(stored)[..., None])],
        lambda stacks: packed_like(encode(stacks), content),
    )


def bounds(source: Source, name: str) -> tuple[int, int]:
    """The bytes of a file with such a header, and as many more as may follow."""
    _, dtype, start, shape = parse(start_of(source, HEADER_BYTES), name)
    return bounds_of(start + math.prod(shape) * dtype.itemsize, source)


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """An image stack of int8, int16, uint16, float16 or float32; uint8 becomes uint16.

    Raises DataError for other types, colour and several sizes. Drops `about`.
    """
    types = ("int8", "uint8", "int16", "uint16", "float16", "float32")
    values = grey_images(stacks, "mrc", types)
    if values.dtype == np.uint8:
        values = values.astype(np.uint16)
    made = mrcfile.mrcobject.MrcObject()
    made._create_default_attributes()
    made.set_data(values)
    made.set_image_stack()
    return bytes(made.header.tobytes() + np.ascontiguousarray(made.data).tobytes())


def parse(
    content: bytes, name: str, together: bool = True
) -> tuple[Any, np.dtype[Any], int, tuple[int, int, int]]:
    """Header, type of the values, where they begin, and their shape (sections, rows, columns).

    Unless the sections are decoded `together`, each of them alone may not have too many pixels.
    """
    if len(content) < HEADER_BYTES:
        raise DataError(f"{name} is not a whole mrc file: its header breaks off")
    header = np.frombuffer(content[:HEADER_BYTES], HEADER_DTYPE)[0].copy()
    order = _byte_order(header)
    header = header.view(HEADER_DTYPE.newbyteorder(order))
    mode = int(header.mode if hasattr(header, "mode") else header["mode"])
    if mode in _COMPLEX:
        check_values(np.dtype(complex), name)
    if mode in _OTHERS:
        raise DataError(f"{name} holds {_OTHERS[mode]}", "convert it to bytes: IMOD's newstack")
    dtype = utils.dtype_from_mode(mode)
    dtype = dtype.newbyteorder(order)
    stamp, flags = np.frombuffer(content[_IMOD], np.dtype(np.int32).newbyteorder(order))
    if mode == 0 and stamp == _IMOD_STAMP and not flags & _SIGNED:
        dtype = np.dtype(np.uint8)
    extended = int(header["nsymbt"])
    if extended < 0:
        raise DataError(f"{name} is damaged: its extended header has no size")
    shape = (int(header["nz"]), int(header["ny"]), int(header["nx"]))
    check_pixels(name, *(shape if together else shape[1:]))
    return header, dtype, HEADER_BYTES + extended, shape


def _byte_order(header: Any) -> Any:
    """That of the machine stamp; where it has none, that in which the mode is a small number."""
    try:
        return utils.byte_order_from_machine_stamp(header["machst"])
    except ValueError:
        mode = int.from_bytes(header.tobytes()[_MODE], "little")
        return "<" if mode < 256 else ">"


def _encode(
    stacks: Sequence[Stack], header: Any, dtype: np.dtype[Any], whole: bytes, start: int
) -> bytes:
    values = stacks[0].values[..., 0]
    stored = np.ascontiguousarray(values, dtype)
    if whole[start : start + stored.nbytes] == stored.tobytes():
        return whole  # Its statistics may have been counted otherwise.
    changed = header.copy()
    update_statistics(changed, lambda: values)
    return b"".join(
        [
            changed.tobytes(),
            whole[HEADER_BYTES:start],
            stored.tobytes(),
            whole[start + stored.nbytes :],
        ]
    )


def update_statistics(header: Any, sections: Callable[[], Iterable[NDArray[Any]]]) -> None:
    """Least, largest and mean value and their deviation; those of bad values stay.

    Section by section, as 64-bit copies of a large volume would double the memory; they are gone
    through twice.
    """
    least, largest, size, sums = math.inf, -math.inf, 0, []
    for section in sections():
        if not np.isfinite(section).all():
            return
        least, largest = min(least, section.min()), max(largest, section.max())
        size += section.size
        sums.append(float(section.sum(dtype=np.float64)))
    mean = sum(sums) / size
    squares = [float(np.square(section - mean, dtype=np.float64).sum()) for section in sections()]
    header["dmin"], header["dmax"], header["dmean"] = least, largest, mean
    header["rms"] = math.sqrt(sum(squares) / size)
