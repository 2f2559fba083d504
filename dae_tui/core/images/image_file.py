"""The decoded form of all image files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.errors import DataError

# An image of 12 000 × 12 000 pixels is plausible; 50 000 × 50 000 in a few kilobytes is not.
MOST_PIXELS = 500_000_000
# Pages of a TIFF or arrays of an NPZ: of 128×128 pixels they may not be more anyway.
MOST_STACKS = 30_000


@dataclass(frozen=True)
class Stack:
    """Images of one size, as a file stores them."""

    values: NDArray[Any]
    """(N, H, W, C) of the stored type; C is 1 or 3 (4 for CMYK), and one more with alpha."""
    alpha: bool = False
    """The last channel is opacity, and is not denoised."""
    white_is_zero: bool = False
    """Stored values count from white to black, as some TIFFs have it."""
    no_data: float | None = None
    """The stored value of pixels that were not measured, if the file has one: they stay."""
    stated: tuple[float, float] | None = None
    """The stored values of black and white, if the file says more than its type does, such as
    12 significant bits of 16."""
    compression_error: float = 0.0
    """The standard deviation of the error that the file's lossy compression makes at most, in
    stored units: that of rounding by its quantisation table, as if every coefficient were used."""
    linear: bool = False
    """Whether the values are light as a sensor counts it, and not yet those of a picture."""
    artefacts_removed: bool = False
    """Whether the artefacts of that compression were removed: it would bring them back."""

    @property
    def white(self) -> float:
        """The stored value of white: the largest of an integer type, True, or 1 for floats."""
        if self.values.dtype.kind == "u":
            return float(np.iinfo(self.values.dtype).max)
        return 1.0


@dataclass(frozen=True)
class About:
    """Metadata of a file that other formats can hold as well."""

    icc: bytes | None = None
    """ICC profile."""
    exif: bytes | None = None
    """EXIF as a TIFF structure, without the prefix that JPEG puts before it."""
    dpi: tuple[float, float] | None = None
    """Dots per inch, horizontal and vertical."""
    xmp: bytes | None = None
    """XMP as XML, of kinds that are written as another one in any case."""


Encode = Callable[[Sequence[Stack]], bytes]


@dataclass(frozen=True)
class ImageFile:
    """The images of a file, and how to write such a file with other values."""

    kind: str
    """`png`, `jpeg`, `webp`, `bmp`, `tiff`, `pnm`, `npy`, `npz` or `idx`."""
    stacks: list[Stack]
    """The pages of a TIFF, the arrays of an NPZ; one otherwise."""
    encode: Encode
    """Gives the bytes of a file that differs in values alone, for stacks of the same shapes and
    types in the same order."""
    about: About = field(default_factory=About)
    remarks: tuple[str, ...] = ()
    """What will change, such as "the palette becomes RGB"."""


def check_pixels(name: str, *sizes: int) -> None:
    """Raise DataError for an image that would exhaust the memory, before it is decoded.

    Args:
        name: of the file, for the message.
        sizes: pages, height and width as the header has them.

    Raises DataError for sizes that are zero, negative or more than `MOST_PIXELS` in all.
    """
    if any(size <= 0 for size in sizes):
        raise DataError(f"{name} holds no image: its size is {'×'.join(map(str, sizes))}")
    pixels = 1
    for size in sizes:
        pixels *= int(size)
    if pixels > MOST_PIXELS:
        raise DataError(
            f"{name} claims to hold {'×'.join(map(str, sizes))} pixels, too many to be true",
            f"dae takes up to {MOST_PIXELS:,} pixels a file: cut it into parts",
        )


def check_stacks(
    name: str, count: int, what: str, more: bool = False, most: int | None = None
) -> None:
    """Raise DataError for more images than can be processed in a reasonable time.

    Args:
        name: of the file, for the message.
        count: how many pages or arrays there are.
        what: what they are called.
        more: whether there may be more of them than were counted.
        most: so many are processed; None is `MOST_STACKS`.

    Raises DataError for more.
    """
    most = MOST_STACKS if most is None else most
    if count > most:
        raise DataError(
            f"{name} holds {'more than ' * more}{count:,} {what}; dae takes up to {most:,}",
            "cut it into parts",
        )
