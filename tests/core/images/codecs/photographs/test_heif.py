"""HEIC files made elsewhere: what is read of them, and the TIFF that becomes of it."""

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import heic_files
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.images.codecs.photographs.heif import _remarks, _unmultiplied
from dae_tui.core.images.formats import encode, kind_of_content, read, write
from dae_tui.core.images.image_file import ImageFile
from dae_tui.errors import DataError


def changed(content: bytes, mark: bytes, at: int, *values: int) -> bytes:
    """A file with other bytes behind the first mark."""
    place = content.index(mark) + len(mark) + at
    return content[:place] + bytes(values) + content[place + len(values) :]


def distance(values: NDArray[Any], upright: bool = True) -> float:
    """The mean difference from the picture that was stored, in parts of 255."""
    colours = values.shape[-1] - (values.shape[-1] in (2, 4))
    wanted = heic_files.waves(colours).astype(float)
    given = values[..., :colours] / (257 if values.dtype == np.uint16 else 1)
    difference = np.abs(given - (wanted if upright else np.rot90(wanted, -1)))
    if values.shape[-1] > colours:
        difference = difference[values[..., -1] != 0]
    return float(difference.mean())


def as_tiff(file: ImageFile) -> tifffile.TiffFile:
    return tifffile.TiffFile(io.BytesIO(encode(file, file.stacks, "a.heic")))


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "alpha"),
    [
        ("COLOUR", (1, 32, 48, 3), np.uint8, False),
        ("GREY", (1, 32, 48, 1), np.uint8, False),
        ("ALPHA", (1, 32, 48, 4), np.uint8, True),
        ("GREY_ALPHA", (1, 32, 48, 2), np.uint8, True),
        ("TEN_BITS", (1, 32, 48, 3), np.uint16, False),
        ("TWELVE_BITS", (1, 32, 48, 3), np.uint16, False),
        ("GREY_TEN_BITS", (1, 32, 48, 1), np.uint16, False),
    ],
)
def test_a_picture_becomes_a_tiff_that_loses_nothing(
    name: str, shape: tuple[int, ...], dtype: type, alpha: bool
) -> None:
    content: bytes = getattr(heic_files, name)
    assert kind_of_content(content, "any.name") == "heif"
    file = read(content, "a.heic")
    (stack,) = file.stacks
    assert (stack.values.shape, stack.values.dtype) == (shape, np.dtype(dtype))
    assert stack.alpha == alpha
    # Colours at half the resolution cost more than the quality of 85.
    assert distance(stack.values[0]) < (4 if name == "COLOUR" else 1)
    with as_tiff(file) as made:
        np.testing.assert_array_equal(made.asarray().reshape(shape[1:]), stack.values[0])


def test_alpha_is_kept() -> None:
    for content in (heic_files.ALPHA, heic_files.GREY_ALPHA):
        alpha = read(content, "a.heic").stacks[0].values[0, ..., -1]
        assert (alpha[:8, :8] == 0).all()
        assert (alpha[12:, 12:] == 255).all()


@pytest.mark.parametrize(
    ("content", "bits"), [(heic_files.TEN_BITS, 10), (heic_files.TWELVE_BITS, 12)]
)
def test_deep_pictures_use_all_of_16_bits(content: bytes, bits: int) -> None:
    file = read(content, "a.heic")
    (stack,) = file.stacks
    assert stack.stated == (0.0, 65535.0)
    assert file.remarks == (f"its {bits} bits are spread over 16",)
    # No bit is lost, and the largest value of the file would be white.
    stored = stack.values >> (16 - bits)
    assert len(np.unique(stored)) > 256
    np.testing.assert_allclose(stack.values, stored * (65535 / (2**bits - 1)), atol=1)


def test_the_picture_is_turned_once_and_nothing_says_so_any_more() -> None:
    file = read(heic_files.TURNED, "a.heic")
    assert file.stacks[0].values.shape == (1, 48, 32, 3)
    assert distance(file.stacks[0].values[0], upright=False) < 1
    # The standard has EXIF say nothing about how a HEIF is shown.
    alone = read(heic_files.EXIF_ALONE, "a.heic")
    assert distance(alone.stacks[0].values[0]) < 1
    for each in (file, alone):
        with as_tiff(each) as made:
            page = made.pages[0]
            assert isinstance(page, tifffile.TiffPage)
            assert page.tags[274].value == 1
            assert b"Orientation" not in page.tags[700].value


def test_exif_xmp_and_profile_are_kept() -> None:
    file = read(heic_files.TURNED, "a.heic")
    with as_tiff(file) as made:
        page = made.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        assert page.tags[271].value == "maker"
        assert page.tags[34675].value[36:40] == b"acsp"
        assert b'tiff:Make="maker"' in page.tags[700].value


