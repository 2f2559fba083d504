"""Image files: the round trip of every kind, what other libraries read, and broken files."""

import io
import pickle
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage.io import imread
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor

from dae_tui.core.image_files import encode, read_images
from dae_tui.errors import DataError

PNG_END = 12
"""Bytes of a PNG's last chunk."""


def random_bytes(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def random_values(dtype: str, *shape: int) -> NDArray[Any]:
    """Stored values over the whole range of `dtype`, with both of its ends."""
    kind = np.dtype(dtype)
    unit = np.random.default_rng(0).integers(0, 2**10 + 1, shape) / 2**10
    unit.flat[:2] = (0, 1)
    if kind.kind == "f":
        return unit.astype(kind)
    return (unit * np.iinfo(kind).max).astype(kind)


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_with_header(header: str, values: bytes = b"\0" * 24) -> bytes:
    """A .npy file with any header; version 1.0."""
    padded = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + values


def npy_of_shape(shape: str) -> bytes:
    return npy_with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}")


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def png(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(width: int, height: int, bits: int, colours: int, rows: bytes) -> bytes:
    """A PNG of any kind, written by hand: each row is a filter byte and its samples."""
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def png_with_last_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its pixels."""
    whole = png(random_bytes(4, 5))
    return whole[:-PNG_END] + chunk(kind, body) + whole[-PNG_END:]


def written(folder: Path, content: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def round_trip(folder: Path, content: bytes) -> Path:
    """Read a file and write it with its own images."""
    file = read_images(written(folder, content, "in"))
    return written(folder, encode(file, file.images), "out")


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (1, 1, 1), (2, 28, 28)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "float16", ">u2"])
def test_an_npy_comes_back_with_the_same_values_type_and_shape(
    dtype: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    array = random_values(dtype, *shape) if np.prod(shape) > 1 else np.ones(shape, dtype)
    again = np.load(round_trip(tmp_path, npy(array)))
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert np.array_equal(again, array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_stored_integer_comes_back(dtype: str, tmp_path: Path) -> None:
    array = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(1, 16, -1)
    assert np.array_equal(np.load(round_trip(tmp_path, npy(array))), array)


def test_wide_integers_come_back_as_far_as_float32_holds_them(tmp_path: Path) -> None:
    dtype = "uint32"
    limit = np.iinfo(dtype).max
    array = np.array([[0, limit // 2, limit]], dtype)
    again = np.load(round_trip(tmp_path, npy(array)))
    assert again.dtype == array.dtype
    assert (again / limit).tolist() == [pytest.approx([0, 0.5, 1], abs=1e-6)]


def test_float64_values_come_back_to_the_precision_of_float32(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((3, 4, 5))
    again = np.load(round_trip(tmp_path, npy(array)))
    assert again.dtype == np.float64
    assert np.allclose(again, array, rtol=0, atol=1e-7)


def test_an_npy_in_fortran_order_keeps_its_pixels_in_place(tmp_path: Path) -> None:
    array = np.asfortranarray(random_bytes(3, 4, 5))
    assert np.array_equal(read_images(written(tmp_path, npy(array))).images[:, 0] * 255, array)
    assert np.array_equal(np.load(round_trip(tmp_path, npy(array))), array)


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (10, 28, 28)])
def test_an_idx_file_comes_back_byte_for_byte_and_torchvision_reads_it(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    array = random_bytes(*shape)
    out = round_trip(tmp_path, idx(array))
    assert out.read_bytes() == idx(array)
    assert torch.equal(read_sn3_pascalvincent_tensor(str(out)), torch.from_numpy(array))


@pytest.mark.parametrize(
    "array",
    [random_bytes(4, 5), random_bytes(4, 5, 3), random_values("uint16", 4, 5), random_bytes(1, 1)],
    ids=["grey", "colour", "16 bit", "one pixel"],
)
def test_a_png_comes_back_with_the_same_pixels_for_another_reader(
    array: NDArray[Any], tmp_path: Path
) -> None:
    out = round_trip(tmp_path, png(array))
    again = imread(out.rename(tmp_path / "out.png"))
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert np.array_equal(again, array)


@pytest.mark.parametrize(
    ("content", "kind", "shape"),
    [
        (npy(random_bytes(4, 5)), "npy", (1, 1, 4, 5)),
        (npy(random_bytes(3, 4, 5)), "npy", (3, 1, 4, 5)),
        (idx(random_bytes(4, 5)), "idx", (1, 1, 4, 5)),
        (idx(random_bytes(3, 4, 5)), "idx", (3, 1, 4, 5)),
        (png(random_bytes(4, 5)), "png", (1, 1, 4, 5)),
        (png(random_bytes(4, 5, 3)), "png", (1, 3, 4, 5)),
        (png(random_values("uint16", 4, 5)), "png", (1, 1, 4, 5)),
    ],
)
def test_images_are_float32_in_the_unit_range_with_a_channel_axis(
    content: bytes, kind: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    file = read_images(written(tmp_path, content))
    assert file.kind == kind
    assert file.images.shape == shape
    assert file.images.dtype == np.float32
    assert file.images.min() >= 0
    assert file.images.max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_the_ends_of_an_integer_type_are_black_and_white(dtype: str, tmp_path: Path) -> None:
    array = np.array([[0, np.iinfo(dtype).max]], dtype)
    assert read_images(written(tmp_path, npy(array))).images.ravel().tolist() == [0, 1]


def test_colour_channels_stay_in_their_order(tmp_path: Path) -> None:
    pixel = np.array([[[51, 102, 204]]], np.uint8)
    file = read_images(written(tmp_path, png(pixel)))
    assert file.images.ravel().tolist() == pytest.approx([0.2, 0.4, 0.8])


@pytest.mark.parametrize("name", ["image.png", "stack.npy", "images-idx3-ubyte", "no-ending"])
def test_a_file_is_read_by_what_it_holds_not_by_its_name(name: str, tmp_path: Path) -> None:
    array = random_bytes(3, 4, 5)
    for content, kind in ((npy(array), "npy"), (idx(array), "idx"), (png(array[0]), "png")):
        file = read_images(written(tmp_path, content, name))
        assert file.kind == kind
        assert file.path == tmp_path / name


@pytest.mark.parametrize(
    ("value", "stored"), [(-0.5, 0), (0, 0), (0.4, 102), (0.501, 128), (1, 255), (1.5, 255)]
)
@pytest.mark.parametrize("kind", [npy, idx, png])
def test_other_images_are_rounded_and_clipped_into_the_file(
    kind: Callable[[NDArray[np.uint8]], bytes], value: float, stored: int, tmp_path: Path
) -> None:
    file = read_images(written(tmp_path, kind(random_bytes(4, 5))))
    content = encode(file, np.full((1, 1, 4, 5), value, np.float32))
    assert content == kind(np.full((4, 5), stored, np.uint8))


def test_reading_closes_the_file(tmp_path: Path) -> None:
    paths = [written(tmp_path, kind(random_bytes(4, 5)), kind.__name__) for kind in (npy, idx, png)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for path in paths:
            read_images(path)
    assert [str(warning.message) for warning in caught] == []


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_images(path)
    assert caught.value.exit_code == 1
    assert str(path) in caught.value.message
    return caught.value


BROKEN = {
    "empty": b"",
    "one zero": b"\0",
    "two zeros": b"\0\0",
    "three bytes of an IDX file": b"\0\0\x08",
    "text": b"not an image\n",
    "a zip file": b"PK\x03\x04" + b"\0" * 30,
    "a GIF": b"GIF89a" + b"\0" * 30,
    "npy: magic alone": b"\x93NUMPY",
    "npy: half a header": npy(random_bytes(4, 5))[:40],
    "npy: last byte missing": npy(random_bytes(4, 5))[:-1],
    "npy: no values": npy(random_bytes(4, 5))[:-20],
    "npy: brackets not closed": npy_with_header("{'descr': ('<f4', 'shape': (2, 3"),
    "npy: header of words": npy_with_header("a header of words"),
    "npy: petabytes": npy_of_shape("(100000, 100000, 100000)"),
    "npy: a negative size": npy_of_shape("(-2, 3)"),
    "npy: sizes that are no integers": npy_of_shape("(True, 3)"),
    "idx: half a header": idx(random_bytes(3, 4, 5))[:10],
    "idx: header alone": idx(random_bytes(3, 4, 5))[:16],
    "idx: last byte missing": idx(random_bytes(3, 4, 5))[:-1],
    "idx: one byte too many": idx(random_bytes(3, 4, 5)) + b"\0",
    "idx: no images": idx(random_bytes(0, 4, 5)),
    "idx: a size too large": b"\0\0\x08\x03" + b"\xff" * 12 + b"\0" * 60,
    "idx: labels": idx(random_bytes(3)),
    "idx: four dimensions": idx(random_bytes(1, 2, 3, 4)),
    "idx: floats": b"\0\0\x0d\x02" + struct.pack(">II", 1, 1) + b"\0" * 4,
    "png: signature alone": b"\x89PNG\r\n\x1a\n",
    "png: half": png(random_bytes(40, 50))[:1000],
    "png: no pixels": raw_png(5, 0, 8, 0, b""),
    "png: a filter that does not exist": raw_png(5, 1, 8, 0, b"\x09abcde"),
    "png: gigapixels": raw_png(2**31 - 1, 2**31 - 1, 8, 0, b""),
    "png: wrong checksum": png(random_bytes(4, 5)).replace(b"IHDR", b"IHDS"),
    "png: text of an unknown compression": png_with_last_chunk(b"zTXt", b"Comment\0\x01junk"),
    "png: an empty colour profile": png_with_last_chunk(b"iCCP", b""),
    "png: a second header": png_with_last_chunk(b"IHDR", b"\xff" * 13),
    "png: a frame out of order": png_with_last_chunk(b"fdAT", b"\0" * 8),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_a_data_error_that_names_it(content: bytes, tmp_path: Path) -> None:
    refused(written(tmp_path, content, "image.png"))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 2, 3, 4), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((), np.uint8),
        np.zeros((0, 4, 5), np.uint8),
    ],
    ids=lambda array: str(array.shape),
)
def test_an_npy_of_another_shape_is_a_data_error_that_says_which(
    array: NDArray[Any], tmp_path: Path
) -> None:
    refusal = refused(written(tmp_path, npy(array)))
    assert str(array.shape) in refusal.message
    assert "(N, H, W)" in refusal.hint


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int64", "uint64", "bool", "complex64", "U3", "f4,u1"]
)
def test_an_npy_of_another_type_is_a_data_error_that_says_which(dtype: str, tmp_path: Path) -> None:
    array = np.zeros((4, 5), dtype)
    refusal = refused(written(tmp_path, npy(array)))
    assert str(array.dtype) in refusal.message
    assert "unsigned" in refusal.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_are_no_finite_float32_are_a_data_error(
    value: float, dtype: str, tmp_path: Path
) -> None:
    array = np.full((4, 5), 0.5, dtype)
    with np.errstate(over="ignore"):
        array[2, 3] = value
    refused(written(tmp_path, npy(array)))


class Bomb:
    """What touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.target,)


