"""A folder of images as a data set: any sizes, grey or colour, class subfolders as labels.

Images that all have the same small size are used whole, with the subfolders as their classes.
Other images are cut into square patches, which have no class. Subfolders `train` and `test` are
the splits if both exist; otherwise every tenth image (in the order of names) is a test image.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dae_tui.core.images.file_content import FREE
from dae_tui.core.images.formats import check_file
from dae_tui.errors import DataError
from dae_tui.system.regular_files import open_regular

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
WHOLE_UP_TO = 64
PATCH = 40
TEST_EVERY = 10
GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L")
# What Pillow raises for broken files, as found by fuzzing.
PILLOW_FAILURES = (OSError, ValueError, SyntaxError, IndexError, Image.DecompressionBombError)


def load_folder(folder: Path, split: str) -> tuple[Tensor, Tensor | None, int]:
    """Return images (N, C, H, W) uint8, labels (N,) or None, and the number of classes.

    C is 3 if any image of the folder is in colour, else 1. Raises DataError for a folder without
    images or an image that cannot be read.
    """
    # Channels, size and classes depend on all files, so that both splits agree on them.
    splits = _splits(folder)
    paths = [path for _, path in splits[split]]
    if not paths:
        raise DataError(
            f"there are no {split} images in {folder}",
            f"it needs at least {TEST_EVERY} files of the kinds {' '.join(SUFFIXES)}, or shards: "
            "images*.npy, in it or both in train and in test",
        )
    headers = [_header(path) for found in splits.values() for _, path in found]
    colour = any(mode not in GREY_MODES for mode, _ in headers)
    sizes = {size for _, size in headers}
    _check_memory(
        folder, sum(width * height for _, (width, height) in headers) * (3 if colour else 1)
    )
    images = [_read(path, colour) for path in paths]
    if len(sizes) == 1 and max(next(iter(sizes))) <= WHOLE_UP_TO:
        classes = in_order({name for found in splits.values() for name, _ in found})
        if "" in classes:
            return _stack(images), None, 0
        labels = torch.tensor([classes.index(name) for name, _ in splits[split]])
        return _stack(images), labels, len(classes)
    patches = [patch for image in images for patch in _patches(image)]
    if not patches:
        raise DataError(
            f"the {split} images in {folder} are smaller than {PATCH}×{PATCH} and differ in size",
            f"use images of one size, or of at least {PATCH}×{PATCH}",
        )
    return _stack(patches), None, 0


def _check_memory(folder: Path, size: int) -> None:
    """Raise DataError if decoded images of `size` bytes exceed the machine's memory."""
    if size > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        raise DataError(
            f"the images in {folder} take {size / 2**30:,.0f} GiB, more than this machine's memory",
            "use fewer or smaller ones, or shards: images*.npy, which are streamed",
        )


def _splits(folder: Path) -> dict[str, list[tuple[str, Path]]]:
    """The images of each split as (subfolder, path); the subfolder is "" for none."""
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return {split: _images(folder / split) for split in ("train", "test")}
    found = _images(folder)
    test = found[TEST_EVERY - 1 :: TEST_EVERY]
    kept = set(test)
    return {"train": [entry for entry in found if entry not in kept], "test": test}


def find_images(root: Path) -> list[Path]:
    """The image files below a folder, in the order of their names."""
    return [path for _, path in _images(root)]


def class_names(folder: Path) -> tuple[str, ...]:
    """The classes of a folder of small images in the order of their labels; empty for none."""
    names = {name for found in _splits(folder).values() for name, _ in found}
    return () if "" in names else tuple(in_order(names))


def in_order(names: set[str]) -> list[str]:
    """The class names in the order of the labels: numerically if all are numbers, else sorted."""
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def class_of(below: Path) -> str:
    """The class of an image by its path below a folder: the first subfolder, empty for none."""
    return below.parts[0] if len(below.parts) > 1 else ""


def _images(root: Path) -> list[tuple[str, Path]]:
    """Class and path of every file with an image suffix; broken links are left out."""
    try:
        paths = sorted(
            path
            for path in root.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.exists() and not path.is_dir()
        )
    except OSError as failure:  # A subfolder that disappears meanwhile.
        raise DataError(f"{root} cannot be read: {failure}", "try again") from failure
    below = [path.relative_to(root) for path in paths]
    return [
        (class_of(name), path)
        for name, path in zip(below, paths, strict=True)
        if not any(part.startswith(".") for part in name.parts)
    ]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image and read its header only. Raises DataError like `formats.check_file`."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            if os.fstat(file.fileno()).st_size > FREE:
                check_file(path, str(path))  # Pillow reads some formats whole.
            with Image.open(file) as image:
                yield image
    except PILLOW_FAILURES as failure:
        raise _unreadable(path, failure) from failure


def _header(path: Path) -> tuple[str, tuple[int, int]]:
    """Mode and size of an image, from its header."""
    with _opened(path) as image:
        return image.mode, image.size


def _read(path: Path, colour: bool) -> NDArray[np.uint8]:
    """(H, W) for grey, (H, W, 3) for colour."""
    with _opened(path) as image:
        if image.mode in ("I", "F"):
            raise DataError(
                f"{path} holds numbers without a range ({image.mode})",
                "store it with 8 or 16 bits",
            )
        if image.mode.startswith("I;16"):
            grey = (np.asarray(image) // 257).astype(np.uint8)
            return np.stack([grey] * 3, axis=-1) if colour else grey
        return np.asarray(image.convert("RGB" if colour else "L"))


def _unreadable(path: Path, failure: Exception) -> DataError:
    reason = str(getattr(failure, "strerror", None) or failure)
    what = reason if reason.endswith("a regular file") else f"cannot be read as an image: {reason}"
    return DataError(f"{path} {what}", "remove it from the folder")


def _patches(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    height, width = image.shape[:2]
    return [
        image[top : top + PATCH, left : left + PATCH]
        for top in range(0, height - PATCH + 1, PATCH)
        for left in range(0, width - PATCH + 1, PATCH)
    ]


def _stack(images: list[NDArray[np.uint8]]) -> Tensor:
    stacked = torch.from_numpy(np.stack(images))
    return (stacked[:, None] if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2)).contiguous()
