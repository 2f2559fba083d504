"""TIFF: files of tifffile, Pillow and by hand, read, and written for tifffile and Pillow."""

import io
import random
import struct
import time
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from dae_tui.core.images import image_file
from dae_tui.core.images.codecs import png
from dae_tui.core.images.codecs.tiff import codec as tiff
from dae_tui.core.images.codecs.tiff import tags as tiff_tags
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
HEIGHT, WIDTH = 37, 45
TYPES = ("bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ZERO = [(42113, 2, None, "0", False)]
GEO = ((33550, 12, 3, (10.0, 10.0, 0.0)), (34735, 3, 4, (1, 1, 0, 0)), (34737, 2, 4, b"abc\0"))
LAYOUTS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "grey": ((HEIGHT, WIDTH), {"photometric": "minisblack"}),
    "white is zero": ((HEIGHT, WIDTH), {"photometric": "miniswhite"}),
    "grey with alpha": (
        (HEIGHT, WIDTH, 2),
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["assocalpha"]},
    ),
    "rgb": ((HEIGHT, WIDTH, 3), {"photometric": "rgb"}),
    "rgba": ((HEIGHT, WIDTH, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "planes": ((3, HEIGHT, WIDTH), {"photometric": "rgb", "planarconfig": "separate"}),
    "cmyk": ((HEIGHT, WIDTH, 4), {"photometric": "separated", "planarconfig": "contig"}),
}
# tifffile writes rows of several 1-bit samples in a way that nothing reads.
CASES = [(layout, "bool") for layout in ("grey", "white is zero", "planes")]
CASES += [(layout, dtype) for layout in LAYOUTS for dtype in TYPES if dtype != "bool"]
KEPT = (
    "compression predictor planarconfig photometric is_tiled rowsperstrip tile extrasamples dtype"
)


def values_of(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.kind == "b":
        return RANDOM.random(shape) < 0.5
    if dtype.kind == "f":
        return RANDOM.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return RANDOM.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def made(array: NDArray[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, array, metadata=None, **options)
    return out.getvalue()


def by_pillow(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "TIFF", **options)
    return out.getvalue()


def changed(file: ImageFile) -> tuple[list[NDArray[Any]], bytes]:
    """Other values for every stack, and the file that holds them."""
    values = [values_of(stack.values.shape, stack.values.dtype) for stack in file.stacks]
    stacks = [replace(stack, values=new) for new, stack in zip(values, file.stacks, strict=True)]
    return values, file.encode(stacks)


def first_page(content: bytes) -> tifffile.TiffPage:
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        page = opened.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        return page


def patched(content: bytes, code: int, *values: int) -> bytes:
    """A little-endian file with other LONGs, which fit in, in a tag of the first page."""
    tag = first_page(content).tags[code]
    out = bytearray(content)
    struct.pack_into("<HHI", out, tag.offset, code, 4, len(values))
    place = tag.offset + 8 if len(values) == 1 else tag.valueoffset
    struct.pack_into(f"<{len(values)}I", out, place, *values)
    return bytes(out)


@pytest.mark.parametrize(("layout", "dtype"), CASES)
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("compression", [None, "packbits", "lzw", "deflate", "zstd"])
def test_every_layout_is_read_and_written_as_it_was(
    layout: str, dtype: str, tile: tuple[int, int] | None, compression: str | None
) -> None:
    shape, options = LAYOUTS[layout]
    array = values_of(shape, dtype)
    predictor = {"b": None, "u": 2, "i": 2, "f": 3}[np.dtype(dtype).kind]
    content = made(
        array,
        tile=tile,
        rowsperstrip=None if tile else 10,
        compression=compression,
        predictor=None if compression in (None, "packbits") else predictor,
        byteorder="<" if dtype in ("u1", "u4") else ">",
        bigtiff=dtype in ("u1", "u2"),
        **options,
    )
    file = tiff.read(content, "x.tif")
    (stack,) = file.stacks
    channels_last = np.moveaxis(array, 0, -1) if layout == "planes" else array
    np.testing.assert_array_equal(stack.values, channels_last.reshape(1, HEIGHT, WIDTH, -1))
    assert stack.values.dtype.newbyteorder("=") == array.dtype
    assert (stack.alpha, stack.white_is_zero) == (
        layout in ("grey with alpha", "rgba"),
        layout in ("white is zero", "cmyk"),
    )
    assert not file.remarks

    (new,), written = changed(file)
    read = tifffile.imread(io.BytesIO(written))
    read = np.moveaxis(read, 0, -1) if layout == "planes" else read
    np.testing.assert_array_equal(read.reshape(new.shape), new)
    if layout in ("grey", "rgb", "rgba") and dtype != "f2":  # libtiff as imagecodecs calls it.
        read = imagecodecs.tiff_decode(written)
        np.testing.assert_array_equal(read.reshape(new.shape), new)
    old, page = first_page(content), first_page(written)
    for name in KEPT.split():
        assert getattr(page, name) == getattr(old, name), name
    assert page.parent.byteorder == old.parent.byteorder
    assert page.parent.is_bigtiff == old.parent.is_bigtiff
    assert set(page.tags.keys()) == set(old.tags.keys())


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "LA", "RGB", "RGBA", "CMYK", "F"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_pillow_reads_what_was_made_of_its_files(mode: str, compression: str) -> None:
    dtype = {"1": "bool", "I;16": "u2", "F": "f4"}.get(mode, "u1")
    channels = {"LA": (2,), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}.get(mode, ())
    array = values_of((HEIGHT, WIDTH, *channels), dtype)
    content = by_pillow(
        Image.fromarray(array, mode if mode == "CMYK" else None), compression=compression
    )
    file = tiff.read(content, "x.tif")
    np.testing.assert_array_equal(file.stacks[0].values[0].squeeze(), array)
    (new,), written = changed(file)
    with Image.open(io.BytesIO(written)) as image:
        assert image.mode == mode
        assert image.info["compression"] == compression
        np.testing.assert_array_equal(np.asarray(image), new[0].squeeze())


def test_pages_keep_their_sizes_types_and_colours() -> None:
    out = io.BytesIO()
    pages = [values_of((9, 7), "u1"), values_of((5, 6, 3), "u2"), values_of((9, 7), "f4")]
    with tifffile.TiffWriter(out) as writer:
        for page in pages:
            writer.write(page, metadata=None, description=str(page.shape), compression="lzw")
    file = tiff.read(out.getvalue(), "x.tif")
    for stack, page in zip(file.stacks, pages, strict=True):
        np.testing.assert_array_equal(stack.values[0].squeeze(), page)
    new, written = changed(file)
    with tifffile.TiffFile(io.BytesIO(written)) as opened:
        for values, found, page in zip(new, opened.pages, pages, strict=True):
            np.testing.assert_array_equal(found.asarray(), values[0].squeeze())
            assert isinstance(found, tifffile.TiffPage)
            assert found.tags["ImageDescription"].value == str(page.shape)


def test_tags_stay_as_they_were() -> None:
    extra = [(274, 3, 1, 6), (65001, 7, 5, b"a\0b\xffc"), (700, 1, 6, b"<x/>ok"), *GEO]
    content = made(
        values_of((HEIGHT, WIDTH, 3), "u1"),
        photometric="rgb",
        resolution=(300.5, 72),
        resolutionunit="INCH",
        description="grey and μ".encode(),
        software="a program",
        datetime="2020:01:02 03:04:05",
        iccprofile=ICC,
        extratags=[(*tag, False) for tag in extra],
        compression="deflate",
    )
    file = tiff.read(content, "x.tif")
    _, written = changed(file)
    old, new = first_page(content).tags, first_page(written).tags
    for code in (270, 282, 283, 296, 305, 306, 34675, *(tag[0] for tag in extra)):
        assert (new[code].value, new[code].dtype) == (old[code].value, old[code].dtype), code
    assert new[34675].value == ICC
    with Image.open(io.BytesIO(written)) as image:
        assert image.info["icc_profile"] == ICC
        assert image.getexif()[274] == 6
        assert image.info["dpi"] == (300.5, 72)
    assert file.about.icc == ICC
    assert file.about.dpi == (300.5, 72.0)
    exif = Image.Exif()
    assert file.about.exif is not None
    exif.load(file.about.exif)
    assert (exif[274], exif[305]) == (6, "a program")


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("u1", "255", 255.0),
        ("u1", "256", None),
        ("u1", "-9999", None),
        ("u2", "1.5", None),
        ("i2", "-32768", -32768.0),
        ("f4", " -9999 ", -9999.0),
        ("f4", "0.1", float(np.float32(0.1))),
        ("f4", "-3.40282346638529e+38", float(np.finfo("f4").min)),
        ("f4", "1e300", None),
        ("f8", "1e300", 1e300),
        ("f4", "none", None),
        ("bool", "0", None),
    ],
)
def test_gdal_says_which_value_was_not_measured(dtype: str, text: str, value: float | None) -> None:
    content = made(values_of((HEIGHT, WIDTH), dtype), extratags=[(42113, 2, None, text, False)])
    file = tiff.read(content, "x.tif")
    assert file.stacks[0].no_data == value
    assert first_page(changed(file)[1]).tags[42113].value == text.strip()


def test_what_was_not_measured_may_be_nan() -> None:
    content = made(values_of((9, 7), "f4"), extratags=[(42113, 2, None, "nan", False)])
    missing = tiff.read(content, "x.tif").stacks[0].no_data
    assert missing is not None
    assert np.isnan(missing)
    palette = made(GREY, photometric="palette", colormap=np.zeros((3, 256), "u2"), extratags=ZERO)
    assert tiff.read(palette, "x.tif").stacks[0].no_data is None


@pytest.mark.parametrize(
    ("dtype", "tags", "stated"),
    [
        ("u2", [(281, 3, 1, 4095, False)], (0, 4095)),
        ("u2", [(280, 3, 1, 100, False), (281, 3, 1, 4095, False)], (100, 4095)),
        ("u2", [(281, 3, 1, 4094, False)], None),  # The values go on to 4095.
        ("u2", [(280, 3, 1, 101, False), (281, 3, 1, 4095, False)], None),
        ("u2", [(281, 3, 1, 65535, False)], None),
        ("i2", [(340, 8, 1, -50, False), (341, 8, 1, 4095, False)], (-50, 4095)),
        ("f4", [(340, 11, 1, -0.5, False), (341, 12, 1, 1e4, False)], (-0.5, 1e4)),
        ("u4", [(340, 4, 1, 9, False), (341, 4, 1, 1 << 20, False)], (9, 1 << 20)),
        ("u4", [(341, 2, None, "much", False)], None),
        ("u2", [(281, 3, 1, 4000, False), (42113, 2, None, "4095", False)], (0, 4000)),
    ],
)
def test_tags_say_what_black_and_white_are(
    dtype: str, tags: list[Any], stated: tuple[float, float] | None
) -> None:
    values = np.full((HEIGHT, WIDTH), 100).astype(dtype)
    values[0, 0] = 4095
    file = tiff.read(made(values, extratags=tags), "x.tif")
    assert file.stacks[0].stated == stated
    page = first_page(file.encode(file.stacks))
    assert all(tag[0] in page.tags for tag in tags)


def test_what_is_said_of_colours_does_not_hold_for_alpha() -> None:
    values = np.full((9, 7, 4), 65535, "u2")
    values[..., :3] = 4095
    most = [(281, 3, 4, (4095, 4095, 4095, 65535), False)]
    file = tiff.read(made(values, photometric="rgb", extratags=most), "x.tif")
    assert file.stacks[0].stated == (0, 4095)


def test_planes_can_be_written_as_another_kind() -> None:
    values = values_of((3, 9, 7), "u2")
    (stack,) = tiff.read(made(values, photometric="rgb", planarconfig="separate"), "x").stacks
    content = png.write([stack], About())
    np.testing.assert_array_equal(imagecodecs.png_decode(content), np.moveaxis(values, 0, -1))


def test_exif_and_gps_stay() -> None:
    exif = Image.Exif()
    exif[271] = "A maker"
    exif.get_ifd(34665).update({36867: "2020:01:02 03:04:05", 33434: 0.5})
    exif.get_ifd(34853).update({1: "N", 2: (1.0, 2.0, 3.5)})
    exif[34665] = exif[34853] = 0  # Else Pillow leaves both out.
    content = by_pillow(Image.fromarray(values_of((9, 8, 3), "u1")), exif=exif)
    file = tiff.read(content, "x.tif")
    for bytes_of_tiff in (changed(file)[1], file.about.exif):
        found = Image.Exif()
        assert bytes_of_tiff is not None
        found.load(bytes_of_tiff)
        assert found[271] == "A maker"
        assert dict(found.get_ifd(34665)) == {36867: "2020:01:02 03:04:05", 33434: 0.5}
        assert dict(found.get_ifd(34853)) == {1: "N", 2: (1.0, 2.0, 3.5)}


def test_two_descriptions_stay() -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, values_of((9, 7), "u1"), description="mine")
    _, written = changed(tiff.read(out.getvalue(), "x.tif"))
    page = first_page(written)
    assert (page.description, page.description1) == ("mine", '{"shape": [9, 7]}')


