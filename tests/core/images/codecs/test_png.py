"""PNG files made by Pillow or by hand, and what is written read by Pillow or by hand."""

import io
import struct
import zlib
from typing import Any, Literal

import numpy as np
import pytest
from imagecodecs import png_decode
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngImageFile, PngInfo

from dae_tui.core.images.codecs.png import read, write
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Little-endian TIFF with one entry: orientation (274), SHORT, 1 value, 6.
EXIF = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, 6, 0, 0)
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def by_hand(
    rows: list[bytes], width: int, depth: int, colour: int, before: bytes = b"", after: bytes = b""
) -> bytes:
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"".join(
        (
            SIGNATURE,
            chunk(b"IHDR", header),
            before,
            chunk(b"IDAT", pixels),
            after,
            chunk(b"IEND", b""),
        )
    )


def chunks_of(content: bytes) -> list[tuple[bytes, bytes]]:
    """Kinds and bodies; all checksums are right."""
    assert content[:8] == SIGNATURE
    found = []
    position = 8
    while position < len(content):
        (size,) = struct.unpack_from(">I", content, position)
        kind, body = content[position + 4 : position + 8], content[position + 8 :][:size]
        assert content[position + 8 + size :][:4] == struct.pack(">I", zlib.crc32(kind + body))
        found.append((kind, body))
        position += 12 + size
    return found


def pixels_of(content: bytes) -> NDArray[Any]:
    """Values (H, W, C) of 8 or 16 bits, undoing the filters as the specification has them."""
    found = chunks_of(content)
    width, height, depth, colour = struct.unpack(">IIBB", dict(found)[b"IHDR"][:10])
    channels = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGBA: 4}[colour]
    step = channels * depth // 8
    packed = zlib.decompress(b"".join(body for kind, body in found if kind == b"IDAT"))
    rows = np.frombuffer(packed, np.uint8).reshape(height, 1 + width * step)
    above = [0] * (width * step)
    values = []
    for method, *row in rows.tolist():
        for at in range(len(row)):
            left = row[at - step] if at >= step else 0
            corner = above[at - step] if at >= step else 0
            best = min((left, above[at], corner), key=lambda v: abs(left + above[at] - corner - v))
            add = (0, left, above[at], (left + above[at]) // 2, best)[method]
            row[at] = (row[at] + add) % 256
        values.append(row)
        above = row
    stored = np.array(values, np.uint8).reshape(height, width, channels, -1)
    return stored[..., 0] if depth == 8 else stored[..., 0] * np.uint16(256) + stored[..., 1]


def by_pillow(values: NDArray[Any], **options: Any) -> bytes:
    made = io.BytesIO()
    Image.fromarray(values).save(made, "PNG", **options)
    return made.getvalue()


def random(*shape: int, kind: type = np.uint8, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(kind).max + 1, shape, kind)


def encoded(file: ImageFile, values: NDArray[Any]) -> bytes:
    return file.encode([Stack(values[None], file.stacks[0].alpha)])


@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 2), (9, 13, 3), (9, 13, 4)])
def test_eight_bits(shape: tuple[int, ...]) -> None:
    original, other = random(*shape), random(*shape, seed=1)
    file = read(by_pillow(original), "a.png")
    (stack,) = file.stacks
    assert (file.kind, file.remarks) == ("png", ())
    assert stack.values.dtype == np.uint8
    assert stack.alpha == (shape[-1] in (2, 4))
    np.testing.assert_array_equal(stack.values[0].reshape(shape), original)
    image = Image.open(io.BytesIO(encoded(file, other.reshape(9, 13, -1))))
    np.testing.assert_array_equal(np.asarray(image), other)


@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (RGB, 3), (GREY_ALPHA, 2), (RGBA, 4)])
def test_sixteen_bits(colour: int, channels: int) -> None:
    original = random(5, 7, channels, kind=np.uint16)
    other = random(5, 7, channels, kind=np.uint16, seed=1)
    file = read(by_hand([row.tobytes() for row in original.astype(">u2")], 7, 16, colour), "a.png")
    assert file.stacks[0].values.dtype == np.uint16
    assert file.stacks[0].alpha == (channels in (2, 4))
    np.testing.assert_array_equal(file.stacks[0].values[0], original)
    np.testing.assert_array_equal(pixels_of(encoded(file, other)), other)


