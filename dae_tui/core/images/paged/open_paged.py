"""Which files go through page by page."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from dae_tui.core.images.file_content import START, unreadable
from dae_tui.core.images.formats import is_image_folder, one_error
from dae_tui.core.images.kinds import kind_of_content
from dae_tui.core.images.paged import paged_file
from dae_tui.core.images.paged.paged_file import PagedFile, size_on_disk
from dae_tui.system.regular_files import open_regular

# Kinds, and their modules here.
_KINDS = {
    "tiff": ("tiff", "PagedTiff"),
    "mrc": ("mrc", "PagedMrc"),
    "npy": ("npy", "PagedNpy"),
    "zarr": ("zarr", "PagedZarr"),
}
# Pixels with noise are not packed any smaller: other files are not opened.
_MOST_PACKED = 16


def open_paged(path: Path, name: str, small: int) -> PagedFile | None:
    """A file that goes through page by page; None for files that are decoded as a whole.

    Args:
        path: of a file, or of a folder that is one.
        name: of the file, for messages.
        small: images of fewer pixels are small, and several are one page.

    Raises DataError, which names the file, if its headers are broken or it cannot be read.
    """
    if size_on_disk(path) * _MOST_PACKED <= paged_file.PAGED_FROM:
        return None
    try:
        kind = _kind(path, name)
        if kind not in _KINDS:
            return None
        module, class_ = _KINDS[kind]
        opened: Callable[[Path, str, int], PagedFile | None] = getattr(
            import_module(f"{__package__}.{module}"), class_
        ).opened
        with one_error(kind, name):
            return opened(path, name, small)
    except ModuleNotFoundError:
        return None  # Reading it as a whole says what is missing.
    except OSError as failure:
        raise unreadable(name, failure) from failure


def _kind(path: Path, name: str) -> str | None:
    if is_image_folder(path):
        return "zarr"
    if path.is_dir():
        return None
    with os.fdopen(open_regular(path), "rb") as file:
        kind = kind_of_content(file.read(START), name)
    return None if kind == "zarr" else kind
