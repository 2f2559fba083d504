"""An array in a .npy file that stays on disk; any of its rows can be read."""

import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from dae_tui.errors import DataError
from dae_tui.system.regular_files import open_regular

# What numpy raises for broken files.
_BROKEN = (OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError, TokenError)


@dataclass(frozen=True)
class NpyFile:
    """An array in a .npy file of which any rows can be read.

    It is read, not mapped: mapped pages count as memory of the process until they are unmapped,
    and a mapped file that gets shorter kills the process (SIGBUS) instead of raising an error.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop`. Raises DataError if they are no longer there."""
        size = prod(self.shape[1:])
        offset = self.offset + start * size * self.dtype.itemsize
        try:
            with os.fdopen(open_regular(self.path), "rb") as file:
                values = np.fromfile(file, self.dtype, (stop - start) * size, offset=offset)
            return values.reshape(stop - start, *self.shape[1:])
        except _BROKEN as failure:
            raise _unreadable(self.path, failure) from failure


def open_npy(path: Path) -> NpyFile:
    """Check the header and size of a regular .npy file; numpy refuses pickled objects.

    Raises DataError.
    """
    try:
        os.close(open_regular(path))  # numpy would wait for a writer if this were a pipe.
        array = open_memmap(path, mode="r")
    except _BROKEN as failure:
        raise _unreadable(path, failure) from failure
    if not array.flags.c_contiguous:
        raise DataError(
            f"{path} is in Fortran order, in which no image is contiguous",
            "save it with numpy.save(path, numpy.ascontiguousarray(array))",
        )
    return NpyFile(path, array.offset, array.dtype, array.shape)


def _unreadable(path: Path, failure: Exception) -> DataError:
    reason = str(getattr(failure, "strerror", None) or failure)
    what = f"cannot be read as a .npy file: {reason}"
    if reason.endswith("a regular file"):
        what = reason
    return DataError(f"{path} {what}", "copy it there again, or remove it")
