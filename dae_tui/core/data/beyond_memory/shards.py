"""A data set larger than memory: folders of .npy files, streamed in a shuffled order.

A sharded folder holds files `images*.npy` and, for all of them or for none, `labels*.npy` with the
same ending, either flat or in the subfolders `train` and `test`. The images of all shards, in the
order of the file names, form one sequence. `ShardedImages.batches` puts blocks of this sequence in
random order, reads as many blocks as fit a buffer, and shuffles the images of the buffer.
"""

from bisect import bisect_right
from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil, prod
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dae_tui.core.data.beyond_memory.npy_file import NpyFile, open_npy
from dae_tui.core.data.image_set import ImageSet, epoch_seed
from dae_tui.core.hardware import helper_thread
from dae_tui.errors import DataError

BUFFER_BYTES = 64 * 2**20
BLOCK_BYTES = 2**20
BLOCK_IMAGES = 256
LABELS_AT_ONCE = 2**20
TEST_UP_TO = 10_000
VALIDATION_UP_TO = 5_000
_SAVE_HINT = "save it with numpy.save as uint8 of (N, H, W) or (N, C, H, W), C being 1 or 3"


@dataclass(frozen=True)
class ShardedImages:
    """The first `count` images of a sequence of shards, which stay on disk.

    `shape`: (C, H, W). `labels`: a file for each file of `images`, or none at all; every label is
    in [0, classes).
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    images: tuple[NpyFile, ...]
    labels: tuple[NpyFile, ...]
    count: int
    endless: ClassVar[bool] = False

    def __len__(self) -> int:
        return self.count

    def batches(
        self, size: int, seed: int, epoch: int, first: int = 0, limit: int | None = None
    ) -> Generator[ImageSet]:
        """The batches of one epoch, in an order that depends on `seed` and `epoch` only.

        Each batch has `size` images, uint8 (size, C, H, W), and labels, int64 (size,) or None, on
        the CPU; an incomplete last batch is left out. Begins with batch `first`, without reading
        the buffers before it, and ends before batch `limit`. While one buffer is in use, a thread
        reads the next; it ends with the generator, so close that if you leave it early.
        Raises DataError if a file can no longer be read.
        """
        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
        block = self._block_images()
        blocks = torch.randperm(ceil(self.count / block), generator=generator)
        blocks_at_once = max(1, BUFFER_BYTES // (block * prod(self.shape)))
        # Buffers of equal size: a last one with a single block would hardly be shuffled.
        buffers = blocks.tensor_split(ceil(len(blocks) / blocks_at_once))
        # One seed per buffer, so that an epoch can be resumed anywhere.
        seeds = torch.randint(2**62, (len(buffers),), generator=generator).tolist()
        end = self.count // size
        end = size * (end if limit is None else min(limit, end))
        wanted: list[tuple[Tensor, int, slice]] = []
        position = 0
        for buffer, buffer_seed in zip(buffers, seeds, strict=True):
            # In file order, so that a disk reads forwards.
            starts = buffer.sort().values * block
            images = int((self.count - starts).clamp(max=block).sum())
            part = slice(max(0, first * size - position), min(images, end - position))
            if part.start < part.stop:
                wanted.append((starts, buffer_seed, part))
            position += images
        if not wanted:
            return

        pending: list[ImageSet] = []
        missing = size
        with helper_thread("read-shards") as thread:
            ahead = thread.submit(self._shuffled, *wanted[0])
            for following in [*wanted[1:], None]:
                read, order = ahead.result()
                if following is not None:
                    ahead = thread.submit(self._shuffled, *following)
                # These are copies, so that no batch keeps its buffer in memory.
                while len(order) >= missing:
                    yield _join([*pending, _take(read, order[:missing])])
                    order, missing, pending = order[missing:], size, []
                if len(order):
                    pending.append(_take(read, order))
                    missing -= len(order)

    def load(self, start: int, stop: int) -> ImageSet:
        """Read images `start` to `stop` of the sequence into memory. Raises DataError."""
        return self._read(list(range(start, stop, self._block_images())), stop)

    def _block_images(self) -> int:
        return max(1, min(BLOCK_IMAGES, BLOCK_BYTES // prod(self.shape)))

    def _shuffled(self, starts: Tensor, seed: int, part: slice) -> tuple[ImageSet, Tensor]:
        """The images of some blocks, and the requested part of their shuffled order."""
        images = self._read(starts.tolist(), self.count)
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        return images, order[part]

    def _read(self, starts: list[int], end: int) -> ImageSet:
        """Read the blocks that begin at `starts`; none extends beyond `end`."""
        block = self._block_images()
        stops = [min(start + block, end) for start in starts]
        count = sum(stops) - sum(starts)
        images = np.empty((count, *self.shape), np.uint8)
        labels = np.empty(count, np.int64) if self.labels else None
        begins = list(accumulate((len(file) for file in self.images), initial=0))
        done = 0
        for block_start, stop in zip(starts, stops, strict=True):
            start, shard = block_start, bisect_right(begins, block_start) - 1
            while start < stop:  # A block may continue in the next shard.
                rows = start - begins[shard], min(stop, begins[shard + 1]) - begins[shard]
                into = slice(done, done + rows[1] - rows[0])
                images[into] = self.images[shard].read(*rows).reshape(-1, *self.shape)
                if labels is not None:
                    labels[into] = self.labels[shard].read(*rows)
                start, shard, done = begins[shard + 1], shard + 1, into.stop
        return ImageSet(
            self.name,
            torch.from_numpy(images),
            None if labels is None else torch.from_numpy(labels),
            self.classes,
        )


def is_sharded(folder: Path) -> bool:
    """Whether a folder holds shards: `images*.npy` in it, or in both its `train` and `test`."""
    return all(_image_paths(part) for part in _parts(folder))


def load_shards(folder: Path) -> tuple[ShardedImages, ImageSet, ImageSet]:
    """Load training images, which are streamed, and validation and test images, in memory.

    The test images are the first of `test`, or else the last tenth of the sequence, at most 10 000;
    the validation images are the last tenth of the others, at most 5000. Checks every file and all
    labels. Raises DataError for files that are not shards of one data set, or too few images.
    """
    parts = [_image_paths(part) for part in _parts(folder)]
    if not all(parts):
        raise DataError(
            f"there are no shards in {folder}",
            "it needs files images*.npy, or train and test with such files each",
        )
    paths = [path for part in parts for path in part]
    label_paths = _label_paths(paths)
    images = tuple(open_npy(path) for path in paths)
    labels = tuple(open_npy(path) for path in label_paths)
    shape = _shape(images)
    classes = _classes(images, labels)
    total, count = sum(map(len, images)), sum(map(len, images[: len(parts[0])]))
    whole = ShardedImages(str(folder.resolve()), shape, classes, images, labels, total)
    if len(parts) == 1:
        count -= min(TEST_UP_TO, max(1, count // 10))
    if count < 2:
        raise DataError(
            f"there are too few images in {folder}",
            "training, validation and test need at least one each",
        )
    trained = count - min(VALIDATION_UP_TO, max(1, count // 10))
    test = whole.load(count, min(total, count + TEST_UP_TO))
    return replace(whole, count=trained), whole.load(trained, count), test


def _parts(folder: Path) -> list[Path]:
    splits = [folder / "train", folder / "test"]
    return splits if all(_image_paths(split) for split in splits) else [folder]


def _image_paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("images*.npy"))


def _label_paths(image_paths: list[Path]) -> list[Path]:
    """The label files of these image files; empty if none of them has one."""
    expected = [path.with_name("labels" + path.name[len("images") :]) for path in image_paths]
    found = {path for folder in {p.parent for p in expected} for path in folder.glob("labels*.npy")}
    for path in sorted(found.symmetric_difference(expected)) if found else []:
        raise DataError(
            f"{path} is missing" if path not in found else f"{path} has no images",
            "every images*.npy needs a labels*.npy with the same ending, or none does",
        )
    return expected if found else []


def _shape(files: tuple[NpyFile, ...]) -> tuple[int, int, int]:
    """The shape (C, H, W) of the images of all shards, from the files' headers."""
    shapes: list[tuple[int, int, int]] = []
    for file in files:
        if file.dtype != np.uint8:
            raise DataError(f"{file.path} holds {file.dtype}, not uint8", _SAVE_HINT)
        match file.shape:
            case (count, height, width):
                channels = 1
            case (count, (1 | 3) as channels, height, width):
                pass
            case _:
                raise DataError(f"{file.path} has the shape {file.shape}", _SAVE_HINT)
        if 0 in (count, height, width):
            raise DataError(f"{file.path} is empty: its shape is {file.shape}", "remove it")
        if channels * height * width > BUFFER_BYTES:
            raise DataError(
                f"{file.path} holds images of {channels}×{height}×{width}", "cut them into parts"
            )
        shapes.append((channels, height, width))
        if shapes[-1] != shapes[0]:
            raise DataError(
                f"{file.path} holds images of {shapes[-1]}, {files[0].path} of {shapes[0]}",
                "all shards of a data set need images of one size",
            )
    return shapes[0]


