"""Arrays in foreign .npz files: read whole, and only up to a limit of size."""

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dae_tui.system.regular_files import read_regular

# What numpy, zipfile and zlib raise for a file that is not such an archive, or is damaged;
# RuntimeError if it seems encrypted, NotImplementedError (a subclass) for other compression.
BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)


def read_archive(path: Path, most: int) -> dict[str, NDArray[Any]]:
    """The arrays of an archive by name, without its other members. Nothing is unpickled.

    Args:
        path: the file.
        most: the most bytes that the file, and all of its arrays together, may take.

    Raises one of `BROKEN` for a file that is no archive, is larger, or contradicts its headers.
    """
    content = read_regular(path, most)
    if content.startswith(npy.MAGIC_PREFIX):
        raise ValueError("it holds a single array")
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > most:
            raise ValueError("it would unpack to too many bytes")
        for member in members:
            array = _array(archive.read(member))
            if array is not None:
                arrays[member.filename.removesuffix(".npy")] = array
    return arrays


def _array(content: bytes) -> NDArray[Any] | None:
    """The array of a member, None if it is no array. Raises ValueError for a broken one."""
    if not content.startswith(npy.MAGIC_PREFIX):
        return None
    opened = io.BytesIO(content)
    version = npy.read_magic(opened)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("it holds records")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(opened)
    if dtype.hasobject:
        raise ValueError("it holds objects, which are never unpickled")
    size = math.prod(shape) * dtype.itemsize
    # Before anything is allocated: a header can claim any shape.
    if min(shape, default=0) < 0 or len(content) - opened.tell() != size:
        raise ValueError("it holds more or less than its header says")
    return np.ndarray(shape, dtype, content, opened.tell(), order="F" if fortran else "C").copy()
