"""TIFFs page by page: the same bytes as a whole, with all tags, and other readers read them."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from paged_files import as_a_whole, changed, opened, page_by_page, same_values
from PIL import Image

from dae_tui.core.images import image_file
from dae_tui.core.images.paged import tiff
from dae_tui.core.images.paged.open_paged import open_paged
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "strips": {"rowsperstrip": 7},
    "deflate": {"compression": "zlib", "predictor": True},
    "LZW": {"compression": "lzw"},
    "zstd in tiles": {"compression": "zstd", "tile": (16, 16)},
    "tiles": {"tile": (16, 32)},
    "JPEG": {"compression": "jpeg", "dtype": "uint8"},
    "float": {"dtype": "float32", "compression": "zlib", "predictor": True},
    "RGB": {"samples": 3, "dtype": "uint8", "photometric": "rgb"},
    "RGB in planes": {"samples": 3, "photometric": "rgb", "planarconfig": "separate"},
    "alpha": {"samples": 4, "dtype": "uint8", "photometric": "rgb", "extrasamples": ["unassalpha"]},
}


def made(path: Path, count: int = 6, **way: Any) -> Path:
    """A file of pages of 50×40 pixels."""
    dtype, samples = np.dtype(way.pop("dtype", "uint16")), way.pop("samples", 1)
    order, big = way.pop("byteorder", "<"), way.pop("bigtiff", False)
    shape: tuple[int, ...] = (50, 40, samples) if samples > 1 else (50, 40)
    if way.get("planarconfig") == "separate":
        shape = (samples, 50, 40)
    photometric = way.pop("photometric", "minisblack")
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as writer:
        for number in range(count):
            writer.write(
                RANDOM.integers(0, 200, shape).astype(dtype),
                photometric=photometric,
                contiguous=False,
                description=f"page {number}",
                resolution=(100, 200 + number),
                extratags=[(65000, 3, 2, (number, 7), True)],
                metadata=None,
                **way,
            )
    return path


@pytest.mark.parametrize("way", WAYS)
def test_the_same_bytes_as_in_memory(tmp_path: Path, way: str) -> None:
    path = made(tmp_path / "a.tif", **WAYS[way])
    pages = page_by_page(path, tmp_path / "paged.tif")
    same_values(pages, as_a_whole(path, tmp_path / "whole.tif"))
    assert (tmp_path / "paged.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "paged.tif") as again, tifffile.TiffFile(path) as before:
        assert again.byteorder == before.byteorder
        assert again.is_bigtiff == before.is_bigtiff
        for number, (page, old) in enumerate(zip(again.pages, before.pages, strict=True)):
            assert page.tags[270].value == f"page {number}"  # type: ignore[union-attr]
            assert page.tags[65000].value == (number, 7)  # type: ignore[union-attr]
            if way != "JPEG":
                np.testing.assert_array_equal(page.asarray(), old.asarray() + 1)
                assert page.compression == old.compression


def test_pillow_reads_it(tmp_path: Path) -> None:
    path = made(tmp_path / "a.tif", compression="zlib")
    page_by_page(path, tmp_path / "b.tif")
    expected = tifffile.imread(path, key=3)
    with Image.open(tmp_path / "b.tif") as image:
        image.seek(3)
        np.testing.assert_array_equal(np.asarray(image), expected + 1)


def test_masks_and_bands_and_palettes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        mask = RANDOM.integers(0, 2, (50, 40)).astype(bool)
        writer.write(RANDOM.integers(0, 9, (5, 50, 40)).astype("u2"), photometric="minisblack",
                     planarconfig="separate", metadata=None, contiguous=False)  # fmt: skip
        for _ in range(2):
            writer.write(mask, photometric="mask", subfiletype=4, metadata=None, contiguous=False)
        writer.write(RANDOM.integers(0, 9, (50, 40)).astype("u1"), photometric="palette",
                     colormap=RANDOM.integers(0, 2**16, (3, 256)).astype("u2"), metadata=None,
                     contiguous=False)  # fmt: skip
        writer.write(mask, photometric="mask", subfiletype=4, metadata=None, contiguous=False)
    pages = page_by_page(path, tmp_path / "paged.tif")
    same_values(pages, as_a_whole(path, tmp_path / "whole.tif"))
    assert [len(page.values) for page in pages] == [5, 1]
    assert (tmp_path / "paged.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    with opened(path) as file:
        assert file.form(0) != file.form(1)
        file.page(1)
        assert any("palette" in remark for remark in file.remarks)
        assert any("mask" in remark for remark in file.remarks)


def test_limits_are_those_of_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "a.tif")
    monkeypatch.setattr(image_file, "MOST_PIXELS", 2000)
    monkeypatch.setattr(image_file, "MOST_STACKS", 2)
    with opened(path) as file:
        assert len(file) == 6
    monkeypatch.setattr(tiff, "MOST_PAGES", 5)
    with pytest.raises(DataError, match="holds 6 pages; dae takes up to 5"):
        open_paged(path, "a.tif", 0)
    monkeypatch.setattr(tiff, "MOST_PAGES", 6)
    monkeypatch.setattr(image_file, "MOST_PIXELS", 1999)
    with pytest.raises(DataError, match=r"a\.tif, page 1, claims to hold 50×40 pixels"):
        open_paged(path, "a.tif", 0)


def test_a_tag_larger_than_a_small_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "a.tif", count=2)
    monkeypatch.setattr(tiff, "FREE", 4)
    with pytest.raises(DataError, match="tags are too large"):
        open_paged(path, "a.tif", 0)


def test_one_page_and_hidden_pages(tmp_path: Path) -> None:
    assert open_paged(made(tmp_path / "a.tif", count=1), "a.tif", 0) is None
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((3, 50, 40), "u2"), imagej=True)
    with opened(tmp_path / "b.tif") as file:
        assert len(file) == 3


@pytest.mark.parametrize("what", ["page", "end"])
def test_broken_files_are_one_line(tmp_path: Path, what: Literal["page", "end"]) -> None:
    content = made(tmp_path / "a.tif", compression="zlib").read_bytes()
    (tmp_path / "b.tif").write_bytes(content[:-3000] if what == "end" else content)
    if what == "end":
        with pytest.raises(DataError, match=r"b\.tif"):
            open_paged(tmp_path / "b.tif", "b.tif", 0)
        return
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        place = file.pages[2].dataoffsets[0]
    broken = bytearray(content)
    broken[place : place + 200] = bytes(200)
    (tmp_path / "b.tif").write_bytes(broken)
    with opened(tmp_path / "b.tif") as opened_file:
        opened_file.page(1)
        with pytest.raises(Exception, match=r".+"):
            opened_file.page(2)


def test_pages_that_are_missing_are_noticed(tmp_path: Path) -> None:
    with opened(made(tmp_path / "a.tif")) as file:
        writer = file.writer(tmp_path / "b.tif")
        writer.put(changed(file.page(0)))
        with pytest.raises(DataError, match="5 pages are missing"):
            writer.finish()
        writer.close()