@pytest.mark.parametrize("width", [8, 13])
def test_one_bit(width: int) -> None:
    original, other = random(5, width) > 127, random(5, width, seed=1) > 127
    file = read(by_pillow(original), "a.png")
    assert file.stacks[0].values.dtype == np.bool_
    np.testing.assert_array_equal(file.stacks[0].values[0, ..., 0], original)
    made = encoded(file, other[..., None])
    image = Image.open(io.BytesIO(made))
    assert image.mode == "1"
    assert dict(chunks_of(made))[b"IHDR"][8:10] == bytes((1, GREY))
    np.testing.assert_array_equal(np.asarray(image), other)


@pytest.mark.parametrize(
    ("depth", "row", "levels"),
    [(2, b"\x1b", [0, 85, 170, 255]), (4, b"\x01\x9f", [0, 17, 153, 255])],
)
def test_few_bits_become_eight(depth: int, row: bytes, levels: list[int]) -> None:
    file = read(by_hand([row], 4, depth, GREY), "a.png")
    assert file.remarks == (f"its {depth}-bit grey becomes 8-bit",)
    assert file.stacks[0].values[0, 0, :, 0].tolist() == levels
    assert pixels_of(encoded(file, file.stacks[0].values[0]))[0, :, 0].tolist() == levels


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_becomes_rgb(bits: int) -> None:
    indexes = random(6, 11) >> (8 - bits)
    palette = random(2**bits, 3, seed=2)
    image = Image.new("P", (11, 6))
    image.putdata(indexes.ravel().tolist())
    image.putpalette(palette.tobytes())
    made = io.BytesIO()
    image.save(made, "PNG", bits=bits)
    assert made.getvalue()[24:26] == bytes((bits, PALETTE))
    file = read(made.getvalue(), "a.png")
    assert file.remarks == ("its palette becomes RGB",)
    assert not file.stacks[0].alpha
    np.testing.assert_array_equal(file.stacks[0].values[0], palette[indexes])
    again = encoded(file, 255 - palette[indexes])
    assert b"PLTE" not in dict(chunks_of(again))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(again))), 255 - palette[indexes])


def test_a_palette_of_grey_and_of_transparent_colours() -> None:
    # Colour 2 is red, and not used.
    palette = chunk(b"PLTE", bytes((9, 9, 9, 200, 200, 200, 255, 0, 0)))
    grey = read(by_hand([b"\0\1"], 2, 8, PALETTE, palette), "a.png")
    assert grey.stacks[0].values[0].tolist() == [[[9], [200]]]
    assert grey.remarks == ("its palette becomes grey",)
    clear = chunk(b"tRNS", bytes((7,)))
    half = read(by_hand([b"\0\1"], 2, 8, PALETTE, palette + clear), "a.png")
    assert half.stacks[0].values[0].tolist() == [[[9, 7], [200, 255]]]
    assert half.stacks[0].alpha
    colour = read(by_hand([b"\2\1"], 2, 8, PALETTE, palette + clear), "a.png")
    assert colour.stacks[0].values[0].tolist() == [[[255, 0, 0, 255], [200, 200, 200, 255]]]
    assert colour.remarks == ("its palette becomes RGBA",)


def test_a_grey_palette_with_a_colour_profile_stays_rgb() -> None:
    made = by_hand([b"\0\0"], 2, 8, PALETTE, chunk(b"PLTE", b"\x09\x09\x09"))
    profile = chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(ICC))
    file = read(made[:33] + profile + made[33:], "a.png")
    assert file.stacks[0].values.shape == (1, 1, 2, 3)
    assert (b"iCCP", b"sRGB\0\0" + zlib.compress(ICC)) in chunks_of(file.encode(file.stacks))


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key", "values"),
    [
        (8, GREY, b"\5\6", b"\0\6", [[5, 255], [6, 0]]),
        (1, GREY, b"\x80", b"\0\0", [[255, 255], [0, 0]]),
        (8, RGB, bytes(range(6)), b"\0\3\0\4\0\5", [[0, 1, 2, 255], [3, 4, 5, 0]]),
        (16, GREY, b"\1\2\3\4", b"\1\2", [[258, 0], [772, 65535]]),
    ],
)
def test_a_transparent_colour_becomes_alpha(
    depth: int, colour: int, row: bytes, key: bytes, values: list[list[int]]
) -> None:
    file = read(by_hand([row], 2, depth, colour, chunk(b"tRNS", key)), "a.png")
    assert file.stacks[0].alpha
    assert file.stacks[0].values[0].tolist() == [values]
    assert "its transparent colour becomes alpha" in file.remarks
    again = file.encode(file.stacks)
    assert b"tRNS" not in dict(chunks_of(again))
    assert pixels_of(again).tolist() == [values]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (4, 1), (5, 3), (8, 9), (17, 6)])
