"""What a training gets of each kind of data: three parts, a checksum, remarks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dae_tui.core.data.training_data import load_training_data
from dae_tui.errors import DataError
from dae_tui.spec.training_config import TrainingConfig


def test_a_data_set_by_name_needs_no_checksum() -> None:
    data = load_training_data(TrainingConfig(data="digits"))
    assert [len(part) for part in (data.training, data.validation, data.test)] == [1274, 141, 382]
    assert (data.checksum, data.remarks) == (None, ())


def test_a_folder_is_read_once_at_full_depth(tmp_path: Path) -> None:
    """Two greys that 8 bits cannot tell apart are two values."""
    for number in range(20):
        grey = np.full((8, 8), 0.5 + number / 10_000, np.float32)
        np.save(tmp_path / f"{number:02}.npy", grey)
    data = load_training_data(TrainingConfig(data=str(tmp_path)))
    assert [len(part) for part in (data.training, data.validation, data.test)] == [17, 1, 2]
    assert data.test.images[:, 0, 0, 0].tolist() == pytest.approx([0.5009, 0.5019], abs=1e-6)
    assert data.checksum is not None


def test_a_folder_of_pairs_trains_from_noisy_to_clean(tmp_path: Path) -> None:
    for number in range(12):
        for side, grey in (("clean", number), ("noisy", 50 + number)):
            (tmp_path / side).mkdir(exist_ok=True)
            image = Image.fromarray(np.full((8, 8), grey, np.uint8))
            image.save(tmp_path / side / f"{number:02}.png")
    data = load_training_data(TrainingConfig(data=str(tmp_path), noise="none"))
    assert (len(data.training), len(data.validation), len(data.test)) == (10, 1, 1)
    assert data.test.noisy is not None
    assert torch.equal(data.test.noisy, data.test.images + 50)
    clean, noisy = str(tmp_path / "clean"), str(tmp_path / "noisy")
    apart = load_training_data(TrainingConfig(data=clean, noisy=noisy, noise="none"))
    assert apart.checksum == data.checksum


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
    assert data.test.images[0, 0, 0, 0].item() == pytest.approx(0.2)
    assert data.remarks == ("values of type uint16 are taken as black at 100 and as white at 1100",)


def test_a_folder_that_leaves_nothing_to_test_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "1.npy", np.zeros((9, 8, 8), np.uint8))
    with pytest.raises(DataError, match="no test images"):
        load_training_data(TrainingConfig(data=str(tmp_path)))
