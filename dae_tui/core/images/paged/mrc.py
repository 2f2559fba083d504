"""MRC with many sections."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.science.gzipped import is_packed
from dae_tui.core.images.codecs.science.mrc import HEADER_BYTES, parse, update_statistics
from dae_tui.core.images.codecs.science.values import native
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.paged.paged_file import (
    PagedOnDisk,
    PageWriter,
    copy_bytes,
    group_of,
    is_large,
)
from dae_tui.errors import DataError


class PagedMrc(PagedOnDisk):
    """An MRC file that is not packed."""

    kind = "mrc"
    header: Any
    dtype: np.dtype[Any]
    start: int
    """Where the values begin."""
    shape: tuple[int, int, int]
    group: int
    """Sections of a page."""

    def check(self, name: str, small: int) -> bool:
        """Whether it is large, not packed, and has several sections."""
        if is_packed(self.source):
            return False
        self.header, self.dtype, self.start, self.shape = parse(
            self.source[:HEADER_BYTES], name, together=False
        )
        if self.shape[0] < 2 or not is_large(math.prod(self.shape) * self.dtype.itemsize):
            return False
        if len(self.source) < self.end:
            raise DataError(f"{name} is not a whole mrc file: it ends too early")
        self.group = group_of(*self.shape[1:], small)
        return True

    @property
    def section_bytes(self) -> int:
        """The bytes of a section."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize

    @property
    def end(self) -> int:
        """Where the values end."""
        return self.start + self.shape[0] * self.section_bytes

    def __len__(self) -> int:
        """The number of pages."""
        return math.ceil(self.shape[0] / self.group)

    def page(self, number: int) -> Stack:
        """The sections of a page."""
        start = self.start + number * self.group * self.section_bytes
        content = self.source[start : min(self.end, start + self.group * self.section_bytes)]
        stored = np.frombuffer(content, self.dtype).reshape(-1, *self.shape[1:])
        return Stack(native(stored)[..., None])

    def writer(self, path: Path) -> PageWriter:
        """The same headers, the pages, and what follows them."""
        return _Writer(path.open("x+b"), self)


class _Writer(PageWriter):
    def __init__(self, out: BinaryIO, file: PagedMrc) -> None:
        self._out, self._file, self._left = out, file, file.shape[0]
        copy_bytes(file.source, out, 0, file.start)

    def put(self, stack: Stack) -> None:
        self._out.write(np.ascontiguousarray(stack.values[..., 0], self._file.dtype).data)
        self._left -= len(stack.values)

    def finish(self) -> None:
        """Count the statistics of the header anew, from what was written."""
        if self._left:
            raise DataError(f"{self._left} sections are missing")
        copy_bytes(self._file.source, self._out, self._file.end, len(self._file.source))
        header = self._file.header.copy()
        update_statistics(header, self._sections)
        self._out.seek(0)
        self._out.write(header.tobytes())
        self._out.flush()

    def _sections(self) -> Iterator[NDArray[Any]]:
        self._out.seek(self._file.start)
        for _ in range(self._file.shape[0]):
            content = self._out.read(self._file.section_bytes)
            yield native(np.frombuffer(content, self._file.dtype)).reshape(self._file.shape[1:])

    def close(self) -> None:
        self._out.close()
