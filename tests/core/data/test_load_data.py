"""Data sets: the embedded digits, torchvision's files in a folder, and errors."""

import http.client
import os
import struct
import tracemalloc
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torchvision import datasets

from dae_tui.core.data.digits.embed_digits import EMBEDDED
from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import Split, load
from dae_tui.errors import DataError, UsageError
from dae_tui.spec.training_config import DATA_SETS

SPLITS: tuple[Split, Split] = ("train", "test")
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(array: NDArray[Any], kind: int = 0x08) -> bytes:
    """An IDX file: big-endian, 0x08 for bytes and 0x0C for 32-bit integers."""
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def random_images(count: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every download of torchvision fails as it does without a network."""

    def download(_: object) -> NoReturn:
        raise urllib.error.URLError("no network")

    for data_set in (datasets.MNIST, datasets.QMNIST, datasets.EMNIST):
        monkeypatch.setattr(data_set, "download", download)


@pytest.fixture
def tiny_mnist(tmp_path: Path, no_network: None) -> Path:
    """A data folder with an MNIST of 5 training and 3 test images."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(random_images(5, seed=0)))
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.array([5, 0, 4, 1, 9], np.uint8)))
    (raw / TEST_IMAGES).write_bytes(idx(random_images(3, seed=1)))
    (raw / TEST_LABELS).write_bytes(idx(np.array([7, 2, 1], np.uint8)))
    return tmp_path


@pytest.mark.parametrize(("split", "count"), [("train", 1415), ("test", 382)])
def test_the_digits_need_no_folder_and_are_bytes_of_28_by_28(
    split: Split, count: int, tmp_path: Path
) -> None:
    digits = load("digits", split, tmp_path / "missing")
    assert digits.images.shape == (count, 1, 28, 28)
    assert digits.images.dtype == torch.uint8
    assert digits.labels is not None
    assert digits.labels.shape == (count,)
    assert digits.labels.dtype == torch.int64
    assert (digits.name, digits.classes, len(digits)) == ("digits", 10, count)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("split", SPLITS)
def test_all_ten_digits_are_in_each_part(split: Split, tmp_path: Path) -> None:
    labels = load("digits", split, tmp_path).labels
    assert labels is not None
    assert set(labels.tolist()) == set(range(10))
    assert labels.bincount().min() >= len(labels) * 0.08


def test_the_digits_use_the_whole_range_of_grey_on_a_black_border(tmp_path: Path) -> None:
    images = load("digits", "train", tmp_path).images
    assert (images.min().item(), images.max().item()) == (0, 255)
    border = images.clone()
    border[..., 4:-4, 4:-4] = 0
    assert border.max() == 0


def test_downsizing_the_digits_recovers_the_8_by_8_originals(tmp_path: Path) -> None:
    with np.load(EMBEDDED) as stored:
        originals = torch.from_numpy(stored["images"]).float() / 16
        labels = torch.from_numpy(stored["labels"])
    parts = [load("digits", split, tmp_path) for split in SPLITS]
    inner = unit(torch.cat([part.images for part in parts]))[..., 4:-4, 4:-4]
    small = F.interpolate(inner, size=(8, 8), mode="bilinear", align_corners=False)[:, 0]
    # Every digit is within one of its 16 steps of grey on average; another digit is not.
    assert (small - originals).abs().mean((1, 2)).max() < 1 / 16
    assert (small - originals.roll(1, 0)).abs().mean() > 3 / 16
    kept = torch.cat([part.labels for part in parts if part.labels is not None])
    assert torch.equal(kept, labels)


@pytest.mark.parametrize("name", ["cifar", "MNIST ", "missing/folder"])
def test_an_unknown_name_is_a_usage_error_that_lists_the_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(name, "train", tmp_path)
    assert caught.value.exit_code == 2
    assert all(known in caught.value.hint for known in (*DATA_SETS, "folder"))


def test_a_file_is_no_folder_of_images(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"")
    with pytest.raises(UsageError):
        load(str(tmp_path / "image.png"), "train", tmp_path)