def test_pickled_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    array = np.full((2, 2), None, object)
    array[0, 0] = Bomb(target)
    refused(written(tmp_path, npy(array), "objects.npy"))
    refused(written(tmp_path, pickle.dumps(Bomb(target)), "pickle.npy"))
    assert not target.exists()
    np.load(tmp_path / "objects.npy", allow_pickle=True)
    assert target.exists()  # The bomb is live: only the refusal kept it.


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA"])
def test_a_png_of_another_kind_is_a_data_error_that_says_which(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new(mode, (5, 4)).save(path)
    refusal = refused(path)
    assert refusal.message.endswith(mode)
    assert "RGB" in refusal.hint


def test_colour_of_16_bits_is_refused_or_kept_but_never_reduced(tmp_path: Path) -> None:
    pixel = struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC)
    path = written(tmp_path, raw_png(2, 1, 16, 2, b"\0" + 2 * pixel))
    try:
        file = read_images(path)
    except DataError:
        return
    assert file.dtype == np.uint16


def test_a_folder_and_a_missing_file_are_data_errors(tmp_path: Path) -> None:
    assert "directory" in refused(tmp_path).message
    assert "No such file" in refused(tmp_path / "missing.png").message


def check_read_or_refused(path: Path) -> None:
    """Read a file; where that succeeds, what was read can be written and read again."""
    with warnings.catch_warnings():
        # Pillow and numpy warn of odd files that they read all the same.
        warnings.simplefilter("ignore")
        try:
            file = read_images(path)
        except DataError as refusal:
            assert str(path) in refusal.message
            return
        again = read_images(written(path.parent, encode(file, file.images), "again"))
    assert again.kind == file.kind
    assert again.images.shape == file.images.shape
    assert np.allclose(again.images, file.images, rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


VALID = {
    "npy uint8": npy(random_bytes(2, 3, 4)),
    "npy uint16": npy(random_values("uint16", 3, 4)),
    "npy float32": npy(random_values("float32", 2, 3, 4)),
    "npy float64": npy(random_values("float64", 3, 4)),
    "idx (H, W)": idx(random_bytes(3, 4)),
    "idx (N, H, W)": idx(random_bytes(2, 3, 4)),
    "png grey": png(random_bytes(3, 4)),
    "png colour": png(random_bytes(3, 4, 3)),
    "png 16 bit": png(random_values("uint16", 3, 4)),
}


@pytest.mark.parametrize("content", VALID.values(), ids=VALID.keys())
@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.data())
def test_a_file_with_changed_bytes_is_read_or_a_data_error(
    content: bytes, folder: Path, data: st.DataObject
) -> None:
    changed = bytearray(content)
    # Mostly within the header, which is where a change does harm.
    places = st.integers(0, min(len(content), 128) - 1) | st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        changed[place] = data.draw(st.integers(0, 255) | st.sampled_from(b"(){}',: 9<>uOSV"))
    check_read_or_refused(written(folder, bytes(changed)))


