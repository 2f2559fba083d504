"""A folder of images as a data set: labels, splits, patches, colour, depth and errors."""

import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.data.image_folder import PATCH, WHOLE_UP_TO, read_folder
from dae_tui.errors import DataError


def save(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def load_folder(folder: Path, split: str) -> tuple[torch.Tensor, torch.Tensor | None, int]:
    found = read_folder(folder).image_set(split)
    return found.images, found.labels, found.classes


def write(path: Path, array: NDArray[Any]) -> None:
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        save(path, array)


def flat(value: int, height: int = 8, width: int = 9) -> NDArray[np.uint8]:
    return np.full((height, width), value, np.uint8)


def colour(red: int, green: int, blue: int, height: int = 8, width: int = 9) -> NDArray[np.uint8]:
    return np.broadcast_to(np.array([red, green, blue], np.uint8), (height, width, 3)).copy()


def values(images: torch.Tensor) -> list[float]:
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


def test_random_crops_are_of_training_images_and_the_others_are_whole(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.png", flat(number, 90, 70 + number // 10))
    save(tmp_path / "small.png", flat(20, 90, 31))
    training, validation, test = read_folder(tmp_path).crops(32, augment=False)
    assert training.shape == (1, 32, 32)
    (crops,) = training.batches(len(training), seed=0, epoch=0)
    assert set(values(crops.images)) == set(range(20)) - {5, 9, 16, 19}
    for sets, expected in ((validation, {5, 16}), (test, {9, 19})):
        assert {each.shape for each in sets} == {(1, 90, 70), (1, 90, 71)}
        assert {value for each in sets for value in values(each.images)} == expected
        assert all(each.images.dtype == torch.uint8 for each in sets)


def test_subfolders_train_and_test_are_the_splits_of_crops_too(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "train" / f"{number}.png", flat(number, 70, 80))
    for number in range(20):
        save(tmp_path / "test" / f"{number}.png", flat(100 + number, 70, 80))
    training, validation, test = read_folder(tmp_path).crops(64, augment=False)
    assert [values(image[None]) for image in training.images] == [[0], [1], [2]]
    assert [values(each.images) for each in validation] == [[3]]
    assert [sorted(values(each.images)) for each in test] == [list(range(100, 120))]


def test_one_colour_image_gives_all_crops_three_channels(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.png", flat(number, 90, 70))
    save(tmp_path / "20.png", colour(10, 20, 30, 90, 70))
    training, validation, test = read_folder(tmp_path).crops(32, augment=True)
    assert [each.shape for each in (*validation, *test)] == [(3, 90, 70)] * 2
    (crops,) = training.batches(len(training), seed=0, epoch=0)
    pixels = crops.images[:, :, 0, 0].tolist()
    assert [10, 20, 30] in pixels
    assert [0, 0, 0] in pixels


def test_images_in_colour_become_grey_if_that_is_asked_for(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number:02}.png", colour(10, 20, 30, 90, 70))
    training, validation, test = read_folder(tmp_path, grey=True).crops(32, augment=True)
    assert training.shape == (1, 32, 32)
    assert [each.shape for each in (*validation, *test)] == [(1, 90, 70)] * 2
    brightness = round(0.299 * 10 + 0.587 * 20 + 0.114 * 30)
    assert set(values(test[0].images)) == {brightness}
    whole = read_folder(tmp_path, grey=True).image_set("train").images
    assert whole.shape[1] == 1
    assert set(values(whole)) == {brightness}


def test_a_folder_without_images_has_no_crops(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DataError, match=r"no images in .*passed over: 1 file") as caught:
        read_folder(tmp_path).crops(32, augment=False)
    assert ".png" in caught.value.hint


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


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".pgm"])
def test_16_bit_images_are_not_cut_to_8(suffix: str, tmp_path: Path) -> None:
    greys = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    write(tmp_path / f"image{suffix}", greys)
    images, _, _ = load_folder(tmp_path, "train")
    assert images.dtype == torch.float32
    assert torch.equal(images[0, 0], torch.from_numpy(greys.astype(np.float32) / 65535))


def test_counts_are_taken_as_pictures_by_one_range_for_all_files(tmp_path: Path) -> None:
    """A dim and a bright field of 12 bits in 16: black and white are those of both."""
    ramp = np.linspace(0, 1, 6400).reshape(80, 80)
    write(tmp_path / "bright.tif", (2000 + 1500 * ramp).astype(np.uint16))
    write(tmp_path / "dim.tif", (300 + 900 * ramp).astype(np.uint16))
    found = read_folder(tmp_path)
    images = found.image_set("train").images
    assert images[:4].max() == pytest.approx(1, abs=0.01)
    assert images[4:].min() == pytest.approx(0, abs=0.01)
    # The step between the fields is kept: 800 of 3 200 counts.
    gap = images[:4].min() - images[4:].max()
    assert gap.item() == pytest.approx(0.25, abs=0.01)
    (remark,) = found.remarks()
    assert remark.startswith("values of type uint16 are taken as black at 30")


def test_black_and_white_that_are_known_are_taken(tmp_path: Path) -> None:
    write(tmp_path / "1.npy", np.full((8, 9), 300, np.uint16))
    write(tmp_path / "2.npy", np.full((8, 9), 0.5, np.float32))
    images = read_folder(tmp_path, 100, 500).image_set("train").images
    assert values(images) == pytest.approx([0.5, -0.24875])
    with pytest.raises(DataError, match="black is 500 and white 100"):
        read_folder(tmp_path, 500, 100)


def test_8_bits_beside_floats_keep_their_own_range(tmp_path: Path) -> None:
    save(tmp_path / "1.png", flat(51))
    write(tmp_path / "2.tif", np.full((8, 9), 0.75, np.float32))
    found = read_folder(tmp_path)
    assert values(found.image_set("train").images) == pytest.approx([0.2, 0.75])
    assert found.remarks() == []


def test_all_pages_and_all_images_of_a_stack_are_read(tmp_path: Path) -> None:
    pages = np.arange(3, dtype=np.uint8)[:, None, None] + np.zeros((3, 8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "1.tif", pages, photometric="minisblack")
    np.save(tmp_path / "2.npy", pages + 10)
    np.savez(tmp_path / "3.npz", a=pages[0] + 20, b=pages[:2] + 21)
    images, _, _ = load_folder(tmp_path, "train")
    assert values(images)[:6] == [0, 1, 2, 10, 11, 12]
    found = read_folder(tmp_path)
    assert [image.stored.values[0, 0, 0] for image in found.images] == [
        *(0, 1, 2, 10, 11, 12),
        *(20, 21, 22),
    ]


def test_pages_of_a_file_stay_together_where_there_are_ten_files(tmp_path: Path) -> None:
    for number in range(10):
        stack = np.full((3, 8, 9), number, np.uint8)
        np.save(tmp_path / f"{number}.npy", stack)
    training, test = (values(load_folder(tmp_path, split)[0]) for split in ("train", "test"))
    assert test == [9, 9, 9]
    assert training == sorted([*range(9)] * 3)


def test_a_single_stack_is_split_by_its_images(tmp_path: Path) -> None:
    np.save(
        tmp_path / "stack.npy",
        np.arange(25, dtype=np.uint8)[:, None, None] * np.ones((8, 9), np.uint8),
    )
    assert values(load_folder(tmp_path, "test")[0]) == [9, 19]


def test_white_is_zero_and_cmyk_become_grey_and_rgb(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "1.tif", flat(55), photometric="miniswhite")
    Image.new("CMYK", (9, 8), (255, 51, 0, 0)).save(tmp_path / "2.tif")
    images, _, _ = load_folder(tmp_path, "train")
    assert images.dtype == torch.uint8
    assert images[:, :, 3, 4].tolist() == [[200, 200, 200], [0, 204, 255]]


@pytest.mark.parametrize("odd_one", ["in colour", "larger"])
def test_both_splits_have_images_of_one_shape(odd_one: str, tmp_path: Path) -> None:
    for number in range(9):
        save(tmp_path / f"{number}.png", flat(number, PATCH, PATCH + 4))
    odd = colour(1, 2, 3, PATCH, PATCH + 4) if odd_one == "in colour" else flat(9, 90, 90)
    save(tmp_path / "9.png", odd)
    training, test = (load_folder(tmp_path, split)[0] for split in ("train", "test"))
    assert training.shape[1:] == test.shape[1:]


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "text"])
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
    }[damage]
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path, "train")
    assert caught.value.exit_code == 1
    assert str(tmp_path / "bad.png") in caught.value.message
    assert caught.value.hint


