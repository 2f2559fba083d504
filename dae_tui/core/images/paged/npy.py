"""NumPy's .npy with many images: an array in C order, whose first axis counts them."""

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dae_tui.core.images.axes import as_stack, check_type, from_stack
from dae_tui.core.images.codecs.arrays import (
    LONGEST_HEADER,
    Header,
    check_size,
    claimed,
    npy_header,
)
from dae_tui.core.images.image_file import Stack, check_pixels
from dae_tui.core.images.paged.paged_file import (
    PagedOnDisk,
    PageWriter,
    group_of,
    is_large,
)
from dae_tui.errors import DataError


class PagedNpy(PagedOnDisk):
    """A .npy array of images."""

    kind = "npy"
    header: Header
    group: int
    """Images of a page."""

    def check(self, name: str, small: int) -> bool:
        """Whether it is large, and its images follow each other."""
        header = npy_header(self.source[:LONGEST_HEADER], name)
        check_type(header.dtype, name)
        whole = as_stack(claimed(header.shape, header.dtype), name).values
        if header.order != "C" or len(header.shape) < 3 or len(whole) < 2:
            return False
        if not is_large(whole.nbytes):
            return False
        check_size(len(self.source), header, name)
        check_pixels(name, *whole.shape[1:3])
        self.header, self.group = header, group_of(whole.shape[1], whole.shape[2], small)
        return True

    def __len__(self) -> int:
        """The number of pages."""
        return math.ceil(self.header.shape[0] / self.group)

    def page(self, number: int) -> Stack:
        """The images of a page."""
        header = self.header
        first = number * self.group
        shape = (min(self.group, header.shape[0] - first), *header.shape[1:])
        size = claimed(header.shape[1:], header.dtype).nbytes
        start = header.end + first * size
        content = self.source[start : start + shape[0] * size]
        return as_stack(np.frombuffer(content, header.dtype).reshape(shape), "it")

    def writer(self, path: Path) -> PageWriter:
        """The same header, and then the pages."""
        return _Writer(path.open("xb"), self)


class _Writer(PageWriter):
    def __init__(self, out: BinaryIO, file: PagedNpy) -> None:
        self._out, self._header, self._left = out, file.header, file.header.shape[0]
        out.write(file.source[: file.header.end])

    def put(self, stack: Stack) -> None:
        shape = (len(stack.values), *self._header.shape[1:])
        values = from_stack(stack, claimed(shape, self._header.dtype))
        self._out.write(np.ascontiguousarray(values, self._header.dtype).data)
        self._left -= len(stack.values)

    def finish(self) -> None:
        if self._left:
            raise DataError(f"{self._left} images are missing")
        self._out.flush()

    def close(self) -> None:
        self._out.close()
