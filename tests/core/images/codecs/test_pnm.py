"""Netpbm files made by hand or by Pillow, and what is written read by Pillow or by hand."""

import io
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.images.codecs.pnm import read, write
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError


def random(*shape: int, kind: type = np.uint8, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(kind).max + 1, shape, kind)


def encoded(file: ImageFile, values: NDArray[Any]) -> bytes:
    return file.encode([Stack(values[None], file.stacks[0].alpha)])


@pytest.mark.parametrize("shape", [(7, 10), (7, 10, 3)])
def test_raw_eight_bits(shape: tuple[int, ...]) -> None:
    original, other = random(*shape), random(*shape, seed=1)
    made = io.BytesIO()
    Image.fromarray(original).save(made, "PPM")
    file = read(made.getvalue(), "a.pnm")
    assert (file.kind, file.remarks) == ("pnm", ())
    assert file.stacks[0].values.dtype == np.uint8
    np.testing.assert_array_equal(file.stacks[0].values[0].reshape(shape), original)
    again = encoded(file, other.reshape(7, 10, -1))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(again))), other)


@pytest.mark.parametrize("channels", [1, 3])
def test_raw_sixteen_bits(channels: int) -> None:
    original = random(4, 6, channels, kind=np.uint16)
    other = random(4, 6, channels, kind=np.uint16, seed=1)
    head = b"P%d # by hand\n6\t4 # P6\n65535\n" % (5 if channels == 1 else 6)
    file = read(head + original.astype(">u2").tobytes(), "a.pnm")
    assert file.stacks[0].values.dtype == np.uint16
    assert file.stacks[0].values.dtype.isnative
    np.testing.assert_array_equal(file.stacks[0].values[0], original)
    assert encoded(file, other) == head + other.astype(">u2").tobytes()
    written = write([Stack(other[None])], About())
    assert written.split(maxsplit=4)[:4] == [head[:2], b"6", b"4", b"65535"]
    assert written.endswith(b"\n" + other.astype(">u2").tobytes())
    image = np.asarray(Image.open(io.BytesIO(written)))
    # Pillow has no colour of 16 bits.
    expected = other[..., 0] if channels == 1 else np.rint(other / 257)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("width", [8, 11])
def test_raw_bits(width: int) -> None:
    original, other = random(5, width) > 127, random(5, width, seed=1) > 127
    made = io.BytesIO()
    Image.fromarray(original).save(made, "PPM")
    file = read(made.getvalue(), "a.pbm")
    assert file.stacks[0].values.dtype == np.bool_
    np.testing.assert_array_equal(file.stacks[0].values[0, ..., 0], original)
    for again in (encoded(file, other[..., None]), write([Stack(other[None, ..., None])], About())):
        assert again.startswith(b"P4")
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(again))), other)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"P1\n# comment\n3 2\n1 0 1\n0 1 0\n", [[[0], [1], [0]], [[1], [0], [1]]]),
        (b"P1 3 2 101\n010", [[[0], [1], [0]], [[1], [0], [1]]]),
        (b"P2\n2 1 # x\n255\n7 # between\n 200", [[[7], [200]]]),
        (b"P2\n2 1\n65535\n7 65000\n", [[[7], [65000]]]),
        (b"P3\n1 2\n255\n1 2 3\n4 5 6\n", [[[1, 2, 3]], [[4, 5, 6]]]),
    ],
)
def test_plain(content: bytes, values: list[list[list[int]]]) -> None:
    file = read(content, "a.pnm")
    stored = file.stacks[0].values
    assert stored.dtype == (
        np.bool_ if content[1:2] == b"1" else np.uint16 if b"65535" in content else np.uint8
    )
    assert stored[0].tolist() == values
    white = 1 if stored.dtype == np.bool_ else np.iinfo(stored.dtype).max
    other = (white - stored[0]).astype(stored.dtype)
    again = encoded(file, other)
    assert again[:2] == content[:2]
    assert all(len(line) <= 70 for line in again.splitlines())
    image = np.asarray(Image.open(io.BytesIO(again)))
    np.testing.assert_array_equal(image.reshape(other.shape), other)


def test_plain_with_many_values_has_short_lines() -> None:
    values = random(9, 9, 3, kind=np.uint16)
    text = " ".join(map(str, values.ravel().tolist()))
    again = (file := read(f"P3 9 9 65535\n{text}".encode(), "a.ppm")).encode(file.stacks)
    assert max(map(len, again.splitlines())) <= 70
    assert again.split()[4:] == text.encode().split()


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"P5" + b" " * 3_000_000, id="spaces"),
        pytest.param(b"P5 " + b"#\n" * 2_000_000, id="comments"),
        pytest.param(b"P7\n" + b"\n" * 3_000_000, id="lines"),
    ],
)
def test_a_header_without_end_is_soon_refused(start: bytes) -> None:
    began = time.process_time()
    with pytest.raises(DataError, match="header breaks off"):
        read(start + b"1 1 255\n1", "a.pnm")
    assert time.process_time() - began < 0.2


def test_a_plain_file_takes_little_more_memory_than_it_has_bytes() -> None:
    content = b"P2 1000 1000 99\n" + b"77 " * 1_000_000
    tracemalloc.start()
    try:
        values = read(content, "a.pgm").stacks[0].values
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert values.shape == (1, 1000, 1000, 1)
    assert (values == 198).all()  # 77 of 99 of 255.
    assert peak < 8 * len(content)


