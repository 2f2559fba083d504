"""Sharded folders: every image once, shuffled, from anywhere in an epoch; splits and errors."""

import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dae_tui.core.data.beyond_memory import shards
from dae_tui.core.data.beyond_memory.shards import ShardedImages, is_sharded, load_shards
from dae_tui.core.data.image_set import ImageSet
from dae_tui.errors import DataError

LENGTHS = (700, 333, 967)
TOTAL = sum(LENGTHS)
# Of 2000 images, the last 200 are test images and the 180 before them validation images.
TRAINED, VALIDATION_IMAGES = 1620, 180


def numbered(start: int, count: int, height: int = 8) -> NDArray[np.uint8]:
    """Images whose first two pixels hold their number, the others its low byte."""
    numbers = np.arange(start, start + count)
    images = np.repeat((numbers % 256).astype(np.uint8), height * 8).reshape(count, height, 8)
    images[:, 0, 1] = numbers // 256
    return images


def numbers_of(images: ImageSet) -> list[int]:
    first = images.images[:, 0, 0, :2].long()
    return [int(number) for number in first[:, 0] + 256 * first[:, 1]]


def write(
    folder: Path, lengths: tuple[int, ...] = LENGTHS, labelled: bool = True, start: int = 0
) -> None:
    """Shards of numbered images; a label is the last digit of the number."""
    folder.mkdir(exist_ok=True)
    for shard, count in enumerate(lengths):
        np.save(folder / f"images-{shard:05}.npy", numbered(start, count))
        if labelled:
            labels = (np.arange(start, start + count) % 10).astype(">i2")
            np.save(folder / f"labels-{shard:05}.npy", labels)
        start += count


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 images and buffers of 16 blocks: the training images fill seven of them."""
    monkeypatch.setattr(shards, "BLOCK_IMAGES", 16)
    monkeypatch.setattr(shards, "BUFFER_BYTES", 256 * 64)


@pytest.fixture
def training(folder: Path, small_buffers: None) -> ShardedImages:
    return load_shards(folder)[0]


def epoch_of(images: ShardedImages, size: int = 50, seed: int = 0, epoch: int = 0) -> list[int]:
    return [n for batch in images.batches(size, seed, epoch) for n in numbers_of(batch)]


def reader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "read-shards" in thread.name]


def test_an_epoch_has_every_image_once_but_for_those_that_fill_no_batch(
    training: ShardedImages,
) -> None:
    assert sorted(epoch_of(training, size=20)) == list(range(TRAINED))
    seen = epoch_of(training, size=50)
    assert len(seen) == len(set(seen)) == TRAINED // 50 * 50


@pytest.mark.parametrize("size", [1, 50, 257, 1000, TRAINED])
def test_batches_have_the_size_asked_for_even_across_buffers(
    training: ShardedImages, size: int
) -> None:
    batches = list(training.batches(size, seed=0, epoch=0))
    assert len(batches) == TRAINED // size
    for batch in batches:
        assert (batch.images.shape, batch.images.dtype) == ((size, 1, 8, 8), torch.uint8)
        assert batch.labels is not None
        assert (batch.labels.shape, batch.labels.dtype) == ((size,), torch.int64)
        assert (batch.name, batch.classes) == (training.name, 10)


def test_a_batch_larger_than_the_set_is_none(training: ShardedImages) -> None:
    assert list(training.batches(TRAINED + 1, seed=0, epoch=0)) == []


def test_images_are_whole_and_keep_their_labels(training: ShardedImages) -> None:
    for batch in training.batches(50, seed=0, epoch=0):
        numbers = torch.tensor(numbers_of(batch))
        assert torch.equal(
            batch.images[:, 0, 1:], (numbers % 256).byte().expand(7, 8, 50).movedim(2, 0)
        )
        assert batch.labels is not None
        assert torch.equal(batch.labels, numbers % 10)


def test_the_order_is_a_function_of_seed_and_epoch(training: ShardedImages) -> None:
    order = epoch_of(training, seed=1, epoch=2)
    torch.manual_seed(5)
    assert epoch_of(training, seed=1, epoch=2) == order
    assert epoch_of(training, size=10, seed=1, epoch=2)[: len(order)] == order
    for other in (epoch_of(training, seed=1, epoch=3), epoch_of(training, seed=2, epoch=2)):
        assert np.mean(np.equal(other, order)) < 0.01


def test_adjacent_images_come_from_all_over_the_set(training: ShardedImages) -> None:
    order = np.array(epoch_of(training, size=20))
    distances = np.abs(np.diff(order))
    # Two images drawn at random are a third of the set apart on average.
    assert distances.mean() > 0.8 * TRAINED / 3
    assert np.mean(distances == 1) < 0.01
    # Of a buffer of 16 blocks, any next image is in the same block once in 16 times.
    assert np.mean(np.diff(order // 16) == 0) == pytest.approx(1 / 16, abs=0.03)
    assert abs(np.corrcoef(order, np.arange(TRAINED))[0, 1]) < 0.15


def test_a_set_that_fits_the_buffer_is_shuffled_as_a_whole(folder: Path) -> None:
    order = np.array(epoch_of(load_shards(folder)[0], size=20))
    assert np.abs(np.diff(order)).mean() == pytest.approx(TRAINED / 3, rel=0.05)
    assert np.mean(np.diff(order // 256) == 0) == pytest.approx(256 / TRAINED, abs=0.05)


@pytest.mark.parametrize("first", [0, 1, 7, 20, 31, 32, 40])
def test_an_epoch_goes_on_exactly_from_any_batch(training: ShardedImages, first: int) -> None:
    whole = list(training.batches(50, seed=3, epoch=1))
    rest = list(training.batches(50, seed=3, epoch=1, first=first))
    assert len(rest) == max(0, len(whole) - first)
    for batch, again in zip(whole[first:], rest, strict=True):
        assert torch.equal(batch.images, again.images)


def test_a_limit_ends_the_epoch_early(training: ShardedImages) -> None:
    whole = [numbers_of(batch) for batch in training.batches(50, seed=0, epoch=0)]
    some = training.batches(50, seed=0, epoch=0, first=10, limit=14)
    assert [numbers_of(batch) for batch in some] == whole[10:14]
    assert len(list(training.batches(50, seed=0, epoch=0, first=30, limit=39))) == 2


def test_only_the_buffers_of_the_wanted_batches_are_read_forwards(
    training: ShardedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[int]] = []
    original = ShardedImages._read

    def recorded(images: ShardedImages, starts: list[int], end: int) -> ImageSet:
        read.append(starts)
        return original(images, starts, end)

    monkeypatch.setattr(ShardedImages, "_read", recorded)
    list(training.batches(50, seed=0, epoch=0))
    assert [len(starts) for starts in read] == [15, 15, 15, 15, 14, 14, 14]
    assert all(starts == sorted(starts) for starts in read)
    whole = read.copy()
    read.clear()
    # Batches 20 and 21 are images 1000 to 1099, and buffer 4 has the images 960 to 1183 or so.
    list(training.batches(50, seed=0, epoch=0, first=20, limit=22))
    assert read == whole[4:5]


def test_memory_stays_flat_whatever_the_size_of_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = 2**18
    monkeypatch.setattr(shards, "BLOCK_IMAGES", 64)
    monkeypatch.setattr(shards, "BUFFER_BYTES", buffer)
    for shard in range(4):
        np.save(tmp_path / f"images-{shard}.npy", np.zeros((2000, 32, 32), np.uint8))
    images, _, _ = load_shards(tmp_path)
    assert len(images) * 32 * 32 > 20 * buffer
    tracemalloc.start()
    seen = sum(len(batch) for batch in images.batches(16, seed=0, epoch=0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == 6480
    # One buffer in use, one being read and a block on its way; torch's batches are not counted.
    assert buffer < peak < 2.7 * buffer


def test_a_batch_does_not_keep_its_buffer_alive(training: ShardedImages) -> None:
    for batch in training.batches(50, seed=0, epoch=0):
        assert batch.images.untyped_storage().nbytes() == 50 * 64


@pytest.mark.parametrize("leave", [lambda batches: batches.close(), lambda batches: None])
def test_the_reader_thread_ends_with_the_iterator(
    training: ShardedImages, leave: Callable[[Any], None]
) -> None:
    batches: Iterator[ImageSet] = training.batches(50, seed=0, epoch=0)
    assert not reader_threads()
    next(batches)
    assert len(reader_threads()) == 1
    leave(batches)
    del batches
    assert not reader_threads()


def test_the_reader_thread_ends_with_the_epoch(training: ShardedImages) -> None:
    epoch_of(training)
    assert not reader_threads()


def test_a_file_that_is_cut_off_during_training_is_an_error(
    training: ShardedImages, folder: Path
) -> None:
    path = folder / "images-00002.npy"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"images-00002\.npy cannot be read"):
        epoch_of(training)
    assert not reader_threads()


@pytest.mark.usefixtures("small_buffers")
def test_a_flat_folder_is_split_without_overlap_or_loss(folder: Path) -> None:
    training, validation, test = load_shards(folder)
    assert sorted(epoch_of(training, size=1)) == list(range(TRAINED))
    assert numbers_of(validation) == list(range(TRAINED, TRAINED + VALIDATION_IMAGES))
    assert numbers_of(test) == list(range(TRAINED + VALIDATION_IMAGES, TOTAL))
    for part in (validation, test):
        assert (part.name, part.classes) == (str(folder.resolve()), 10)
        assert part.labels is not None
        assert part.labels.tolist() == [number % 10 for number in numbers_of(part)]
    assert (training.name, training.classes) == (str(folder.resolve()), 10)
    assert (len(training), training.shape) == (TRAINED, (1, 8, 8))


@pytest.mark.usefixtures("small_buffers")
def test_the_folders_train_and_test_are_the_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "train", (60, 40))
    write(tmp_path / "test", (5, 30), start=100)
    training, validation, test = load_shards(tmp_path)
    assert sorted(epoch_of(training, size=1)) == list(range(90))
    assert numbers_of(validation) == list(range(90, 100))
    assert numbers_of(test) == list(range(100, 135))
    monkeypatch.setattr(shards, "TEST_UP_TO", 8)
    monkeypatch.setattr(shards, "VALIDATION_UP_TO", 3)
    training, validation, test = load_shards(tmp_path)
    assert (len(training), len(validation)) == (97, 3)
    assert numbers_of(test) == list(range(100, 108))


def test_three_images_are_enough(tmp_path: Path) -> None:
    write(tmp_path, (1, 1, 1))
    training, validation, test = load_shards(tmp_path)
    assert (epoch_of(training, size=1), numbers_of(validation), numbers_of(test)) == ([0], [1], [2])


def test_without_labels_there_are_no_classes(tmp_path: Path) -> None:
    write(tmp_path, labelled=False)
    training, validation, test = load_shards(tmp_path)
    batch = next(training.batches(10, seed=0, epoch=0))
    assert batch.labels is validation.labels is test.labels is None
    assert training.classes == batch.classes == test.classes == 0


def test_the_classes_are_those_of_all_shards_and_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "train", (30,))
    write(tmp_path / "test", (30,))
    np.save(tmp_path / "test" / "labels-00000.npy", np.array([0] * 29 + [41], np.uint8))
    monkeypatch.setattr(shards, "LABELS_AT_ONCE", 7)
    assert {part.classes for part in load_shards(tmp_path)} == {42}


@pytest.mark.parametrize("channels", [1, 3])
def test_images_may_have_a_channel_dimension(tmp_path: Path, channels: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, channels, 5, 7), np.uint8)
    np.save(tmp_path / "images.npy", images)
    training, validation, test = load_shards(tmp_path)
    assert training.shape == (channels, 5, 7)
    assert torch.equal(test.images, torch.from_numpy(images[27:]))
    assert torch.equal(validation.images, torch.from_numpy(images[25:27]))


def test_grey_shards_with_and_without_a_channel_go_together(tmp_path: Path) -> None:
    write(tmp_path, (20,), labelled=False)
    np.save(tmp_path / "images-1.npy", numbered(20, 20)[:, None])
    training, validation, test = load_shards(tmp_path)
    seen = epoch_of(training, size=1) + numbers_of(validation) + numbers_of(test)
    assert sorted(seen) == list(range(40))


def test_a_sharded_folder_is_told_from_others(tmp_path: Path) -> None:
    assert not is_sharded(tmp_path)
    assert not is_sharded(tmp_path / "missing")
    write(tmp_path / "train", (5,))
    assert not is_sharded(tmp_path)
    write(tmp_path / "test", (5,))
    assert is_sharded(tmp_path)
    assert is_sharded(tmp_path / "train")


SECOND = "images-00001.npy"
SECOND_LABELS = "labels-00001.npy"


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (SECOND, numbered(0, 333).astype(np.float32), "float32, not uint8"),
        (SECOND, numbered(0, 333)[:, 0], r"has the shape \(333, 8\)"),
        (SECOND, numbered(0, 333)[..., None], r"has the shape \(333, 8, 8, 1\)"),
        (SECOND, numbered(0, 333)[None, None], r"has the shape \(1, 1, 333, 8, 8\)"),
        (SECOND, numbered(0, 333, height=9), r"images of \(1, 9, 8\), .*00000.npy of \(1, 8, 8\)"),
        (SECOND, numbered(0, 0), "is empty"),
        (SECOND, np.asfortranarray(numbered(0, 333)), "Fortran order"),
        (SECOND_LABELS, np.zeros(332, np.int64), r"int64 of shape \(332,\)"),
        (SECOND_LABELS, np.zeros((333, 1), np.int64), r"int64 of shape \(333, 1\)"),
        (SECOND_LABELS, np.zeros(333), "float64"),
        (SECOND_LABELS, np.zeros(333, np.bool_), "bool"),
        (SECOND_LABELS, np.full(333, -1), "the label -1"),
        ("labels-00007.npy", np.zeros(333, np.int64), r"labels-00007\.npy has no images"),
    ],
)
def test_arrays_that_are_no_shard_are_named(
    folder: Path, name: str, array: NDArray[Any], message: str
) -> None:
    np.save(folder / name, array)
    with pytest.raises(DataError, match=message) as caught:
        load_shards(folder)
    assert str(folder / name) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", [SECOND, SECOND_LABELS])
@pytest.mark.parametrize(
    "broken",
    [
        lambda whole: whole[:-1],
        lambda whole: whole[:50],
        lambda whole: b"",
        lambda whole: b"PK\x03\x04" + whole,
        lambda whole: whole.replace(b"'shape': (", b"'shape': ]", 1),
        lambda whole: whole.replace(b"'shape': (333", b"'shape': (-33", 1),
    ],
    ids=["cut off", "half a header", "empty", "an archive", "no header", "a negative length"],
)
def test_broken_files_are_named(folder: Path, name: str, broken: Callable[[bytes], bytes]) -> None:
    path = folder / name
    path.write_bytes(broken(path.read_bytes()))
    with pytest.raises(DataError, match=r"cannot be read as a \.npy file") as caught:
        load_shards(folder)
    assert str(path) in caught.value.message


@pytest.mark.parametrize("name", [SECOND, SECOND_LABELS])
def test_pickled_objects_are_never_loaded(folder: Path, name: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return pytest.fail, ("the file was unpickled",)

    np.save(folder / name, np.array([Trap()] * 333, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=name):
        load_shards(folder)


def test_labels_missing_for_some_images_are_an_error(folder: Path) -> None:
    (folder / SECOND_LABELS).unlink()
    with pytest.raises(DataError, match=r"labels-00001\.npy is missing"):
        load_shards(folder)


def test_labels_missing_for_one_split_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "train", (30,))
    write(tmp_path / "test", (30,), labelled=False)
    with pytest.raises(DataError, match=r"test/labels-00000\.npy is missing"):
        load_shards(tmp_path)


def test_too_few_images_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, (2,))
    with pytest.raises(DataError, match="too few images"):
        load_shards(tmp_path)


def test_one_training_image_beside_a_test_folder_is_too_few(tmp_path: Path) -> None:
    write(tmp_path / "train", (1,))
    write(tmp_path / "test", (9,))
    with pytest.raises(DataError, match="too few images"):
        load_shards(tmp_path)


def test_a_folder_without_shards_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are no shards"):
        load_shards(tmp_path)


@pytest.mark.parametrize("name", [SECOND, SECOND_LABELS])
def test_a_pipe_is_named_and_not_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(DataError, match="is a pipe, not a regular file") as caught:
        load_shards(folder)
    assert str(folder / name) in caught.value.message


def test_a_file_that_becomes_a_pipe_is_not_waited_for(folder: Path) -> None:
    images = load_shards(folder)[0]
    (folder / SECOND).unlink()
    os.mkfifo(folder / SECOND)
    with pytest.raises(DataError, match="is a pipe, not a regular file"):
        images.load(0, len(images))


def test_an_image_larger_than_the_buffer_is_refused(tmp_path: Path) -> None:
    """The file is a hole: nothing of it is read."""
    shape = (20, 9000, 9000)
    with (tmp_path / "images.npy").open("wb") as file:
        said = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, said)
        file.truncate(file.tell() + 20 * 9000 * 9000)
    with pytest.raises(DataError, match=r"holds images of 1×9000×9000") as caught:
        load_shards(tmp_path)
    assert caught.value.hint == "cut them into parts"