def test_interlaced(size: tuple[int, int], channels: int) -> None:
    values = random(*size, channels)
    header = struct.pack(">IIBBBBB", *size[::-1], 8, GREY if channels == 1 else RGB, 0, 0, 1)
    rows = b""
    for top, left, down, across in (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    ):
        part = values[top::down, left::across]
        rows += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    content = SIGNATURE + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")
    file = read(content, "a.png")
    np.testing.assert_array_equal(file.stacks[0].values[0], values)
    assert file.remarks == ("it is no longer interlaced",)
    np.testing.assert_array_equal(pixels_of(file.encode(file.stacks)), values)


def test_interlaced_with_a_palette_and_a_transparent_colour() -> None:
    # Of 2×2 pixels, passes 1 and 6 have one each, and pass 7 has the last row.
    pixels = chunk(b"IDAT", zlib.compress(b"\0\x80" + b"\0\0" + b"\0\x40"))
    palette = chunk(b"PLTE", bytes((1, 2, 3, 4, 5, 6)))
    start = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 1, PALETTE, 0, 0, 1))
    file = read(start + palette + pixels + chunk(b"IEND", b""), "a.png")
    expected = [[[4, 5, 6], [1, 2, 3]], [[1, 2, 3], [4, 5, 6]]]
    assert file.stacks[0].values[0].tolist() == expected
    start = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 1, GREY, 0, 0, 1))
    key = chunk(b"tRNS", b"\0\0")
    file = read(start + key + pixels + chunk(b"IEND", b""), "a.png")
    assert file.stacks[0].values[0].tolist() == [[[255, 255], [0, 0]], [[0, 0], [255, 255]]]


def test_libpng_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    made = by_hand([b"\1"], 1, 8, GREY, chunk(b"tRNS", b"\0\1") + chunk(b"iCCP", b"x\0\0no"))
    read(made, "a.png")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, GREY, 0, 0, 1))
    read(made[:8] + header + made[33:], "a.png")
    assert capfd.readouterr() == ("", "")


def test_what_a_file_says_stays_to_the_byte() -> None:
    said = PngInfo()
    said.add_text("Title", "café", zip=True)
    said.add_itxt("Author", "ünï", "de", "Autor")
    said.add(b"vpAg", b"\0\0\0\1\0\0\0\1\0")
    said.add(b"prVt", b"late", after_idat=True)
    content = by_pillow(random(9, 13, 3), pnginfo=said, icc_profile=ICC, exif=EXIF, dpi=(300, 150))
    gamma = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"tIME", b"\x07\xe6\1\2\3\4\5")
    content = content[:33] + gamma + content[33:]
    file = read(content, "a.png")
    assert file.about.icc == ICC
    assert file.about.exif == EXIF
    assert file.about.dpi == pytest.approx((300, 150), abs=0.02)
    assert file.remarks == ()
    other = random(9, 13, 3, seed=1)
    again = encoded(file, other)
    kept = [entry for entry in chunks_of(content) if entry[0] != b"IDAT"]
    assert [entry for entry in chunks_of(again) if entry[0] != b"IDAT"] == kept
    kinds = [kind for kind, _ in chunks_of(again)]
    assert kinds.index(b"gAMA") < kinds.index(b"IDAT") < kinds.index(b"prVt")
    image = Image.open(io.BytesIO(again))
    np.testing.assert_array_equal(np.asarray(image), other)
    assert isinstance(image, PngImageFile)
    assert image.text["Title"] == "café"
    assert image.getexif()[274] == 6
    assert image.info["icc_profile"] == ICC


