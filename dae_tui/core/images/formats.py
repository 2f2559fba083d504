"""The format of a file by its content, not by its name; for new files, by their name."""

import gzip
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from dae_tui.core.images.file_content import (
    START,
    STREAM_MOST,
    PartOfFile,
    Source,
    check_path,
    read_folder,
    read_path,
    read_stream,
)
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.core.images.kinds import (
    ENDINGS,
    KINDS,
    READABLE,
    SHARED,
    WRITTEN,
    kind_of_content,
    kind_of_name,
)
from dae_tui.core.images.library_warnings import quiet
from dae_tui.errors import DataError, UsageError
from dae_tui.system.regular_files import is_folder, open_regular

__all__ = ["ENDINGS", "READABLE", "WRITTEN", "kind_of_content", "kind_of_name"]

# A data set within an HDF5 file is named behind a colon: `file.h5:/path/to/set`.
_PART = re.compile(
    rf"(.+(?:{'|'.join(map(re.escape, ENDINGS['hdf5']))})):(/.*)?", re.IGNORECASE | re.DOTALL
)
_ZARR_MARKS = ("zarr.json", ".zgroup", ".zarray")


def check_kind(kind: str) -> None:
    """Raise UsageError for a format that dae does not write."""
    if kind not in WRITTEN:
        what = "is read, but not written" if kind in ENDINGS else ""
        message = f"the format '{kind}' {what}" if what else f"there is no format '{kind}'"
        raise UsageError(message, f"use {', '.join(WRITTEN)}")


def split_part(path: Path) -> tuple[Path, str | None]:
    """A file and the data set within it that `file.h5:/path/to/set` names; None if it names none.

    A file that has such a name itself is that file.
    """
    found = _PART.fullmatch(os.fspath(path))
    if found is None or os.path.lexists(path):
        return path, None
    return Path(found[1]), found[2] or "/"


def is_image_folder(path: Path) -> bool:
    """Whether a folder is an image file by itself: a Zarr store."""
    if not is_folder(path):
        return False
    # Path.is_file raises where a folder must not be entered.
    return any(os.path.isfile(path / mark) for mark in _ZARR_MARKS)  # noqa: PTH113


def read(content: bytes, name: str) -> ImageFile:
    """Decode the images of a file. Raises DataError, which names the file, if it cannot be read."""
    kind = _known(content, name)
    with one_error(kind, name):
        file: ImageFile = _function("read", kind, name)(content, name)
    return file


def read_file(path: Path, name: str) -> ImageFile:
    """`read` for a path, which `name` stands for in messages."""
    return read(content_of(path, name), name)


def content_of(path: Path, name: str) -> bytes:
    """The bytes of an image file; of a folder that is one, those of an archive of it.

    Raises DataError for anything that is not a regular file, does not begin as an image, or is
    smaller or larger than its beginning allows; reads no more of such a file.
    """
    if is_image_folder(path):
        return read_folder(path, name)
    file, part = split_part(path)
    content = read_path(file, partial(_known, name=name), partial(_bounds, name=name), name)
    return content if part is None else PartOfFile.of(content, part)


def check_file(path: Path, name: str) -> None:
    """Raise DataError like `content_of`, without reading the file."""
    check_path(path, partial(_known, name=name), partial(_bounds, name=name), name)


def content_of_stream(stream: BinaryIO, name: str) -> bytes:
    """`content_of` for what comes through a pipe."""
    return read_stream(stream, partial(_known, name=name), partial(_bounds, name=name), name)


def is_named_image(path: Path) -> bool:
    """Whether a file of a folder is an image, by its name.

    Names that files of all sorts have, such as `labels.csv`, say nothing: what begins as an image
    of that kind is one.
    """
    kind = kind_of_name(path.name)
    if kind is None or not path.name.lower().endswith(SHARED):
        return kind is not None
    return _kind_of_file(path, "") == kind


def not_written_back(path: Path) -> str | None:
    """The kind of a file whose kind cannot be written back; None for all others.

    Names tell most files apart. What is named as a TIFF, as some raw files are, as HEIF, which
    other photographs are named as well, or not at all is known by its content.
    """
    kind = kind_of_name(path.name)
    if kind in ("tiff", "heif", None):
        kind = _kind_of_file(path, path.name) or kind
    return kind if kind and KINDS[kind].becomes else None


