"""MRC files made by mrcfile, changed by dae, and read by mrcfile again."""

import gzip
import struct
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from broken_files import check_broken
from numpy.typing import NDArray

from dae_tui.core.images.codecs.science import mrc
from dae_tui.core.images.formats import kind_of_content
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12}


def sections(dtype: str, shape: tuple[int, ...] = (3, 20, 30)) -> NDArray[Any]:
    return RANDOM.integers(0, 100, shape).astype(dtype)


def made(path: Path, values: NDArray[Any]) -> bytes:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values)
        file.voxel_size = 1.5
        file.add_label("a label")
        file.header.exttyp = b"AGAR"
        file.set_extended_header(np.frombuffer(b"extended", "V8"))
    return path.read_bytes()


def changed(file: ImageFile) -> bytes:
    stack = file.stacks[0]
    return file.encode([Stack(stack.values + stack.values.dtype.type(1))])


@pytest.mark.parametrize("dtype", MODES)
def test_values_change_and_all_else_stays(tmp_path: Path, dtype: str) -> None:
    values = sections(dtype)
    content = made(tmp_path / "a.mrc", values)
    assert kind_of_content(content) == "mrc"
    file = mrc.read(content, "a.mrc")
    assert file.stacks[0].values.dtype == dtype
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], values)
    (tmp_path / "b.mrc").write_bytes(changed(file))
    assert mrcfile.validate(tmp_path / "b.mrc") or dtype == "float16"  # Newer than its rules.
    with mrcfile.open(tmp_path / "b.mrc") as again:
        np.testing.assert_array_equal(again.data, values + 1)
        assert again.header.mode == MODES[dtype]
        assert again.voxel_size.x == pytest.approx(1.5)
        assert "a label" in again.get_labels()
        assert again.extended_header.tobytes() == b"extended"
        assert again.header.dmax == values.max() + 1
        assert again.header.dmean == pytest.approx(float(values.mean()) + 1, rel=1e-3)
        assert again.header.rms == pytest.approx(values.std(dtype=float), rel=1e-3)


def test_other_byte_orders(tmp_path: Path) -> None:
    content = made(tmp_path / "a.mrc", sections("int16").astype(">i2"))
    file = mrc.read(content, "a.mrc")
    assert file.stacks[0].values.dtype.isnative
    (tmp_path / "b.mrc").write_bytes(changed(file))
    with mrcfile.open(tmp_path / "b.mrc") as again:
        assert again.data.dtype == np.dtype(">i2")
        np.testing.assert_array_equal(again.data, file.stacks[0].values[..., 0] + 1)


def test_unsigned_bytes_of_imod(tmp_path: Path) -> None:
    content = bytearray(made(tmp_path / "a.mrc", sections("int8")))
    struct.pack_into("<ii", content, 152, 1146047817, 0)
    assert mrc.read(bytes(content), "a.mrc").stacks[0].values.dtype == np.uint8
    struct.pack_into("<ii", content, 152, 1146047817, 1)
    assert mrc.read(bytes(content), "a.mrc").stacks[0].values.dtype == np.int8


def test_a_file_without_a_mark_is_known_by_its_name(tmp_path: Path) -> None:
    content = bytearray(made(tmp_path / "a.mrc", sections("int16")))
    content[208:216] = bytes(8)
    assert kind_of_content(bytes(content), "old.st") == "mrc"
    assert kind_of_content(bytes(content), "old.bin") is None
    assert mrc.read(bytes(content), "old.st").stacks[0].values.shape == (3, 20, 30, 1)


def test_packed_ones(tmp_path: Path) -> None:
    content = gzip.compress(made(tmp_path / "a.mrc", sections("int16")))
    assert kind_of_content(content) == "mrc"
    file = mrc.read(content, "a.map.gz")
    (tmp_path / "b.map.gz").write_bytes(changed(file))
    with mrcfile.open(tmp_path / "b.map.gz") as again:
        np.testing.assert_array_equal(again.data, file.stacks[0].values[..., 0] + 1)


@pytest.mark.parametrize("dtype", [*MODES, "uint8"])
def test_write(tmp_path: Path, dtype: str) -> None:
    values = sections(dtype)
    (tmp_path / "a.mrc").write_bytes(mrc.write([Stack(values[..., None])], About()))
    assert mrcfile.validate(tmp_path / "a.mrc") or dtype == "float16"
    with mrcfile.open(tmp_path / "a.mrc") as again:
        np.testing.assert_array_equal(again.data, values)
        assert again.is_image_stack()


def test_refused(tmp_path: Path) -> None:
    content = bytearray(made(tmp_path / "a.mrc", sections("int16")))
    for mode, message in ((3, "complex"), (4, "complex"), (101, "4 bits"), (16, "colours")):
        struct.pack_into("<i", content, 12, mode)
        with pytest.raises(DataError, match=message):
            mrc.read(bytes(content), "a.mrc")
    struct.pack_into("<i", content, 12, 1)
    struct.pack_into("<i", content, 0, 2**30)
    with pytest.raises(DataError, match="too many to be true"):
        mrc.read(bytes(content), "a.mrc")
    with pytest.raises(DataError, match="grey"):
        mrc.write([Stack(np.zeros((1, 8, 8, 3), np.uint8))], About())
    with pytest.raises(DataError, match="cannot hold int64"):
        mrc.write([Stack(np.zeros((1, 8, 8, 1), np.int64))], About())


def test_broken_files(tmp_path: Path) -> None:
    assert check_broken(made(tmp_path / "a.mrc", sections("int16")), "mrc") > 20
