"""A folder of images as a data set: any sizes, grey or colour, class subfolders as labels.

Images that all have the same small size are used whole, with the subfolders as their classes.
Other images are cut into square patches, which have no class, once or at random for each epoch.
Subfolders `train` and `test` are the splits if both exist; otherwise see `splits`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dae_tui.core.data.beyond_memory.scratch import Scratch
from dae_tui.core.data.crops import Crops, cropped
from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.data.splits import EVERY, PARTS, TEST, split
from dae_tui.core.data.stored_images import (
    Ranges,
    StoredFile,
    StoredImage,
    as_bytes,
    as_unit,
    find_ranges,
    read_files,
)
from dae_tui.core.images.folder import FolderContents, find_images, passed_over
from dae_tui.core.images.kinds import USUAL_ENDINGS
from dae_tui.errors import DataError
from dae_tui.spec.training_config import CLEAN, is_pairs

WHOLE_UP_TO = 64
PATCH = 40
SPLITS = ("train", "test")


@dataclass(frozen=True)
class FolderImage:
    """One image of a folder."""

    stored: StoredImage
    label: str
    """The name of its class; empty for none."""
    part: str
    """`TRAINING`, `VALIDATION` or `TEST`."""

    @property
    def is_test(self) -> bool:
        return self.part == TEST


@dataclass(frozen=True)
class ImageFolder:
    """All images of a folder, as stored."""

    folder: Path
    images: list[FolderImage]
    """In the order of their names."""
    ranges: Ranges
    checksum: str
    """Identifies the bytes of all files with their splits and classes, wherever they lie."""
    has_splits: bool
    """Whether there are subfolders `train` and `test`."""
    remark: str
    """What was passed over, as a line; empty for nothing."""
    grey: bool = False
    """Whether images in colour become grey."""
    scratch: Scratch = field(default_factory=Scratch, compare=False)
    """Where the images are kept."""

    @property
    def colour(self) -> bool:
        """Whether images have three channels: one of them is in colour, and none becomes grey."""
        return not self.grey and any(image.stored.colour for image in self.images)

    @property
    def used_whole(self) -> bool:
        """Whether the images are small and of one size, and so are not cut into patches."""
        sizes = {image.stored.size for image in self.images}
        return len(sizes) == 1 and max(next(iter(sizes))) <= WHOLE_UP_TO

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of their labels; empty if an image has none, or for patches."""
        names = {image.label for image in self.images}
        return () if "" in names or not self.used_whole else tuple(in_order(names))

    def range_remarks(self) -> list[str]:
        """Lines for the user: ranges, and what was passed over."""
        return [*self.ranges.remarks, *([self.remark] if self.remark else [])]

    def remarks(self, patch: int = PATCH) -> list[str]:
        """The same, and how many images are smaller than a `patch`."""
        lines = self.range_remarks()
        small = sum(min(each.stored.size) < patch for each in self.images)
        if not self.used_whole and small:
            lines.append(
                f"{small:,} of {len(self.images):,} images are smaller than {patch}×{patch}, the "
                "size of the patches to train with, and are left out"
            )
        return lines

    def whole_images(self, split: str | None = None) -> Iterable[tuple[Tensor, str]]:
        """Images, float32 (C, H, W) in [0, 1], and their classes; of a split, or all."""
        for image in self.images:
            if split is None or image.is_test == (split == "test"):
                colour = image.stored.colour
                yield as_unit(image.stored, self.ranges, colour=colour), image.label

    def crops(self, patch: int, *, augment: bool) -> tuple[Crops, list[ImageSet], list[ImageSet]]:
        """Random crops to train with, and whole images for validation and test.

        Images smaller than a crop are not trained with. Raises DataError if a part is empty, or if
        all images for training are too small.
        """
        if not self.images:
            raise self.nothing()
        name = str(self.folder.resolve())
        found = {
            part: to_tensors(
                [image.stored for image in self.images if image.part == part],
                self.ranges,
                self.scratch,
                colour=self.colour,
            )
            for part in PARTS
        }
        return cropped(name, found, patch, augment=augment, stack=self.scratch.stack)

    def image_set(self, split: str) -> ImageSet:
        """The images of `train` or `test`, whole or in patches.

        uint8 if 8 bits hold all images of the folder, else float32, where 0 is black and 1 is
        white. C is 3 with `colour`, else 1. Raises DataError if there are none.
        """
        chosen = [image for image in self.images if image.is_test == (split == "test")]
        if not chosen:
            raise self.nothing(split)
        stored = [image.stored for image in chosen]
        if not self.used_whole:
            stored = [image for image in stored if _fits(image)]
        found = to_tensors(stored, self.ranges, self.scratch, colour=self.colour)
        if not self.used_whole:
            found = [patch for image in found for patch in _patches(image)]
        if not found:
            raise DataError(
                f"the {split} images in {self.folder} are smaller than {PATCH}×{PATCH} and differ "
                "in size",
                f"use images of one size, or of at least {PATCH}×{PATCH}",
            )
        classes = self.classes
        labels = None
        if classes:
            labels = torch.tensor([classes.index(image.label) for image in chosen])
        images = self.scratch.stack(found)
        return ImageSet(str(self.folder.resolve()), images, labels, len(classes))

    def nothing(self, split: str = "") -> DataError:
        """The error where a split, or the whole folder, has no images."""
        remark = f" ({self.remark})" if self.remark else ""
        return DataError(
            f"there are no {split + ' ' * bool(split)}images in {self.folder}{remark}",
            f"it needs at least {EVERY} images in files such as {USUAL_ENDINGS}, or shards: "
            "images*.npy, in it or both in train and in test",
        )


