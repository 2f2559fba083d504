"""A folder of images as a data set: any sizes, grey or colour, class subfolders as labels.

Images that all have one small size are used whole, with the subfolders as their classes. Others
are cut into square patches, which have no class. Subfolders `train` and `test` are the splits
where both exist; otherwise every tenth image (in the order of the names) is a test image.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from dae_tui.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
WHOLE_UP_TO = 64
PATCH = 40
TEST_EVERY = 10


def load_folder(folder: Path, split: str) -> tuple[Tensor, Tensor | None, int]:
    """Images (N, C, H, W) uint8, labels (N,) or None, and the number of classes.

    C is 3 if any image is in colour, else 1. Raises DataError for a folder without images or an
    image that cannot be read.
    """
    separate = (folder / "train").is_dir() and (folder / "test").is_dir()
    root = folder / split if separate else folder
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not separate:
        test = paths[TEST_EVERY - 1 :: TEST_EVERY]
        kept = set(test)
        paths = test if split == "test" else [path for path in paths if path not in kept]
    if not paths:
        raise DataError(
            f"there are no {split} images in {root}",
            f"it needs at least {TEST_EVERY} files of the kinds {' '.join(SUFFIXES)}",
        )
    images = [_read(path) for path in paths]
    if any(image.ndim == 3 for image in images):
        images = [image if image.ndim == 3 else np.stack([image] * 3, axis=-1) for image in images]
    sizes = {image.shape[:2] for image in images}
    if len(sizes) == 1 and max(next(iter(sizes))) <= WHOLE_UP_TO:
        labels, classes = _labels(paths, root)
        return _stack(images), labels, classes
    patches = [patch for image in images for patch in _patches(image)]
    if not patches:
        raise DataError(
            f"the images in {root} are smaller than {PATCH}×{PATCH} and of different sizes",
            f"use images of one size, or of at least {PATCH}×{PATCH}",
        )
    return _stack(patches), None, 0


def _read(path: Path) -> NDArray[np.uint8]:
    """(H, W) for grey, (H, W, 3) for colour."""
    try:
        with Image.open(path) as image:
            grey = image.mode in ("1", "L", "LA", "I", "I;16", "F")
            if image.mode.startswith("I;16"):
                return (np.asarray(image) // 257).astype(np.uint8)
            return np.asarray(image.convert("L" if grey else "RGB"))
    except (OSError, UnidentifiedImageError, ValueError) as failure:
        raise DataError(
            f"{path} cannot be read as an image: {failure}", "remove it from the folder"
        ) from failure


def _labels(paths: list[Path], root: Path) -> tuple[Tensor | None, int]:
    below = [path.relative_to(root) for path in paths]
    if any(len(path.parts) == 1 for path in below):
        return None, 0
    # From the folder, not the paths: a class without a test image keeps its number.
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    return torch.tensor([classes.index(path.parts[0]) for path in below]), len(classes)


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