@pytest.mark.parametrize("step", [255, 256, 257])
@pytest.mark.parametrize("grey", [False, True])
def test_a_palette_becomes_its_colours(step: int, grey: bool) -> None:
    palette = RANDOM.integers(0, 256, (3, 256)).astype(np.uint16)
    palette[:] = palette[0] if grey else palette
    index = values_of((HEIGHT, WIDTH), "u1")
    content = made(
        index, photometric="palette", colormap=palette * np.uint16(step), compression="lzw"
    )
    file = tiff.read(content, "x.tif")
    bits = 16 if step == 255 else 8
    assert file.remarks == (f"the palette becomes {'grey' if grey else 'RGB'} of {bits} bits",)
    wanted = palette.T[index] * (step if bits == 16 else 1)
    np.testing.assert_array_equal(file.stacks[0].values[0], wanted[..., :1] if grey else wanted)
    (new,), written = changed(file)
    page = first_page(written)
    np.testing.assert_array_equal(page.asarray(), new[0].squeeze())
    assert (page.compression, page.bitspersample, 320 in page.tags) == (5, bits, False)


@pytest.mark.parametrize("bits", [2, 4, 10, 12])
def test_other_numbers_of_bits_are_spread(bits: int) -> None:
    array = RANDOM.integers(0, 1 << bits, (HEIGHT, WIDTH)).astype("u1" if bits < 8 else "u2")
    array[0, :2] = 0, (1 << bits) - 1
    file = tiff.read(made(array, bitspersample=bits, photometric="minisblack"), "x.tif")
    whole = 8 if bits < 8 else 16
    assert file.remarks == (f"values of {bits} bits become {whole} bits",)
    values = file.stacks[0].values[0, ..., 0]
    np.testing.assert_array_equal(values, np.rint(array * ((2**whole - 1) / (2**bits - 1))))
    (new,), written = changed(file)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(written)), new[0, ..., 0])


