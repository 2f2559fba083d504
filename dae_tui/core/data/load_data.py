"""Data sets by name: torchvision's, the embedded digits, folders of images or of shards.

`load` returns one split of a data set. It never substitutes another data set: if one is missing
and cannot be downloaded, the error says what can be done.
"""

import contextlib
import os
import pickle
import stat
import struct
import sys
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dae_tui.core.data.beyond_memory.shards import is_sharded, load_shards
from dae_tui.core.data.digits.embed_digits import EMBEDDED
from dae_tui.core.data.image_folder import read_folder
from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.images.formats import read_file
from dae_tui.errors import DataError
from dae_tui.spec.training_config import DATA_SETS, check_data
from dae_tui.system.regular_files import open_regular

Split = Literal["train", "test"]

# What torchvision raises for broken files.
_BROKEN = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AssertionError,
    struct.error,
    pickle.UnpicklingError,
)
# Data sets in plain IDX files, and torchvision's folders for them.
PLAIN = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
_PREFIXES = {"train": "train", "test": "t10k"}
_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
# The files of each data set, in its folder's subfolder `raw`, without which torchvision would
# download it to get its test images.
_PLAIN_FILES = tuple(
    f"{prefix}-{what}" for prefix in _PREFIXES.values() for what in (_IMAGES, _LABELS)
)
_FILES = {name: (folder, _PLAIN_FILES) for name, folder in PLAIN.items()} | {
    "qmnist": ("QMNIST", ("qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int")),
    "emnist": ("EMNIST", (f"emnist-balanced-test-{_IMAGES}", f"emnist-balanced-test-{_LABELS}")),
}
_LABELS_START = 8
# The largest file of EMNIST has 600 MB.
MOST_BYTES = 1 << 30
# The digits of the last writers in the file are the test set: no writer is in both parts.
DIGITS_TRAINING = 1415
DIGITS_SIZE = 28
DIGITS_BORDER = 4


def load(name: str, split: Split, data_dir: Path) -> ImageSet:
    """Load one split of the data set `name` (a name of `DATA_SETS` or a folder of images).

    torchvision's data sets are searched in `data_dir` and downloaded there if missing. For shards,
    whose training images are streamed, `train` returns the validation images.
    Raises UsageError for an unknown name, DataError for data that is missing or unreadable.
    """
    if name == "digits":
        return _digits(split)
    if name in DATA_SETS:
        return _torchvision(name, split, data_dir)
    check_data(name)
    if is_sharded(Path(name)):
        _, validation, test = load_shards(Path(name))
        return validation if split == "train" else test
    return read_folder(Path(name)).image_set(split)


def present_data_sets(data_dir: Path) -> list[str]:
    """The data sets that need no download; at least the embedded digits."""
    present = [
        name
        for name, (folder, files) in _FILES.items()
        if all((data_dir / folder / "raw" / file).is_file() for file in files)
    ]
    return [*present, "digits"]


def _digits(split: Split) -> ImageSet:
    with np.load(EMBEDDED) as stored:
        small, labels = stored["images"], stored["labels"]
    part = slice(None, DIGITS_TRAINING) if split == "train" else slice(DIGITS_TRAINING, None)
    inner = DIGITS_SIZE - 2 * DIGITS_BORDER
    enlarged = F.interpolate(
        torch.from_numpy(small[part])[:, None].float() / 16,
        size=(inner, inner),
        mode="bicubic",
        align_corners=False,
    )
    framed = F.pad(enlarged.clamp(0, 1), (DIGITS_BORDER,) * 4)
    images = (framed * 255).round().to(torch.uint8)
    return ImageSet("digits", images, torch.from_numpy(labels[part]).long(), 10)


def _from_idx_files(name: str, split: Split, data_dir: Path) -> ImageSet | None:
    """Load a data set from two complete IDX files; None leaves it to torchvision."""
    raw = data_dir / PLAIN[name] / "raw"
    images = _idx_images(raw / f"{_PREFIXES[split]}-{_IMAGES}")
    labels = _idx_labels(raw / f"{_PREFIXES[split]}-{_LABELS}")
    if images is None or labels is None or len(images) != len(labels):
        return None
    return ImageSet(name, images, labels.long(), 10)


