"""DICOM files of pydicom's own and made by it, changed by dae, and read by pydicom again."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from broken_files import check_broken
from numpy.typing import NDArray
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset

from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.core.images.image_file import ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)


def example(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


def made(
    values: NDArray[Any], used: int, syntax: str = uid.ExplicitVRLittleEndian, **said: Any
) -> bytes:
    """A file of frames (N, H, W) or (N, H, W, 3)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.UID(syntax)
    meta.MediaStorageSOPClassUID = uid.SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = uid.UID("1.2.3")
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"P" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "1.2.3"
    dataset.PatientName = "A^B"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = values.shape[:3]
    dataset.SamplesPerPixel = values.shape[3] if values.ndim == 4 else 1
    dataset.PhotometricInterpretation = "RGB" if values.ndim == 4 else "MONOCHROME2"
    if values.ndim == 4:
        dataset.PlanarConfiguration = 0
    bits = 8 * values.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, used, used - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    for word, value in said.items():
        setattr(dataset, word, value)
    order: Any = "<" if meta.TransferSyntaxUID.is_little_endian else ">"
    dataset.PixelData = values.astype(values.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset)
    return out.getvalue()


def frames(dtype: str, shape: tuple[int, ...] = (2, 20, 30)) -> NDArray[Any]:
    return RANDOM.integers(0, 100, shape).astype(dtype)


def shifted(file: ImageFile) -> NDArray[Any]:
    """Other values of the same type, within the same bits."""
    values = file.stacks[0].values
    return np.asarray(values ^ values.dtype.type(1))


def changed(file: ImageFile) -> bytes:
    return file.encode([Stack(shifted(file))])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_values_change_and_all_other_bytes_stay(dtype: str, syntax: str) -> None:
    values = frames(dtype)
    content = made(values, 8 * values.dtype.itemsize, syntax)
    assert kind_of_content(content) == "dicom"
    file = read(content, "a.dcm")
    assert file.stacks[0].values.dtype == dtype
    assert file.stacks[0].stated is None
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], values)
    assert file.encode(file.stacks) == content
    again = pydicom.dcmread(io.BytesIO(changed(file)))
    np.testing.assert_array_equal(again.pixel_array, values ^ 1)
    assert again.preamble == b"P" * 128


def test_what_the_file_says_of_its_values() -> None:
    said: dict[str, Any] = {"PhotometricInterpretation": "MONOCHROME1", "PixelPaddingValue": 7}
    stack = read(made(frames("uint16"), 12, **said), "a.dcm").stacks[0]
    assert (stack.stated, stack.no_data, stack.white_is_zero) == ((0, 4095), 7, True)
    signed = made(frames("int16") - 200, 12, PixelPaddingValue=-2000)
    stack = read(signed, "a.dcm").stacks[0]
    assert (stack.stated, stack.no_data, stack.white_is_zero) == ((-2048, 2047), -2000, False)
    np.testing.assert_array_equal(
        stack.values[..., 0], pydicom.dcmread(io.BytesIO(signed)).pixel_array
    )


def test_bits_beyond_those_in_use_stay() -> None:
    values = frames("uint16")
    overlay = np.where(RANDOM.random(values.shape) < 0.5, 0xF000, 0).astype(np.uint16)
    file = read(made(values | overlay, 12), "a.dcm")
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], values)
    again = pydicom.dcmread(io.BytesIO(changed(file)))
    stored = np.frombuffer(again.PixelData, "<u2").reshape(values.shape)
    np.testing.assert_array_equal(stored, values ^ 1 | overlay)


