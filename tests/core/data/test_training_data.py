"""What a training gets of each kind of data: three parts, a checksum, remarks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dae_tui.core.data.crops import Crops
from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.data.training_data import TrainingData, load_training_data
from dae_tui.errors import DataError, UsageError
from dae_tui.spec.training_config import PATCH_OF_PAIRS, TrainingConfig


def sizes(data: TrainingData) -> tuple[int, int, int]:
    """The numbers of images for training, validation and test."""
    return len(data.training), sum(map(len, data.validation)), sum(map(len, data.test))


def only(sets: list[ImageSet]) -> ImageSet:
    """The set of images that all have one size."""
    (single,) = sets
    return single


def test_a_data_set_by_name_needs_no_checksum() -> None:
    data = load_training_data(TrainingConfig(data="digits"))
    assert sizes(data) == (1274, 141, 382)
    assert (data.checksum, data.remarks) == (None, ())


def test_a_folder_is_read_once_at_full_depth(tmp_path: Path) -> None:
    """Two greys that 8 bits cannot tell apart are two values."""
    for number in range(20):
        grey = np.full((8, 8), 0.5 + number / 10_000, np.float32)
        np.save(tmp_path / f"{number:02}.npy", grey)
    data = load_training_data(TrainingConfig(data=str(tmp_path)))
    assert sizes(data) == (17, 1, 2)
    assert only(data.test).images[:, 0, 0, 0].tolist() == pytest.approx([0.5009, 0.5019], abs=1e-6)
    assert data.checksum is not None


def test_a_folder_of_pairs_trains_from_noisy_to_clean(tmp_path: Path) -> None:
    for number in range(12):
        for side, grey in (("clean", number), ("noisy", 50 + number)):
            (tmp_path / side).mkdir(exist_ok=True)
            image = Image.fromarray(np.full((8, 8), grey, np.uint8))
            image.save(tmp_path / side / f"{number:02}.png")
    data = load_training_data(TrainingConfig(data=str(tmp_path), noise="none"))
    assert sizes(data) == (10, 1, 1)
    test = only(data.test)
    assert test.noisy is not None
    assert torch.equal(test.noisy, test.images + 50)
    clean, noisy = str(tmp_path / "clean"), str(tmp_path / "noisy")
    apart = load_training_data(TrainingConfig(data=clean, noisy=noisy, noise="none"))
    assert apart.checksum == data.checksum


def of_many_sizes(folder: Path, *sides: str) -> None:
    """Twelve images, each of another size from 70×80 on; equal ones in each of the folders."""
    for side in sides:
        (folder / side).mkdir(parents=True)
        for number in range(12):
            grey = np.full((70 + number, 80 + number), number, np.uint8)
            Image.fromarray(grey).save(folder / side / f"{number:02}.png")


def test_pairs_of_any_size_are_cropped_and_evaluated_whole(tmp_path: Path) -> None:
    of_many_sizes(tmp_path, "clean", "noisy")
    for patch, crop in ((0, PATCH_OF_PAIRS), (48, 48)):
        config = TrainingConfig(data=str(tmp_path), noise="none", patch=patch, augment=True)
        data = load_training_data(config)
        assert isinstance(data.training, Crops)
        assert data.training.augment
        assert data.training.shape == (1, crop, crop)
        assert [each.shape for each in data.validation] == [(1, 75, 85)]
        assert [each.shape for each in data.test] == [(1, 79, 89)]


def test_a_folder_is_cropped_at_random_if_a_patch_is_asked_for(tmp_path: Path) -> None:
    of_many_sizes(tmp_path, "photographs")
    folder = str(tmp_path / "photographs")
    cut_once = load_training_data(TrainingConfig(data=folder))
    assert only(cut_once.validation).shape == only(cut_once.test).shape == (1, 40, 40)
    data = load_training_data(TrainingConfig(data=folder, patch=32))
    assert isinstance(data.training, Crops)
    assert not data.training.augment
    assert data.training.shape == (1, 32, 32)
    assert data.training.noisy == ()
    assert [each.shape for each in (*data.validation, *data.test)] == [(1, 75, 85), (1, 79, 89)]
    assert data.checksum == cut_once.checksum


def test_small_images_of_one_size_are_taken_whole_whatever_the_patch(tmp_path: Path) -> None:
    for number in range(20):
        np.save(tmp_path / f"{number:02}.npy", np.full((30, 20), number, np.uint8))
    data = load_training_data(TrainingConfig(data=str(tmp_path), patch=16, augment=True))
    assert isinstance(data.training, ImageSet)
    assert data.training.shape == (1, 30, 20)
    assert sizes(data) == (17, 1, 2)


def test_shards_are_not_made_grey(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((40, 8, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="shards are learnt from as they are stored"):
        load_training_data(TrainingConfig(data=str(tmp_path), grey=True))


def test_shards_have_a_checksum_of_their_images(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(256, size=(60, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images-0.npy", images)
    config = TrainingConfig(data=str(tmp_path))
    first = load_training_data(config).checksum
    assert first == load_training_data(config).checksum
    np.save(tmp_path / "images-0.npy", images[::-1].copy())
    assert load_training_data(config).checksum != first


def test_the_range_that_was_typed_is_that_of_the_images(tmp_path: Path) -> None:
    for number in range(10):
        np.save(tmp_path / f"{number}.npy", np.full((8, 8), 300, np.uint16))
    config = TrainingConfig(data=str(tmp_path), black=100, white=1100)
    data = load_training_data(config)
    assert only(data.test).images[0, 0, 0, 0].item() == pytest.approx(0.2)
    assert data.remarks == ("values of type uint16 are taken as black at 100 and as white at 1100",)


def test_a_folder_that_leaves_nothing_to_test_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "1.npy", np.zeros((9, 8, 8), np.uint8))
    with pytest.raises(DataError, match="no test images"):
        load_training_data(TrainingConfig(data=str(tmp_path)))
    np.save(tmp_path / "1.npy", np.zeros((9, 80, 80), np.uint8))
    with pytest.raises(DataError, match="no images for test"):
        load_training_data(TrainingConfig(data=str(tmp_path), patch=32))