def _idx_images(path: Path) -> Tensor | None:
    """The images (N, 1, H, W) of a complete IDX file of bytes; None for anything else."""
    try:
        values = read_file(path, str(path)).stacks[0].values
    except DataError:
        return None
    if values.dtype != np.uint8 or values.shape[3] != 1:
        return None
    return torch.from_numpy(values[..., 0].astype(np.uint8))[:, None]


def _idx_labels(path: Path) -> Tensor | None:
    """The labels (N,) of a complete IDX file of bytes; None for anything else."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            header = file.read(_LABELS_START)
            count = int.from_bytes(header[4:], "big")
            whole = os.fstat(file.fileno()).st_size == _LABELS_START + count
            if header[:4] != b"\0\0\x08\x01" or not whole:
                return None
            labels = np.frombuffer(file.read(count), np.uint8)
    except OSError:
        return None
    return torch.from_numpy(labels.copy()) if len(labels) == count > 0 else None


def _check_files(folder: Path, hint: str) -> None:
    """Raise DataError for pipes, which torchvision would wait for, and for oversized files."""
    for path in sorted(folder.glob("*/*")):
        try:
            about = path.stat()
        except OSError:
            continue  # torchvision will report it.
        if stat.S_ISDIR(about.st_mode):
            continue
        if not stat.S_ISREG(about.st_mode):
            raise DataError(f"{path} is no regular file", hint)
        if about.st_size > MOST_BYTES:
            raise DataError(f"{path} is too large: {about.st_size:,} bytes", hint)


def _torchvision(name: str, split: Split, data_dir: Path) -> ImageSet:
    if name in PLAIN and (found := _from_idx_files(name, split, data_dir)) is not None:
        return found
    # Imported here: torchvision takes 3 s to import, twice as long as torch itself.
    from torchvision import datasets

    train = split == "train"
    sources: dict[str, tuple[Any, dict[str, Any]]] = {
        "mnist": (datasets.MNIST, {"train": train}),
        "fashion-mnist": (datasets.FashionMNIST, {"train": train}),
        "kmnist": (datasets.KMNIST, {"train": train}),
        "qmnist": (datasets.QMNIST, {"what": "train" if train else "test10k"}),
        "emnist": (datasets.EMNIST, {"train": train, "split": "balanced"}),
    }
    data_set, options = sources[name]
    folder = data_dir / data_set.__name__ / "raw"
    hint = (
        f"use --data digits, which needs no download, or put the files of {name} into {folder} "
        "(--data-dir or DAE_DATA chooses another folder)"
    )
    _check_files(folder.parent, hint)
    try:
        found = data_set(root=data_dir, **options)
    except _BROKEN as failure:
        if "not found" not in str(failure):
            reason = str(failure) or "it is no IDX file"
            raise DataError(f"{name} in {folder} cannot be read: {reason}", hint) from failure
        try:
            # torchvision reports its download on stdout, which is for results alone.
            with contextlib.redirect_stdout(sys.stderr):
                found = data_set(root=data_dir, download=True, **options)
        except (*_BROKEN, HTTPException) as refusal:
            with contextlib.suppress(OSError):  # Leave no empty folders behind.
                folder.rmdir()
                folder.parent.rmdir()
            reason = (str(refusal).strip() or type(refusal).__name__).splitlines()[-1]
            raise DataError(
                f"{name} is not in {folder} and could not be downloaded: {reason}", hint
            ) from refusal
    images, labels = found.data, found.targets.long()
    if name == "emnist":
        images = images.transpose(1, 2)  # EMNIST's files hold their images transposed.
    if labels.ndim == 2:
        labels = labels[:, 0]  # QMNIST keeps the writer and more beside the class.
    if len(images) != len(labels):
        raise DataError(
            f"{name} in {folder} has {len(images)} images and {len(labels)} labels", hint
        )
    return ImageSet(name, images[:, None].contiguous(), labels, len(found.classes))
