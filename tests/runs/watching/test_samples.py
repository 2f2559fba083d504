"""The digits that a run kept: good files, and every way in which a file can be no good."""

import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.runs.folder.layout import SAMPLES
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.watching.samples import (
    VIEWS,
    BrokenSample,
    SavedSample,
    load_sample,
    sample_steps,
)


def arrays(shape: tuple[int, ...] = (2, 1, 4, 4)) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(0)
    return {view: random.integers(0, 256, shape, dtype=np.uint8) for view in VIEWS}


def keep(run: Run, stored: dict[str, Any], step: int = 1) -> None:
    with RunWriter(run.folder) as writer:
        writer.sample(step, stored)


def path_of(run: Run, step: int = 1) -> Path:
    path = run.folder / SAMPLES / f"{step:08d}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def loaded(run: Run, step: int = 1) -> SavedSample:
    sample = load_sample(run, step)
    assert isinstance(sample, SavedSample), sample
    return sample


def reason(run: Run, step: int = 1) -> str:
    broken = load_sample(run, step)
    assert isinstance(broken, BrokenSample)
    assert broken.step == step
    return broken.reason


# Good files


def test_a_sample_is_what_the_writer_kept(run: Run) -> None:
    stored = arrays()
    predictions = {f"reads_{view}": np.array([number, 9]) for number, view in enumerate(VIEWS)}
    keep(run, stored | predictions | {"labels": np.array([7, 2])}, step=1200)

    sample = loaded(run, 1200)

    assert (sample.step, len(sample)) == (1200, 2)
    for view in VIEWS:
        assert sample.views[view].dtype == np.uint8
        np.testing.assert_array_equal(sample.views[view], stored[view][:, 0])
    assert sample.labels is not None and sample.labels.tolist() == [7, 2]
    assert {view: digits.tolist() for view, digits in sample.predictions.items()} == {
        "original": [0, 9],
        "noisy": [1, 9],
        "denoised": [2, 9],
    }


def test_psnr_is_as_computed_by_hand(run: Run) -> None:
    original = np.zeros((1, 1, 2, 2), np.uint8)
    noisy = original.copy()
    noisy[0, 0, 0, 0] = 255  # A mean squared error of 1/4: 10 log10(4) dB.
    denoised = original + np.uint8(51)  # Of (1/5)²: 20 log10(5) dB.
    keep(run, {"original": original, "noisy": noisy, "denoised": denoised})

    psnr = loaded(run).psnr

    assert psnr["noisy"].tolist() == pytest.approx([6.020599913])
    assert psnr["denoised"].tolist() == pytest.approx([13.979400087])
    assert "original" not in psnr


def test_psnr_is_of_each_digit_and_infinite_where_nothing_differs(run: Run) -> None:
    original = np.full((2, 1, 2, 2), 255, np.uint8)
    noisy = original.copy()
    noisy[1] = 0
    keep(run, {"original": original, "noisy": noisy, "denoised": original})

    psnr = loaded(run).psnr

    assert psnr["noisy"].tolist() == [math.inf, 0]
    assert psnr["denoised"].tolist() == [math.inf, math.inf]


def test_colour_is_kept_and_measured_per_channel(run: Run) -> None:
    original = np.zeros((1, 3, 1, 1), np.uint8)
    noisy = np.array([255, 0, 0], np.uint8).reshape(1, 3, 1, 1)
    keep(run, {"original": original, "noisy": noisy, "denoised": original + np.uint8(1)})

    sample = loaded(run)

    assert sample.views["noisy"].tolist() == noisy.tolist()
    assert sample.views["denoised"].tolist() == [[[[1]], [[1]], [[1]]]]
    assert sample.psnr["noisy"].tolist() == pytest.approx([4.771212547])  # 10 log10(3)


def test_other_channels_than_three_are_averaged(run: Run) -> None:
    two = np.array([[0, 90]], np.uint8).reshape(1, 2, 1, 1)
    keep(run, {"original": two, "noisy": two, "denoised": two})
    assert loaded(run).views["noisy"].tolist() == [[[45]]]


def test_without_labels_and_a_classifier_the_digits_are_still_there(run: Run) -> None:
    keep(run, arrays())

    sample = loaded(run)

    assert sample.labels is None
    assert sample.predictions == {}


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1]),
        np.array([[1, 2]]),
        np.array([1.0, 2.0]),
        np.array([True, False]),
        np.array(["1", "2"]),
        np.array(3),
    ],
    ids=str,
)
def test_labels_that_are_not_one_integer_per_digit_are_left_out(
    run: Run, labels: NDArray[Any]
) -> None:
    keep(run, arrays() | {"labels": labels, "reads_noisy": labels, "reads_denoised": [3, 4]})

    sample = loaded(run)

    assert sample.labels is None
    assert {view: digits.tolist() for view, digits in sample.predictions.items()} == {
        "denoised": [3, 4]
    }


# Files that are no good