@pytest.mark.parametrize("largest", [1, 2, 15, 100, 254, 256, 1023, 4095, 65534])
def test_another_largest_value(largest: int) -> None:
    stored = np.array([0, 1, largest // 2, largest - 1, largest])
    head = b"P5\n5 1\n%d\n" % largest
    content = head + stored.astype(np.uint8 if largest < 256 else ">u2").tobytes()
    file = read(content, "a.pgm")
    values = file.stacks[0].values
    white = 255 if largest < 256 else 65535
    assert values.dtype == (np.uint8 if largest < 256 else np.uint16)
    np.testing.assert_allclose(values[0, 0, :, 0], stored / largest * white, rtol=0, atol=0.5)
    assert values.max() == white
    assert file.encode(file.stacks) == content
    again = encoded(file, np.full((1, 5, 1), white, values.dtype))
    assert again[len(head) :] == np.full(5, largest, np.uint8 if white == 255 else ">u2").tobytes()


@pytest.mark.parametrize(
    ("kind", "channels"),
    [("GRAYSCALE", 1), ("RGB", 3), ("GRAYSCALE_ALPHA", 2), ("RGB_ALPHA", 4)],
)
@pytest.mark.parametrize("sample", [np.uint8, np.uint16])
def test_pam(kind: str, channels: int, sample: type) -> None:
    original = random(3, 4, channels, kind=sample)
    other = random(3, 4, channels, kind=sample, seed=1)
    head = (
        f"P7\n# by hand\nWIDTH 4\nHEIGHT 3\nDEPTH {channels}\n"
        f"MAXVAL {np.iinfo(sample).max}\nTUPLTYPE {kind}\nENDHDR\n"
    ).encode()
    stored = ">u2" if sample is np.uint16 else np.uint8
    file = read(head + original.astype(stored).tobytes(), "a.pam")
    assert file.stacks[0].alpha == (channels in (2, 4))
    np.testing.assert_array_equal(file.stacks[0].values[0], original)
    assert encoded(file, other) == head + other.astype(stored).tobytes()
    if channels in (2, 4):
        written = write([Stack(other[None], True)], About())
        said = head.replace(b"# by hand\n", b"")
        assert written == said + other.astype(stored).tobytes()


def test_pam_black_and_white() -> None:
    head = b"P7\nWIDTH 3\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n"
    file = read(head + b"\1\0\1", "a.pam")
    assert file.stacks[0].values.dtype == np.bool_
    assert file.stacks[0].values.ravel().tolist() == [True, False, True]
    assert encoded(file, ~file.stacks[0].values[0]) == head + b"\0\1\0"


@pytest.mark.parametrize("channels", [1, 3])
def test_write_eight_bits(channels: int) -> None:
    values = random(4, 5, channels)
    made = write([Stack(values[None])], About(dpi=(300, 300)))
    image = np.asarray(Image.open(io.BytesIO(made)))
    np.testing.assert_array_equal(image.reshape(values.shape), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"P5\n2 2\n255\nabc", "ends too early"),
        (b"P5\n2 2\n255\nabcdP5\n2 2\n255\nabcd", "goes on after its image"),
        (b"P4\n8 1\n\xffP4 8 1\n\xff", "goes on after its image"),
        (b"P2\n2 1\n255\n1 2 3", "goes on after its image"),
        (b"P2\n2 1\n255\n1 2\nP2\n2 1\n255\n1 2\n", "several images"),
        (b"P2\n2 1\n255\n12345", "ends too early"),
        (b"P2\n2 1\n255\n1 256", "values above 255"),
        (b"P2\n2 1\n255\n1 99999999999999999999999", "values above 255"),
        (b"P2\n2 1\n255\n1 -2", "more than numbers"),
        (b"P1\n2 1\n1 7", "values above 1"),
        (b"P5\n2 1\n100\n\1\xff", "values above 100"),
        (b"P5\n2 1\n0\nab", "largest value is 0"),
        (b"P5\n2 1\n65536\nabcd", "largest value is 65536"),
        (b"P5\n2 0\n255\n", "holds no image"),
        (b"P5\n2", "header breaks off"),
        (b"P5\n2 2 #", "header breaks off"),
        (b"P7", "header breaks off"),
        (b"P7\nWIDTH 2\nHEIGHT", "header breaks off"),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nab", "a kind that"),
        (b"P6\n20000 20000\n65535\nabcd", "ends too early"),
        (b"P3\n20000 20000\n65535\n1 2", "ends too early"),
        (b"P5\n99999 99999\n255\nabcd", "too many to be true"),
    ],
)
def test_broken_files(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(content, "broken.pnm")
    assert caught.value.message.startswith("broken.pnm")


@pytest.mark.parametrize(
    "values", [np.zeros((1, 2, 2, 1), np.float32), np.zeros((2, 2, 2, 1), np.uint8)]
)
def test_write_refuses(values: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="pnm"):
        write([Stack(values)], About())


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("magic", [2, 3, 5, 6, 7])
def test_mutations_never_give_a_wrong_shape(magic: int, seed: int) -> None:
    draw = np.random.default_rng((seed, magic))
    head = b"P%d\n12 10\n255\n" % magic
    if magic == 7:
        head = b"P7\nWIDTH 12\nHEIGHT 10\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
    values = random(10, 12, 1 if magic in (2, 5) else 3)
    body = b" ".join(b"%d" % value for value in values.ravel().tolist())
    mutated = bytearray(head + (body if magic in (2, 3) else values.tobytes()))
    at = int(draw.integers(len(head) + 20))
    mutated[at] ^= 1 << int(draw.integers(8))
    del mutated[len(mutated) - int(draw.integers(2)) :]
    try:
        file = read(bytes(mutated), "mutated.pnm")
    except DataError as failure:
        assert failure.message.startswith("mutated.pnm")
        return
    (stack,) = file.stacks
    again = read(file.encode(file.stacks), "again.pnm")
    np.testing.assert_array_equal(again.stacks[0].values, stack.values)
    if at >= len(head):
        assert stack.values.shape == (1, *values.shape)
