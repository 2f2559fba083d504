"""Images that do not fit into memory are kept in files, and come out the same."""

import errno
import os
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dae_tui.core.data.beyond_memory import scratch as module
from dae_tui.core.data.beyond_memory.scratch import Scratch
from dae_tui.core.data.image_folder import read_folder
from dae_tui.core.data.image_set import ImageSet, TrainingImages
from dae_tui.core.data.paired.pairs import Pairs, read_pairs
from dae_tui.errors import DataError


def test_what_fits_stays_where_it_is_and_the_rest_goes_into_a_file() -> None:
    kept = Scratch(limit=1000)
    small = np.arange(100, dtype=np.float64)
    assert kept.keep(small) is small
    large = np.arange(300, dtype=np.uint16).reshape(3, 10, 10)
    assert kept.keep(large) is not large
    assert np.array_equal(kept.keep(large), large)
    assert kept.spilled == 2 * large.nbytes
    assert kept.keep(small[:20]) is not small


def test_a_view_of_what_is_kept_is_not_kept_twice() -> None:
    kept = Scratch(limit=0)
    stored = kept.keep(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    view = torch.from_numpy(stored).permute(2, 0, 1)
    assert kept.keep_tensor(view, stored).data_ptr() == view.data_ptr()
    assert kept.spilled == 48
    other = view.float()
    assert torch.equal(kept.keep_tensor(other, stored), other)
    assert kept.spilled == 48 + 4 * 48


@pytest.mark.parametrize("limit", [0, 10**6])
def test_tensors_are_stacked(limit: int) -> None:
    tensors = [torch.full((3, 5, 7), value, dtype=torch.uint8) for value in range(4)]
    kept = Scratch(limit)
    assert torch.equal(kept.stack(tensors), torch.stack(tensors))
    assert (kept.spilled > 0) == (limit == 0)


def test_a_file_that_is_full_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT", 4096)
    kept = Scratch(limit=0)
    arrays = [np.random.default_rng(seed).random((11, 13)) for seed in range(9)]
    arrays.append(np.random.default_rng(9).random((40, 50)))  # More than a segment.
    found = [kept.keep(array) for array in arrays]
    assert all(np.array_equal(*pair) for pair in zip(found, arrays, strict=True))


def test_nothing_is_left_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    kept = Scratch(limit=0).keep(np.ones(1000))
    assert list(tmp_path.iterdir()) == []
    assert kept.sum() == 1000


def test_a_full_disk_is_an_error_that_says_what_can_be_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DataError, match=r"not fit into memory, and .* no space left") as caught:
        Scratch(limit=0).keep(np.ones(1000))
    assert "TMPDIR" in caught.value.hint


def test_processes_that_train_together_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: 8000)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    kept = Scratch()
    for _ in range(3):
        kept.keep(np.ones(100))
    assert kept.spilled == 800  # Half of the memory, for two: 2000 bytes.


def save(path: Path, number: int, depth: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(number)
    if depth == 8:
        Image.fromarray(random.integers(256, size=(80, 72, 3), dtype=np.uint8)).save(path)
    else:
        Image.fromarray(random.integers(2**16, size=(80, 72), dtype=np.uint16)).save(path)


def contents(
    parts: tuple[TrainingImages, list[ImageSet], list[ImageSet]],
) -> list[torch.Tensor]:
    """All images of a data set, the training images in their crops."""
    training, validation, test = parts
    with closing(training.batches(4, seed=1, epoch=0)) as batches:
        sets = [*batches, *validation, *test]
    tensors = [tensor for each in sets for tensor in (each.images, each.noisy)]
    return [tensor for tensor in tensors if tensor is not None]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(*pair) for pair in zip(first, second, strict=True))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("grey", [False, True])
def test_a_folder_gives_the_same_images_whether_they_fit_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int, grey: bool
) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.png", number, depth)
    fits = contents(read_folder(tmp_path, grey=grey).crops(32, augment=True))
    monkeypatch.setattr(module, "free_memory", lambda: 0)
    folder = read_folder(tmp_path, grey=grey)
    assert same(contents(folder.crops(32, augment=True)), fits)
    assert folder.scratch.spilled > 20 * 80 * 72 * 2


@pytest.mark.parametrize("depth", [8, 16])
def test_pairs_give_the_same_images_whether_they_fit_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    for number in range(20):
        for side in ("clean", "noisy"):
            save(tmp_path / side / f"{number:02}.png", number + 100 * (side == "noisy"), depth)

    def pairs() -> Pairs:
        return read_pairs(tmp_path / "clean", tmp_path / "noisy").matched()

    fits = contents(pairs().splits(32, augment=True))
    monkeypatch.setattr(module, "free_memory", lambda: 0)
    assert same(contents(pairs().splits(32, augment=True)), fits)
