"""Pairs of clean and noisy images: matching, ranges, splits, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.data.crops import Crops
from dae_tui.core.data.image_set import ImageSet, TrainingImages
from dae_tui.core.data.paired.pairs import Pairs, load_pairs, read_pairs
from dae_tui.errors import DataError

PATCH = 40


def save(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)


def flat(value: float, height: int = 8, width: int = 9, dtype: type = np.uint8) -> NDArray[Any]:
    return np.full((height, width), value, dtype)


def some(folder: Path, count: int, height: int = 8, width: int = 9) -> None:
    """Pairs whose noisy image is 100 above the clean one."""
    for number in range(count):
        save(folder / "clean" / f"{number:02}.png", flat(number, height, width))
        save(folder / "noisy" / f"{number:02}.png", flat(100 + number, height, width))


def first(images: torch.Tensor | None) -> list[float]:
    assert images is not None
    return images[:, 0, 0, 0].tolist()


def whole_splits(pairs: Pairs) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Training, validation and test pairs that are small and of one size."""
    training, (validation,), (test,) = pairs.splits(PATCH)
    assert isinstance(training, ImageSet)
    return training, validation, test


def test_names_match_and_no_pair_is_in_two_parts(tmp_path: Path) -> None:
    some(tmp_path, 30)
    parts = whole_splits(read_pairs(tmp_path / "clean", tmp_path / "noisy"))
    for part in parts:
        assert part.images.dtype == torch.uint8
        assert first(part.noisy) == [100 + value for value in first(part.images)]
        assert part.name == str(tmp_path)
    training, validation, test = (first(part.images) for part in parts)
    assert test == [9, 19, 29]
    assert validation == [5, 16, 27]
    assert sorted(training + validation + test) == list(range(30))


def crops(training: TrainingImages) -> ImageSet:
    """All crops of an epoch, as one batch."""
    assert isinstance(training, Crops)
    (batch,) = training.batches(len(training), seed=0, epoch=0)
    return batch


def numbers(images: torch.Tensor) -> set[int]:
    """The values that occur."""
    return set(images.flatten().tolist())


def test_large_pairs_are_cut_into_patches_at_the_same_places(tmp_path: Path) -> None:
    ramp = np.arange((PATCH + 3) * 2 * PATCH, dtype=np.uint16).reshape(PATCH + 3, 2 * PATCH) * 20
    for number in range(10):
        save(tmp_path / "c" / f"{number}.npy", ramp)
        save(tmp_path / "n" / f"{number}.npy", ramp + 1)
    pairs = read_pairs(tmp_path / "c", tmp_path / "n")
    for augment in (False, True):
        training, _, _ = pairs.splits(PATCH, augment=augment)
        assert isinstance(training, Crops)
        assert (training.name, training.augment) == (str(tmp_path / "c"), augment)
        assert len(training) == 8 * 2
        batch = crops(training)
        assert batch.images.shape == (16, 1, PATCH, PATCH)
        assert batch.noisy is not None
        # Deeper than 8 bits: one count of 65 535 is learnt.
        counts = (batch.noisy - batch.images) * 65535
        assert counts.numpy() == pytest.approx(1, abs=0.01)


def test_validation_and_test_images_are_whole_in_a_set_for_each_size(tmp_path: Path) -> None:
    for number in range(20):
        size = (50, 70) if number < 10 else (90, 41)
        save(tmp_path / "clean" / f"{number:02}.png", flat(number, *size))
        save(tmp_path / "noisy" / f"{number:02}.png", flat(100 + number, *size))
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy")
    training, validation, test = pairs.splits(PATCH)
    for sets, expected in ((validation, [5, 16]), (test, [9, 19])):
        assert [tuple(each.images.shape) for each in sets] == [(1, 1, 50, 70), (1, 1, 90, 41)]
        assert [first(each.images) for each in sets] == [[value] for value in expected]
        assert [first(each.noisy) for each in sets] == [[100 + value] for value in expected]
    assert numbers(crops(training).images) == set(range(20)) - {5, 9, 16, 19}
    assert crops(training).images.dtype == torch.uint8


def test_all_channels_of_a_field_of_view_are_in_one_part(tmp_path: Path) -> None:
    for field in range(10):
        for channel in range(3):
            for side in ("clean", "noisy"):
                name = f"fov{field:03}-c{channel}.png"
                save(tmp_path / side / name, flat(10 * field + channel))
    parts = whole_splits(read_pairs(tmp_path / "clean", tmp_path / "noisy"))
    training, validation, test = (numbers(part.images) for part in parts)
    assert (validation, test) == ({50, 51, 52}, {90, 91, 92})
    assert len(training) == 24


def test_pairs_that_are_all_smaller_than_a_crop_are_an_error(tmp_path: Path) -> None:
    some(tmp_path, 12, 70, PATCH - 1)
    with pytest.raises(DataError, match=r"pairs for training in .* are smaller than 40×40"):
        read_pairs(tmp_path / "clean", tmp_path / "noisy").splits(PATCH)