@pytest.mark.parametrize("compression", ["jpeg", "webp", "group3", "group4"])
def test_what_loses_something_becomes_deflate(compression: str) -> None:
    if fax := compression.startswith("group"):
        array = values_of((HEIGHT, WIDTH), "bool")
        content = by_pillow(Image.fromarray(array), compression=compression)
    else:
        array = np.full((HEIGHT, WIDTH, 3), (200, 100, 50), np.uint8)
        content = made(array, photometric="rgb", compression=compression)
    file = tiff.read(content, "x.tif")
    values = file.stacks[0].values[0].squeeze()
    assert np.abs(values.astype(int) - array).max() <= (0 if fax else 3)
    assert "becomes deflate" in file.remarks[0]
    (new,), written = changed(file)
    assert first_page(written).compression == 8
    with Image.open(io.BytesIO(written)) as image:
        np.testing.assert_array_equal(np.asarray(image), new[0].squeeze())


def test_the_bits_of_bytes_may_begin_with_the_lowest() -> None:
    array = values_of((HEIGHT, WIDTH), "u1")
    plain = bytearray(made(imagecodecs.bitorder_encode(array)))
    unit = first_page(bytes(plain)).tags[296]
    struct.pack_into("<HHII", plain, unit.offset, 266, 4, 1, 2)
    content = bytes(plain)
    assert first_page(content).fillorder == 2
    file = tiff.read(content, "x.tif")
    np.testing.assert_array_equal(file.stacks[0].values[0, ..., 0], array)
    (new,), written = changed(file)
    np.testing.assert_array_equal(first_page(written).asarray(), new[0, ..., 0])


