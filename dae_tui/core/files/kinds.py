"""A file's kind by what it holds, not by its name; and the other way round for new files."""

import gzip
import struct
import zlib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from dae_tui.core.files.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError, UsageError

# Endings of each kind; the first is the one that new files get.
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

_MODULES = {"jpeg": "lossy", "webp": "lossy", "npy": "arrays", "npz": "arrays", "idx": "arrays"}


def kind_of_content(content: bytes) -> str | None:
    """The kind of a file by its first bytes; None for what is no image that dae reads."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for start, kind in _BEGINNINGS if content.startswith(start)), None)


def kind_of_name(name: str) -> str | None:
    """The kind that a name says, by its ending."""
    lower = name.lower()
    return next((kind for kind, ends in ENDINGS.items() if lower.endswith(ends)), None)


def check_kind(kind: str) -> None:
    """Raise UsageError for a kind that dae does not write."""
    if kind not in ENDINGS:
        raise UsageError(f"there is no format '{kind}'", f"use {', '.join(ENDINGS)}")


def read(content: bytes, name: str) -> ImageFile:
    """The images of a file. Raises DataError, which names it, for whatever cannot be read."""
    if not content:
        raise DataError(f"{name} is empty")
    kind = kind_of_content(content)
    if kind is None:
        raise DataError(f"{name} is not an image file that dae can read", READABLE)
    try:
        file: ImageFile = _function("read", kind)(content, name)
    except DataError:
        raise
    except MemoryError as failure:
        raise DataError(f"{name} needs more memory than there is") from failure
    # Broken files make the libraries raise whatever they like: fuzzing found a dozen types.
    except Exception as failure:
        what = (str(failure).strip() or type(failure).__name__).splitlines()[0]
        raise DataError(f"{name} is not a whole {kind} file: {what}") from failure
    return file


def read_file(path: Path, name: str) -> ImageFile:
    """`read` for a path, which `name` stands for in messages."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as failure:  # ValueError: a NUL in its name.
        reason = failure.strerror if isinstance(failure, OSError) else failure
        raise DataError(f"{name} cannot be read: {str(reason).lower()}") from failure
    return read(content, name)


def write(kind: str, stacks: Sequence[Stack], about: About, name: str) -> bytes:
    """The bytes of a file of another kind than the images came from.

    Raises DataError, which names it, where such a file cannot hold them.
    """
    try:
        content: bytes = _function("write", kind)(stacks, about)
    except DataError as failure:
        raise DataError(f"{name}: {failure.message}", failure.hint) from failure
    except (ValueError, TypeError, OSError, struct.error, zlib.error, gzip.BadGzipFile) as failure:
        raise DataError(f"{name} cannot be written as {kind}: {failure}") from failure
    return content


def _function(what: str, kind: str) -> Callable[..., Any]:
    """`read` or `write` of a kind; its module is loaded when a file needs it."""
    module = import_module(f"dae_tui.core.files.{_MODULES.get(kind, kind)}")
    function: Callable[..., Any] = getattr(module, f"{what}_{kind}" if kind in _MODULES else what)
    return function


def with_ending(path: Path, kind: str) -> Path:
    """`path` with the ending of another kind."""
    for ending in sorted((e for ends in ENDINGS.values() for e in ends), key=len, reverse=True):
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return path.with_name(path.name[: -len(ending)] + ENDINGS[kind][0])
    return path.with_name(path.name + ENDINGS[kind][0])
