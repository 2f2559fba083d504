"""MRC section by section: the same bytes as in memory, statistics included."""

import gzip
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from numpy.typing import NDArray
from paged_files import as_a_whole, changed, opened, page_by_page, same_values

from dae_tui.core.images import image_file
from dae_tui.core.images.paged.open_paged import open_paged
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)


def made(path: Path, dtype: str = "int16", shape: tuple[int, ...] = (7, 30, 40)) -> Path:
    with mrcfile.new(path) as file:
        file.set_data(RANDOM.normal(50, 9, shape).astype(dtype))
        file.voxel_size = 1.5
        file.set_extended_header(np.frombuffer(b"extended", "V8"))
    return path


def data(path: Path) -> NDArray[Any]:
    with mrcfile.open(path) as file:
        return np.array(file.data)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32"])
@pytest.mark.parametrize("side", [30, 10])
def test_the_same_bytes_as_in_memory(tmp_path: Path, dtype: str, side: int) -> None:
    path = made(tmp_path / "a.mrc", dtype, (7, side, 40 if side > 10 else 10))
    expected = data(path) + np.dtype(dtype).type(1)
    with path.open("ab") as file:
        file.write(b"what follows")
    pages = page_by_page(path, tmp_path / "paged.mrc")
    assert len(pages) == (7 if side == 30 else 1)  # Small sections are one page.
    same_values(pages, as_a_whole(path, tmp_path / "whole.mrc"))
    assert (tmp_path / "paged.mrc").read_bytes() == (tmp_path / "whole.mrc").read_bytes()
    content = (tmp_path / "paged.mrc").read_bytes()
    assert content.endswith(b"what follows")
    (tmp_path / "again.mrc").write_bytes(content.removesuffix(b"what follows"))
    np.testing.assert_array_equal(data(tmp_path / "again.mrc"), expected)
    with mrcfile.open(tmp_path / "again.mrc") as again:
        assert again.voxel_size.x == pytest.approx(1.5)
        assert again.header.dmax == expected.max()
        assert again.extended_header.tobytes() == b"extended"


def test_big_endian_and_nan(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mrc", "float32")
    with mrcfile.mmap(path, "r+", permissive=True) as file:
        file.data[2, 3, 4] = np.nan
    content = bytearray(path.read_bytes())
    start = 1024 + 8
    header = np.frombuffer(bytes(content[:1024]), "<u4").astype(">u4").tobytes()
    content[:208], content[216:220] = header[:208], header[216:220]
    content[212:214] = b"\x11\x11"
    size = 7 * 30 * 40
    values = np.frombuffer(bytes(content), "<f4", size, start)
    content[start : start + 4 * size] = values.astype(">f4").tobytes()
    path.write_bytes(content)
    pages = page_by_page(path, tmp_path / "paged.mrc")
    same_values(pages, as_a_whole(path, tmp_path / "whole.mrc"))
    assert np.isnan(pages[2].values).sum() == 1
    assert (tmp_path / "paged.mrc").read_bytes() == (tmp_path / "whole.mrc").read_bytes()


def test_limits_are_those_of_a_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "a.mrc")
    monkeypatch.setattr(image_file, "MOST_PIXELS", 1200)
    assert len(opened(path)) == 7
    monkeypatch.setattr(image_file, "MOST_PIXELS", 1199)
    with pytest.raises(DataError, match="too many"):
        open_paged(path, "a.mrc", 0)


def test_files_that_are_packed_single_or_short(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mrc")
    (tmp_path / "b.mrc.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert open_paged(tmp_path / "b.mrc.gz", "b.mrc.gz", 0) is None
    assert open_paged(made(tmp_path / "c.mrc", shape=(30, 40)), "c.mrc", 0) is None
    (tmp_path / "d.mrc").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"d\.mrc is not a whole mrc file"):
        open_paged(tmp_path / "d.mrc", "d.mrc", 0)


def test_sections_that_are_missing_are_noticed(tmp_path: Path) -> None:
    with opened(made(tmp_path / "a.mrc")) as file:
        writer = file.writer(tmp_path / "b.mrc")
        writer.put(changed(file.page(0)))
        with pytest.raises(DataError, match="6 sections are missing"):
            writer.finish()
        writer.close()