@pytest.mark.parametrize("kind", ["tiff", "png", "jpeg", "webp", "avif", "jxl"])
def test_what_is_said_goes_with_the_picture_into_other_kinds(kind: str) -> None:
    file = read(heic_files.TURNED, "a.heic")
    made = write(kind, file.stacks, file.about, "a.heic")
    assert b'tiff:Make="maker"' in made
    assert b"maker\0" in made
    if kind != "jxl":
        with Image.open(io.BytesIO(made)) as image:
            assert image.size == (32, 48)
            assert image.info["icc_profile"][36:40] == b"acsp"
            assert image.getexif().get(274, 1) == 1


def test_the_primary_picture_is_read_alone() -> None:
    file = read(heic_files.TWO, "a.heic")
    assert distance(file.stacks[0].values[0]) < 1
    assert file.remarks == ("the further pictures beside the primary one are left out",)


def test_what_is_remarks_is_said() -> None:
    info = {
        "bit_depth": 10,
        "depth_images": ["one"],
        "aux": {"urn:com:apple:photo:2020:aux:hdrgainmap": [1]},
        "nclx_profile": {"color_primaries": 9, "transfer_characteristics": 16},
    }
    said = " ".join(_remarks(info, 0, True))
    for what in ("10 bits", "sequence", "depth map", "gain map", "sRGB"):
        assert what in said
    usual = {"color_primaries": 1, "transfer_characteristics": 13}
    assert (
        _remarks({"bit_depth": 8, "depth_images": [], "aux": {}, "nclx_profile": usual}, 0, False)
        == []
    )


def test_colours_that_were_multiplied_with_alpha() -> None:
    values = np.array([[[100, 50, 0, 128], [9, 9, 9, 0], [200, 100, 0, 255]]], np.uint8)
    assert _unmultiplied(values)[0, [0, 2]].tolist() == [[199, 100, 0, 128], [200, 100, 0, 255]]


def test_a_sequence_is_refused_or_remarks() -> None:
    moves = struct.pack(">I4s", 8, b"moov")
    alone = struct.pack(">I4s4sI4s", 20, b"ftyp", b"msf1", 0, b"hevc") + moves
    assert kind_of_content(alone) == "heif"
    with pytest.raises(DataError, match=r"a\.heic is an image sequence without a still picture"):
        read(alone, "a.heic")
    file = read(heic_files.COLOUR + moves, "a.heic")
    assert "the image sequence beside its picture is left out" in file.remarks


def test_an_avif_in_its_name_is_an_avif() -> None:
    out = io.BytesIO()
    Image.fromarray(heic_files.waves(3)).save(out, "AVIF")
    assert read(out.getvalue(), "a.heic").kind == "avif"


def test_other_codecs_are_told_from_damage() -> None:
    content = heic_files.COLOUR.replace(b"hvc1", b"vvc1")
    with pytest.raises(DataError, match="cannot be decoded: its codec is not HEVC"):
        read(content, "a.heic")


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (2**31 - 1, 2**31 - 1, "too many to be true"),
        (20_000, 20_000, "cannot hold the 1,200,000,000 that it claims"),
        (9_000, 9_000, "does not have the size signaled"),
        (16, 16, "is not a whole heif file: Invalid input: Invalid image size"),
        (0, 32, "holds no image"),
    ],
)
def test_sizes_that_are_lies(width: int, height: int, message: str) -> None:
    sizes = struct.pack(">II", width, height)
    with pytest.raises(DataError, match=message):
        read(changed(heic_files.COLOUR, b"ispe", 4, *sizes), "a.heic")


def test_a_picture_may_not_be_larger_than_its_header_says() -> None:
    sizes = struct.pack(">II", 64, 64)
    with pytest.raises(DataError, match="Image size 512x512 exceeds the maximum image size"):
        read(changed(heic_files.FLAT, b"ispe", 4, *sizes), "a.heic")


def test_bits_that_are_lies() -> None:
    for content in (heic_files.GREY, heic_files.GREY_TEN_BITS):
        bits = 2 if content is heic_files.GREY else 0
        lie = changed(content, b"hvcC", 17, 0xF8 | bits, 0xF8 | bits)
        try:
            values = read(lie, "a.heic").stacks[0].values
        except DataError as failure:
            assert "contradict" in failure.message
        else:
            assert values.shape == (1, 32, 48, 1)


def test_a_whole_file_cut_anywhere_is_one_error() -> None:
    for end in range(16, len(heic_files.COLOUR), 7):
        with pytest.raises(DataError, match=r"a\.heic"):
            read(heic_files.COLOUR[:end], "a.heic")


@pytest.mark.slow
def test_broken_files_end_neither_in_a_crash_nor_in_much_memory() -> None:
    program = (
        "import heic_files; from broken_files import check_broken;"
        "names = ('COLOUR', 'GREY_TEN_BITS', 'TURNED', 'ALPHA', 'TWO');"
        "print(sum(check_broken(getattr(heic_files, name), name, 100) for name in names))"
    )
    tests = Path(heic_files.__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tests, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert 200 < int(done.stdout) < 500
