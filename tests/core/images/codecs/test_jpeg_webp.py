"""JPEG and WebP made by imagecodecs or Pillow, and what is written read by imagecodecs."""

import io
import struct
import time
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from dae_tui.core.images.codecs.jpeg_webp import read_jpeg, read_webp, write_jpeg, write_webp
from dae_tui.core.images.codecs.tiff import codec as tiff
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Little-endian TIFF with one entry: orientation (274), SHORT, 1 value, 6.
EXIF = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, 6, 0, 0)


def smooth(channels: int, seed: int = 0) -> NDArray[np.uint8]:
    """An image (48, 80, C) of a few waves, which JPEG holds well."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:48, :80]
    waves = [
        np.sin(rows * draw.uniform(0.02, 0.1) + columns * draw.uniform(0.02, 0.1))
        for _ in range(channels)
    ]
    return (127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8)


def by_pillow(values: NDArray[Any], kind: str, mode: str = "", **options: Any) -> bytes:
    made = io.BytesIO()
    image = Image.fromarray(values.squeeze())
    if mode:
        image = Image.frombytes(mode, (values.shape[1], values.shape[0]), values.tobytes())
    image.save(made, kind, **options)
    return made.getvalue()


def encoded(file: ImageFile, values: NDArray[Any]) -> bytes:
    return file.encode([Stack(values[None], file.stacks[0].alpha)])


def segments(content: bytes) -> list[tuple[int, bytes]]:
    """Markers and bodies of a JPEG up to its first scan."""
    found = []
    position = 2
    while content[position + 1] != 0xDA:
        marker, size = struct.unpack_from(">xBH", content, position)
        found.append((marker, content[position + 4 : position + 2 + size]))
        position += 2 + size
    return found


def tables(content: bytes) -> dict[int, list[bytes]]:
    """The quantisation table of each component, by its number in the frame."""
    known: dict[int, bytes] = {}
    frame = b""
    for marker, body in segments(content):
        if marker == 0xDB:
            for start in range(0, len(body), 65):
                known[body[start]] = body[start + 1 : start + 65]
        elif marker in (0xC0, 0xC1, 0xC2):
            frame = body
    return {number: [known[frame[8 + 3 * number]]] for number in range(frame[5])}


def sampling(content: bytes) -> list[int]:
    (body,) = [body for marker, body in segments(content) if marker in (0xC0, 0xC1, 0xC2)]
    return [body[7 + 3 * number] for number in range(body[5])]


def error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    assert found.dtype == np.uint8
    return float(np.abs(found.astype(int) - expected.reshape(found.shape)).mean())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("quality", [40, 90])
def test_jpeg_keeps_its_quality(channels: int, progressive: bool, quality: int) -> None:
    original, other = smooth(channels), smooth(channels, seed=1)
    content = by_pillow(original, "JPEG", quality=quality, progressive=progressive)
    file = read_jpeg(content, "a.jpg")
    (stack,) = file.stacks
    assert (file.kind, stack.alpha, file.remarks) == ("jpeg", False, ())
    decoded = imagecodecs.jpeg8_decode(content)
    np.testing.assert_array_equal(stack.values[0].reshape(decoded.shape), decoded)
    again = encoded(file, other)
    assert error(imagecodecs.jpeg8_decode(again), other) < (5 if quality == 40 else 2)
    assert tables(again) == tables(content)
    assert sampling(again) == sampling(content)
    assert [marker for marker, _ in segments(again) if 0xC0 <= marker <= 0xC2] == [
        0xC2 if progressive else 0xC0
    ]


@pytest.mark.parametrize(
    ("subsampling", "kept"), [("444", True), ("422", True), ("420", True), ("440", False)]
)
def test_jpeg_subsampling(subsampling: str, kept: bool) -> None:
    content = bytes(imagecodecs.jpeg8_encode(smooth(3), level=80, subsampling=subsampling))
    file = read_jpeg(content, "a.jpg")
    again = encoded(file, smooth(3, seed=1))
    assert (sampling(again) == sampling(content)) is kept
    assert file.remarks == (
        () if kept else ("its colour becomes as fine as its brightness (4:4:4)",)
    )
    assert tables(again) == tables(content)
    assert error(imagecodecs.jpeg8_decode(again), smooth(3, seed=1)) < 3


def test_jpeg_with_a_table_for_each_component() -> None:
    wanted = [[2] * 64, [3] * 64, [4] * 64]
    content = by_pillow(smooth(3), "JPEG", qtables=wanted, subsampling=0)
    again = encoded(read_jpeg(content, "a.jpg"), smooth(3, seed=1))
    assert tables(again) == {0: [bytes([2] * 64)], 1: [bytes([3] * 64)], 2: [bytes([4] * 64)]}


def test_jpeg_that_stores_rgb() -> None:
    content = by_pillow(smooth(3), "JPEG", keep_rgb=True, quality=90)
    file = read_jpeg(content, "a.jpg")
    assert error(file.stacks[0].values[0], smooth(3)) < 2
    again = encoded(file, smooth(3, seed=1))
    assert [body for marker, body in segments(again) if marker == 0xEE] == [
        body for marker, body in segments(content) if marker == 0xEE
    ]
    assert error(imagecodecs.jpeg8_decode(again), smooth(3, seed=1)) < 2


@pytest.mark.parametrize("transform", [0, 2])
def test_jpeg_cmyk(transform: int) -> None:
    ink, other = smooth(4), smooth(4, seed=1)
    if transform == 0:
        content = by_pillow(ink, "JPEG", "CMYK", quality=95)
    else:  # YCCK: the inverted inks as brightness and colour, and black as it is.
        ycck = imagecodecs.jpeg8_encode(
            255 - ink, level=95, colorspace="CMYK", outcolorspace="YCCK", subsampling="444"
        )
        content = bytes(ycck)
    adobe = [body for marker, body in segments(content) if marker == 0xEE]
    assert [body[-1] for body in adobe] == [transform]
    file = read_jpeg(content, "a.jpg")
    assert file.stacks[0].values.shape == (1, 48, 80, 4)
    assert not file.stacks[0].alpha
    assert file.stacks[0].white_is_zero
    assert error(file.stacks[0].values[0], ink) < 2
    again = encoded(file, other)
    assert error(255 - imagecodecs.jpeg8_decode(again, outcolorspace="CMYK"), other) < 2
    assert np.asarray(Image.open(io.BytesIO(again))).shape == (48, 80, 4)


def test_cmyk_is_the_same_in_jpeg_and_tiff() -> None:
    ink = smooth(4)
    from_jpeg = read_jpeg(by_pillow(ink, "JPEG", "CMYK", quality=95), "a.jpg").stacks
    from_tiff = tiff.read(by_pillow(ink, "TIFF", "CMYK"), "a.tif").stacks
    for (stack,) in (from_jpeg, from_tiff):
        assert stack.white_is_zero
        assert error(stack.values[0], ink) < 2
    for made in (tiff.write(from_jpeg, About()), write_jpeg(from_tiff, About())):
        with Image.open(io.BytesIO(made)) as image:
            assert image.mode == "CMYK"
            assert error(np.asarray(image), ink) < 2


def test_jpeg_keeps_what_it_says() -> None:
    content = by_pillow(
        smooth(3),
        "JPEG",
        icc_profile=ICC * 40,  # More than one segment holds.
        exif=b"Exif\0\0" + EXIF,
        dpi=(300, 150),
        comment=b"caf\xe9",
        xmp=b"<x:xmpmeta/>",
    )
    file = read_jpeg(content, "a.jpg")
    assert file.about.icc == ICC * 40
    assert file.about.exif == EXIF
    assert file.about.dpi == (300.0, 150.0)
    assert file.stacks[0].values.shape == (1, 48, 80, 3)  # Not turned.
    again = encoded(file, smooth(3, seed=1))
    kept = [entry for entry in segments(content) if entry[0] >= 0xE0]
    assert len(kept) > 4
    assert [entry for entry in segments(again) if entry[0] >= 0xE0] == kept
    image = Image.open(io.BytesIO(again))
    assert image.getexif()[274] == 6
    assert image.info["icc_profile"] == ICC * 40
    assert image.info["dpi"] == (300, 150)
    assert image.info["comment"] == b"caf\xe9"


def test_jpeg_with_further_pictures() -> None:
    made = io.BytesIO()
    frames = [Image.fromarray(smooth(3, seed)) for seed in range(2)]
    frames[0].save(made, "MPO", save_all=True, append_images=frames[1:])
    file = read_jpeg(made.getvalue(), "a.jpg")
    assert file.remarks == ("the further pictures after the first are left out",)
    assert error(file.stacks[0].values[0], smooth(3)) < 5
    again = file.encode(file.stacks)
    assert b"MPF\0" not in again
    assert Image.open(io.BytesIO(again)).format == "JPEG"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_write_jpeg(channels: int) -> None:
    values = smooth(channels)
    stack = Stack(values[None], white_is_zero=channels == 4)
    made = write_jpeg([stack], About(ICC, EXIF, (300, 150)))
    decoded = imagecodecs.jpeg8_decode(made)
    # JPEG holds 255 for no ink.
    assert error(255 - decoded if channels == 4 else decoded, values) < 1.5
    assert len(set(sampling(made))) == 1
    image = Image.open(io.BytesIO(made))
    assert image.getexif()[274] == 6
    assert image.info.get("icc_profile") == (ICC if channels == 3 else None)
    if channels != 4:  # CMYK has no JFIF header, which holds it.
        assert image.info["dpi"] == (300, 150)


@pytest.mark.parametrize(("channels", "kind"), [(3, "RGB"), (4, "RGBA")])
def test_lossless_webp(channels: int, kind: str) -> None:
    draw = np.random.default_rng(0)
    original, other = draw.integers(0, 256, (2, 9, 13, channels), np.uint8)
    content = bytes(imagecodecs.webp_encode(original, lossless=True))
    file = read_webp(content, "a.webp")
    assert file.kind == "webp"
    assert file.stacks[0].alpha == (channels == 4)
    visible = original[..., -1] > 0 if channels == 4 else np.ones((9, 13), bool)
    np.testing.assert_array_equal(file.stacks[0].values[0][visible], original[visible])
    again = encoded(file, other)
    assert b"VP8L" in again
    np.testing.assert_array_equal(imagecodecs.webp_decode(again), other)


@pytest.mark.parametrize("channels", [3, 4])
def test_lossy_webp(channels: int) -> None:
    original, other = smooth(channels), smooth(channels, seed=1)
    content = bytes(imagecodecs.webp_encode(original, level=80, lossless=False))
    file = read_webp(content, "a.webp")
    np.testing.assert_array_equal(file.stacks[0].values[0], imagecodecs.webp_decode(content))
    again = encoded(file, other)
    assert b"VP8 " in again
    assert b"VP8L" not in again
    assert error(imagecodecs.webp_decode(again), other) < 3


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_webp_keeps_what_it_says(lossless: bool, prefix: bytes) -> None:
    content = by_pillow(smooth(3), "WEBP", lossless=lossless, icc_profile=ICC, xmp=b"<x/>")
    said = struct.pack("<4sI", b"EXIF", len(prefix + EXIF)) + prefix + EXIF
    flags = content.index(b"VP8X") + 8
    content = content[:flags] + bytes([content[flags] | 8]) + content[flags + 1 :]
    content = content.replace(b"XMP ", said + b"XMP ")
    content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    file = read_webp(content, "a.webp")
    assert file.about == About(ICC, EXIF, None)
    image = Image.open(io.BytesIO(encoded(file, smooth(3, seed=1))))
    assert image.info["icc_profile"] == ICC
    assert image.info["exif"] == EXIF
    assert image.info["xmp"] == b"<x/>"
    assert image.getexif()[274] == 6


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_write_webp(channels: int) -> None:
    values = smooth(channels)
    made = write_webp([Stack(values[None], channels in (2, 4))], About(ICC, EXIF))
    expected = values[..., {1: [0, 0, 0], 2: [0, 0, 0, 1]}.get(channels, slice(None))]
    np.testing.assert_array_equal(imagecodecs.webp_decode(made), expected)
    info = Image.open(io.BytesIO(made)).info
    assert (info["exif"], info["icc_profile"]) == (EXIF, ICC)


@pytest.mark.parametrize("write", [write_jpeg, write_webp])
@pytest.mark.parametrize("kind", [np.bool_, np.uint16, np.float32])
def test_write_refuses_other_types(write: Any, kind: type) -> None:
    with pytest.raises(DataError, match=f"cannot hold {np.dtype(kind)}, only uint8"):
        write([Stack(np.zeros((1, 2, 2, 1), kind))], About())


def test_write_refuses() -> None:
    with pytest.raises(DataError, match="jpeg cannot hold alpha"):
        write_jpeg([Stack(np.zeros((1, 2, 2, 4), np.uint8), alpha=True)], About())
    with pytest.raises(DataError, match="jpeg holds one image, not 2"):
        write_jpeg([Stack(np.zeros((2, 2, 2, 1), np.uint8))], About())
    with pytest.raises(DataError, match="webp cannot hold images of 4 channels"):
        write_webp([Stack(np.zeros((1, 2, 2, 4), np.uint8))], About())
    with pytest.raises(DataError, match="webp holds up to 16383 pixels a side, not 16384"):
        write_webp([Stack(np.zeros((1, 1, 16384, 1), np.uint8))], About())
    with pytest.raises(DataError, match="jpeg holds up to 65500"):
        write_jpeg([Stack(np.zeros((1, 65501, 1, 1), np.uint8))], About())


@pytest.mark.parametrize("progressive", [False, True])
def test_cut_jpegs(progressive: bool) -> None:
    content = by_pillow(smooth(3), "JPEG", progressive=progressive)
    scan = content.index(b"\xff\xda")
    for end in (2, 3, 5, 100, scan - 1, scan + 1):
        with pytest.raises(DataError, match=r"cut\.jpg is not a whole"):
            read_jpeg(content[:end], "cut.jpg")
    for end in (scan + 60, (scan + len(content)) // 2, len(content) - 2):
        with pytest.raises(OSError, match="truncated"):
            read_jpeg(content[:end], "cut.jpg")


@pytest.mark.parametrize("lossless", [False, True])
def test_cut_webps(lossless: bool) -> None:
    content = by_pillow(smooth(3), "WEBP", lossless=lossless)
    for end in (12, 20, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError, match=r"cut\.webp is not a whole"):
            read_webp(content[:end], "cut.webp")


def test_small_files_that_claim_to_be_huge() -> None:
    content = by_pillow(smooth(3), "JPEG")
    size = content.index(struct.pack(">HH", 48, 80))
    for side, message in ((20_000, "too short for"), (60_000, "too many to be true")):
        huge = content[:size] + struct.pack(">HH", side, side) + content[size + 4 :]
        with pytest.raises(DataError, match=message):
            read_jpeg(huge, "huge.jpg")
    chunk = struct.pack("<4sI4x", b"VP8X", 10) + b"\xff\xff\xff" * 2
    with pytest.raises(DataError, match="too many to be true"):
        read_webp(struct.pack("<4sI4s", b"RIFF", 4 + len(chunk), b"WEBP") + chunk, "huge.webp")


@pytest.mark.parametrize(
    "filler",
    [
        pytest.param(b"\xff" * 4_000_000, id="fill bytes"),
        pytest.param(b"\xff\xe1\0\2" * 1_000_000, id="empty segments"),
    ],
)
def test_a_jpeg_header_without_end_is_soon_refused(filler: bytes) -> None:
    began = time.process_time()
    with pytest.raises(DataError, match=r"a\.jpg is not a whole jpeg file"):
        read_jpeg(b"\xff\xd8" + filler, "a.jpg")
    assert time.process_time() - began < 0.2


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    content = by_pillow(smooth(1), "JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    read_jpeg(content[:-2] + scan * 50 + content[-2:], "a.jpg")
    with pytest.raises(DataError, match="too many parts"):
        read_jpeg(content[:-2] + scan * 200 + content[-2:], "a.jpg")


def test_a_webp_of_very_many_chunks_is_soon_read() -> None:
    content = by_pillow(smooth(3), "WEBP") + b"ABCD\0\0\0\0" * 1_000_000
    sized = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    began = time.process_time()
    assert read_webp(sized, "a.webp").stacks[0].values.shape == (1, 48, 80, 3)
    assert time.process_time() - began < 0.2


def test_other_kinds() -> None:
    made = io.BytesIO()
    frames = [Image.fromarray(smooth(3, seed)) for seed in range(2)]
    frames[0].save(made, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="animated"):
        read_webp(made.getvalue(), "moving.webp")
    deep = imagecodecs.jpeg8_encode(smooth(3).astype(np.uint16) * 16, bitspersample=12)
    with pytest.raises(DataError, match=r"deep\.jpg is not a whole jpeg file of 8 bits: .*12-bit"):
        read_jpeg(bytes(deep), "deep.jpg")


@pytest.mark.filterwarnings("ignore")  # Of Pillow, about broken EXIF.
@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("kind", ["JPEG", "JPEG progressive", "WEBP", "WEBP lossless"])
def test_mutations_never_give_a_wrong_shape(kind: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    which, _, how = kind.partition(" ")
    options: dict[str, Any] = {how: True} if how else {}
    content = by_pillow(smooth(3), which, **options, exif=b"Exif\0\0" + EXIF)
    read = read_jpeg if which == "JPEG" else read_webp
    for _ in range(4):
        mutated = bytearray(content)
        at = int(draw.integers(2, len(mutated)))
        match draw.integers(4):
            case 0:
                mutated[at] ^= 1 << int(draw.integers(8))
            case 1:
                del mutated[at : at + int(draw.integers(1, 9))]
            case 2:
                mutated += draw.bytes(20)
            case 3:
                mutated[20] ^= 1 << int(draw.integers(8))
        try:
            file = read(bytes(mutated), "mutated")
        except Exception:
            continue
        again = read(file.encode(file.stacks), "again")
        # Alpha is left out by libwebp where everything is opaque.
        assert again.stacks[0].values.shape[:3] == file.stacks[0].values.shape[:3]