def test_a_folder_is_a_data_set_with_its_whole_path_as_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(10):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    training, test = (load("pictures", split, tmp_path) for split in SPLITS)
    assert training.name == str(folder)
    assert (len(training), len(test)) == (9, 1)
    assert set(test.images.flatten().tolist()) == {9}


@pytest.mark.parametrize("name", sorted(set(DATA_SETS) - {"digits"}))
@pytest.mark.parametrize("split", SPLITS)
def test_a_missing_data_set_without_network_names_both_ways_out(
    name: str, split: Split, tmp_path: Path, no_network: None
) -> None:
    with pytest.raises(DataError) as caught:
        load(name, split, tmp_path)
    assert caught.value.exit_code == 1
    assert "no network" in caught.value.message
    assert "--data digits" in caught.value.hint
    assert str(tmp_path) in caught.value.hint
    assert caught.value.hint.count("raw") == 1


@pytest.mark.parametrize(
    "failure",
    [
        urllib.error.URLError("refused"),
        TimeoutError("timed out"),
        RuntimeError("File not found or corrupted."),
        PermissionError("read-only"),
        http.client.IncompleteRead(b"half"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_download_that_fails_in_any_way_is_a_data_error(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(_: object) -> NoReturn:
        raise failure

    monkeypatch.setattr(datasets.MNIST, "download", download)
    with pytest.raises(DataError) as caught:
        load("mnist", "test", tmp_path)
    assert "--data digits" in caught.value.hint


def test_a_data_folder_that_is_a_file_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError):
        load("mnist", "test", tmp_path / "file")


def test_a_download_says_nothing_on_stdout(
    tiny_mnist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tiny_mnist / "MNIST" / "raw" / TEST_IMAGES
    content = images.read_bytes()
    images.unlink()

    def download(_: object) -> None:
        print("Downloading http://example.org")
        images.write_bytes(content)

    monkeypatch.setattr(datasets.MNIST, "download", download)
    assert len(load("mnist", "test", tiny_mnist)) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Downloading" in captured.err


def test_an_mnist_in_the_data_folder_is_read_without_network(tiny_mnist: Path) -> None:
    training = load("mnist", "train", tiny_mnist)
    test = load("mnist", "test", tiny_mnist)
    assert torch.equal(training.images[:, 0], torch.from_numpy(random_images(5, seed=0)))
    assert torch.equal(test.images[:, 0], torch.from_numpy(random_images(3, seed=1)))
    assert training.labels is not None
    assert training.labels.tolist() == [5, 0, 4, 1, 9]
    assert training.labels.dtype == torch.int64
    assert test.labels is not None
    assert test.labels.tolist() == [7, 2, 1]
    assert (test.name, test.classes) == ("mnist", 10)


@pytest.mark.parametrize(
    ("name", "folder"), [("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
def test_the_relatives_of_mnist_are_read_from_their_own_folders(
    name: str, folder: str, tiny_mnist: Path
) -> None:
    (tiny_mnist / "MNIST").rename(tiny_mnist / folder)
    test = load(name, "test", tiny_mnist)
    assert test.images.shape == (3, 1, 28, 28)
    assert (test.name, test.classes) == (name, 10)


def test_qmnist_labels_are_the_classes_alone(tmp_path: Path, no_network: None) -> None:
    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    labels = np.array([[7, 4, 2610, 0, 51, 249, 0, 0], [2, 4, 2611, 1, 52, 250, 0, 0]], np.int32)
    (raw / "qmnist-test-images-idx3-ubyte").write_bytes(idx(random_images(2, seed=0)))
    (raw / "qmnist-test-labels-idx2-int").write_bytes(idx(labels, kind=0x0C))
    test = load("qmnist", "test", tmp_path)
    assert test.images.shape == (2, 1, 28, 28)
    assert test.labels is not None
    assert test.labels.tolist() == [7, 2]


def test_emnist_images_are_turned_upright(tmp_path: Path, no_network: None) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    upright = random_images(2, seed=0)
    stored = np.ascontiguousarray(upright.transpose(0, 2, 1))
    (raw / "emnist-balanced-test-images-idx3-ubyte").write_bytes(idx(stored))
    (raw / "emnist-balanced-test-labels-idx1-ubyte").write_bytes(
        idx(np.array([0, 46], dtype=np.uint8))
    )
    test = load("emnist", "test", tmp_path)
    assert torch.equal(test.images[:, 0], torch.from_numpy(upright))
    assert test.classes == 47


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda whole: whole[:1],
    "half a header": lambda whole: whole[:6],
    "header alone": lambda whole: whole[: 4 + 4 * whole[3]],
    "last byte missing": lambda whole: whole[:-1],
    "one byte too many": lambda whole: whole + b"\0",
    "text": lambda _: b"<html>404 Not Found</html>",
    "still compressed": lambda whole: b"\x1f\x8b\x08" + whole,
    "signed bytes": lambda whole: whole[:2] + b"\x09" + whole[3:],
    "a type that does not exist": lambda whole: whole[:2] + b"\x0a" + whole[3:],
    "fewer than the other file": lambda whole: (
        whole[:4] + struct.pack(">I", 2) + whole[8:][: -(len(whole) - 4 - 4 * whole[3]) // 3]
    ),
}


@pytest.mark.parametrize("name", [TEST_IMAGES, TEST_LABELS, "train-images-idx3-ubyte.gz"])
def test_a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for(
    name: str, tiny_mnist: Path
) -> None:
    raw = tiny_mnist / "MNIST" / "raw"
    (raw / TEST_LABELS).unlink()  # It cannot do without torchvision.
    (raw / name).unlink(missing_ok=True)
    os.mkfifo(raw / name)
    with pytest.raises(DataError, match=f"{name} is no regular file"):
        load("mnist", "test", tiny_mnist)


def test_a_file_larger_than_any_of_these_sets_is_not_read(tiny_mnist: Path) -> None:
    path = tiny_mnist / "MNIST" / "raw" / TEST_IMAGES
    os.truncate(path, 2 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"{TEST_IMAGES} is too large: 2,147,483,648 bytes"):
            load("mnist", "test", tiny_mnist)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000  # torchvision's own.
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("file", [TEST_IMAGES, TEST_LABELS])
@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_file_is_a_data_error_that_names_the_folder(
    damage: str, file: str, tiny_mnist: Path
) -> None:
    path = tiny_mnist / "MNIST" / "raw" / file
    path.write_bytes(BROKEN[damage](path.read_bytes()))
    with pytest.raises(DataError) as caught:
        load("mnist", "test", tiny_mnist)
    assert caught.value.exit_code == 1
    assert str(path.parent) in caught.value.message
    assert "--data digits" in caught.value.hint


@pytest.mark.parametrize("damage", ["empty", "text", "last byte missing", "still compressed"])
def test_the_message_about_a_broken_file_ends_with_a_reason(damage: str, tiny_mnist: Path) -> None:
    path = tiny_mnist / "MNIST" / "raw" / TEST_IMAGES
    path.write_bytes(BROKEN[damage](path.read_bytes()))
    with pytest.raises(DataError) as caught:
        load("mnist", "test", tiny_mnist)
    assert not caught.value.message.rstrip().endswith(":")


def test_broken_files_of_an_old_torchvision_are_a_data_error(tiny_mnist: Path) -> None:
    processed = tiny_mnist / "MNIST" / "processed"
    processed.mkdir()
    (processed / "training.pt").write_bytes(b"junk")
    (processed / "test.pt").write_bytes(b"junk")
    (tiny_mnist / "MNIST" / "raw" / TEST_IMAGES).unlink()
    with pytest.raises(DataError):
        load("mnist", "test", tiny_mnist)


def test_the_real_mnist_has_70_000_digits_and_its_first_test_digit_is_a_7(mnist_dir: Path) -> None:
    training = load("mnist", "train", mnist_dir)
    test = load("mnist", "test", mnist_dir)
    assert training.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert test.labels is not None
    assert test.labels[0] == 7
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert test.labels.bincount().tolist() == counts
    # The mean and standard deviation of the training pixels that every MNIST recipe subtracts.
    pixels = training.images[:, 0].float() / 255
    assert pixels.mean().item() == pytest.approx(0.1307, abs=1e-4)
    assert pixels.std().item() == pytest.approx(0.3081, abs=1e-4)
