"""The format of a file by its content, not by its name; for new files, by their name."""

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from dae_tui.core.images.file_content import (
    START,
    STREAM_MOST,
    Source,
    check_path,
    read_path,
    read_stream,
)
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError, UsageError

# Suffixes of each format; new files get the first one.
ENDINGS = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg"),
    "webp": (".webp",),
    "bmp": (".bmp",),
    "tiff": (".tif", ".tiff"),
    "pnm": (".pnm", ".pgm", ".ppm", ".pbm", ".pam"),
    "npy": (".npy",),
    "npz": (".npz",),
    "idx": (".idx", "-ubyte", ".idx.gz", "-ubyte.gz"),
}
# How files begin, in order; "|" parts what stands further on in RIFF files.
_BEGINNINGS = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"\0\0\x08", "idx"),
    (b"\0\0\x0d", "idx"),
    (b"\0\0\x0e", "idx"),
    (b"\x1f\x8b", "idx"),
    *((b"P%d" % number, "pnm") for number in range(1, 8)),
)
READABLE = "readable are PNG, JPEG, WebP, BMP, TIFF, PNM, .npy, .npz and IDX files"

# Kinds that tell anywhere in a file, or at its end, what it holds.
_AT_THEIR_END = ("tiff", "npz")
_MODULES = {"jpeg": "jpeg_webp", "webp": "jpeg_webp", "npy": "arrays"}


def kind_of_content(content: bytes) -> str | None:
    """The format of a file by its first bytes; None if dae does not read it."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in _BEGINNINGS if content.startswith(start)), None)


def kind_of_name(name: str) -> str | None:
    """The format of a file name, by its suffix."""
    lower = name.lower()
    return next((kind for kind, ends in ENDINGS.items() if lower.endswith(ends)), None)


def check_kind(kind: str) -> None:
    """Raise UsageError for a format that dae does not write."""
    if kind not in ENDINGS:
        raise UsageError(f"there is no format '{kind}'", f"use {', '.join(ENDINGS)}")


def read(content: bytes, name: str) -> ImageFile:
    """Decode the images of a file. Raises DataError, which names the file, if it cannot be read."""
    kind = _known(content, name)
    with _one_error(kind, name):
        file: ImageFile = _function("read", kind)(content, name)
    return file


def read_file(path: Path, name: str) -> ImageFile:
    """`read` for a path, which `name` stands for in messages."""
    return read(content_of(path, name), name)


def content_of(path: Path, name: str) -> bytes:
    """The bytes of an image file.

    Raises DataError for anything that is not a regular file, does not begin as an image, or is
    smaller or larger than its beginning allows; reads no more of such a file.
    """
    return read_path(path, partial(_known, name=name), partial(_bounds, name=name), name)


def check_file(path: Path, name: str) -> None:
    """Raise DataError like `content_of`, without reading the file."""
    check_path(path, partial(_known, name=name), partial(_bounds, name=name), name)


def content_of_stream(stream: BinaryIO, name: str) -> bytes:
    """`content_of` for what comes through a pipe."""
    return read_stream(stream, partial(_known, name=name), partial(_bounds, name=name), name)


def _known(start: bytes, name: str) -> str:
    """The format of a file. Raises DataError if it is no image."""
    if not start:
        raise DataError(f"{name} is empty")
    kind = kind_of_content(start)
    if kind is None:
        raise DataError(f"{name} is not an image file that dae can read", READABLE)
    return kind


def _bounds(source: Source, stream: bool, name: str) -> tuple[int, int]:
    """The least and the most bytes of a file that begins so, as its kind tells."""
    kind = _known(source[:START], name)
    if stream and kind in _AT_THEIR_END:
        return 0, STREAM_MOST
    with _one_error(kind, name):
        found: tuple[int, int] = _function("bounds", kind)(source, name)
    return found


@contextmanager
def _one_error(kind: str, name: str) -> Iterator[None]:
    """Convert everything that broken files raise to DataError, which names the file."""
    try:
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

    Raises DataError, which names the file, if the format cannot hold them.
    """
    try:
        content: bytes = _function("write", kind)(stacks, about)
    except DataError as failure:
        raise DataError(f"{name}: {failure.message}", failure.hint) from failure
    except (ValueError, TypeError, OSError, struct.error, zlib.error, gzip.BadGzipFile) as failure:
        raise DataError(f"{name} cannot be written as {kind}: {failure}") from failure
    return content


def _function(what: str, kind: str) -> Callable[..., Any]:
    """`read`, `write` or `bounds` of a kind; its module is loaded when a file needs it."""
    module = import_module(f"dae_tui.core.images.codecs.{_MODULES.get(kind, kind)}")
    function: Callable[..., Any] = getattr(module, f"{what}_{kind}" if kind in _MODULES else what)
    return function


def with_ending(path: Path, kind: str) -> Path:
    """`path` with the suffix of another format."""
    for ending in sorted((e for ends in ENDINGS.values() for e in ends), key=len, reverse=True):
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return path.with_name(path.name[: -len(ending)] + ENDINGS[kind][0])
    return path.with_name(path.name + ENDINGS[kind][0])