@pytest.mark.parametrize("content", VALID.values(), ids=VALID.keys())
def test_a_file_cut_anywhere_is_a_data_error_or_a_png_with_all_its_pixels(
    content: bytes, folder: Path
) -> None:
    whole = read_images(written(folder, content))
    for length in range(len(content)):
        try:
            cut = read_images(written(folder, content[:length]))
        except DataError:
            continue
        # Only the checksums of the pixels and the end mark are missing.
        assert whole.kind == "png"
        assert length >= len(content) - PNG_END - 16
        assert np.array_equal(cut.images, whole.images)


PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS")
NOTE_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"eXIf")
ANIMATION_CHUNKS = (b"acTL", b"fcTL", b"fdAT")


@pytest.mark.parametrize("colours", [0, 2])
@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    st.sampled_from((*PIXEL_CHUNKS, *NOTE_CHUNKS, *ANIMATION_CHUNKS, b"abCd")),
    st.binary(max_size=30),
    st.booleans(),
)
def test_a_png_with_any_chunk_is_read_or_a_data_error(
    colours: int, folder: Path, kind: bytes, body: bytes, before_the_pixels: bool
) -> None:
    rows = b"\0abcdefghijkl" * 3 if colours else b"\0abcd" * 3
    whole = raw_png(4, 3, 8, colours, rows)
    place = 33 if before_the_pixels else len(whole) - PNG_END
    check_read_or_refused(written(folder, whole[:place] + chunk(kind, body) + whole[place:]))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.binary(max_size=40), st.sampled_from([b"", b"\x93NUMPY", b"\x89PNG", b"\0\0\x08"]))
def test_any_bytes_are_read_or_a_data_error(folder: Path, rest: bytes, magic: bytes) -> None:
    check_read_or_refused(written(folder, magic + rest))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=100))
def test_an_npy_with_any_header_is_read_or_a_data_error(folder: Path, header: str) -> None:
    check_read_or_refused(written(folder, npy_with_header(header)))