def read_folder(
    folder: Path,
    black: float | None = None,
    white: float | None = None,
    *,
    grey: bool = False,
) -> ImageFolder:
    """Read all images of a folder.

    Args:
        folder: without pairs.
        black: the stored value of black; None finds it out.
        white: the stored value of white; None finds it out.
        grey: whether images in colour become grey.

    Raises DataError, which names all files that cannot be read.
    """
    if is_pairs(folder):
        raise DataError(
            f"{folder} holds pairs of clean and noisy images, not images to add noise to",
            f"use the clean ones: --data {folder / CLEAN}",
        )
    found, remark = _find(folder)
    scratch = Scratch()
    files = read_files([path for _, _, path in found], str(folder), scratch)
    has_splits = _has_splits(folder)
    parts = iter(
        split(
            [path.relative_to(folder) for _, _, path in found],
            [len(file.images) for file in files],
            [part == "test" for part, _, _ in found] if has_splits else None,
        )
    )
    images = [
        FolderImage(stored, label, next(parts))
        for (_, label, _), file in zip(found, files, strict=True)
        for stored in file.images
    ]
    ranges = find_ranges([stack for file in files for stack in file.stacks], black, white)
    checksum = _checksum(found, files)
    return ImageFolder(folder, images, ranges, checksum, has_splits, remark, grey, scratch)


def _has_splits(folder: Path) -> bool:
    return all((folder / split).is_dir() for split in SPLITS)


def _find(folder: Path) -> tuple[list[tuple[str, str, Path]], str]:
    """Split (empty for none), class and path of every file, and what was passed over."""
    splits = SPLITS if _has_splits(folder) else ("",)
    contents = {split: find_images(folder / split) for split in splits}
    refuse_unlisted(list(contents.values()))
    found = [
        (split, class_of(path.relative_to(folder / split)), path)
        for split, each in contents.items()
        for path in sorted(each.files)
    ]
    return found, passed_over(list(contents.values()))


def refuse_unlisted(contents: Sequence[FolderContents]) -> None:
    """Raise DataError, which names the first, if there are folders that cannot be listed."""
    failures = [failure for each in contents for failure in each.unreadable]
    if failures:
        reason = str(failures[0].strerror).lower()
        others = f"; {len(failures) - 1:,} more" if len(failures) > 1 else ""
        raise DataError(f"{failures[0].filename} cannot be read: {reason}{others}")


def _checksum(found: Sequence[tuple[str, str, Path]], files: Sequence[StoredFile]) -> str:
    whole = hashlib.blake2b(digest_size=16)
    for (part, label, _), file in zip(found, files, strict=True):
        whole.update(f"{part}\0{label}\0".encode(errors="surrogateescape") + file.checksum)
    return whole.hexdigest()


def in_order(names: set[str]) -> list[str]:
    """The class names in the order of the labels: numerically if all are numbers, else sorted."""
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def class_of(below: Path) -> str:
    """The class of an image by its path below a folder: the first subfolder, empty for none."""
    return below.parts[0] if len(below.parts) > 1 else ""


def to_tensors(
    stored: Sequence[StoredImage], ranges: Ranges, scratch: Scratch, *, colour: bool
) -> list[Tensor]:
    """Images (C, H, W) of any sizes: all uint8 if 8 bits hold them, else all float32."""
    if ranges.bytes_suffice and all(image.no_data is None for image in stored):
        found = (as_bytes(image, colour=colour) for image in stored)
    else:
        found = (as_unit(image, ranges, colour=colour) for image in stored)
    return [
        scratch.keep_tensor(tensor, image.values)
        for tensor, image in zip(found, stored, strict=True)
    ]


def _fits(image: StoredImage) -> bool:
    """Whether there is a patch in an image."""
    return min(image.size) >= PATCH


def _patches(image: Tensor) -> list[Tensor]:
    """The square patches of an image (C, H, W), which do not overlap."""
    _, height, width = image.shape
    return [
        image[:, top : top + PATCH, left : left + PATCH]
        for top in range(0, height - PATCH + 1, PATCH)
        for left in range(0, width - PATCH + 1, PATCH)
    ]