@pytest.mark.parametrize("view", VIEWS)
def test_a_missing_view_is_named(run: Run, view: str) -> None:
    stored = arrays()
    del stored[view]
    keep(run, stored)

    assert reason(run) == f"00000001.npz lacks the view '{view}'"


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_views_that_are_no_bytes_are_not_shown(run: Run, dtype: type) -> None:
    keep(run, arrays() | {"noisy": np.zeros((2, 1, 4, 4), dtype)})

    assert reason(run) == "00000001.npz holds no images of one size"


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (0, 1, 4, 4), (2, 1, 0, 4), ()])
def test_views_that_are_no_stack_of_digits_are_not_shown(run: Run, shape: tuple[int, ...]) -> None:
    keep(run, arrays(shape))

    assert reason(run) == "00000001.npz holds no images of one size"


def test_views_of_different_sizes_are_not_shown(run: Run) -> None:
    keep(run, arrays() | {"denoised": np.zeros((2, 1, 4, 5), np.uint8)})

    assert reason(run) == "00000001.npz holds no images of one size"


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("name", ["original", "labels", "anything"])
def test_pickled_objects_are_refused_and_not_executed(run: Run, tmp_path: Path, name: str) -> None:
    keep(run, arrays() | {name: np.array([Trap(tmp_path / "sprung")], dtype=object)})

    assert "cannot be read: it holds objects, which are never unpickled" in reason(run)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_in_the_place_of_a_sample_is_refused_and_not_executed(
    run: Run, tmp_path: Path
) -> None:
    path_of(run).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))

    assert reason(run).startswith("00000001.npz cannot be read: ")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kept", [0, 1, 4, 30, 200, -1, -30])
def test_a_truncated_file_is_not_shown(run: Run, kept: int) -> None:
    keep(run, arrays())
    content = path_of(run).read_bytes()
    path_of(run).write_bytes(content[:kept])

    assert reason(run).startswith("00000001.npz cannot be read: ")


def test_any_damaged_byte_is_survived(run: Run) -> None:
    keep(run, arrays((1, 1, 2, 2)))
    content = path_of(run).read_bytes()
    broken = 0

    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        path_of(run).write_bytes(damaged)
        broken += isinstance(load_sample(run, 1), BrokenSample)

    assert broken > len(content) // 2


def test_an_archive_that_seems_to_be_encrypted_is_not_shown(run: Run) -> None:
    keep(run, arrays())
    content = bytearray(path_of(run).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path_of(run).write_bytes(content)

    assert "encrypted" in reason(run)


@pytest.mark.parametrize("content", [b"", b"digits\n", b"\x93NUMPY", b"PK\x03\x04", b"\xff" * 99])
def test_a_file_that_is_something_else_is_not_shown(run: Run, content: bytes) -> None:
    path_of(run).write_bytes(content)

    assert reason(run).startswith("00000001.npz cannot be read: ")


def test_a_single_array_is_no_archive(run: Run) -> None:
    with path_of(run).open("wb") as file:
        np.save(file, arrays()["noisy"])

    assert reason(run) == "00000001.npz cannot be read: it holds a single array"


def test_an_archive_of_something_else_lacks_the_views(run: Run) -> None:
    with zipfile.ZipFile(path_of(run), "w") as archive:
        for view in VIEWS:
            archive.writestr(f"{view}.npy", "not an array")

    assert reason(run) == "00000001.npz lacks the view 'original'"


def test_labels_that_are_no_array_are_left_out(run: Run) -> None:
    keep(run, arrays())
    with zipfile.ZipFile(path_of(run), "a") as archive:
        archive.writestr("labels.npy", "7 2")

    assert loaded(run).labels is None


def test_a_folder_of_that_name_is_not_shown(run: Run) -> None:
    path_of(run).mkdir()

    assert "is a folder, not a regular file" in reason(run)


def test_a_sample_that_was_deleted_meanwhile_is_gone(run: Run) -> None:
    keep(run, arrays())
    (step,) = sample_steps(run)
    path_of(run).unlink()

    assert reason(run, step) == "00000001.npz is gone"


# Which there are


def test_steps_are_listed_in_ascending_order_of_numbers(run: Run) -> None:
    for step in (200, 1, 30, 123456789):
        keep(run, arrays((1, 1, 1, 1)), step)

    assert sample_steps(run) == [1, 30, 200, 123456789]


def test_files_whose_names_are_no_steps_are_not_listed(run: Run) -> None:
    names = ["best.npz", "-0000001.npz", "0000001.5.npz", "٣.npz", "²²²²²²²².npz", "00000002.png"]
    for name in [*names, ".npz", ".00000003.npz.12.tmp", "00000004.npz"]:
        (path_of(run).parent / name).touch()

    assert sample_steps(run) == [4]


def test_without_a_folder_of_samples_there_are_none(run: Run) -> None:
    assert sample_steps(run) == []
    run.folder.mkdir(parents=True)
    (run.folder / SAMPLES).write_text("a file")
    assert sample_steps(run) == []