def test_an_image_of_more_pixels_than_can_be_true_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "huge.png", flat(1, 30, 30))
    monkeypatch.setattr("dae_tui.core.images.image_file.MOST_PIXELS", 100)
    with pytest.raises(DataError, match=r"huge\.png claims to hold 30×30 pixels"):
        load_folder(tmp_path, "train")


def test_all_files_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    for number in range(30):
        save(tmp_path / f"{number:02}.png", flat(number))
    for number in range(3, 27):
        (tmp_path / f"{number:02}.png").write_bytes(b"" if number == 5 else b"\x89PNG and no more")
    with pytest.raises(
        DataError, match=r"24 of 30 files in .* cannot be read: 03\.png, 04"
    ) as caught:
        read_folder(tmp_path)
    assert "22.png and 4 more" in caught.value.message
    assert "23.png" not in caught.value.message
    assert "03.png is not a whole png file" in caught.value.hint


def test_images_too_small_for_a_patch_are_counted(tmp_path: Path) -> None:
    save(tmp_path / "large.png", flat(1, 2 * PATCH, PATCH))
    for number in range(3):
        save(tmp_path / f"small{number}.png", flat(2, PATCH - 1, 3 * PATCH))
    found = read_folder(tmp_path)
    assert values(found.image_set("train").images) == [1, 1]
    assert found.remarks() == [
        "3 of 4 images are smaller than 40×40, the size of the patches to train with, and are left "
        "out"
    ]