def test_statistics_are_renewed() -> None:
    values = frames("uint16")
    values[0, 0, :2] = 1, 99
    values[values == 0] = 1
    content = made(values, 16, SmallestImagePixelValue=1, LargestImagePixelValue=99)
    again = pydicom.dcmread(io.BytesIO(changed(read(content, "a.dcm"))))
    expected = int((values ^ 1).min()), int((values ^ 1).max())
    assert (again.SmallestImagePixelValue, again.LargestImagePixelValue) == expected


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(planar: int) -> None:
    values = frames("uint8", (2, 20, 30, 3))
    stored = values if planar == 0 else values.transpose(0, 3, 1, 2).reshape(values.shape)
    content = made(np.ascontiguousarray(stored), 8, PlanarConfiguration=planar)
    file = read(content, "a.dcm")
    np.testing.assert_array_equal(file.stacks[0].values, values)
    np.testing.assert_array_equal(
        pydicom.dcmread(io.BytesIO(changed(file))).pixel_array, values ^ 1
    )


@pytest.mark.parametrize(
    "name",
    [
        "CT_small",
        "MR_small",
        "MR_small_implicit",
        "MR_small_bigendian",
        "rtdose",
        "SC_rgb_small_odd",
    ],
)
def test_files_of_scanners_come_back_byte_for_byte(name: str) -> None:
    content = example(f"{name}.dcm")
    file = read(content, name)
    assert file.encode(file.stacks) == content
    expected = pydicom.dcmread(io.BytesIO(content)).pixel_array
    np.testing.assert_array_equal(file.stacks[0].values.squeeze(), expected)


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE", "MR_small_jpeg_ls_lossless", "MR_small_jp2klossless", "SC_rgb_rle_2frame"],
)
def test_what_loses_nothing_is_compressed_again(name: str) -> None:
    content = example(f"{name}.dcm")
    file = read(content, name)
    if name.startswith("MR"):
        plain = pydicom.dcmread(io.BytesIO(example("MR_small.dcm"))).pixel_array
        np.testing.assert_array_equal(file.stacks[0].values[0, ..., 0], plain)
    before, after = pydicom.dcmread(io.BytesIO(content)), pydicom.dcmread(io.BytesIO(changed(file)))
    assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
    assert after.get("PatientID") == before.get("PatientID")
    assert file.remarks == ()
    again = read(changed(file), name)
    np.testing.assert_array_equal(again.stacks[0].values, shifted(file))


@pytest.mark.parametrize(
    "name", ["JPGExtended", "JPEG2000", "SC_rgb_jpeg_dcmtk", "JPEGLSNearLossless_16", "693_J2KI"]
)
def test_what_was_lossy_becomes_uncompressed(name: str) -> None:
    file = read(example(f"{name}.dcm"), name)
    assert "uncompressed" in file.remarks[0]
    again = pydicom.dcmread(io.BytesIO(changed(file)))
    assert again.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    values = np.asarray(again.pixel_array)
    np.testing.assert_array_equal(values, np.squeeze(shifted(file)))
    if values.ndim == 3:
        assert again.PhotometricInterpretation == "RGB"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("examples_palette", "PALETTE COLOR"),
        ("SC_ybr_full_422_uncompressed", "cannot be written back"),
        ("liver_1frame", "mask of single bits"),
        ("reportsi", "holds no image"),
        ("image_dfl", "deflated"),
    ],
)
def test_refused(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(example(f"{name}.dcm"), name)


def test_sizes_that_are_not_true() -> None:
    content = made(frames("uint16"), 16)
    with pytest.raises(DataError, match="ends too early"):
        read(content[:-10], "a.dcm")
    huge = content.replace(b"IS\x02\x002 ", b"IS\x08\x0012345678"[:6])
    with pytest.raises(DataError):
        read(huge.replace(b"\x20\x00\x10\x00US", b"\x20\x00\x10\x00US")[:-10], "a.dcm")
    many = made(frames("uint16", (1, 4, 4)), 16, NumberOfFrames=2_000_000_000)
    with pytest.raises(DataError, match="too many to be true"):
        read(many, "a.dcm")


def test_broken_files() -> None:
    assert check_broken(made(frames("uint16"), 12), "dicom") > 10


@pytest.mark.parametrize("name", ["MR_small_RLE", "MR_small_jpeg_ls_lossless", "SC_rgb_jpeg_dcmtk"])
def test_broken_compressed_files(name: str) -> None:
    assert check_broken(example(f"{name}.dcm"), name, 30) > 5
