"""Sizes of compressed frames are checked before they are decoded."""

import io
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import encaps
from pydicom.data import get_testdata_file

from dae_tui.core.images.formats import read
from dae_tui.errors import DataError


def with_frame(name: str, frame: bytes, **said: Any) -> bytes:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encaps.encapsulate([frame])
    for word, value in said.items():
        setattr(dataset, word, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("MR_small_jp2klossless.dcm", imagecodecs.jpeg2k_encode),
        ("MR_small_jpeg_ls_lossless.dcm", imagecodecs.jpegls_encode),
    ],
)
def test_a_frame_of_another_size_is_not_decoded(name: str, encode: Any) -> None:
    frame = bytes(encode(np.zeros((999, 64), np.uint16)))
    with pytest.raises(DataError, match="has not the 64×64 pixels"):
        read(with_frame(name, frame), "a.dcm")


def test_a_run_that_is_too_short_for_its_size_is_not_unpacked() -> None:
    broken = with_frame("MR_small_RLE.dcm", bytes(70), Rows=20_000, Columns=20_000)
    with pytest.raises(DataError, match="too short for its size"):
        read(broken, "a.dcm")


def test_a_frame_of_endless_scans_is_not_decoded() -> None:
    out = io.BytesIO()
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(out, "JPEG", progressive=True)
    frame = out.getvalue()
    scan = frame[frame.rindex(b"\xff\xda") : -2]
    endless = frame[:-2] + scan * 200 + frame[-2:]
    with pytest.raises(DataError, match="too many parts"):
        read(with_frame("SC_rgb_jpeg_dcmtk.dcm", endless), "a.dcm")


def test_missing_frames_are_told() -> None:
    with pytest.raises(DataError, match="frames"):
        read(with_frame("MR_small_RLE.dcm", bytes(70), NumberOfFrames=3), "a.dcm")
