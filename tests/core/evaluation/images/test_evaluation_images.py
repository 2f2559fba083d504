"""What methods are evaluated on: data sets, folders of classes, photographs, pairs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from dae_tui.core.data.training_data import load_training_data
from dae_tui.core.evaluation.images.evaluation_images import load_evaluation_images
from dae_tui.errors import DataError, UsageError
from dae_tui.spec.training_config import TrainingConfig

RANDOM = np.random.default_rng(0)


def save(
    path: Path, height: int, width: int, dtype: type[np.unsignedinteger[Any]] = np.uint8
) -> NDArray[np.unsignedinteger[Any]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = RANDOM.integers(0, np.iinfo(dtype).max, (height, width)).astype(dtype)
    Image.fromarray(values).save(path)
    return values


def test_a_data_set_is_evaluated_on_its_test_images_and_tunes_on_others() -> None:
    images = load_evaluation_images("digits", Path())
    assert (len(images), images.labelled, images.photographs) == (382, True, False)
    assert images.tuning is not None
    assert images.tuning.source == "training images"
    assert load_evaluation_images("digits", Path(), tune=False).tuning is None
    assert images.tuning.images.shape[1:] == (1, 28, 28)
    assert images.tuning.labels is not None
    assert len(images.tuning.images) == len(images.tuning.labels) == 3 * 128
    first = images.first(5)
    assert len(first) == 5
    assert torch.equal(first.groups[0].images, images.groups[0].images[:5])


def test_photographs_are_taken_whole_and_grouped_by_size(tmp_path: Path) -> None:
    sizes = [(64, 80), (90, 70), (64, 80), (200, 140)]
    stored = [save(tmp_path / f"{n}.png", *size, np.uint16) for n, size in enumerate(sizes)]
    images = load_evaluation_images(str(tmp_path), Path())
    assert images.photographs
    assert [tuple(group.images.shape) for group in images.groups] == [
        (2, 1, 64, 80),
        (1, 1, 90, 70),
        (1, 1, 200, 140),
    ]
    # 16 bits are not rounded to 8.
    third = images.groups[0].images[1, 0].numpy()
    np.testing.assert_allclose(third, stored[2] / 65535, atol=1e-6)
    assert images.tuning is not None
    assert images.tuning.source == "places in the test images themselves"
    assert len(images.first(3)) == 3
    assert len(images.first(3).groups) == 2


def test_photographs_that_weights_have_learnt_from_are_left_out(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / "mine" / f"{number:02}.png", 90, 100)
    assert len(load_evaluation_images(str(tmp_path / "mine"), Path())) == 20
    left = load_evaluation_images(str(tmp_path / "mine"), Path(), learnt_from=["mine"])
    assert (len(left), left.left_out) == (2, 18)
    assert left.tuning is not None
    assert left.tuning.source == "training images"
    for number in range(9, 20):
        (tmp_path / "mine" / f"{number:02}.png").unlink()
    with pytest.raises(DataError, match="none of the 9 images of mine is left for testing"):
        load_evaluation_images(str(tmp_path / "mine"), Path(), learnt_from=["mine"])


def test_filters_can_be_tuned_on_other_images(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a.png", 90, 100)
    images = load_evaluation_images(str(tmp_path / "photos"), Path(), tune_on="digits")
    assert images.tuning is not None
    assert images.tuning.source == "digits"
    assert images.tuning.images.shape[1:] == (1, 28, 28)
    with pytest.raises(UsageError, match="nowhere"):
        load_evaluation_images(str(tmp_path / "photos"), Path(), tune_on="nowhere")


def test_pairs_come_by_name_with_classes_from_their_folders(tmp_path: Path) -> None:
    stored = {}
    for name in ("7/a.png", "7/b.png", "3/c.png"):
        stored[name] = (
            save(tmp_path / "clean" / name, 28, 28),
            save(tmp_path / "noisy" / name, 28, 28),
        )
    images = load_evaluation_images(str(tmp_path), Path())
    assert images.labels is not None
    assert images.labels.tolist() == [0, 1, 1]
    assert images.classes == ("3", "7")
    # A classifier of ten classes knows them by their numbers.
    labels = images.labelled_for(10).labels
    assert labels is not None
    assert labels.tolist() == [3, 7, 7]
    with pytest.raises(DataError, match="knows 5 classes"):
        images.labelled_for(5)
    clean, noisy = stored["3/c.png"]
    np.testing.assert_allclose(images.groups[0].images[0, 0], clean / 255, atol=1e-6)
    np.testing.assert_allclose(images.noisy[0][0, 0], noisy / 255, atol=1e-6)
    assert images.tuning is not None
    assert images.tuning.noisy is not None


def test_a_pair_that_lacks_one_or_differs_in_size_is_named(tmp_path: Path) -> None:
    save(tmp_path / "clean" / "a.png", 28, 28)
    (tmp_path / "noisy").mkdir()
    with pytest.raises(DataError, match=r"there is no .*noisy/a\.png"):
        load_evaluation_images(str(tmp_path), Path())
    save(tmp_path / "noisy" / "a.png", 28, 30)
    with pytest.raises(DataError, match="differ in size"):
        load_evaluation_images(str(tmp_path), Path())


def test_pairs_that_weights_have_learnt_from_are_left_out(tmp_path: Path) -> None:
    for number in range(20):
        for side in ("clean", "noisy"):
            save(tmp_path / "mine" / side / f"{number:02}.png", 60, 50)
    assert len(load_evaluation_images(str(tmp_path / "mine"), Path())) == 20
    left = load_evaluation_images(str(tmp_path / "mine"), Path(), learnt_from=["mine"])
    assert (len(left), left.left_out, len(left.noisy[0])) == (2, 18, 2)
    assert left.tuning is not None
    assert left.tuning.source == "training images"
    assert left.tuning.noisy is not None
    assert len(left.tuning.noisy) == len(left.tuning.images) == 18


def test_the_test_split_of_pairs_is_that_of_a_training_and_filters_see_nothing_of_it(
    tmp_path: Path,
) -> None:
    for field in range(12):
        for channel in range(3):
            for side in ("clean", "noisy"):
                save(tmp_path / side / f"fov{field:02}-c{channel}.png", 70, 80)
    images = load_evaluation_images(str(tmp_path), Path(), split="test")
    (test,) = load_training_data(TrainingConfig(data=str(tmp_path), noise="none", patch=16)).test
    assert (len(images), images.left_out, images.split) == (3, 33, "test")
    torch.testing.assert_close(images.groups[0].images, test.images / 255)
    assert test.noisy is not None
    torch.testing.assert_close(images.noisy[0], test.noisy / 255)
    assert images.tuning is not None
    assert images.tuning.source == "training images"
    assert images.tuning.noisy is not None
    # The places are squares from the middle.
    assert images.tuning.images.shape[2:] == (70, 70)
    tested = images.noisy[0][..., 5:75]
    for place in images.tuning.noisy:
        assert not any(torch.equal(place, each) for each in tested)
    assert len(images.first(2)) == len(images.first(2).noisy[0]) == 2


def test_all_images_are_measured_where_that_is_asked_for(tmp_path: Path) -> None:
    for number in range(20):
        for side in ("clean", "noisy"):
            save(tmp_path / "mine" / side / f"{number:02}.png", 60, 70)
    folder = str(tmp_path / "mine")
    assert load_evaluation_images(folder, Path()).split == "all"
    everything = load_evaluation_images(folder, Path(), learnt_from=["mine"], split="all")
    assert (len(everything), everything.left_out, everything.split) == (20, 0, "all")
    assert "weights were trained on a folder called mine" in everything.remarks[-1]
    photographs = load_evaluation_images(str(tmp_path / "mine" / "clean"), Path(), split="test")
    assert (len(photographs), photographs.left_out, photographs.split) == (2, 18, "test")
    with pytest.raises(UsageError, match="test images alone"):
        load_evaluation_images("digits", Path(), split="all")


def test_too_few_pairs_for_a_test_split_are_a_clear_error(tmp_path: Path) -> None:
    for number in range(9):
        for side in ("clean", "noisy"):
            save(tmp_path / side / f"{number}.png", 60, 70)
    with pytest.raises(DataError, match="none of the 9 pairs") as error:
        load_evaluation_images(str(tmp_path), Path(), split="test")
    assert "--split all" in str(error.value.hint)


def test_all_pages_of_photographs_are_measured_by_one_range(tmp_path: Path) -> None:
    ramp = np.linspace(100, 900, 80 * 70).reshape(80, 70).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([ramp, ramp // 2]), photometric="minisblack")
    np.save(tmp_path / "b.npy", ramp)
    images = load_evaluation_images(str(tmp_path), Path())
    assert images.photographs
    assert len(images) == 3
    group = images.groups[0].images
    assert group[0].max().item() == pytest.approx(1, abs=0.01)
    assert group[1].max().item() == pytest.approx(0.47, abs=0.01)  # 400 of 50 to 900.
    assert torch.equal(group[0], group[2])
    assert "uint16 are taken as black at 5" in images.remarks[0]
    known = load_evaluation_images(str(tmp_path), Path(), black=0, white=1000)
    assert known.groups[0].images.max().item() == pytest.approx(0.9)


def test_bad_photographs_are_named_at_once_and_links_are_followed(tmp_path: Path) -> None:
    save(tmp_path / "real" / "a.png", 90, 100)
    save(tmp_path / "set" / "b.png", 90, 100)
    (tmp_path / "set" / "more").symlink_to("../real")
    assert len(load_evaluation_images(str(tmp_path / "set"), Path())) == 2
    (tmp_path / "set" / "c.png").write_bytes(b"")
    (tmp_path / "real" / "d.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"2 of 4 files .* cannot be read: c\.png, more/d\.png"):
        load_evaluation_images(str(tmp_path / "set"), Path())


def test_shards_are_evaluated_on_their_test_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "images-0.npy", rng.integers(256, size=(50, 8, 8), dtype=np.uint8))
    np.save(tmp_path / "labels-0.npy", np.arange(50) % 3)
    images = load_evaluation_images(str(tmp_path), Path())
    assert len(images) == 5
    assert images.classes == ("0", "1", "2")
    assert images.tuning is not None


def test_an_empty_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images"):
        load_evaluation_images(str(tmp_path), Path())


def test_clean_images_are_aligned_where_that_is_asked_for(tmp_path: Path) -> None:
    """The noisy image is the clean one, one row further down; a list names both."""
    scene = ndimage.gaussian_filter(RANDOM.random((91, 80)), 2)
    scene = (255 * (scene - scene.min()) / np.ptp(scene)).astype(np.uint8)
    for name, rows in (("clean", scene[1:]), ("noisy", scene[:-1])):
        Image.fromarray(rows).save(tmp_path / f"{name}.png")
    (tmp_path / "mine.csv").write_text("clean,noisy\nclean.png,noisy.png\n")
    name = str(tmp_path / "mine.csv")
    left, aligned = (load_evaluation_images(name, Path(), align=align) for align in (False, True))
    before, after = (
        float((each.groups[0].images - each.noisy[0])[..., 8:-8, 8:-8].square().mean())
        for each in (left, aligned)
    )
    assert after < before / 100
    assert "shifted against their noisy ones, and now aligned: 1 of 1" in aligned.remarks[-1]
    with pytest.raises(UsageError, match="holds no pairs to align"):
        load_evaluation_images("digits", Path(), align=True)
