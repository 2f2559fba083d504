"""Archives of arrays that lie, bomb or carry code."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from dae_tui.runs.npz_files import BROKEN, read_archive

MOST = 1 << 20


def claiming(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """A .npy file whose header claims a shape that its content has not."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + content


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stored:
        for name, content in members.items():
            stored.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">f4", "bool", "U3"])
def test_arrays_come_back_as_they_were(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype, order=order)
    np.savez(tmp_path / "a.npz", array=array, scalar=np.float64(0.5), empty=np.zeros((0, 3)))

    read = read_archive(tmp_path / "a.npz", MOST)

    np.testing.assert_array_equal(read["array"], array)
    assert read["array"].dtype == array.dtype
    assert read["scalar"] == 0.5
    assert read["empty"].shape == (0, 3)


@pytest.mark.parametrize("shape", [(3 << 30,), (10**6, 10**6), (2, -1), (5,)])
def test_a_header_that_claims_what_is_not_there_is_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    path = archive(tmp_path / "a.npz", original=claiming(shape, b"1234"))

    with pytest.raises(BROKEN, match="more or less than its header says"):
        read_archive(path, MOST)


def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", original=claiming((1 << 21,), bytes(1 << 21)))
    assert path.stat().st_size < 10_000

    with pytest.raises(BROKEN, match="would unpack to too many bytes"):
        read_archive(path, MOST)


def test_an_array_alone_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))

    with pytest.raises(BROKEN, match="a single array"):
        read_archive(tmp_path / "a.npy", MOST)


def test_members_that_are_no_arrays_are_left_out(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", words=b"nothing of the kind", array=claiming((2,), b"ab"))

    assert read_archive(path, MOST).keys() == {"array"}
