"""A file whose pages are read and written one at a time, as it is too large for memory.

A page is a `Stack`: a page of a TIFF, a section or slice, or a group of images that are small.
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Hashable
from pathlib import Path
from typing import BinaryIO, Self

from dae_tui.core.images.file_content import OnDisk
from dae_tui.core.images.image_file import Stack
from dae_tui.system.regular_files import open_regular

PAGED_FROM = 1 << 28
"""Files with more bytes of pixels than this go through page by page."""
MOST_PAGES = 1_000_000
GROUP_PIXELS = 1 << 21
"""So many pixels of small images are one page, as these are denoised in batches."""
_AT_ONCE = 1 << 24


class PageWriter(ABC):
    """A new file like the one that was read; it gets its pages in order."""

    @abstractmethod
    def put(self, stack: Stack) -> None:
        """Write the next page."""

    @abstractmethod
    def finish(self) -> None:
        """Write what follows the last page. Raises DataError if pages are missing."""

    def close(self) -> None:  # noqa: B027 - Not all have something to close.
        """Close the file, whether it is complete or not."""


class PagedFile(ABC):
    """A file that is open for reading. All its headers were checked."""

    kind: str
    """As of `ImageFile`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.remarks: dict[str, None] = {}
        """What will change, as far as the pages that were read show it."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of pages."""

    def form(self, number: int) -> Hashable:
        """Pages of equal form hold values of one type and range."""
        return 0

    @abstractmethod
    def page(self, number: int) -> Stack:
        """Decode a page. Raises whatever its library does for broken ones."""

    @abstractmethod
    def writer(self, path: Path) -> PageWriter:
        """Make a file or folder that differs in its values alone."""

    def copy_to(self, path: Path) -> None:
        """Copy it as it is."""
        shutil.copyfile(self.path, path)

    def close(self) -> None:  # noqa: B027 - Not all have something to close.
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PagedOnDisk(PagedFile):
    """A file, and not a folder."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises OSError for what is no regular file."""
        super().__init__(path)
        self.source = OnDisk(open_regular(path))

    @classmethod
    def opened(cls, path: Path, name: str, small: int) -> Self | None:
        """A file that goes through page by page; None for others.

        Args:
            path: of the file.
            name: of the file, for messages.
            small: images of fewer pixels are small, and several are one page.

        Raises DataError, and what its library raises, for a broken file.
        """
        file = cls(path)
        try:
            if file.check(name, small):
                return file
        except BaseException:
            file.close()
            raise
        file.close()
        return None

    @abstractmethod
    def check(self, name: str, small: int) -> bool:
        """Read the headers, and tell whether it goes through page by page."""

    def close(self) -> None:
        """Close the file."""
        self.source.__exit__(None, None, None)


def is_large(size: int) -> bool:
    """Whether so many bytes of pixels go through page by page."""
    return size > PAGED_FROM


def group_of(height: int, width: int, small: int) -> int:
    """How many images of a size are a page.

    Args:
        height: of the images.
        width: of the images.
        small: images of fewer pixels are small.
    """
    return 1 if height * width >= small else max(1, GROUP_PIXELS // (height * width))


def copy_bytes(source: OnDisk, out: BinaryIO, start: int, end: int) -> None:
    """Append the bytes from `start` to `end` to a file."""
    for place in range(start, end, _AT_ONCE):
        out.write(source[place : min(end, place + _AT_ONCE)])


def size_on_disk(path: Path) -> int:
    """The bytes of a file, or of all files of a folder; 0 if it cannot be read."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum(
            os.lstat(Path(folder) / name).st_size
            for folder, _, names in os.walk(path)
            for name in names
        )
    except (OSError, ValueError):  # ValueError: a NUL in its name.
        return 0