def test_significant_bits_do_not_state_a_range() -> None:
    """As the specification has it, 12 bits are stretched to all 16 of a sample."""
    said = chunk(b"sBIT", b"\x0c")
    file = read(by_hand([b"\xff\xff\0\0"], 2, 16, GREY, said), "a.png")
    assert file.stacks[0].values.ravel().tolist() == [65535, 0]
    assert file.stacks[0].stated is None
    assert (b"sBIT", b"\x0c") in chunks_of(file.encode(file.stacks))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_values_may_lie_in_any_order(channels: int, order: Literal["C", "F"]) -> None:
    values = random(6, 5, channels, kind=np.uint16)
    made = write([Stack(np.asarray(values, order=order)[None], channels in (2, 4))], About())
    np.testing.assert_array_equal(png_decode(made).reshape(values.shape), values)


def test_what_no_longer_holds_is_left_out() -> None:
    signed = chunk(b"caBX", b"signature of the pixels")
    said = chunk(b"sBIT", b"\5") + chunk(b"bKGD", b"\0\1")
    same = read(by_hand([b"\1"], 1, 8, GREY, said, signed), "a.png")
    assert same.remarks == ("its chunk caBX may no longer be true, and is left out",)
    kinds = [kind for kind, _ in chunks_of(same.encode(same.stacks))]
    assert kinds == [b"IHDR", b"sBIT", b"bKGD", b"IDAT", b"IEND"]
    keyed = read(by_hand([b"\1"], 1, 8, GREY, said + chunk(b"tRNS", b"\0\1")), "a.png")
    kinds = [kind for kind, _ in chunks_of(keyed.encode(keyed.stacks))]
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    suggested = chunk(b"PLTE", bytes(6)) + chunk(b"hIST", bytes(4))
    colour = read(by_hand([b"\1\2\3"], 1, 8, RGB, suggested), "a.png")
    kinds = [kind for kind, _ in chunks_of(colour.encode(colour.stacks))]
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_write(kind: type, channels: int) -> None:
    values = random(6, 5, channels) > 127 if kind is np.bool_ else random(6, 5, channels, kind=kind)
    about = About(ICC, EXIF, (300, 72))
    made = write([Stack(values[None], channels in (2, 4))], about)
    image = Image.open(io.BytesIO(made))
    if kind is np.bool_ and channels == 1:
        assert image.mode == "1"
        np.testing.assert_array_equal(np.asarray(image), values[..., 0])
    else:
        stored = values.astype(np.uint8) * 255 if kind is np.bool_ else values
        assert pixels_of(made).dtype == stored.dtype
        np.testing.assert_array_equal(pixels_of(made), stored)
    image.load()
    assert image.getexif()[274] == 6
    assert image.info["dpi"] == pytest.approx((300, 72), abs=0.02)
    # A colour profile makes no sense for grey.
    assert image.info.get("icc_profile") == (ICC if channels > 2 else None)


def test_write_inverts_what_counts_from_white() -> None:
    values = np.array([0, 100, 255], np.uint8).reshape(1, 1, 3, 1)
    assert pixels_of(write([Stack(values, white_is_zero=True)], About())).ravel().tolist() == [
        255,
        155,
        0,
    ]
    assert values.ravel().tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("stacks", "message"),
    [
        ([Stack(np.zeros((1, 2, 2, 1), np.float32))], "png cannot hold float32"),
        ([Stack(np.zeros((1, 2, 2, 1), np.int16))], "png cannot hold int16"),
        ([Stack(np.zeros((1, 2, 2, 1), np.uint32))], "png cannot hold uint32"),
        ([Stack(np.zeros((2, 2, 2, 1), np.uint8))], "png holds one image, not 2"),
        ([Stack(np.zeros((1, 2, 2, 1), np.uint8))] * 3, "png holds one image, not 3"),
        ([Stack(np.zeros((1, 2, 2, 4), np.uint8))], "png cannot hold images of 4 channels"),
    ],
)
def test_write_refuses(stacks: list[Stack], message: str) -> None:
    with pytest.raises(DataError, match=message):
        write(stacks, About())


def test_broken_files() -> None:
    content = by_pillow(random(64, 64), dpi=(300, 300))
    pixels = content.index(b"IDAT")
    for end in (*range(33), 40, pixels + 100, len(content) - 13, len(content) - 12):
        with pytest.raises(DataError, match=r"broken\.png"):
            read(content[:end], "broken.png")
    for at in (17, 30, content.index(b"pHYs") + 5):
        damaged = bytearray(content)
        damaged[at] ^= 1
        with pytest.raises(DataError, match="checksum"):
            read(bytes(damaged), "broken.png")
    for at in (pixels + 500, len(content) - 15):  # In the pixels, and in their checksum.
        damaged = bytearray(content)
        damaged[at] ^= 1
        with pytest.raises(DataError, match="IDAT has a wrong checksum"):
            read(bytes(damaged), "broken.png")


