"""Arrays of numpy image by image: the same bytes as in memory."""

from pathlib import Path

import numpy as np
import pytest
from paged_files import as_a_whole, changed, opened, page_by_page, same_values

from dae_tui.core.images import image_file
from dae_tui.core.images.paged.open_paged import open_paged
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)


def made(path: Path, shape: tuple[int, ...] = (7, 20, 30), dtype: str = "uint16") -> Path:
    np.save(path, RANDOM.integers(0, 100, shape).astype(dtype))
    return path


@pytest.mark.parametrize(
    ("shape", "dtype", "pages"),
    [
        ((7, 20, 30), "uint16", 7),
        ((7, 20, 30), ">i4", 7),
        ((7, 20, 30, 3), "uint8", 7),
        ((7, 4, 20, 30), "float32", 7),
        ((7, 20, 30, 1), "float64", 7),
        ((60, 9, 9), "uint8", 1),
        ((3, 40, 40), "bool", 3),
    ],
)
def test_the_same_bytes_as_in_memory(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, pages: int
) -> None:
    path = made(tmp_path / "a.npy", shape, dtype)
    read = page_by_page(path, tmp_path / "paged.npy")
    assert len(read) == pages
    same_values(read, as_a_whole(path, tmp_path / "whole.npy"))
    assert (tmp_path / "paged.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    before, after = np.load(path), np.load(tmp_path / "paged.npy")
    expected = ~before if dtype == "bool" else before + before.dtype.type(1)
    np.testing.assert_array_equal(after, expected)


def test_limits_are_those_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "a.npy")
    monkeypatch.setattr(image_file, "MOST_PIXELS", 600)
    assert len(opened(path)) == 7
    monkeypatch.setattr(image_file, "MOST_PIXELS", 599)
    with pytest.raises(DataError, match="too many"):
        open_paged(path, "a.npy", 0)


def test_arrays_whose_images_do_not_follow_each_other(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(RANDOM.integers(0, 9, (7, 20, 30))))
    np.save(tmp_path / "b.npy", RANDOM.integers(0, 9, (50, 784)))
    np.save(tmp_path / "c.npy", RANDOM.integers(0, 9, (50, 60, 3)))
    for name in "abc":
        assert open_paged(tmp_path / f"{name}.npy", name, 0) is None


def test_short_arrays_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.npy")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"a\.npy is not a whole"):
        open_paged(path, "a.npy", 0)


def test_images_that_are_missing_are_noticed(tmp_path: Path) -> None:
    with opened(made(tmp_path / "a.npy")) as file:
        writer = file.writer(tmp_path / "b.npy")
        writer.put(changed(file.page(0)))
        with pytest.raises(DataError, match="6 images are missing"):
            writer.finish()
        writer.close()
