"""Memory for the images of a data set, and files on disk for those that do not fit into it.

The files have no names, so that nothing is left of them however the process ends. They are mapped
into memory: the system reads what is used, and forgets it where memory is short.
"""

import os
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from dae_tui.errors import DataError
from dae_tui.system.free_memory import free_memory
from dae_tui.system.ranks import ranks

SHARE = 0.5
"""Of the free memory, for images; the rest is for the network and the system's cache."""
SEGMENT = 2**30
"""Bytes of a file, which is mapped once: a system allows some ten thousand mappings."""
ALIGNED = 64


class Scratch:
    """Keeps arrays in memory up to a limit, and in files beyond it."""

    def __init__(self, limit: int | None = None) -> None:
        """`limit`: in bytes; None is this process's share of the memory that is free now."""
        self._limit = int(SHARE * free_memory() / ranks().size) if limit is None else limit
        self._held = 0
        self._segment: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._used = 0
        self.spilled = 0
        """Bytes in the files."""

    def keep(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same values, in memory or in a file.

        Raises DataError if the disk cannot hold them.
        """
        if self._fits(array.nbytes):
            return array
        kept = self._allocated(array.shape, array.dtype)
        kept[...] = array
        return kept

    def keep_tensor(self, tensor: Tensor, source: NDArray[Any] | None = None) -> Tensor:
        """The same for a tensor; one that is a view of `source`, which is kept, stays that."""
        values = tensor.numpy()
        if source is not None and np.may_share_memory(values, source):
            return tensor
        return torch.from_numpy(self.keep(values))

    def stack(self, tensors: Sequence[Tensor]) -> Tensor:
        """Tensors of one shape and type as one, (N, …)."""
        first = tensors[0].numpy()
        if self._fits(len(tensors) * first.nbytes):
            return torch.stack(list(tensors)).contiguous()
        kept = torch.from_numpy(self._allocated((len(tensors), *first.shape), first.dtype))
        for place, tensor in zip(kept, tensors, strict=True):
            place.copy_(tensor)
        return kept

    def _fits(self, size: int) -> bool:
        """Whether so many bytes more fit into memory; they count then."""
        fits = self._held + size <= self._limit
        self._held += size * fits
        return fits

    def _allocated(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array in a file."""
        size = prod(shape) * np.dtype(dtype).itemsize
        if self._used + size > len(self._segment):
            self._grow(max(SEGMENT, size))
        part = self._segment[self._used : self._used + size]
        self._used += size + -size % ALIGNED
        self.spilled += size
        found: NDArray[Any] = part.view(dtype).reshape(shape)
        return found

    def _grow(self, size: int) -> None:
        """Begin a new segment of so many bytes."""
        try:
            with tempfile.TemporaryFile(dir=_folder()) as file:
                # A disk that is full is noticed here, not where the mapped memory is written to.
                if hasattr(os, "posix_fallocate"):  # Not on macOS.
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                self._segment = np.memmap(file, np.uint8, "r+", shape=(size,))
        except OSError as failure:
            raise DataError(
                f"the images do not fit into memory, and {_folder()} cannot hold them: "
                f"{str(failure.strerror).lower()}",
                "set TMPDIR to a folder on a disk with more room, or use fewer images",
            ) from failure
        self._used = 0


def _folder() -> Path:
    """Where the file lies: TMPDIR, else /var/tmp, as /tmp is in memory on many systems."""
    on_disk = Path("/var/tmp")
    if "TMPDIR" in os.environ or not on_disk.is_dir():
        return Path(tempfile.gettempdir())
    return on_disk