def test_one_range_holds_for_both_sides(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 72).reshape(8, 9)
    for number in range(10):
        save(tmp_path / "clean" / f"{number}.npy", (100 + 200 * ramp).astype(np.uint16))
        save(tmp_path / "noisy" / f"{number}.npy", (100 + 400 * ramp).astype(np.uint16))
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy")
    training, _, _ = whole_splits(pairs)
    assert training.noisy is not None
    assert training.images.max().item() == pytest.approx(0.5, abs=0.01)
    assert training.noisy.max().item() == pytest.approx(1, abs=0.01)
    assert "uint16 are taken as black at 100" in pairs.remarks()[0]


def test_classes_come_from_subfolders_and_pages_pair_with_pages(tmp_path: Path) -> None:
    for label in ("3", "7"):
        for number in range(10):
            stack = np.stack([flat(number), flat(number + 20)])
            save(tmp_path / "clean" / label / f"{number}.npy", stack)
            save(tmp_path / "noisy" / label / f"{number}.npy", stack + 100)
    training, _, test = whole_splits(read_pairs(tmp_path / "clean", tmp_path / "noisy"))
    assert first(test.images) == [9, 29, 9, 29]
    assert first(test.noisy) == [109, 129, 109, 129]
    assert test.labels is not None
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert training.classes == 2


def test_images_without_a_partner_are_named_and_counted(tmp_path: Path) -> None:
    some(tmp_path, 12)
    for number in (3, 5):
        (tmp_path / "noisy" / f"{number:02}.png").unlink()
    with pytest.raises(DataError, match=r"2 images are not in .*noisy: 03\.png, 05\.png"):
        read_pairs(tmp_path / "clean", tmp_path / "noisy")
    for number in (3, 5, 7):
        (tmp_path / "clean" / f"{number:02}.png").unlink()
    with pytest.raises(DataError, match=r"there is no .*clean/07\.png"):
        read_pairs(tmp_path / "clean", tmp_path / "noisy")
    found = read_pairs(tmp_path / "clean", tmp_path / "noisy", all_noisy=False)
    assert len(found.pairs) == 9
    assert found.remarks() == ["passed over: 1 noisy without a clean one"]


