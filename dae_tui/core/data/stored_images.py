"""The images of many files, as stored, and as values in [0, 1] by one range for each type.

Training, benchmarks and `dae denoise` read files with the same code (`core.images.formats`): every
kind, all pages, all images of a stack, at full depth.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.data.beyond_memory.scratch import Scratch
from dae_tui.core.images.formats import content_of, read
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import (
    ValueRange,
    fill_unmeasured,
    find_limits,
    find_range,
    image_values,
    to_unit,
)
from dae_tui.errors import DataError
from dae_tui.system.printable import printable

# So many files that cannot be read are named.
NAMED = 20
CMYK = 4
# The brightness of red, green and blue (ITU-R BT.601), as grey copies of BSD68 and Set12 have it.
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class StoredImage:
    """One image of a file."""

    values: NDArray[Any]
    """(H, W, C) of the stored type, without alpha; C is 1, 3, or 4 for CMYK."""
    white_is_zero: bool
    no_data: float | None
    """The stored value of pixels that were not measured."""

    @property
    def colour(self) -> bool:
        return bool(self.values.shape[2] > 1)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.values.shape[:2]
        return height, width


@dataclass(frozen=True)
class StoredFile:
    """The images of a file, and a checksum of its bytes."""

    path: Path
    stacks: list[Stack]
    images: list[StoredImage]
    """All of all stacks."""
    checksum: bytes


@dataclass(frozen=True)
class Ranges:
    """Black and white of each type of values among some files."""

    by_type: dict[str, ValueRange] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """A line for each range that is not that of the type itself."""

    def of(self, image: StoredImage) -> ValueRange:
        return self.by_type[_type_name(image.values)]

    @property
    def bytes_suffice(self) -> bool:
        """Whether 8 bits hold every image as it is."""
        return all(
            name in ("uint8", "bool") and found.source == "type"
            for name, found in self.by_type.items()
        )


def read_files(paths: Sequence[Path], where: str, scratch: Scratch) -> list[StoredFile]:
    """Read the images of all files.

    Args:
        paths: of the files.
        where: the folder that holds them, for messages.
        scratch: where the images are kept.

    Raises DataError, which names all files that cannot be read, at most `NAMED` of them, or if
    neither memory nor disk can hold the images.
    """
    files: list[StoredFile] = []
    failed: list[tuple[Path, DataError]] = []
    for path in paths:
        try:
            found, checksum = _read(path)
        except DataError as failure:
            failed.append((path, failure))
            continue
        stacks = [replace(stack, values=scratch.keep(stack.values)) for stack in found]
        images = [image for stack in stacks for image in images_of(stack)]
        files.append(StoredFile(path, stacks, images, checksum))
    if failed:
        raise _unreadable(failed, len(paths), where)
    return files


def _read(path: Path) -> tuple[list[Stack], bytes]:
    """The images of a file, and a checksum of its bytes."""
    content = content_of(path, str(path))
    checksum = hashlib.blake2b(content, digest_size=16).digest()
    return read(content, str(path)).stacks, checksum


def images_of(stack: Stack) -> list[StoredImage]:
    """The single images of a stack."""
    return [
        StoredImage(values, stack.white_is_zero, stack.no_data) for values in image_values(stack)
    ]


def _unreadable(failed: Sequence[tuple[Path, DataError]], count: int, where: str) -> DataError:
    first = failed[0][1]
    if count == 1:
        return first
    if len(failed) == 1:
        return DataError(first.message, "remove it from the folder")
    paths = [path for path, _ in failed[:NAMED]]
    below = [path.relative_to(where) if path.is_relative_to(where) else path for path in paths]
    named = ", ".join(map(printable, below))
    more = f" and {len(failed) - NAMED:,} more" if len(failed) > NAMED else ""
    return DataError(
        f"{len(failed):,} of {count:,} files in {where} cannot be read: {named}{more}",
        f"remove them from the folder, or fetch them again; the first: {first.message}",
    )


def find_ranges(
    stacks: Iterable[Stack], black: float | None = None, white: float | None = None
) -> Ranges:
    """What is black and white in some images, one range for all of a type.

    Args:
        stacks: all images of one data set.
        black: the stored value of black, where it is known.
        white: the stored value of white, where it is known.

    Raises DataError for a range that is none, and for images of nothing but NaN.
    """
    by_type: defaultdict[str, list[Stack]] = defaultdict(list)
    for stack in stacks:
        by_type[_type_name(stack.values)].append(stack)
    ranges, remarks = {}, []
    for name, found in by_type.items():
        each = [find_range(stack, f"one of the {name} images", black, white) for stack in found]
        ranges[name] = common = _common(found, each)
        if common.source != "type":
            remarks.append(
                f"values of type {name} are taken as black at {common.black:g} and as white at "
                f"{common.white:g}"
            )
    return Ranges(ranges, tuple(remarks))


def _common(stacks: Sequence[Stack], ranges: Sequence[ValueRange]) -> ValueRange:
    """The range of stacks of one type, from that of each.

    A type's own range is that of all if one of them uses it, and not with a few outliers alone,
    such as hot pixels. Else it goes from the lowest black to the highest white.
    """
    dtype = stacks[0].values.dtype
    limits = [(found.black, found.white) for found in ranges if found.source != "type"]
    for stack, found in zip(stacks, ranges, strict=True):
        if found.source != "type":
            continue
        if dtype.itemsize == 1 or dtype.kind == "f" or not limits:
            return found
        robust = find_limits(stack, "an image")
        if robust.high > found.white / 2:
            return found
        limits.append((robust.low, robust.high))
    black, white = min(low for low, _ in limits), max(high for _, high in limits)
    sources = {found.source for found in ranges}
    return ValueRange(black, white, sources.pop() if len(sources) == 1 else "data")


def as_unit(image: StoredImage, ranges: Ranges, *, colour: bool) -> Tensor:
    """An image as float32 (C, H, W), where 0 is black and 1 is white.

    With `colour` grey images get three equal channels, without it images in colour become grey.
    Values that were not measured become those of their neighbours. Values beyond the range of the
    data lie outside [0, 1].
    """
    found = ranges.of(image)
    unit = to_unit(image.values, found, image.white_is_zero, image.no_data)
    if unit.shape[2] == CMYK:
        unit = unit[..., :3] * unit[..., 3:]  # Where 1 is no ink.
    return fill_unmeasured(_channels_first(unit, colour))


def as_bytes(image: StoredImage, *, colour: bool) -> Tensor:
    """An image of 8 bits, or of black and white, as uint8 (C, H, W); see `as_unit`.

    Grey is rounded.
    """
    values = image.values
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * np.uint8(255)
    if image.white_is_zero:
        values = np.uint8(255) - values
    if values.shape[2] == CMYK:
        ink = values[..., :3].astype(np.uint16) * values[..., 3:]
        values = ((ink + 127) // 255).astype(np.uint8)
    return _channels_first(torch.from_numpy(np.require(values, requirements=["C", "W"])), colour)


def _channels_first(image: Tensor, colour: bool) -> Tensor:
    planes = image.permute(2, 0, 1)
    if colour:
        return planes.expand(3, -1, -1) if len(planes) == 1 else planes
    if len(planes) != len(LUMA):
        return planes
    grey = torch.einsum("c,chw->hw", torch.tensor(LUMA), planes.float())[None]
    return grey.round().to(torch.uint8) if planes.dtype == torch.uint8 else grey


def _type_name(values: NDArray[Any]) -> str:
    return values.dtype.newbyteorder("=").name