@pytest.mark.parametrize("damage", ["cut", "flipped", "its own checksum"])
def test_damaged_pixels_with_right_checksums(damage: str) -> None:
    content = by_pillow(random(64, 64))
    packed = bytearray(dict(chunks_of(content))[b"IDAT"])
    if damage == "cut":
        del packed[-100:]
    else:
        packed[2 if damage == "flipped" else -1] ^= 1
    mutated = content[:33] + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match=r"broken\.png is damaged"):
        read(mutated, "broken.png")


def test_too_few_pixels_with_right_checksums() -> None:
    whole = by_hand([b"\1\2"] * 4, 2, 8, GREY)
    few = whole[:16] + struct.pack(">II", 2, 5) + whole[24:29]
    few += struct.pack(">I", zlib.crc32(few[12:29])) + whole[33:]
    with pytest.raises(DataError, match="does not hold the 2×5 pixels"):
        read(few, "few.png")
    with pytest.raises(DataError, match="does not hold the 2×4 pixels"):
        read(by_hand([b"\1\2"] * 3 + [b"\1\2\3"], 2, 8, GREY), "many.png")
    with pytest.raises(DataError, match="no known way"):
        read(filtered(5), "filter.png")
    assert read(filtered(4), "filter.png").stacks[0].values.tolist() == [[[[7]]]]


def filtered(method: int) -> bytes:
    """One pixel in a row with a filter."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, GREY, 0, 0, 0)
    pixels = zlib.compress(bytes((method, 7)))
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_a_small_file_that_claims_to_be_huge() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 16, RGBA, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    with pytest.raises(DataError, match="does not hold the 20000×20000"):
        read(SIGNATURE + header + pixels + chunk(b"IEND", b""), "huge.png")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1 << 30, 1 << 30, 1, GREY, 0, 0, 0))
    with pytest.raises(DataError, match="too many to be true"):
        read(SIGNATURE + header + pixels + chunk(b"IEND", b""), "huge.png")


def test_a_file_in_very_many_pieces_is_refused() -> None:
    whole = by_hand([b"\0\1", b"\2\3"], 2, 8, GREY)
    for kind in (b"IDAT", b"teXt"):
        content = whole[:33] + chunk(kind, b"") * 110_000 + whole[33:]
        with pytest.raises(DataError, match="too many pieces"):
            read(content, "a.png")
    few = whole[:33] + chunk(b"IDAT", b"") * 10_000 + whole[33:]
    assert read(few, "a.png").stacks[0].values.shape == (1, 2, 2, 1)


def test_what_is_no_plain_png() -> None:
    made = io.BytesIO()
    frames = [Image.fromarray(random(4, 4, seed=seed)) for seed in range(2)]
    frames[0].save(made, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="animated"):
        read(made.getvalue(), "moving.png")
    with pytest.raises(DataError, match="CgBI"):
        read(by_hand([b"\1"], 1, 8, GREY, chunk(b"CgBI", b"abcd")), "phone.png")
    with pytest.raises(DataError, match="colour 7 of a palette that has 2"):
        read(by_hand([b"\0\7"], 2, 8, PALETTE, chunk(b"PLTE", bytes(6))), "over.png")
    with pytest.raises(DataError, match="no palette"):
        read(by_hand([b"\0\7"], 2, 8, PALETTE), "none.png")


@pytest.mark.parametrize("seed", range(20))
def test_mutations_never_give_a_wrong_image(seed: int) -> None:
    draw = np.random.default_rng(seed)
    original = random(12, 10, 3)
    content = bytearray(by_pillow(original, icc_profile=ICC, dpi=(300, 300)))
    for _ in range(5):
        mutated = bytearray(content)
        at = int(draw.integers(len(content)))
        match draw.integers(3):
            case 0:
                mutated[at] ^= 1 << int(draw.integers(8))
            case 1:
                del mutated[at:]
            case 2:
                del mutated[at : at + int(draw.integers(1, 9))]
        with pytest.raises(DataError, match=r"mutated\.png"):
            read(bytes(mutated), "mutated.png")
    behind = read(bytes(content) + draw.bytes(30), "longer.png")
    np.testing.assert_array_equal(behind.stacks[0].values[0], original)