def test_pairs_that_differ_are_named_and_counted(tmp_path: Path) -> None:
    some(tmp_path, 5)
    save(tmp_path / "noisy" / "01.png", flat(1, 8, 10))
    save(tmp_path / "noisy" / "04.png", np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(DataError, match=r"2 of 5 pairs differ in size or colour: 01\.png, 04\.png"):
        read_pairs(tmp_path / "clean", tmp_path / "noisy")


def test_unreadable_images_of_both_sides_are_named_at_once(tmp_path: Path) -> None:
    some(tmp_path, 5)
    (tmp_path / "clean" / "01.png").write_bytes(b"")
    (tmp_path / "noisy" / "02.png").write_bytes(b"junk")
    with pytest.raises(
        DataError, match=r"2 of 10 files in .* cannot be read: clean/01\.png, noisy/02\.png"
    ):
        read_pairs(tmp_path / "clean", tmp_path / "noisy")


def test_too_few_pairs_are_an_error_that_says_how_many_it_takes(tmp_path: Path) -> None:
    some(tmp_path / "small", 9)
    some(tmp_path / "large", 9, 80, 80)
    for size in ("small", "large"):
        pairs = read_pairs(tmp_path / size / "clean", tmp_path / size / "noisy")
        with pytest.raises(DataError, match="no pairs for test") as caught:
            pairs.splits(PATCH)
        assert "10 pairs" in caught.value.hint


def test_pairs_are_known_by_their_files(tmp_path: Path) -> None:
    some(tmp_path / "a", 10)
    some(tmp_path / "b", 10)
    first_sum, second = (
        read_pairs(tmp_path / name / "clean", tmp_path / name / "noisy").checksum for name in "ab"
    )
    assert first_sum == second
    save(tmp_path / "b" / "noisy" / "04.png", flat(0))
    changed = read_pairs(tmp_path / "b" / "clean", tmp_path / "b" / "noisy").checksum
    assert changed != first_sum


def test_pairs_in_colour_are_learnt_from_in_grey_if_that_is_asked_for(tmp_path: Path) -> None:
    for number in range(20):
        for side, red in (("clean", 0), ("noisy", 100)):
            image = np.full((8, 9, 3), number, np.uint8)
            image[..., 0] += np.uint8(red)
            save(tmp_path / side / f"{number:02}.png", image)
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy")
    for grey, channels in ((False, 3), (True, 1)):
        training, _, (test,) = pairs.splits(PATCH, grey=grey)
        assert isinstance(training, ImageSet)
        assert training.images.shape[1] == channels
        assert test.noisy is not None
        assert test.noisy.shape[1] == channels
    assert first(test.images) == [9, 19]
    assert first(test.noisy) == [round(9 + 0.299 * 100), round(19 + 0.299 * 100)]


def test_pairs_that_are_equal_on_both_sides_are_trained_with_alone(tmp_path: Path) -> None:
    some(tmp_path, 20)
    for number in range(100, 115):
        for side in ("clean", "noisy"):
            save(tmp_path / side / f"{number}.png", flat(number))
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy")
    training, (validation,), (test,) = pairs.splits(40)
    assert first(test.images) == [9, 19]
    assert max(first(validation.images)) < 20
    assert len(training) == 35 - 2 - len(validation)
    assert pairs.remarks() == [
        "15 pairs are identical on both sides; they are used for training only"
    ]


def test_where_all_pairs_are_equal_they_are_split_as_others(tmp_path: Path) -> None:
    for number in range(20):
        for side in ("clean", "noisy"):
            save(tmp_path / side / f"{number:02}.png", flat(number))
    _, _, (test,) = read_pairs(tmp_path / "clean", tmp_path / "noisy").splits(40)
    assert first(test.images) == [9, 19]


def test_pairs_whose_brightness_differs_are_matched_but_for_the_test(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(20):
        scene = np.kron(random.integers(0, 60, (4, 4)), np.ones((4, 4)))
        factor = 2 + number % 2
        save(tmp_path / "noisy" / f"{number:02}.png", scene.astype(np.uint8))
        save(tmp_path / "clean" / f"{number:02}.png", (factor * scene).astype(np.uint8))
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy").matched(("training", "validation"))
    training, _, (test,) = pairs.splits(40)
    assert isinstance(training, ImageSet) and training.noisy is not None
    ratio = (training.images - training.noisy / 255).abs().mean((1, 2, 3)) / (
        training.noisy / 255
    ).mean((1, 2, 3))
    assert float(ratio.max() - ratio.min()) < 0.05
    assert 1.3 < float(ratio.mean()) < 1.7
    assert test.images.dtype == torch.uint8
    assert "matched, by factors of" in pairs.remarks()[-1]


@pytest.mark.parametrize(
    ("darker", "matched"),
    [(lambda clean: 0.6 * clean + 10, True), (lambda clean: clean + 3, False)],
)
def test_clean_images_become_as_bright_as_noisy_ones(
    tmp_path: Path, darker: Callable[[NDArray[Any]], NDArray[Any]], matched: bool
) -> None:
    """As fields of a microscope, each of which was scaled to 8 bits by itself."""
    random = np.random.default_rng(0)
    for number in range(3):
        clean = np.kron(random.integers(20, 200, (8, 8)), np.ones((8, 8)))
        noisy = darker(clean) + random.normal(0, 4, clean.shape)
        save(tmp_path / "clean" / f"{number}.png", clean.astype(np.uint8))
        save(tmp_path / "noisy" / f"{number}.png", noisy.round().astype(np.uint8))
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy")
    found = pairs.as_bright()
    assert (found is not pairs) == matched
    clean_image, noisy_image = found.whole(found.pairs[0])
    assert float((noisy_image - clean_image).std()) == pytest.approx(4 / 255, rel=0.1)
    known = "clean images brighter or darker than their noisy ones, and now matched: 3 of 3"
    assert found.remarks() == [known] * matched


def test_pairs_that_show_different_things_are_not_made_as_bright(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for side in ("clean", "noisy"):
        save(tmp_path / side / "0.png", random.integers(20, 200, (64, 64)).astype(np.uint8))
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy")
    assert pairs.as_bright() is pairs


def test_where_noise_was_clipped_brightness_is_not_told(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    clean = np.kron(random.integers(0, 2, (8, 8)) * 255, np.ones((8, 8)))
    noisy = (clean + random.normal(0, 100, clean.shape)).clip(0, 255)
    save(tmp_path / "clean" / "0.png", clean.astype(np.uint8))
    save(tmp_path / "noisy" / "0.png", noisy.astype(np.uint8))
    pairs = read_pairs(tmp_path / "clean", tmp_path / "noisy")
    assert pairs.as_bright() is pairs


def test_pairs_are_found_in_a_folder_two_folders_and_a_list(tmp_path: Path) -> None:
    some(tmp_path, 11)
    lines = ["clean,noisy", *(f"clean/{n:02}.png,noisy/{n:02}.png" for n in range(11))]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    apart = str(tmp_path / "clean"), str(tmp_path / "noisy")
    found = [load_pairs(str(tmp_path)), load_pairs(*apart), load_pairs(str(tmp_path / "mine.csv"))]
    assert {each.checksum for each in found} == {found[0].checksum}
    assert [pair.part for pair in found[2].pairs] == [pair.part for pair in found[0].pairs]
