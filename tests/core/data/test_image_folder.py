"""A folder of images as a data set: labels, splits, patches, colour, depth and errors."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.data.image_folder import PATCH, WHOLE_UP_TO, load_folder
from dae_tui.errors import DataError


def save(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def flat(value: int, height: int = 8, width: int = 9) -> NDArray[np.uint8]:
    return np.full((height, width), value, np.uint8)


def colour(red: int, green: int, blue: int, height: int = 8, width: int = 9) -> NDArray[np.uint8]:
    return np.broadcast_to(np.array([red, green, blue], np.uint8), (height, width, 3)).copy()


def values(images: torch.Tensor) -> list[int]:
    """The one value of each flat image."""
    assert torch.equal(images, images[..., :1, :1].expand_as(images))
    return images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "suffix", [".png", ".PNG", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".jpg", ".jpeg"]
)
def test_every_kind_of_image_file_is_read(suffix: str, tmp_path: Path) -> None:
    save(tmp_path / f"image{suffix}", flat(7))
    images, labels, classes = load_folder(tmp_path, "train")
    assert images.dtype == torch.uint8
    assert images.shape[0] == 1
    assert images.shape[2:] == (8, 9)
    assert (images.int() - 7).abs().max() <= 1  # Some kinds are lossy.
    assert (labels, classes) == (None, 0)


def test_pixels_keep_their_places(tmp_path: Path) -> None:
    original = np.random.default_rng(0).integers(0, 256, (11, 13), np.uint8)
    save(tmp_path / "image.png", original)
    images, _, _ = load_folder(tmp_path, "train")
    assert torch.equal(images[0, 0], torch.from_numpy(original))


def test_files_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    save(tmp_path / "image.png", flat(7))
    (tmp_path / "labels.csv").write_text("image.png,7\n")
    (tmp_path / "Thumbs.db").write_bytes(b"junk")
    images, _, _ = load_folder(tmp_path, "train")
    assert len(images) == 1


def test_class_subfolders_are_labels_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / "zebra" / f"{number}.png", flat(200 + number))
        save(tmp_path / "cat" / f"{number}.png", flat(100 + number))
    images, labels, classes = load_folder(tmp_path, "train")
    assert labels is not None
    assert labels.dtype == torch.int64
    assert labels.tolist() == [0] * 9 + [1] * 9
    assert [value // 100 - 1 for value in values(images)] == labels.tolist()
    assert classes == 2


def test_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "tabby" / "1.png", flat(1))
    save(tmp_path / "dog" / "2.png", flat(2))
    _, labels, classes = load_folder(tmp_path, "train")
    assert labels is not None
    assert labels.tolist() == [0, 1]
    assert classes == 2


def test_an_image_outside_the_class_folders_means_there_are_no_classes(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "1.png", flat(1))
    save(tmp_path / "2.png", flat(2))
    images, labels, classes = load_folder(tmp_path, "train")
    assert len(images) == 2
    assert (labels, classes) == (None, 0)


def test_a_class_without_a_test_image_keeps_its_number(tmp_path: Path) -> None:
    save(tmp_path / "a" / "0.png", flat(0))
    for number in range(9):
        save(tmp_path / "b" / f"{number}.png", flat(number))
    _, labels, classes = load_folder(tmp_path, "test")
    assert labels is not None
    assert labels.tolist() == [1]
    assert classes == 2


def test_every_tenth_image_is_a_test_image_and_no_image_is_in_both(tmp_path: Path) -> None:
    for number in range(25):
        save(tmp_path / f"{number:02}.png", flat(number))
    training, test = (values(load_folder(tmp_path, split)[0]) for split in ("train", "test"))
    assert test == [9, 19]
    assert sorted(training + test) == list(range(25))


def test_subfolders_train_and_test_are_the_splits(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / "train" / "a" / f"{number}.png", flat(number))
    save(tmp_path / "train" / "b" / "0.png", flat(50))
    save(tmp_path / "test" / "a" / "0.png", flat(100))
    save(tmp_path / "test" / "b" / "0.png", flat(150))
    training, training_labels, classes = load_folder(tmp_path, "train")
    test, test_labels, test_classes = load_folder(tmp_path, "test")
    assert sorted(values(training)) == [*range(12), 50]
    assert values(test) == [100, 150]
    assert training_labels is not None
    assert training_labels.tolist() == [0] * 12 + [1]
    assert test_labels is not None
    assert test_labels.tolist() == [0, 1]
    assert (classes, test_classes) == (2, 2)


def test_a_class_has_one_number_in_both_subfolders(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / "train" / name / "0.png", flat(0))
    for name in ("a", "c"):
        save(tmp_path / "test" / name / "0.png", flat(0))
    _, labels, classes = load_folder(tmp_path, "test")
    assert labels is not None
    assert labels.tolist() == [0, 2]
    assert classes == 3


@pytest.mark.parametrize("largest", [WHOLE_UP_TO, 28, 1])
def test_small_images_of_one_size_are_used_whole(largest: int, tmp_path: Path) -> None:
    save(tmp_path / "1.png", flat(1, largest, 1))
    save(tmp_path / "2.png", flat(2, largest, 1))
    images, _, _ = load_folder(tmp_path, "train")
    assert images.shape == (2, 1, largest, 1)


def test_larger_images_are_cut_into_patches_that_do_not_overlap(tmp_path: Path) -> None:
    original = np.random.default_rng(0).integers(0, 256, (2 * PATCH + 5, 3 * PATCH), np.uint8)
    save(tmp_path / "image.png", original)
    images, labels, classes = load_folder(tmp_path, "train")
    assert images.shape == (6, 1, PATCH, PATCH)
    assert (labels, classes) == (None, 0)
    expected = [
        original[top : top + PATCH, left : left + PATCH]
        for top in (0, PATCH)
        for left in (0, PATCH, 2 * PATCH)
    ]
    assert np.array_equal(images[:, 0].numpy(), np.stack(expected))


def test_images_of_different_sizes_are_cut_into_patches_without_class(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", flat(1, PATCH, 2 * PATCH))
    save(tmp_path / "b" / "2.png", flat(2, PATCH + 3, PATCH + 7))
    images, labels, classes = load_folder(tmp_path, "train")
    assert images.shape == (3, 1, PATCH, PATCH)
    assert values(images) == [1, 1, 2]
    assert (labels, classes) == (None, 0)


def test_test_patches_come_from_test_images_alone(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / f"{number}.png", flat(number, 90, 90))
    training, test = (load_folder(tmp_path, split)[0] for split in ("train", "test"))
    assert set(values(training)) == set(range(9))
    assert values(test) == [9] * 4


def test_images_of_different_sizes_all_too_small_for_a_patch_are_a_data_error(
    tmp_path: Path,
) -> None:
    save(tmp_path / "1.png", flat(1, 8, 8))
    save(tmp_path / "2.png", flat(2, 8, 9))
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path, "train")
    assert str(PATCH) in caught.value.hint


def test_colour_images_have_three_channels(tmp_path: Path) -> None:
    save(tmp_path / "1.png", colour(10, 20, 30))
    save(tmp_path / "2.png", colour(40, 50, 60))
    images, _, _ = load_folder(tmp_path, "train")
    assert images.shape == (2, 3, 8, 9)
    assert images[:, :, 3, 4].tolist() == [[10, 20, 30], [40, 50, 60]]


def test_one_colour_image_makes_the_grey_ones_three_equal_channels(tmp_path: Path) -> None:
    save(tmp_path / "1.png", colour(10, 20, 30))
    save(tmp_path / "2.png", flat(40))
    images, _, _ = load_folder(tmp_path, "train")
    assert images[:, :, 0, 0].tolist() == [[10, 20, 30], [40, 40, 40]]


def test_colour_patches_have_three_channels(tmp_path: Path) -> None:
    save(tmp_path / "1.png", colour(10, 20, 30, 2 * PATCH, PATCH))
    images, _, _ = load_folder(tmp_path, "train")
    assert images.shape == (2, 3, PATCH, PATCH)
    assert images[:, :, 0, 0].tolist() == [[10, 20, 30]] * 2


@pytest.mark.parametrize(
    ("mode", "pixel", "channels"),
    [
        ("1", 1, [255]),
        ("L", 90, [90]),
        ("LA", (90, 128), [90]),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
    ],
)
def test_bilevel_and_transparent_images_are_read_as_grey_or_colour(
    mode: str, pixel: float | tuple[int, ...], channels: list[int], tmp_path: Path
) -> None:
    Image.new(mode, (9, 8), pixel).save(tmp_path / "image.png")
    images, _, _ = load_folder(tmp_path, "train")
    assert images.shape == (1, len(channels), 8, 9)
    assert images[0, :, 0, 0].tolist() == channels


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_images_become_8_bit_ones_of_the_same_grey(suffix: str, tmp_path: Path) -> None:
    greys = np.arange(256, dtype=np.uint16).reshape(16, 16)
    save(tmp_path / f"image{suffix}", greys * 257)  # 65535 is white as 255 is.
    images, _, _ = load_folder(tmp_path, "train")
    assert torch.equal(images[0, 0], torch.from_numpy(greys.astype(np.uint8)))


@pytest.mark.parametrize("odd_one", ["in colour", "larger"])
def test_both_splits_have_images_of_one_shape(odd_one: str, tmp_path: Path) -> None:
    for number in range(9):
        save(tmp_path / f"{number}.png", flat(number, PATCH, PATCH + 4))
    odd = colour(1, 2, 3, PATCH, PATCH + 4) if odd_one == "in colour" else flat(9, 90, 90)
    save(tmp_path / "9.png", odd)
    training, test = (load_folder(tmp_path, split)[0] for split in ("train", "test"))
    assert training.shape[1:] == test.shape[1:]


def broken_after_the_pixels(whole: bytes) -> bytes:
    """A PNG whose last chunk but one has a method of compression that does not exist."""
    body = b"zTXtComment\0\x01junk"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return whole[:-12] + chunk + whole[-12:]


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "text", "broken chunk"])
def test_an_image_that_cannot_be_read_is_a_data_error_that_names_it(
    damage: str, tmp_path: Path
) -> None:
    save(tmp_path / "good.png", flat(1))
    whole = (tmp_path / "good.png").read_bytes()
    content = {
        "garbage": bytes(range(256)),
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "text": b"not an image",
        "broken chunk": broken_after_the_pixels(whole),
    }[damage]
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path, "train")
    assert caught.value.exit_code == 1
    assert str(tmp_path / "bad.png") in caught.value.message
    assert caught.value.hint


def test_an_image_of_more_pixels_than_pillow_opens_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "huge.png", flat(1, 30, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path, "train")
    assert "huge.png" in caught.value.message


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_folder_without_images_is_a_data_error(split: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path, split)
    assert caught.value.exit_code == 1
    assert str(tmp_path) in caught.value.message
    assert ".png" in caught.value.hint


def test_fewer_than_ten_images_leave_none_to_test_with(tmp_path: Path) -> None:
    for number in range(9):
        save(tmp_path / f"{number}.png", flat(number))
    assert len(load_folder(tmp_path, "train")[0]) == 9
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path, "test")
    assert "test" in caught.value.message
    assert "10" in caught.value.hint


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_is_no_file_is_a_data_error_that_names_it(split: str, tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02d}.png", flat(number))
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png is a pipe, not a regular file") as caught:
        load_folder(tmp_path, split)
    assert caught.value.hint == "remove it from the folder"
    (tmp_path / "pipe.png").unlink()
    (tmp_path / "annexed.png").symlink_to("nowhere.png")  # Left out, as before it came.
    assert len(load_folder(tmp_path, split)[0]) in (18, 2)
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"zero\.png is a device, not a regular file"):
        load_folder(tmp_path, split)


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_a_gigabyte_that_begins_as_an_image_is_not_read(kind: str, tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02d}.png", flat(number))
    Image.fromarray(flat(0)).save(tmp_path / "large.png", kind)
    os.truncate(tmp_path / "large.png", 1 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"large\.png has more than the [\d,]+ bytes"):
            load_folder(tmp_path, "train")
        assert tracemalloc.get_traced_memory()[1] < 100_000_000  # Modules for the kind among it.
    finally:
        tracemalloc.stop()


def test_images_that_no_memory_could_hold_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """Twenty names of one file of 8 KB and 64 million pixels."""
    Image.new("1", (8_000, 8_000)).save(tmp_path / "0.png")
    for number in range(1, 20):
        os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sysconf", lambda name: 30_000)  # 0.9 GB in all.
        with pytest.raises(DataError, match="take 1 GiB, more than this machine's memory"):
            load_folder(tmp_path, "train")