def _kind_of_file(path: Path, name: str) -> str | None:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return kind_of_content(file.read(START), name)
    except OSError:
        return None


def _known(start: bytes, name: str) -> str:
    """The format of a file. Raises DataError if it is no image."""
    if not start:
        raise DataError(f"{name} is empty")
    kind = kind_of_content(start, name)
    if kind is None:
        raise DataError(f"{name} is not an image file that dae can read", READABLE)
    return kind


def _bounds(source: Source, stream: bool, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file that begins so, as its kind tells."""
    kind = _known(source[:START], name)
    if stream and KINDS[kind].at_end:
        return 0, STREAM_MOST
    with one_error(kind, name):
        found: tuple[int, int] = _function("bounds", kind, name)(source, name)
    return found


@contextmanager
def one_error(kind: str, name: str) -> Iterator[None]:
    """Convert everything that broken files raise to DataError, which names the file."""
    try:
        with quiet() if KINDS[kind].quiet else nullcontext():
            yield
    except DataError:
        raise
    except MemoryError as failure:
        raise DataError(f"{name} needs more memory than there is") from failure
    # For broken files the libraries raise all kinds of exceptions: fuzzing found a dozen types.
    except Exception as failure:
        what = (str(failure).strip() or type(failure).__name__).splitlines()[0]
        raise DataError(f"{name} is not a whole {kind} file: {what}") from failure


def encode(file: ImageFile, stacks: Sequence[Stack], name: str) -> bytes:
    """Call `file.encode`. Raises DataError, which names the file, for any failure."""
    try:
        with quiet() if KINDS[file.kind].quiet else nullcontext():
            return file.encode(stacks)
    except DataError as failure:
        raise DataError(f"{name}: {failure.message}", failure.hint) from failure
    except MemoryError:
        raise
    # Metadata of foreign files may not be valid for the libraries' encoders.
    except Exception as failure:
        what = (str(failure).strip() or type(failure).__name__).splitlines()[0]
        raise DataError(f"{name} cannot be written as {file.kind}: {what}") from failure


def write(kind: str, stacks: Sequence[Stack], about: About, name: str) -> bytes:
    """The bytes of a file in another format than that of the images.

    Args:
        kind: the format; `hdf5:/path` is an HDF5 file with a data set of that path.
        stacks: the images.
        about: metadata, for formats that hold them.
        name: of the file, for messages.

    Raises DataError, which names the file, if the format cannot hold them.
    """
    kind, _, part = kind.partition(":")
    if kind not in WRITTEN:
        raise DataError(f"{name} cannot become a {kind} file", f"write {', '.join(WRITTEN)}")
    make = _function("write", kind, name)
    try:
        with quiet() if KINDS[kind].quiet else nullcontext():
            content: bytes = make(stacks, about, part) if part else make(stacks, about)
    except DataError as failure:
        raise DataError(f"{name}: {failure.message}", failure.hint) from failure
    except (ValueError, TypeError, OSError, struct.error, zlib.error, gzip.BadGzipFile) as failure:
        raise DataError(f"{name} cannot be written as {kind}: {failure}") from failure
    # Libraries have errors of their own.
    except Exception as failure:
        if not KINDS[kind].quiet or isinstance(failure, MemoryError):
            raise
        what = (str(failure).strip() or type(failure).__name__).splitlines()[0]
        raise DataError(f"{name} cannot be written as {kind}: {what}") from failure
    return content


def _function(what: str, kind: str, name: str) -> Callable[..., Any]:
    """`read`, `write` or `bounds` of a kind; its module is loaded when a file needs it.

    Raises DataError if its library is not installed.
    """
    known = KINDS[kind]
    try:
        module = import_module(f"dae_tui.core.images.codecs.{known.module}")
    except ModuleNotFoundError as failure:
        if not known.extra:
            raise
        raise DataError(
            f"{name} is a {kind} file, for which {failure.name} is not installed",
            f"pip install 'dae-tui[{known.extra}]'",
        ) from failure
    function: Callable[..., Any] = getattr(module, what + known.suffix)
    return function


def with_ending(path: Path, kind: str) -> Path:
    """`path` with the suffix of another format."""
    new = ENDINGS[kind.partition(":")[0]][0]
    for ending in sorted((e for ends in ENDINGS.values() for e in ends), key=len, reverse=True):
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return path.with_name(path.name[: -len(ending)] + new)
    return path.with_name(path.name + new)
