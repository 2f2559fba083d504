"""TIFF and BigTIFF with many pages, read and written by the codec of whole files."""

import io
from collections.abc import Hashable
from pathlib import Path
from typing import BinaryIO

import tifffile

from dae_tui.core.images.codecs.tiff import codes
from dae_tui.core.images.codecs.tiff.codec import check_boxes, decoded, encoded
from dae_tui.core.images.codecs.tiff.conversion import changes
from dae_tui.core.images.codecs.tiff.pages import Page, check_hidden, read_page
from dae_tui.core.images.codecs.tiff.tags import (
    Budget,
    Form,
    kept_tags,
    read_places,
    read_start,
    read_tags,
)
from dae_tui.core.images.codecs.tiff.write_tags import Assembly
from dae_tui.core.images.file_content import FREE, AsFile, OnDisk
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.paged.paged_file import MOST_PAGES, PagedOnDisk, PageWriter, is_large
from dae_tui.errors import DataError


class PagedTiff(PagedOnDisk):
    """A TIFF whose tags are read again with each page: those of 100 000 pages take much memory."""

    kind = "tiff"
    layout: Form
    _name: str
    _opened: tifffile.TiffFile

    def __init__(self, path: Path) -> None:
        """Open it. Raises OSError for what is no regular file."""
        super().__init__(path)
        self._tags = _Tags(self.source)
        self._places: list[int] = []
        self._forms: list[int] = []
        self.shown: list[int] = []
        """The places of pages that are no masks, among all."""
        self.targets: dict[int, Page] = {}
        """How those pages are written that were read."""

    def check(self, name: str, small: int) -> bool:
        """Whether it is large and has several pages."""
        self._name = name
        self.layout, first = read_start(self.source, name)
        self._places = read_places(self.source, self.layout, first, name, MOST_PAGES)
        if len(self._places) < 2:
            return False
        size = 0
        known: dict[Hashable, int] = {}
        for number in range(len(self._places)):
            page = self.stored(number)
            if number == 0:
                check_hidden(page.tags, len(self._places), name)
            check_boxes(len(page.offsets), self._label(number))
            if page.photometric == codes.MASK:
                self.remarks["a page that is a mask stays as it is"] = None
                continue
            size += page.size()
            form = (page.height, page.width, page.samples, page.bits, page.dtype, page.photometric)
            self.shown.append(number)
            self._forms.append(known.setdefault((*form, page.alpha), len(known)))
        if len(self.shown) < 2 or not is_large(size):
            return False
        # It reads what the codec asks for, page by page.
        self._opened = tifffile.TiffFile(io.BufferedReader(AsFile(self.source)))
        return True

    def _label(self, number: int) -> str:
        return f"{self._name}, page {number + 1},"

    def stored(self, number: int) -> Page:
        """How a page is stored, masks counted. Raises DataError for what dae does not read."""
        place, label = self._places[number], self._label(number)
        tags = read_tags(self._tags, self.layout, place, label, Budget(self.source, label))
        return read_page(tags, place, self.layout, len(self.source), label)

    @property
    def count(self) -> int:
        """The number of pages, masks counted."""
        return len(self._places)

    def __len__(self) -> int:
        """The number of pages that are no masks."""
        return len(self.shown)

    def form(self, number: int) -> Hashable:
        """Size and type of values."""
        return self._forms[number]

    def page(self, number: int) -> Stack:
        """The image of a page, or its bands."""
        place = self.shown[number]
        page = self.stored(place)
        stack, target = decoded(page, self.source, self._opened, self.layout, self._label(place))
        self.remarks |= dict.fromkeys(changes(page, target))
        self.targets[number] = target
        return stack

    def writer(self, path: Path) -> PageWriter:
        """The same pages with their tags."""
        return _Writer(path.open("x+b"), self)


class _Writer(PageWriter):
    def __init__(self, out: BinaryIO, file: PagedTiff) -> None:
        self._out, self._file = out, file
        self._assembly = Assembly(out, file.layout)
        self._next = 0
        self._place = 0

    def put(self, stack: Stack) -> None:
        place = self._file.shown[self._next]
        self._masks(place)
        target = self._file.targets.pop(self._next)
        self._assembly.add(target.tags, encoded(stack, target))
        self._next, self._place = self._next + 1, place + 1

    def _masks(self, end: int) -> None:
        """Copy the masks before a page."""
        for place in range(self._place, end):
            page = self._file.stored(place)
            boxes = zip(page.offsets, page.counts, strict=True)
            self._assembly.add(
                kept_tags(page.tags),
                (self._file.source[offset : offset + count] for offset, count in boxes),
            )

    def finish(self) -> None:
        if self._next < len(self._file):
            raise DataError(f"{len(self._file) - self._next} pages are missing")
        self._masks(self._file.count)
        self._out.flush()

    def close(self) -> None:
        self._out.close()


class _Tags:
    """A file of which no tag may take more memory than a small file."""

    def __init__(self, source: OnDisk) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(len(self._source))
        if stop - start > FREE:
            raise DataError("its tags are too large to be true")
        return self._source[part]
