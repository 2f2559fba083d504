"""What a training needs of a data set: training, validation and test images, apart."""

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from dae_tui.core.data.beyond_memory.shards import ShardedImages, is_sharded, load_shards
from dae_tui.core.data.image_folder import read_folder
from dae_tui.core.data.image_set import ImageSet, TrainingImages, split_validation
from dae_tui.core.data.load_data import load
from dae_tui.core.data.paired.pairs import Pairs, load_pairs
from dae_tui.core.data.paired.takes import read_noisy, read_takes
from dae_tui.core.data.splits import TRAINING, VALIDATION
from dae_tui.errors import UsageError
from dae_tui.spec.training_config import (
    ALONE,
    DATA_SETS,
    PATCH_OF_PAIRS,
    TrainingConfig,
)

VALIDATION_IMAGES = 5000
VALIDATION_SHARE = 10
# Training images of shards that a checksum takes.
CHECKED_IMAGES = 256


@dataclass(frozen=True)
class TrainingData:
    """The images of a training, on the CPU or, as shards, on disk."""

    training: TrainingImages
    validation: list[ImageSet]
    """A set for each size of images."""
    test: list[ImageSet]
    checksum: str | None = None
    """Identifies the images of a folder, wherever it lies; None for data sets by name."""
    remarks: tuple[str, ...] = ()
    """Lines for the user about a folder: its range of values, what is left out."""


def load_training_data(config: TrainingConfig) -> TrainingData:
    """Load the images that `config` names.

    Raises UsageError for an unknown name, DataError for images that are missing or unreadable.
    """
    folder = Path(config.data)
    if config.data in DATA_SETS:
        whole = load(config.data, "train", Path(config.data_dir))
        test = load(config.data, "test", Path(config.data_dir))
        return TrainingData(*_split(whole), [test])
    augment, grey = config.augment, config.grey
    if config.learns_from in ("noise2noise", *ALONE):
        takes = _noisy(config)
        parts = takes.splits(config.patch or PATCH_OF_PAIRS, augment=augment, grey=grey)
        return TrainingData(*parts, takes.checksum, tuple(takes.remarks()))
    if config.pairs:
        pairs = load_pairs(config.data, config.noisy, config.black, config.white)
        if config.align:
            pairs = pairs.aligned((TRAINING, VALIDATION))
        if config.match_brightness:
            pairs = pairs.matched((TRAINING, VALIDATION))
        parts = pairs.splits(config.patch or PATCH_OF_PAIRS, augment=augment, grey=grey)
        return TrainingData(*parts, pairs.checksum, tuple(pairs.remarks()))
    if is_sharded(folder):
        if grey:
            raise UsageError("shards are learnt from as they are stored", "leave --grey out")
        training, validation, test = load_shards(folder)
        checksum = _checksum(training, validation, test)
        return TrainingData(training, [validation], [test], checksum)
    images = read_folder(folder, config.black, config.white, grey=grey)
    if config.patch and not images.used_whole:
        parts = images.crops(config.patch, augment=augment)
        return TrainingData(*parts, images.checksum, tuple(images.remarks(config.patch)))
    whole, test = images.image_set("train"), images.image_set("test")
    return TrainingData(*_split(whole), [test], images.checksum, tuple(images.remarks()))


def _noisy(config: TrainingConfig) -> Pairs:
    """Noisy images without clean ones."""
    source = Path(config.data)
    if config.learns_from in ALONE:
        return read_noisy(source, config.black, config.white)
    return read_takes(source, config.takes or "a-b", config.black, config.white)


def _split(whole: ImageSet) -> tuple[ImageSet, list[ImageSet]]:
    count = min(VALIDATION_IMAGES, max(1, len(whole) // VALIDATION_SHARE))
    training, validation = split_validation(whole, count)
    return training, [validation]


def _checksum(training: ShardedImages, *others: ImageSet) -> str:
    """A checksum of images that may be too many to be read: of those in memory, and of some."""
    found = hashlib.blake2b(f"{len(training)} {training.shape}".encode(), digest_size=16)
    size = min(len(training), CHECKED_IMAGES)
    with closing(training.batches(size, seed=0, epoch=0, limit=1)) as batches:
        for some in (*batches, *others):
            for tensor in (some.images, some.labels):
                if isinstance(tensor, Tensor):
                    found.update(tensor.numpy().tobytes())
    return found.hexdigest()
