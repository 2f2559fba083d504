"""Tables of digits: a line for each image of 28×28 pixels, with its label in front or without.

Many copies of MNIST are distributed like that. Header line, labels and line ends are kept.
"""

import io
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dae_tui.core.images.codecs.conversions import swapped
from dae_tui.core.images.digit_rows import PIXELS, SIDE, are_digits
from dae_tui.core.images.file_content import Source
from dae_tui.core.images.image_file import About, ImageFile, Stack, check_pixels
from dae_tui.errors import DataError

_MARK = b"\xef\xbb\xbf"
_MOST_BYTES = 1 << 29


class _Form(NamedTuple):
    """What a table has besides its pixels."""

    head: bytes
    """Everything before the first line of numbers."""
    labels: list[bytes] | None
    end: bytes
    """Of a line."""
    last: bool
    """Whether the last line has it too."""


def read(content: bytes, name: str) -> ImageFile:
    """The images (N, 28, 28) of a table of 784 columns, or 785 with labels.

    Whole numbers up to 255 are uint8, other whole numbers int64, all else float64.
    Raises DataError for other tables, and for 784 columns that look like one image.
    """
    end = b"\r\n" if b"\r\n" in content[:20_000] else b"\n"
    lines = content.split(end)
    last = lines[-1] == b""
    lines = lines[:-1] if last else lines
    head = b""
    if not _is_number(lines[0].removeprefix(_MARK).split(b",")[-1]):
        head = lines[0] + end
        lines = lines[1:]
    elif lines[0].startswith(_MARK):
        head, lines[0] = _MARK, lines[0].removeprefix(_MARK)
    if not lines:
        raise DataError(f"{name} has no line of numbers")
    columns = lines[0].count(b",") + 1
    if any(line.count(b",") + 1 != columns for line in lines):
        raise DataError(f"{name} is damaged: its lines have different numbers of columns")
    if columns not in (PIXELS, PIXELS + 1):
        raise DataError(
            f"{name} has {columns} columns", f"tables have {PIXELS} columns, or {PIXELS + 1}"
        )
    check_pixels(name, len(lines), SIDE, SIDE)
    labels = None
    if columns > PIXELS:
        labels, lines = map(list, zip(*(line.split(b",", 1) for line in lines), strict=True))
    values = _numbers(lines)
    if labels is None and not head and not are_digits(values):
        raise DataError(
            f"{name} looks like one image of {len(values)}×{PIXELS} pixels", "save it as .npy"
        )
    stack = Stack(values.reshape(-1, SIDE, SIDE, 1))
    form = _Form(head, labels, end, last)
    remark = f"its rows are taken for {len(values):,} images of {SIDE}×{SIDE} pixels"
    return ImageFile("csv", [stack], partial(_encode, form=form), About(), (remark,))


def bounds(source: Source, name: str) -> tuple[int, int]:
    """A table has up to 512 MB: MNIST has 130."""
    return 0, _MOST_BYTES


def write(stacks: Sequence[Stack], about: About) -> bytes:
    """A table of grey images of 28×28 pixels without labels. Raises DataError for all others."""
    for stack in stacks:
        if stack.values.shape[1:] != (SIDE, SIDE, 1):
            raise DataError(f"csv holds grey images of {SIDE}×{SIDE} pixels only", "write npy")
    parts = [swapped(s.values, False) if s.white_is_zero else s.values for s in stacks]
    head = ",".join(f"pixel{number}" for number in range(PIXELS)).encode() + b"\n"
    rows = [line for part in parts for line in _lines(part)]
    return head + b"\n".join(rows) + b"\n"


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _numbers(lines: Sequence[bytes]) -> NDArray[np.generic]:
    """(N, 784) of the smallest type that holds them."""
    text = io.BytesIO(b"\n".join(lines))
    # Whole numbers beyond 2^53 are no pixels.
    values: NDArray[np.float64] = np.loadtxt(text, delimiter=",", comments=None, ndmin=2)
    if not np.isfinite(values).all() or (values != np.rint(values)).any():
        return values
    if any(b"." in line or b"e" in line.lower() for line in lines):
        return values
    whole = values.astype(np.int64)
    return whole.astype(np.uint8) if whole.min() >= 0 and whole.max() <= 255 else whole


def _lines(values: NDArray[np.generic]) -> list[bytes]:
    rows = values.reshape(len(values), PIXELS)
    if rows.dtype.kind == "b":
        rows = rows.astype(np.uint8)
    # Row by row: all numbers of MNIST as objects would take gigabytes.
    return [",".join(map(str, row.tolist())).encode() for row in rows]


def _encode(stacks: Sequence[Stack], form: _Form) -> bytes:
    lines = _lines(stacks[0].values)
    if form.labels is not None:
        lines = [b",".join(pair) for pair in zip(form.labels, lines, strict=True)]
    return form.head + form.end.join(lines) + (form.end if form.last else b"")
