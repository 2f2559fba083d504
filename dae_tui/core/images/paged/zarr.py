"""Zarr and OME-Zarr that are folders, plane by plane."""

import itertools
import math
from collections.abc import Hashable
from pathlib import Path
from typing import Self

import numpy as np
import zarr

from dae_tui.core.images.codecs.science.values import image_shape, native
from dae_tui.core.images.codecs.science.zarr import Selection, open_array, select, smaller
from dae_tui.core.images.codecs.science.zarr_arrays import Array
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.paged.paged_file import (
    MOST_PAGES,
    PagedFile,
    PageWriter,
    group_of,
    is_large,
)
from dae_tui.core.images.paged.planes import PlaneReader, Planes, PlaneWriter
from dae_tui.errors import DataError
from dae_tui.system.packed_folder import FolderFiles

MOST_CHUNK = 1 << 27
"""Bytes of an unpacked chunk or shard: larger ones are in memory as a whole."""
_MOST_FILE = 1 << 30
# Chunks that zarr unpacks at the same time; it would take 10.
_AT_ONCE = 2


class PagedZarr(PagedFile):
    """A store in a folder."""

    kind = "zarr"

    def __init__(self, path: Path, files: FolderFiles, found: Selection, small: int) -> None:
        """A store whose arrays were checked."""
        super().__init__(path)
        zarr.config.set({"async.concurrency": _AT_ONCE})
        self.files, self.found = files, found
        self.remarks |= dict.fromkeys(found.remarks)
        self.planes = [planes_of(array) for array in found.chosen]
        self._readers = [
            PlaneReader(open_array(path, array, "r"), planes)
            for array, planes in zip(found.chosen, self.planes, strict=True)
        ]
        self._pages: list[tuple[int, int, int]] = []
        """Number of the array, and the first and the last plane."""
        for number, planes in enumerate(self.planes):
            group = group_of(planes.plane[0], planes.plane[1], small)
            for first in range(0, len(planes), group):
                self._pages.append((number, first, min(first + group, len(planes))))

    @classmethod
    def opened(cls, path: Path, name: str, small: int) -> Self | None:
        """None for a store that is not large, or whose chunks are too large.

        Args:
            path: of the folder.
            name: of it, for messages.
            small: images of fewer pixels are small, and several are one page.

        Raises DataError, and what zarr raises, for a broken store.
        """
        files = FolderFiles(path, _MOST_FILE)
        found = select(files, name, together=False)
        touched = found.chosen + [
            found.arrays[path] for levels in found.pyramids for path in levels[1:]
        ]
        size = sum(_bytes(array) for array in found.chosen)
        count = sum(math.prod(array.shape[:-2]) for array in found.chosen)
        if not is_large(size) or not 1 < count <= MOST_PAGES:
            return None
        if any(array.piece_bytes > MOST_CHUNK for array in touched):
            return None
        return cls(path, files, found, small)

    def __len__(self) -> int:
        """The number of pages."""
        return len(self._pages)

    def array(self, number: int) -> int:
        """The number of the array that a page is in."""
        return self._pages[number][0]

    def form(self, number: int) -> Hashable:
        """The array that it is in."""
        return self.array(number)

    def page(self, number: int) -> Stack:
        """The images of a page."""
        array, first, end = self._pages[number]
        places = map(self.planes[array].index, range(first, end))
        values = np.stack([native(self._readers[array].read(place)) for place in places])
        values = values if values.ndim == 4 else values[..., None]
        return Stack(values, alpha=values.shape[-1] == 4)

    def writer(self, path: Path) -> PageWriter:
        """A copy of the folder that gets the pages."""
        return _Writer(path, self)

    def copy_to(self, path: Path) -> None:
        """Copy all files."""
        self.files.copy_to(path)


def planes_of(array: Array) -> Planes:
    """The planes of an array of images."""
    assert array.dtype is not None
    shape = image_shape(array.shape, array.dtype)
    assert shape is not None
    return _planes(array, 3 if shape[3] > 1 else 2)


def _planes(array: Array, axes: int) -> Planes:
    assert array.dtype is not None
    return Planes(array.shape, array.chunks, axes, array.dtype.itemsize)


def _bytes(array: Array) -> int:
    assert array.dtype is not None
    return math.prod(array.shape) * array.dtype.itemsize


class _Writer(PageWriter):
    def __init__(self, path: Path, file: PagedZarr) -> None:
        self._path, self._file = path, file
        file.copy_to(path)
        arrays = zip(file.found.chosen, file.planes, strict=True)
        self._writers = [PlaneWriter(open_array(path, array), planes) for array, planes in arrays]
        self._next = 0

    def put(self, stack: Stack) -> None:
        writer = self._writers[self._file.array(self._next)]
        for image in stack.values:
            writer.write(image if image.shape[-1] > 1 else image[..., 0])
        self._next += 1

    def finish(self) -> None:
        """Make the smaller levels anew."""
        if self._next < len(self._file):
            raise DataError(f"{len(self._file) - self._next} pages are missing")
        found = self._file.found
        for levels in found.pyramids:
            finest = found.arrays[levels[0]]
            for path in levels[1:]:
                _rebuild(self._path, finest, found.arrays[path])


def _rebuild(path: Path, finest: Array, level: Array) -> None:
    """A coarser level from the finest, plane by plane."""
    if len(level.shape) != len(finest.shape):
        raise DataError("its levels do not fit each other")
    assert level.dtype is not None
    fine = planes_of(finest)
    reader = PlaneReader(open_array(path, finest, "r"), fine)
    planes = _planes(level, len(fine.plane))
    writer = PlaneWriter(open_array(path, level), planes)
    lead = len(level.shape) - len(planes.plane)
    sides = list(zip(finest.shape[:lead], level.shape[:lead], strict=True))
    for number in range(len(planes)):
        ranges = [
            _source(at, old, new)
            for at, (old, new) in zip(planes.index(number), sides, strict=True)
        ]
        values = np.stack([reader.read(place) for place in itertools.product(*ranges)])
        block = values.reshape(*map(len, ranges), *fine.plane)
        made = smaller(block, (*(1,) * lead, *planes.plane))
        writer.write(made.astype(level.dtype).reshape(planes.plane))


def _source(at: int, old: int, new: int) -> range:
    """What of an axis of `old` places becomes the place `at` of `new` ones, as in `smaller`."""
    if old == new:
        return range(at, at + 1)
    factor = round(old / new)
    if not (new - 1) * factor < old <= (new + 1) * factor:
        place = (at * old) // new
        return range(place, place + 1)
    return range(at * factor, min((at + 1) * factor, old))