def test_what_is_passed_over_is_a_remark(tmp_path: Path) -> None:
    save(tmp_path / "image.png", flat(7))
    (tmp_path / "labels.csv").write_text("image.png,7\n")
    (tmp_path / "annexed.png").symlink_to("nowhere.png")
    assert read_folder(tmp_path).remarks() == [
        "passed over: 1 file of other kinds (.csv), 1 broken link"
    ]


def test_classes_may_be_links_to_folders(tmp_path: Path) -> None:
    save(tmp_path / "real" / "1.png", flat(1))
    save(tmp_path / "set" / "a" / "2.png", flat(2))
    (tmp_path / "set" / "b").symlink_to("../real")
    images, labels, classes = load_folder(tmp_path / "set", "train")
    assert labels is not None
    assert (values(images), labels.tolist(), classes) == ([2, 1], [0, 1], 2)


def test_pairs_are_no_images_to_add_noise_to(tmp_path: Path) -> None:
    save(tmp_path / "clean" / "1.png", flat(1))
    save(tmp_path / "noisy" / "1.png", flat(2))
    with pytest.raises(DataError, match="holds pairs") as caught:
        read_folder(tmp_path)
    assert str(tmp_path / "clean") in caught.value.hint


def test_a_folder_is_known_by_its_files_wherever_it_lies(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / "a" / "x" / f"{number}.png", flat(number))
    shutil.copytree(tmp_path / "a", tmp_path / "b" / "moved")
    first, second = (read_folder(tmp_path / name).checksum for name in ("a", "b/moved"))
    assert first == second
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")  # Another class.
    assert read_folder(tmp_path / "a").checksum != first
    save(tmp_path / "b" / "moved" / "x" / "4.png", flat(44))
    assert read_folder(tmp_path / "b" / "moved").checksum != first


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
