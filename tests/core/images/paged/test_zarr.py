"""Zarr folders plane by plane: the same values and metadata as in memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from paged_files import as_a_whole, changed, opened, page_by_page

from dae_tui.core.images import image_file
from dae_tui.core.images.paged import planes as planes_module
from dae_tui.core.images.paged import zarr as paged_zarr
from dae_tui.core.images.paged.open_paged import open_paged
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
Make = Callable[[Path], Path]


def values_of(shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    return RANDOM.integers(0, 200, shape).astype(dtype)


def one(shape: tuple[int, ...], **way: Any) -> Make:
    """A store of one array."""

    def make(path: Path) -> Path:
        values = values_of(shape, way.pop("dtype", "uint16"))
        array = zarr.create_array(path, shape=shape, dtype=values.dtype, **way)
        array[...] = values
        array.attrs["said"] = "stays"
        return path

    return make


def ome(path: Path, *levels: tuple[int, ...], chunks: tuple[int, ...]) -> Path:
    """An OME-Zarr with labels."""
    group = zarr.create_group(path, zarr_format=3)
    for number, shape in enumerate(levels):
        array = group.create_array(str(number), shape=shape, dtype="uint16", chunks=chunks)
        array[...] = values_of(shape)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"datasets": [{"path": str(number)} for number in range(len(levels))]}],
    }
    labels = group.create_array("labels/0", shape=levels[0], dtype="uint8", chunks=chunks)
    labels[...] = 1
    return path


STORES: dict[str, Make] = {
    "a chunk a plane": one((6, 30, 40), chunks=(1, 16, 40)),
    "version 2": one((6, 30, 40), chunks=(2, 16, 16), zarr_format=2),
    "chunks of planes": one((7, 30, 40), chunks=(3, 16, 16)),
    "one chunk": one((7, 30, 40), chunks=(7, 30, 40)),
    "shards": one((8, 32, 32), chunks=(2, 16, 16), shards=(4, 32, 32)),
    "five axes": one((2, 3, 5, 30, 20), chunks=(2, 1, 2, 16, 16)),
    "colours": one((4, 20, 30, 3), chunks=(2, 20, 16, 3), dtype="uint8"),
    "small planes": one((30, 9, 9), chunks=(4, 9, 9), dtype="float32"),
    "levels": lambda path: ome(
        path, (7, 30, 41), (7, 15, 20), (4, 8, 10), (2, 3, 3), chunks=(3, 16, 16)
    ),
    "levels that do not divide": lambda path: ome(path, (7, 30, 41), (5, 17, 20), chunks=(2, 9, 9)),
}


def files(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def arrays(path: Path) -> dict[str, NDArray[Any]]:
    store = zarr.open(path, mode="r")
    if isinstance(store, zarr.Array):
        return {"": np.asarray(store[...])}
    return {name: np.asarray(array[...]) for name, array in store.members(max_depth=None)
            if isinstance(array, zarr.Array)}  # fmt: skip


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("box", [1 << 26, 3000])
def test_the_same_values_as_in_memory(
    tmp_path: Path, kind: str, box: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes_module, "BOX_BYTES", box)
    path = STORES[kind](tmp_path / "a.zarr")
    pages = page_by_page(path, tmp_path / "paged.zarr")
    stacks = as_a_whole(path, tmp_path / "whole.zarr")
    assert sum(len(page.values) for page in pages) == sum(len(stack.values) for stack in stacks)
    paged, whole, before = (
        arrays(tmp_path / name) for name in ("paged.zarr", "whole.zarr", "a.zarr")
    )
    assert paged.keys() == whole.keys()
    for name, values in paged.items():
        np.testing.assert_array_equal(values, whole[name])
        assert name.startswith("labels") or (values != before[name]).any()
    made, old = files(tmp_path / "paged.zarr"), files(path)
    assert made.keys() == old.keys()
    for name in made:
        if name.endswith((".json", ".zarray", ".zattrs", ".zgroup")) or name.startswith("labels"):
            assert made[name] == old[name]


def test_limits_are_those_of_a_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = one((6, 30, 40), chunks=(1, 30, 40))(tmp_path / "a.zarr")
    monkeypatch.setattr(image_file, "MOST_PIXELS", 1200)
    assert len(opened(path)) == 6
    monkeypatch.setattr(image_file, "MOST_PIXELS", 1199)
    with pytest.raises(DataError, match="too many"):
        open_paged(path, "a.zarr", 0)


def test_chunks_that_are_too_large_are_read_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = one((6, 30, 40), chunks=(6, 30, 40))(tmp_path / "a.zarr")
    monkeypatch.setattr(paged_zarr, "MOST_CHUNK", 6 * 30 * 40 * 2 - 1)
    assert open_paged(path, "a.zarr", 0) is None


def test_codecs_that_run_code_and_links_are_refused(tmp_path: Path) -> None:
    path = one((6, 30, 40), chunks=(1, 30, 40), zarr_format=2)(tmp_path / "a.zarr")
    said = json.loads((path / ".zarray").read_text())
    (path / ".zarray").write_text(json.dumps(said | {"compressor": {"id": "pickle"}}))
    with pytest.raises(DataError, match="'pickle', which dae does not decode"):
        open_paged(path, "a.zarr", 0)
    path = one((6, 30, 40), chunks=(1, 30, 40))(tmp_path / "b.zarr")
    (path / "link").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"b\.zarr"):
        open_paged(path, "b.zarr", 0)


def test_pages_that_are_missing_are_noticed(tmp_path: Path) -> None:
    with opened(one((6, 30, 40), chunks=(1, 30, 40))(tmp_path / "a.zarr")) as file:
        writer = file.writer(tmp_path / "b.zarr")
        writer.put(changed(file.page(0)))
        with pytest.raises(DataError, match="5 pages are missing"):
            writer.finish()