def _classes(images: tuple[NpyFile, ...], labels: tuple[NpyFile, ...]) -> int:
    """The highest label plus one, or 0 without labels."""
    highest = -1
    for image_file, file in zip(images, labels, strict=bool(labels)):
        if file.dtype.kind not in "iu" or file.shape != (len(image_file),):
            raise DataError(
                f"{file.path} holds {file.dtype} of shape {file.shape}",
                f"it needs an integer for each of the {len(image_file)} images beside it",
            )
        for start in range(0, len(file), LABELS_AT_ONCE):
            piece = file.read(start, min(len(file), start + LABELS_AT_ONCE)).astype(np.int64)
            if piece.min() < 0:
                raise DataError(f"{file.path} holds the label {piece.min()}", "count from 0")
            highest = max(highest, int(piece.max()))
    return highest + 1


def _take(images: ImageSet, indices: Tensor) -> ImageSet:
    """Like `ImageSet.select`, but copies whole images: 5 million of 28×28 a second, not 0.8."""
    labels = None if images.labels is None else images.labels[indices]
    return replace(images, images=images.images.index_select(0, indices), labels=labels)


def _join(parts: list[ImageSet]) -> ImageSet:
    labels = [part.labels for part in parts if part.labels is not None]
    return replace(
        parts[0],
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat(labels) if labels else None,
    )
