"""What of a Zarr store is not decoded: code, and pieces that would become gigabytes."""

import bz2
import gzip
import json
import lzma
import pickle
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest

from dae_tui.core.images.codecs.science import zarr as codec
from dae_tui.core.images.codecs.science.zarr_arrays import find_arrays
from dae_tui.errors import DataError
from dae_tui.system.packed_folder import pack_files

BOMB = 1 << 24


def store(compressor: Any, chunk: bytes, **said: Any) -> dict[str, bytes]:
    """A store of version 2 with a single piece of 32×32 bytes."""
    about = {
        "zarr_format": 2,
        "shape": [32, 32],
        "chunks": [32, 32],
        "dtype": "|u1",
        "compressor": compressor,
        "filters": None,
        "fill_value": 0,
        "order": "C",
        **said,
    }
    return {".zarray": json.dumps(about).encode(), "0.0": chunk}


def read(files: dict[str, bytes]) -> Any:
    return codec.read(bytes(pack_files(files.items())), "a.zarr")


@pytest.mark.parametrize("name", ["pickle", "msgpack2", "json2", "vlen-utf8", "zfpy"])
def test_pickles_and_unknown_filters_are_not_decoded(name: str) -> None:
    chunk = pickle.dumps(np.zeros((32, 32), np.uint8))
    with pytest.raises(DataError, match=f"stored with '{name}'"):
        read(store(None, chunk, filters=[{"id": name}]))


PACKED: dict[str, Any] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "lzma": lzma.compress,
    "zstd": lambda data: bytes(imagecodecs.zstd_encode(data)),
    "blosc": lambda data: bytes(imagecodecs.blosc_encode(data)),
    "lz4": lambda data: bytes(imagecodecs.lz4_encode(data, header=True)),
}
OPTIONS: dict[str, Any] = {"lzma": {"format": 1, "check": -1, "preset": None, "filters": None}}
OPTIONS["blosc"] = {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}


@pytest.mark.parametrize("name", PACKED)
def test_bombs_are_refused_before_they_go_off(name: str) -> None:
    form = {"id": name, **OPTIONS.get(name, {})}
    good = bytes(np.arange(1024, dtype=np.uint16).astype(np.uint8))
    values = read(store(form, PACKED[name](good))).stacks[0].values
    assert values.tobytes() == good
    with pytest.raises(DataError, match="unpacks to more"):
        read(store(form, PACKED[name](bytes(BOMB))))


def test_sizes_that_are_not_true_are_refused() -> None:
    with pytest.raises(DataError, match="cannot hold"):
        read(store(None, bytes(1024), shape=[20_000, 20_000], chunks=[20_000, 20_000]))
    with pytest.raises(DataError, match="most of which are missing"):
        read(store(None, bytes(1), shape=[4_000, 4_000], chunks=[1, 1]))
    with pytest.raises(DataError, match="cannot hold"):
        read(store(None, bytes(1), chunks=[10**6, 10**6]))


def test_arrays_are_found_in_order() -> None:
    files = {"b/.zarray": store(None, b"")[".zarray"], "a/.zarray": store(None, b"")[".zarray"]}
    found = find_arrays(files, "x")
    assert [array.path for array in found] == ["a", "b"]
    assert (found[0].shape, found[0].version) == ((32, 32), 2)
    assert found[0].dtype == np.uint8
    with pytest.raises(DataError, match="no JSON"):
        find_arrays({"zarr.json": b"["}, "x")
    with pytest.raises(DataError, match="no JSON object"):
        find_arrays({"zarr.json": b"[]"}, "x")
