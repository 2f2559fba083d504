"""Raw files: a DNG made here, and the linear TIFF that becomes of it."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from broken_files import check_broken

from dae_tui.core.images.formats import encode, kind_of_content, read
from dae_tui.errors import DataError

HEIGHT, WIDTH = 32, 48
BLACK, WHITE = 512, 16383
# From XYZ to the camera's colours, in ten thousandths.
MATRIX = [6722, -635, -963, -4287, 12460, 2028, -908, 2162, 5668]


def dng(level: int = 4000) -> bytes:
    """An evenly lit wall, before a sensor of 14 bits with a filter of red, green, green, blue."""
    out = io.BytesIO()
    ratios = [part for value in MATRIX for part in (value, 10_000)]
    tags: list[Any] = [
        (33421, "H", 2, (2, 2)),
        (33422, "B", 4, (0, 1, 1, 2)),
        (50706, "B", 4, (1, 4, 0, 0)),
        (50708, "s", 0, "Test Cam"),
        (271, "s", 0, "Test"),
        (272, "s", 0, "Cam"),
        (50714, "H", 1, BLACK),
        (50717, "I", 1, WHITE),
        (50721, "2i", 9, ratios),
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1)),
        (50778, "H", 1, 21),
    ]
    sensor = np.full((HEIGHT, WIDTH), level, np.uint16)
    tifffile.imwrite(
        out, sensor, photometric=32803, rowsperstrip=HEIGHT, extratags=tags, metadata=None
    )
    return out.getvalue()


def test_a_raw_file_becomes_a_linear_tiff() -> None:
    content = dng()
    assert kind_of_content(content, "any.name") == "raw"
    file = read(content, "a.dng")
    values = file.stacks[0].values
    assert file.stacks[0].linear
    assert (values.shape, values.dtype) == ((1, HEIGHT, WIDTH, 3), np.dtype(np.uint16))
    assert "16-bit TIFF" in file.remarks[0]
    # Black is subtracted, and twice the light is twice the value.
    bright = read(dng(BLACK + 2 * (4000 - BLACK)), "a.dng").stacks[0].values
    middle = slice(8, 24)
    np.testing.assert_allclose(
        bright[0, middle, middle, 1], 2.0 * values[0, middle, middle, 1], rtol=0.01
    )
    made = encode(file, file.stacks, "a.dng")
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(made)), values[0])
    with tifffile.TiffFile(io.BytesIO(made)) as opened:
        page = opened.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert (page.tags[271].value, page.tags[272].value) == ("Test", "Cam")


def test_what_is_raw() -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((8, 8), np.uint8))
    plain = out.getvalue()
    assert kind_of_content(plain, "a.dng") == "tiff"
    assert kind_of_content(plain, "a.nef") == "raw"
    for start in (b"FUJIFILMCCD-RAW 0201", b"IIRO", b"IIU\0", b"\0\0\0\x18ftypcrx \0\0\0\1crx "):
        assert kind_of_content(start + bytes(99)) == "raw"
    assert kind_of_content(b"II*\0\x10\0\0\0CR\2\0" + bytes(99)) == "raw"
    sub = struct.pack("<2sHIH", b"II", 42, 8, 1) + struct.pack("<HHII", 330, 4, 1, 26)
    sub += bytes(4) + struct.pack("<H", 1) + struct.pack("<HHIHH", 262, 3, 1, 32803, 0)
    assert kind_of_content(sub) == "raw"


def test_refused() -> None:
    with pytest.raises(DataError, match=r"a\.nef is not a whole raw file"):
        read(b"II*\0\x08\0\0\0" + bytes(99), "a.nef")


def test_broken_files(capfd: pytest.CaptureFixture[str]) -> None:
    assert check_broken(dng(), "dng", 60) > 5  # LibRaw says on standard error what it misses.
