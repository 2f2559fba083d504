"""Zarr stores made by zarr, changed by dae, and read by zarr again."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from broken_files import broken, check_refused
from numpy.typing import NDArray

from dae_tui.core.images.codecs.science import zarr as codec
from dae_tui.core.images.formats import content_of, kind_of_content
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError
from dae_tui.system.atomic import write_new
from dae_tui.system.packed_folder import pack, pack_files

RANDOM = np.random.default_rng(0)
TYPES = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
TYPES += ["float16", "float32", "float64", "bool"]


def image(dtype: str = "uint16", shape: tuple[int, ...] = (3, 20, 30)) -> NDArray[Any]:
    return RANDOM.integers(0, 100, shape).astype(dtype)


def changed(file: ImageFile, path: Path) -> Path:
    """A folder with other values."""
    stacks = [
        Stack(~s.values if s.values.dtype == bool else s.values + s.values.dtype.type(1))
        for s in file.stacks
    ]
    write_new(path, file.encode(stacks))
    return path


def read(path: Path) -> ImageFile:
    content = content_of(path, path.name)
    assert kind_of_content(content) == "zarr"
    return codec.read(content, path.name)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", TYPES)
def test_values_change_and_all_else_stays(tmp_path: Path, dtype: str, version: Any) -> None:
    values = image(dtype)
    array = zarr.create_array(
        tmp_path / "a.zarr", data=values, chunks=(1, 16, 16), zarr_format=version
    )
    array.attrs["unit"] = "mm"
    (tmp_path / "a.zarr" / "README").write_text("kept")
    file = read(tmp_path / "a.zarr")
    assert file.stacks[0].values.dtype == dtype
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], values)
    again: Any = zarr.open_array(changed(file, tmp_path / "b.zarr"))
    np.testing.assert_array_equal(again[...], ~values if dtype == "bool" else values + 1)
    assert again.metadata == array.metadata
    assert again.attrs["unit"] == "mm"
    assert (tmp_path / "b.zarr" / "README").read_text() == "kept"


def test_shards_and_archives(tmp_path: Path) -> None:
    values = image("float32", (4, 64, 64))
    zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(1, 16, 16), shards=(2, 32, 32))
    file = read(tmp_path / "a.zarr")
    again: Any = zarr.open_array(changed(file, tmp_path / "b.zarr"))
    np.testing.assert_array_equal(again[...], values + 1)
    with zarr.storage.ZipStore(tmp_path / "a.zarr.zip", mode="w") as store:
        zarr.create_array(store, data=values, chunks=(4, 32, 32))
    file = read(tmp_path / "a.zarr.zip")
    with zarr.storage.ZipStore(changed(file, tmp_path / "b.zarr.zip"), mode="r") as store:
        packed: Any = zarr.open_array(store)
        np.testing.assert_array_equal(packed[...], values + 1)


def pyramid(path: Path, version: Any, shapes: list[tuple[int, ...]]) -> Any:
    """An OME-Zarr with levels, and labels."""
    group = zarr.create_group(path, zarr_format=version)
    for level, shape in enumerate(shapes):
        group.create_array(str(level), data=image("uint16", shape), chunks=(1, 16, 16))
    group.create_array("labels/cells", data=image("uint8", shapes[0]), chunks=(1, 16, 16))
    scales = [{"version": "0.4", "datasets": [{"path": str(n)} for n in range(len(shapes))]}]
    said: Any = {"multiscales": scales} if version == 2 else {"ome": {"multiscales": scales}}
    group.attrs.update(said)
    return group


@pytest.mark.parametrize("version", [2, 3])
def test_levels_are_made_anew_and_labels_stay(tmp_path: Path, version: Any) -> None:
    made = pyramid(tmp_path / "a.zarr", version, [(2, 41, 60), (2, 21, 30), (2, 10, 15)])
    file = read(tmp_path / "a.zarr")
    assert [stack.values.shape for stack in file.stacks] == [(2, 41, 60, 1)]
    assert file.remarks == (
        "its smaller levels are made anew from the finest, as means of its pixels",
        "its labels stay as they are",
    )
    again: Any = zarr.open_group(changed(file, tmp_path / "b.zarr"), mode="r")
    finest = made["0"][...] + 1
    np.testing.assert_array_equal(again["0"][...], finest)
    means = finest[:, :40].reshape(2, 20, 2, 30, 2).mean((2, 4))
    np.testing.assert_allclose(again["1"][:, :20], np.rint(means))
    np.testing.assert_allclose(
        again["2"][...], means.reshape(2, 10, 2, 15, 2).mean((2, 4)), atol=0.51
    )
    np.testing.assert_array_equal(again["labels/cells"][...], made["labels/cells"][...])
    assert dict(again.attrs) == dict(made.attrs)


def test_means_of_levels() -> None:
    ramp = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.testing.assert_array_equal(codec.smaller(ramp, (2, 2)), [[2, 4], [8, 10]])
    np.testing.assert_array_equal(codec.smaller(ramp, (3, 3)), ramp[:, [0, 1, 2]])
    assert codec.smaller(ramp.astype(">i4"), (1, 2)).dtype == np.dtype("i4").newbyteorder(">")
    with pytest.raises(DataError, match="do not fit"):
        codec.smaller(ramp, (4, 4))


@pytest.mark.parametrize("shape", [(1, 20, 30, 1), (3, 20, 30, 1), (2, 20, 30, 3)])
def test_write(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = image("uint8", shape)
    write_new(tmp_path / "a.zarr", codec.write([Stack(values)], About()))
    array: Any = zarr.open_array(tmp_path / "a.zarr")
    np.testing.assert_array_equal(array[...], values.squeeze())
    write_new(tmp_path / "b.zarr", codec.write([Stack(values), Stack(values[:, :9])], About()))
    group: Any = zarr.open_group(tmp_path / "b.zarr", mode="r")
    np.testing.assert_array_equal(group["1"][...], values[:, :9].squeeze())


def test_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((9, 9), "c8"))
    with pytest.raises(DataError, match="complex"):
        read(tmp_path / "a.zarr")
    zarr.create_array(tmp_path / "b.zarr", data=np.zeros(9))
    with pytest.raises(DataError, match="no array with images"):
        read(tmp_path / "b.zarr")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../zarr.json", "{}")
    with pytest.raises(DataError, match="lead out of it"):
        codec.read(out.getvalue(), "a.zarr.zip")


def files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack(path, 1 << 30))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("version", [2, 3])
def test_broken_files(tmp_path: Path, version: Any) -> None:
    import random

    pyramid(tmp_path / "a.zarr", version, [(1, 32, 32), (1, 16, 16)])
    whole = files(tmp_path / "a.zarr")
    dice = random.Random(version)
    refused = 0
    for _ in range(60):
        torn = dict(whole)
        name = dice.choice(sorted(whole))
        torn[name] = broken(whole[name], dice)
        refused += check_refused(bytes(pack_files(torn.items())))
    assert refused > 10


def test_broken_metadata(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=image(), chunks=(1, 16, 16))
    whole = files(tmp_path / "a.zarr")
    said = json.loads(whole["zarr.json"])
    for word in said:
        values: tuple[Any, ...] = (None, -1, 10**12, "x", [], {}, [10**12] * 3)
        for value in values:
            torn = {**whole, "zarr.json": json.dumps({**said, word: value}).encode()}
            check_refused(bytes(pack_files(torn.items())))