def test_bands_are_grey_images() -> None:
    array = values_of((HEIGHT, WIDTH, 5), "u2")
    content = made(array, photometric="minisblack", planarconfig="contig")
    file = tiff.read(content, "x.tif")
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], array.transpose(2, 0, 1))
    (new,), written = changed(file)
    np.testing.assert_array_equal(first_page(written).asarray(), new[..., 0].transpose(1, 2, 0))


def test_masks_stay_and_smaller_copies_are_left_out() -> None:
    out = io.BytesIO()
    mask = values_of((HEIGHT, WIDTH), "bool")
    with tifffile.TiffWriter(out) as writer:
        writer.write(values_of((HEIGHT, WIDTH), "u1"), subifds=1, metadata=None)
        writer.write(values_of((9, 9), "u1"), subfiletype=1, metadata=None)
        writer.write(mask, photometric="mask", subfiletype=4, compression="lzw", metadata=None)
    file = tiff.read(out.getvalue(), "x.tif")
    assert len(file.stacks) == 1
    assert file.remarks == (
        "left out: SubIFDs, which are smaller copies",
        "a page that is a mask stays as it is",
    )
    (new,), written = changed(file)
    with tifffile.TiffFile(io.BytesIO(written)) as opened:
        np.testing.assert_array_equal(opened.pages[0].asarray(), new[0, ..., 0])
        np.testing.assert_array_equal(opened.pages[1].asarray(), mask)
    assert 330 not in first_page(written).tags


