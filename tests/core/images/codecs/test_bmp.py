"""BMP files made by Pillow or by hand, and what is written read by Pillow and imagecodecs."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from imagecodecs import bmp_decode
from numpy.typing import NDArray
from PIL import Image, ImageCms

from dae_tui.core.images.codecs.bmp import read, write
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def by_pillow(image: NDArray[Any] | Image.Image, **options: Any) -> bytes:
    made = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        made, "BMP", **options
    )
    return made.getvalue()


def by_hand(
    width: int,
    height: int,
    bits: int,
    pixels: bytes,
    packing: int = 0,
    extra: bytes = b"",
    size: int = 40,
    colours: int = 0,
) -> bytes:
    """`extra` follows the first 40 bytes of the header: masks, palette."""
    start = 14 + 40 + len(extra)
    head = struct.pack("<2sIII", b"BM", start + len(pixels), 0, start)
    head += struct.pack(
        "<IiiHHIIiiII", size, width, height, 1, bits, packing, len(pixels), 0, 0, colours, 0
    )
    return head + extra + pixels


def entries(*shades: int) -> bytes:
    return bytes(value for shade in shades for value in (shade, shade, shade, 0))


def random(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def encoded(file: ImageFile, values: NDArray[Any]) -> bytes:
    return file.encode([Stack(values[None], file.stacks[0].alpha)])


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (6, 8), (6, 8, 3)])
def test_grey_and_colour(shape: tuple[int, ...]) -> None:
    original, other = random(*shape), random(*shape, seed=1)
    content = by_pillow(original, dpi=(300, 72))
    file = read(content, "a.bmp")
    assert (file.kind, file.remarks, file.stacks[0].alpha) == ("bmp", (), False)
    np.testing.assert_array_equal(file.stacks[0].values[0].reshape(shape), original)
    assert file.about.dpi == pytest.approx((300, 72), abs=0.02)
    again = encoded(file, other.reshape(*shape[:2], -1))
    image = Image.open(io.BytesIO(again))
    np.testing.assert_array_equal(np.asarray(image), other)
    np.testing.assert_array_equal(bmp_decode(again), other)
    assert again[38:46] == content[38:46]
    assert image.info["dpi"] == pytest.approx((300, 72), abs=0.02)


@pytest.mark.parametrize("width", [1, 8, 32, 35])
def test_one_bit(width: int) -> None:
    original, other = random(5, width) > 127, random(5, width, seed=1) > 127
    file = read(by_pillow(original), "a.bmp")
    assert file.stacks[0].values.dtype == np.bool_
    np.testing.assert_array_equal(file.stacks[0].values[0, ..., 0], original)
    again = encoded(file, other[..., None])
    image = Image.open(io.BytesIO(again))
    assert image.mode == "1"
    np.testing.assert_array_equal(np.asarray(image), other)


def test_one_bit_with_white_first() -> None:
    pixels = bytes((0b10000000, 0, 0, 0))
    file = read(by_hand(2, 1, 1, pixels, extra=entries(255, 0)), "a.bmp")
    assert file.stacks[0].values.ravel().tolist() == [False, True]
    image = Image.open(io.BytesIO(file.encode(file.stacks)))
    assert np.asarray(image).tolist() == [[False, True]]


@pytest.mark.parametrize(("bits", "pixels"), [(1, b"\x40"), (4, b"\x01"), (8, b"\0\1")])
def test_palettes(bits: int, pixels: bytes) -> None:
    pixels = pixels.ljust(4, b"\0")
    colours = bytes((1, 2, 3, 0, 9, 9, 9, 0))
    file = read(by_hand(2, 1, bits, pixels, extra=colours, colours=2), "a.bmp")
    assert file.stacks[0].values.tolist() == [[[[3, 2, 1], [9, 9, 9]]]]
    assert file.remarks == ("its palette becomes RGB",)
    assert bmp_decode(file.encode(file.stacks)).tolist() == [[[3, 2, 1], [9, 9, 9]]]
    grey = read(by_hand(2, 1, bits, pixels, extra=entries(70, 9), colours=2), "a.bmp")
    assert grey.stacks[0].values.tolist() == [[[[70], [9]]]]
    assert grey.remarks == (() if bits == 8 else (f"its {bits}-bit grey becomes 8-bit",))
    # Pillow takes this for an image of 8-bit grey, whatever its bits are.
    ramp = read(by_hand(2, 1, bits, pixels, extra=entries(0, 1), colours=2), "a.bmp")
    assert ramp.stacks[0].values.tolist() == [[[[0], [1]]]]


def test_sixteen_bits() -> None:
    pixels = struct.pack("<HH", 0b0_11111_00000_10000, 0)
    file = read(by_hand(2, 1, 16, pixels), "a.bmp")
    assert file.stacks[0].values.tolist() == [[[[255, 0, 132], [0, 0, 0]]]]
    assert file.remarks == ("its 16-bit colours become 24-bit",)
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    pixels = struct.pack("<HH", 0b11111_111111_00000, 0b00000_000001_11111)
    file = read(by_hand(2, 1, 16, pixels, 3, masks), "a.bmp")
    assert file.stacks[0].values.tolist() == [[[[255, 255, 0], [0, 4, 255]]]]


def test_rows_from_the_top() -> None:
    pixels = entries(7)[:3] + b"\0" + entries(8)[:3] + b"\0"
    down = read(by_hand(1, -2, 24, pixels), "a.bmp").stacks[0].values
    up = read(by_hand(1, 2, 24, pixels), "a.bmp").stacks[0].values
    assert (down[0, :, 0, 0].tolist(), up[0, :, 0, 0].tolist()) == ([7, 8], [8, 7])


def test_the_oldest_header() -> None:
    head = struct.pack("<2sIIIIHHHH", b"BM", 0, 0, 32, 12, 2, 1, 1, 1)
    content = head + bytes((1, 2, 3, 4, 5, 6)) + b"\x40\0\0\0"
    values = read(content, "a.bmp").stacks[0].values
    np.testing.assert_array_equal(
        values[0], np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    )
    assert values.tolist() == [[[[3, 2, 1], [6, 5, 4]]]]


@pytest.mark.parametrize(
    ("packing", "pixels", "rows"),
    [
        (1, b"\4\7\0\0" + b"\0\4\1\2\3\4\0\0" + b"\0\1", [[1, 2, 3, 4], [7, 7, 7, 7]]),
        (2, b"\4\x12\0\0" + b"\4\x77\0\1", [[7, 7, 7, 7], [1, 2, 1, 2]]),
    ],
)
def test_run_lengths(packing: int, pixels: bytes, rows: list[list[int]]) -> None:
    bits = 8 if packing == 1 else 4
    palette = entries(*(255 - index for index in range(2**bits)))
    file = read(by_hand(4, 2, bits, pixels, packing, palette), "a.bmp")
    assert (255 - file.stacks[0].values[0, ..., 0]).tolist() == rows


@pytest.mark.parametrize("size", [56, 108, 124])
def test_alpha(size: int) -> None:
    masks = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    original, other = random(3, 4, 4), random(3, 4, 4, seed=1)
    content = by_hand(4, -3, 32, original.tobytes(), 3, masks.ljust(size - 40, b"\0"), size=size)
    file = read(content, "a.bmp")
    assert file.stacks[0].alpha
    np.testing.assert_array_equal(file.stacks[0].values[0], original)
    image = Image.open(io.BytesIO(encoded(file, other)))
    assert image.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(image), other)


def test_32_bits_without_alpha() -> None:
    rgba = random(3, 4, 4)
    file = read(by_hand(4, -3, 32, rgba.tobytes()), "a.bmp")
    assert not file.stacks[0].alpha
    np.testing.assert_array_equal(file.stacks[0].values[0], rgba[..., [2, 1, 0]])
    assert file.remarks == ("its fourth byte is left out: nothing says that it is alpha",)
    rgba[..., 3] = 0
    assert read(by_hand(4, -3, 32, rgba.tobytes()), "a.bmp").remarks == ()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.bool_, np.uint8])
def test_write(kind: type, channels: int) -> None:
    grey = random(3, 5, channels)
    values = grey > 127 if kind is np.bool_ else grey
    made = write([Stack(values[None], channels in (2, 4))], About(ICC, b"II", (300, 150)))
    image = Image.open(io.BytesIO(made))
    assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    stored = values.astype(np.uint8) * 255 if kind is np.bool_ else values
    if channels == 2:
        stored = stored[..., [0, 0, 0, 1]]
    assert image.mode == ("1" if kind is np.bool_ else "L", "RGBA", "RGB", "RGBA")[channels - 1]
    shown = np.asarray(image.convert("L") if channels == 1 else image)
    np.testing.assert_array_equal(shown.reshape(stored.shape), stored)
    again = read(made, "a.bmp")
    assert again.about.icc == (None if channels == 1 else ICC)
    assert read(again.encode(again.stacks), "a.bmp").about == again.about


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((1, 2, 2, 1), np.uint16), "bmp cannot hold uint16"),
        (np.zeros((1, 2, 2, 1), np.float32), "bmp cannot hold float32"),
        (np.zeros((3, 2, 2, 1), np.uint8), "bmp holds one image, not 3"),
    ],
)
def test_write_refuses(values: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        write([Stack(values)], About())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"BM", "ends in its header"),
        (by_pillow(random(9, 9))[:40], "header is broken"),
        (by_pillow(random(9, 9, 3))[:-1], "ends too early"),
        (by_hand(20_000, 20_000, 24, bytes(1000)), "ends too early"),
        (by_hand(200_000, 200_000, 24, bytes(1000)), "too many to be true"),
        (by_hand(0, 4, 24, bytes(1000)), "holds no image"),
        (by_hand(4, 4, 24, bytes(1000), 4), "a kind that dae does not read"),
        (by_hand(2, 1, 8, b"\0\5\0\0", extra=entries(1, 2), colours=2), "palette that has 2"),
        (by_hand(1, 1, 32, bytes(4), 3, struct.pack("<III", 0x50, 0xF, 0xFF00)), "scattered"),
        (by_hand(1, 1, 32, bytes(4), 3, struct.pack("<III", 0xFF, 0, 0xFF00)), "does not say"),
    ],
)
def test_broken_files(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(content, "broken.bmp")
    assert caught.value.message.startswith("broken.bmp")


@pytest.mark.parametrize(
    ("width", "pixels"), [(4, b"\4\7\0\0"), (4, b"\4\7\0\0\0\1"), (20_000, b"\4\7\0\0\0\1")]
)
def test_broken_run_lengths(width: int, pixels: bytes) -> None:
    with pytest.raises(ValueError, match=r"not enough|too short"):
        read(by_hand(width, width // 2, 8, pixels, 1, entries(*range(256))), "broken.bmp")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_mutations_never_give_a_wrong_shape(mode: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    mutated = bytearray(by_pillow(Image.fromarray(random(9, 12, 3)).convert(mode)))
    at = int(draw.integers(10, 70))
    mutated[at] ^= 1 << int(draw.integers(8))
    try:
        file = read(bytes(mutated), "mutated.bmp")
    except Exception:
        return
    (stack,) = file.stacks
    width, height = struct.unpack_from("<ii", mutated, 18)
    assert stack.values.shape[:3] == (1, abs(height), width)
    again = read(file.encode(file.stacks), "again.bmp")
    np.testing.assert_array_equal(again.stacks[0].values, stack.values)
