"""NIfTI files made by nibabel, changed by dae, and read by nibabel again."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from broken_files import check_broken
from numpy.typing import NDArray

from dae_tui.core.images.codecs.science import nifti
from dae_tui.core.images.formats import kind_of_content
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
TYPES = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
TYPES += ["float32", "float64"]
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def volume(dtype: str, shape: tuple[int, ...] = (30, 20, 4)) -> NDArray[Any]:
    return RANDOM.integers(0, 100, shape).astype(dtype)


def made(values: NDArray[Any], kind: Any = nibabel.Nifti1Image) -> bytes:
    image = kind(values, AFFINE, dtype=values.dtype)
    image.header["descrip"] = b"described"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"said"))
    return bytes(image.to_bytes())


def changed(file: ImageFile) -> bytes:
    values = file.stacks[0].values
    return file.encode([Stack(values + values.dtype.type(1))])


@pytest.mark.parametrize("dtype", TYPES)
def test_values_change_and_all_else_stays(dtype: str) -> None:
    values = volume(dtype)
    content = made(values)
    assert kind_of_content(content) == "nifti"
    file = nifti.read(content, "a.nii")
    stack = file.stacks[0].values
    assert (stack.shape, stack.dtype) == ((4, 20, 30, 1), np.dtype(dtype))
    np.testing.assert_array_equal(stack[2, :, :, 0], values[:, :, 2].T)
    again = nibabel.Nifti1Image.from_bytes(changed(file))
    np.testing.assert_array_equal(np.asarray(again.dataobj), values + 1)
    np.testing.assert_array_equal(again.affine, AFFINE)
    assert again.header["descrip"].item() == b"described"
    assert again.header.extensions[0].get_content() == b"said"


def test_scaling_stays_as_it_is() -> None:
    content = bytearray(made(volume("int16")))
    at = 112  # scl_slope
    content[at : at + 8] = np.array([0.5, -3], "<f4").tobytes()
    file = nifti.read(bytes(content), "a.nii")
    assert file.stacks[0].values.dtype == np.int16
    again: Any = nibabel.Nifti1Image.from_bytes(changed(file))
    assert (again.dataobj.slope, again.dataobj.inter) == (0.5, -3)
    assert bytes(changed(file))[:352] == bytes(content[:352])


def test_packed_ones_and_times(tmp_path: Path) -> None:
    values = volume("int16", (30, 20, 4, 2))
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "a.nii.gz")
    content = (tmp_path / "a.nii.gz").read_bytes()
    assert kind_of_content(content) == "nifti"
    file = nifti.read(content, "a.nii.gz")
    assert file.stacks[0].values.shape == (8, 20, 30, 1)
    (tmp_path / "b.nii.gz").write_bytes(changed(file))
    again: Any = nibabel.load(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(np.asarray(again.dataobj), values + 1)


def test_the_second_version_and_the_other_byte_order() -> None:
    values = volume("int16")
    content = made(values, nibabel.Nifti2Image)
    file = nifti.read(content, "a.nii")
    again: Any = nibabel.Nifti2Image.from_bytes(changed(file))
    np.testing.assert_array_equal(np.asarray(again.dataobj), values + 1)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    content = nibabel.Nifti1Image(values, AFFINE, header).to_bytes()
    file = nifti.read(content, "a.nii")
    assert file.stacks[0].values.dtype.isnative
    again = nibabel.Nifti1Image.from_bytes(changed(file))
    assert again.header.endianness == ">"
    np.testing.assert_array_equal(np.asarray(again.dataobj), values + 1)


@pytest.mark.parametrize("dtype", TYPES)
def test_write(dtype: str) -> None:
    values = volume(dtype, (4, 20, 30))
    made_again = nifti.write([Stack(values[..., None])], About())
    image = nibabel.Nifti1Image.from_bytes(made_again)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, values)
    assert image.get_data_dtype() == dtype


def test_refused() -> None:
    with pytest.raises(DataError, match="complex"):
        nifti.read(made(volume("complex64")), "a.nii")
    colours = np.zeros((8, 8, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(DataError, match="records"):
        nifti.read(made(colours), "a.nii")
    content = made(volume("int16"))
    with pytest.raises(DataError, match="ends too early"):
        nifti.read(content[:-1], "a.nii")
    with pytest.raises(DataError, match="in another file"):
        nifti.read(content[:344] + b"ni1\0" + content[348:], "a.nii")
    with pytest.raises(DataError, match="broken gzip"):
        nifti.read(gzip.compress(content)[:-9], "a.nii.gz")
    huge = bytearray(content)
    huge[42:48] = np.array([30_000] * 3, "<i2").tobytes()
    with pytest.raises(DataError, match="too many to be true"):
        nifti.read(bytes(huge), "a.nii")
    with pytest.raises(DataError, match="cannot hold float16"):
        nifti.write([Stack(np.zeros((1, 8, 8, 1), np.float16))], About())


def test_broken_files() -> None:
    content = made(volume("int16"))
    assert check_broken(content, "nifti") > 20
    assert check_broken(gzip.compress(content), "gzip", 40) > 20