GREY = np.zeros((64, 64), np.uint8)
INT = [(339, 3, 1, 2, True)]
REFUSED = {
    "int of 24 bits": (patched(made(GREY.astype("u4"), extratags=INT), 258, 24), "int24"),
    "complex": (made(GREY.astype("c8")), "complex64"),
    "volume": (made(np.zeros((16, 16, 16), "u1"), volumetric=True, tile=(16, 16, 16)), "16 slices"),
    "ycbcr": (by_pillow(Image.new("YCbCr", (9, 9))), "YCbCr"),
    "lab": (by_pillow(Image.new("LAB", (9, 9))), "CIELab"),
    "mask": (made(GREY > 0, photometric="mask"), "only a mask"),
    "rgb and two": (made(np.zeros((9, 9, 5), "u1"), photometric="rgb"), "2 more than its colours"),
    "no pixels": (patched(made(GREY), 256, 0), "its size is 64×0"),
    "many pixels": (patched(made(GREY), 256, 2**31), "too many to be true"),
    "a codec": (patched(made(GREY), 259, 7777), "7777"),
    "lerc": (made(GREY.astype("f4"), compression="lerc"), "34887"),
    "sparse": (patched(made(GREY), 279, 0), "sparse"),
    "strips": (patched(made(GREY), 278, 1), "1 strips or tiles where 64 belong"),
    "no strips": (patched(made(GREY), 278, 0), "no size"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_such_image_is_refused(what: str) -> None:
    content, message = REFUSED[what]
    with pytest.raises(DataError, match=message) as failure:
        tiff.read(content, "x.tif")
    assert failure.value.message.startswith("x.tif")


@pytest.mark.parametrize(
    "options",
    [{"imagej": True}, {"truncate": True, "photometric": "minisblack"}],
    ids=["ImageJ", "tifffile"],
)
def test_images_without_tags_are_not_lost(options: dict[str, Any]) -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((3, 9, 9), np.uint8), **options)
    content = bytearray(out.getvalue())
    page = first_page(bytes(content))
    struct.pack_into("<I", content, page.offset + 2 + 12 * len(page.tags.values()), 0)
    with pytest.raises(DataError, match="has images that only"):
        tiff.read(bytes(content), "x.tif")


@pytest.mark.parametrize("codec", [None, "packbits", "lzw", "deflate", "zstd", "lzma", "jpeg"])
def test_a_small_file_cannot_claim_many_pixels(codec: str | None) -> None:
    content = made(GREY, compression=codec)
    for code in (256, 257, 278):
        content = patched(content, code, 20_000)
    with pytest.raises(DataError, match="too short for the 20000×20000"):
        tiff.read(content, "x.tif")


@pytest.mark.parametrize("codec", [None, "packbits", "lzw", "deflate", "zstd", "jpeg", "webp"])
def test_missing_pixels_are_never_filled(codec: str | None) -> None:
    content = made(values_of((64, 64, 3), "u1"), photometric="rgb", compression=codec)
    for end in range(8, len(content), 97):
        with pytest.raises(DataError):
            tiff.read(content[:end], "x.tif")
    (size,) = first_page(content).databytecounts
    with pytest.raises(Exception, match=r"."):
        tiff.read(patched(content, 279, size // 2), "x.tif")


def test_jpeg_inside_cannot_claim_another_size() -> None:
    content = made(GREY, compression="jpeg")
    frame = content.index(b"\xff\xc0") + 5
    with pytest.raises(DataError, match="another size"):
        tiff.read(content[:frame] + b"\xff\xff\xff\xff" + content[frame + 4 :], "x.tif")


@pytest.mark.parametrize("codec", ["jpeg", "group4"])
def test_boxes_of_another_type_are_refused(codec: str) -> None:
    content = by_pillow(Image.fromarray(GREY > 0 if codec == "group4" else GREY), compression=codec)
    with pytest.raises(DataError, match="of type uint8"):
        tiff.read(patched(content, 258, 16), "x.tif")


def test_pages_in_a_circle_are_refused() -> None:
    content = bytearray(made(GREY))
    page = first_page(bytes(content))
    struct.pack_into("<I", content, page.offset + 2 + 12 * len(page.tags.values()), page.offset)
    with pytest.raises(DataError, match="no end"):
        tiff.read(bytes(content), "x.tif")


def pages(count: int) -> bytes:
    """A file of so many pages of one pixel."""
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for _ in range(count):
            writer.write(np.zeros((1, 1), "u1"), contiguous=False, metadata=None)
    return out.getvalue()


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = pages(9)
    monkeypatch.setattr(image_file, "MOST_STACKS", 9)
    assert len(tiff.read(content, "x.tif").stacks) == 9
    monkeypatch.setattr(image_file, "MOST_STACKS", 8)
    with pytest.raises(DataError, match=r"x\.tif holds 9 pages; dae takes up to 8$"):
        tiff.read(content, "x.tif")
    monkeypatch.setattr(tiff_tags, "_COUNTED", 6)
    monkeypatch.setattr(image_file, "MOST_STACKS", 5)
    with pytest.raises(DataError, match="holds more than 6 pages; dae takes up to 5"):
        tiff.read(content, "x.tif")
    monkeypatch.setattr(tiff, "MOST_STACKS", 5)
    with pytest.raises(DataError, match="holds up to 5 pages, not 6"):
        tiff.write([Stack(np.zeros((6, 1, 1, 1), "u1"))], About())


def directory(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """Tags of a little-endian file: code, type, count and value of each."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)


def test_tags_that_lead_to_themselves_are_soon_refused() -> None:
    """Each of 5 000 says that EXIF is where it is itself: as often again, three times over."""
    exif = b"II*\0\x08\0\0\0" + directory([(34665, 4, 1, 8)] * 5_000)
    began = time.process_time()
    with pytest.raises(DataError, match="its tags are larger than the file"):
        tiff.read(exif, "x.tif")
    content = tiff.write([Stack(values_of((1, 9, 8, 1), "u1"))], About(exif=exif))
    assert 34665 not in first_page(content).tags
    several = b"II*\0\x08\0\0\0" + directory([(34665 + 188 * (n % 2), 4, 1, 8) for n in range(99)])
    with pytest.raises(DataError, match=r"x\.tif"):
        tiff.read(several, "x.tif")
    assert time.process_time() - began < 1
    same = b"II*\0\x08\0\0\0" + directory([(700, 3, 1, 1)] * 5_000)
    with pytest.raises(DataError, match="again and again"):
        tiff.read(same, "x.tif")


def test_tags_are_no_more_than_a_file_can_need(monkeypatch: pytest.MonkeyPatch) -> None:
    content = made(GREY)
    tags = len(first_page(content).tags.values())
    monkeypatch.setattr(tiff_tags, "_MOST_TAGS", tags)
    tiff.read(content, "x.tif")
    monkeypatch.setattr(tiff_tags, "_MOST_TAGS", tags - 1)
    with pytest.raises(DataError, match="its tags are larger than the file"):
        tiff.read(content, "x.tif")
    big = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 62) + bytes(1000)
    with pytest.raises(DataError, match="beyond its end"):
        tiff.read(big, "x.tif")


def test_strips_of_a_file_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    content = made(GREY, rowsperstrip=1, compression="deflate")
    monkeypatch.setattr(tiff, "_MOST_BOXES", 64)
    tiff.read(content, "x.tif")
    monkeypatch.setattr(tiff, "_MOST_BOXES", 63)
    with pytest.raises(DataError, match="in more than 63 strips or tiles"):
        tiff.read(content, "x.tif")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_write_holds_stacks_of_other_kinds(dtype: str, channels: int) -> None:
    values = values_of((2, HEIGHT, WIDTH, channels), dtype)
    stacks = [Stack(values, channels in (2, 4)), Stack(values[:1, :9], channels in (2, 4))]
    content = tiff.write(stacks, About())
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        pages = [page.asarray() for page in opened.pages]
        assert {page.compression for page in opened.pages} == {8}
    for page, image in zip(pages, [values[0], values[1], values[0, :9]], strict=True):
        assert page.dtype == values.dtype
        np.testing.assert_array_equal(page, image.squeeze(-1) if channels == 1 else image)


@pytest.mark.parametrize("order", "<>")
def test_write_keeps_what_the_other_kind_said(order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[274] = 8
    exif[315] = "An artist"
    exif.get_ifd(34665)[36867] = "2020:01:02 03:04:05"
    about = About(ICC, exif.tobytes()[6:], (300.0, 96.5))
    content = tiff.write([Stack(values_of((1, 9, 8, 3), "u1"))], about)
    with Image.open(io.BytesIO(content)) as image:
        found = image.getexif()
        assert (found[274], found[315]) == (8, "An artist")
        assert found.get_ifd(34665)[36867] == "2020:01:02 03:04:05"
        assert image.info["icc_profile"] == ICC
        assert image.info["dpi"] == (300, 96.5)


def test_broken_exif_is_left_out() -> None:
    values = values_of((1, 9, 8, 1), "u1")
    for exif in (b"junk", b"II*\0\xff\0\0\0" + b"\0" * 20):
        content = tiff.write([Stack(values)], About(exif=exif))
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(content)), values[0, ..., 0])


def test_write_turns_white_as_it_must_be() -> None:
    values = values_of((1, 9, 8, 4), "u1")
    light = tiff.write([Stack(values[..., :3], white_is_zero=True)], About())
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(light)), 255 - values[0, ..., :3])
    with Image.open(io.BytesIO(tiff.write([Stack(values, white_is_zero=True)], About()))) as cmyk:
        assert cmyk.mode == "CMYK"
        np.testing.assert_array_equal(np.asarray(cmyk), values[0])
    grey = tiff.write([Stack(values[..., :1], white_is_zero=True)], About())
    assert first_page(grey).photometric == 0
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(grey)), values[0, ..., 0])


def test_mutations_end_in_errors_or_images() -> None:
    chance = random.Random(1)
    array = values_of((20, 24, 3), "u1")
    files = [
        made(array, photometric="rgb", compression=codec, tile=tile, predictor=predictor)
        for codec, tile, predictor in (
            (None, None, None), ("lzw", (16, 16), 2), ("deflate", None, 2), ("jpeg", None, None),
        )
    ]  # fmt: skip
    read = 0
    for round_ in range(200):
        content = bytearray(files[round_ % len(files)])
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content) if round_ % 2 else 300)] = chance.randrange(256)
        if round_ % 5 == 0:
            del content[chance.randrange(8, len(content)) :]
        try:
            file = tiff.read(bytes(content), "x.tif")
        except Exception:
            continue
        read += 1
        for stack in file.stacks:
            assert stack.values.ndim == 4
            assert stack.values.shape[0] > 0
        assert tiff.read(changed(file)[1], "y.tif").stacks[0].values.shape
    assert 0 < read < 200
