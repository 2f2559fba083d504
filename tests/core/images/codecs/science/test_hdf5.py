"""HDF5 files made by h5py, changed by dae, and read by h5py again."""

import io
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from broken_files import check_broken
from numpy.typing import NDArray

from dae_tui.core.images.codecs.science import hdf5
from dae_tui.core.images.file_content import PartOfFile
from dae_tui.core.images.formats import kind_of_content, read_file
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
TYPES = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
TYPES += ["float16", "float32", "float64"]


def image(dtype: str = "uint16", shape: tuple[int, ...] = (5, 20, 30)) -> NDArray[Any]:
    return RANDOM.integers(0, 100, shape).astype(dtype)


def saved(sets: dict[str, Any], libver: str = "earliest", **options: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=libver) as file:
        for path, values in sets.items():
            file.create_dataset(path, data=values, **options).attrs["unit"] = "mm"
    return out.getvalue()


def opened(content: bytes) -> Any:
    return h5py.File(io.BytesIO(content))


def changed(file: ImageFile) -> bytes:
    return file.encode([Stack(s.values + s.values.dtype.type(1)) for s in file.stacks])


@pytest.mark.parametrize("dtype", TYPES)
def test_values_change_and_all_else_stays(dtype: str) -> None:
    values = image(dtype)
    content = saved({"entry/data": values}, chunks=(1, 20, 30), compression="gzip", shuffle=True)
    assert kind_of_content(content) == "hdf5"
    file = hdf5.read(content, "a.h5")
    assert file.stacks[0].values.dtype == dtype
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], values)
    with opened(changed(file)) as again:
        found = again["entry/data"]
        np.testing.assert_array_equal(found[()], values + 1)
        assert (found.dtype, found.chunks, found.compression) == (dtype, (1, 20, 30), "gzip")
        assert (found.shuffle, found.attrs["unit"]) == (True, "mm")


def test_other_sets_stay_and_the_path_chooses() -> None:
    sets = {"a": image(), "b/c": image("uint8", (20, 30, 3)), "t": np.arange(5.0)}
    content = saved(sets, "latest")
    with pytest.raises(DataError, match="2 data sets of images") as failure:
        hdf5.read(content, "a.h5")
    assert failure.value.hint == "name one behind the file: :/a :/b/c"
    file = hdf5.read(PartOfFile.of(content, "/b/c"), "a.h5:/b/c")
    assert file.stacks[0].values.shape == (1, 20, 30, 3)
    with opened(changed(file)) as again:
        np.testing.assert_array_equal(again["a"][()], sets["a"])
        np.testing.assert_array_equal(again["b/c"][()], sets["b/c"] + 1)
        np.testing.assert_array_equal(again["t"][()], sets["t"])


def test_the_path_stands_behind_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(saved({"a": image(), "b": image("int8", (8, 9))}))
    file = read_file(Path(f"{tmp_path}/a.h5:/b"), "a.h5:/b")
    assert file.stacks[0].values.shape == (1, 8, 9, 1)
    for part in ("/none", "/", "/a/b"):
        with pytest.raises(DataError, match="is no data set"):
            read_file(Path(f"{tmp_path}/a.h5:{part}"), f"a.h5:{part}")


def test_one_set_of_images_among_tables_is_taken() -> None:
    sets = {
        "x": image(),
        "table": np.zeros((50, 2)),
        "line": np.zeros(9),
        "z": np.zeros((9, 9), "c8"),
    }
    assert hdf5.read(saved(sets), "a.h5").stacks[0].values.shape == (5, 20, 30, 1)


def test_fill_values_are_no_data_and_files_may_begin_later() -> None:
    out = io.BytesIO()
    with h5py.File(out, "w", userblock_size=512) as file:
        file.create_dataset("a", data=image("int16")).attrs["_FillValue"] = np.int16(-9)
    content = out.getvalue()
    assert kind_of_content(content) == "hdf5"
    read = hdf5.read(content, "a.nc")
    assert read.stacks[0].no_data == -9
    with opened(changed(read)) as again:
        np.testing.assert_array_equal(again["a"][()], read.stacks[0].values[..., 0] + 1)


def test_write() -> None:
    values = image("float32")
    for part in ("/images", "/deep/in/it"):
        with opened(hdf5.write([Stack(values[..., None])], About(), part)) as again:
            np.testing.assert_array_equal(again[part][()], values)


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="complex"):
        hdf5.read(saved({"z": np.zeros((9, 9), "c8")}), "a.h5")
    records = saved({"r": np.zeros((9, 9), [("a", "i4")])})
    with pytest.raises(DataError, match="no data set of images"):
        hdf5.read(records, "a.h5")
    with pytest.raises(DataError, match="records"):
        hdf5.read(PartOfFile.of(records, "/r"), "a.h5")
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_dataset("x", (20_000, 20_000), "u8", chunks=(1000, 1000))
    with pytest.raises(DataError, match="cannot hold"):
        hdf5.read(out.getvalue(), "a.h5")
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_dataset("x", (10**6, 10**6), "u1", chunks=(1000, 1000))
    with pytest.raises(DataError, match="too many to be true"):
        hdf5.read(out.getvalue(), "a.h5")


def test_values_of_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(range(256)) * 4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (32, 32), "u1", external=[(tmp_path / "secret", 0, 1024)])
    with pytest.raises(DataError, match="in other files"):
        read_file(tmp_path / "a.h5", "a.h5")
    (tmp_path / "other.h5").write_bytes(saved({"a": image()}))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/a")
    with pytest.raises(DataError, match="no data set of images"):
        read_file(tmp_path / "a.h5", "a.h5")
    layout = h5py.VirtualLayout((5, 20, 30), "u2")
    layout[...] = h5py.VirtualSource(tmp_path / "other.h5", "a", (5, 20, 30))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    with pytest.raises(DataError, match="in other files"):
        read_file(tmp_path / "a.h5", "a.h5")


def test_a_chunk_that_becomes_gigabytes_is_not_unpacked() -> None:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        found = file.create_dataset("x", (64, 64), "u1", chunks=(64, 64), compression="gzip")
        found.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 26), 1))
    with pytest.raises(DataError, match="unpacks to more than 4,096 bytes"):
        hdf5.read(out.getvalue(), "a.h5")
    noise = RANDOM.integers(0, 256, (1024, 1024), dtype=np.uint8)
    content = saved({"x": noise}, chunks=(1024, 1024), compression="gzip", fletcher32=True)
    np.testing.assert_array_equal(hdf5.read(content, "a.h5").stacks[0].values[0, ..., 0], noise)


def test_broken_files() -> None:
    content = saved({"a": image("uint16", (2, 20, 30))}, chunks=(1, 20, 30), compression="gzip")
    assert check_broken(content, "hdf5", 60) > 20
    assert check_broken(saved({"a": image()}, "latest"), "latest", 40) > 10
