"""FITS files made by astropy, changed by dae, and read by astropy again."""

import gzip
import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy
from broken_files import check_broken
from numpy.typing import NDArray

from dae_tui.core.images.codecs.science import fits
from dae_tui.core.images.formats import kind_of_content, read
from dae_tui.core.images.image_file import About, ImageFile, Stack
from dae_tui.errors import DataError

RANDOM = np.random.default_rng(0)
TYPES = [f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")]
TYPES += ["float32", "float64"]


def image(dtype: str, shape: tuple[int, ...] = (20, 30)) -> NDArray[Any]:
    return RANDOM.integers(0, 100, shape).astype(dtype)


def saved(units: list[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    astropy.HDUList(units).writeto(out, **options)
    return out.getvalue()


def opened(content: bytes, **options: Any) -> Any:
    return astropy.open(io.BytesIO(content), **options)


def changed(file: ImageFile) -> bytes:
    return file.encode([Stack(s.values + s.values.dtype.type(1)) for s in file.stacks])


@pytest.mark.parametrize("dtype", TYPES)
def test_values_change_and_all_else_stays(dtype: str) -> None:
    values = image(dtype, (3, 20, 30))
    unit = astropy.PrimaryHDU(values)
    unit.header["OBJECT"] = ("M 31", "what it is")
    content = saved([unit])
    assert kind_of_content(content) == "fits"
    file = read(content, "a.fits")
    assert file.stacks[0].values.dtype == dtype
    np.testing.assert_array_equal(file.stacks[0].values[..., 0], values)
    made = changed(file)
    assert len(made) == len(content)
    end = content.index(b"END     ")
    assert made[:end] == content[:end]
    with opened(made) as again:
        np.testing.assert_array_equal(again[0].data, values + 1)
        assert again[0].data.dtype == np.dtype(dtype).newbyteorder(">") or dtype[:4] in "uint8"


def test_many_units_tables_and_checksums() -> None:
    table = astropy.BinTableHDU.from_columns([astropy.Column("a", "J", array=np.arange(5))])
    units = [astropy.PrimaryHDU(), astropy.ImageHDU(image("int16")), table]
    units.append(astropy.ImageHDU(image("float32", (2, 9, 8)), name="SCI"))
    content = saved(units, checksum=True)
    file = read(content, "a.fits")
    assert [stack.values.shape for stack in file.stacks] == [(1, 20, 30, 1), (2, 9, 8, 1)]
    with opened(changed(file), checksum=True) as again:  # A wrong one is a warning, so an error.
        np.testing.assert_array_equal(again[1].data, units[1].data + 1)
        np.testing.assert_array_equal(again["SCI"].data, units[3].data + 1)
        np.testing.assert_array_equal(again[2].data["a"], np.arange(5))


def test_blank_is_the_no_data_value() -> None:
    unit = astropy.PrimaryHDU(image("int16"))
    unit.header["BLANK"] = -99
    file = read(saved([unit]), "a.fits")
    assert file.stacks[0].no_data == -99
    unsigned = astropy.PrimaryHDU(image("uint16"))
    unsigned.header["BLANK"] = -32768
    file = read(saved([unsigned]), "a.fits")
    assert file.stacks[0].no_data == 0
    assert file.stacks[0].values.dtype == np.uint16


def test_scaling_stays_as_it_is() -> None:
    unit = astropy.PrimaryHDU(image("int16"))
    unit.header["BSCALE"], unit.header["BZERO"] = 0.25, 10
    content = saved([unit])
    file = read(content, "a.fits")
    assert file.stacks[0].values.dtype == np.int16
    with opened(changed(file)) as again:
        assert (again[0].header["BSCALE"], again[0].header["BZERO"]) == (0.25, 10)
        np.testing.assert_allclose(
            again[0].data, 10 + 0.25 * (file.stacks[0].values[0, ..., 0] + 1.0)
        )


@pytest.mark.parametrize("dtype", TYPES)
def test_write(dtype: str) -> None:
    values = image(dtype, (3, 20, 30))
    with opened(fits.write([Stack(values[..., None])], About())) as again:
        np.testing.assert_array_equal(again[0].data, values)


def test_packed_ones() -> None:
    content = gzip.compress(saved([astropy.PrimaryHDU(image("int16"))]))
    assert kind_of_content(content) == "fits"
    file = read(content, "a.fits.gz")
    made = changed(file)
    assert made[:2] == content[:2]
    with opened(gzip.decompress(made)) as again:
        np.testing.assert_array_equal(again[0].data, file.stacks[0].values[0, ..., 0] + 1)
    with pytest.raises(DataError, match="broken gzip"):
        read(content[:-9], "a.fits.gz")


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("int16", {"compression_type": "RICE_1"}),
        ("uint16", {"compression_type": "HCOMPRESS_1"}),
        ("int32", {"compression_type": "GZIP_1", "tile_shape": (10, 10)}),
        ("float32", {"compression_type": "GZIP_2", "quantize_level": 0}),
    ],
)
@pytest.mark.parametrize("checksum", [False, True])
def test_tiles_are_packed_again(dtype: str, options: dict[str, Any], checksum: bool) -> None:
    values = image(dtype)
    unit = astropy.CompImageHDU(values, name="SCI", **options)
    unit.header["OBJECT"] = "M 31"
    table = astropy.BinTableHDU.from_columns([astropy.Column("a", "J", array=np.arange(5))])
    content = saved([astropy.PrimaryHDU(values), unit, table], checksum=checksum)
    file = read(content, "a.fits.fz")
    assert [stack.values.dtype for stack in file.stacks] == [np.dtype(dtype)] * 2
    np.testing.assert_array_equal(file.stacks[1].values[0, ..., 0], values)
    with opened(changed(file), checksum=checksum) as again:
        np.testing.assert_array_equal(again[0].data, values + 1)
        np.testing.assert_array_equal(again["SCI"].data, values + 1)
        assert again["SCI"].compression_type == options["compression_type"]
        assert (again["SCI"].tile_shape, again["SCI"].header["OBJECT"]) == (unit.tile_shape, "M 31")
        np.testing.assert_array_equal(again[2].data["a"], np.arange(5))


def test_quantised_floats_stay_near() -> None:
    values = RANDOM.normal(100, 5, (40, 50)).astype(np.float32)
    file = read(saved([astropy.PrimaryHDU(), astropy.CompImageHDU(values)]), "a.fits.fz")
    assert file.remarks == ("its compressed floats are quantised anew",)
    with opened(file.encode(file.stacks)) as again:
        np.testing.assert_allclose(again[1].data, file.stacks[0].values[0, ..., 0], atol=0.5)


def test_refused() -> None:
    with pytest.raises(DataError, match="no unit with an image"):
        read(saved([astropy.PrimaryHDU(np.arange(9))]), "a.fits")
    content = saved([astropy.PrimaryHDU(image("int16", (50, 60)))])
    with pytest.raises(DataError, match="ends too early"):
        read(content[:4000], "a.fits")
    word = b"NAXIS1  =                   60"
    huge = content.replace(word, b"NAXIS1  =          60000000000")
    with pytest.raises(DataError, match="too many to be true"):
        read(huge, "a.fits")
    with pytest.raises(DataError, match="cannot hold float16"):
        fits.write([Stack(np.zeros((1, 8, 8, 1), np.float16))], About())


def test_a_header_without_end_and_what_follows_are_not_searched() -> None:
    content = saved([astropy.PrimaryHDU(image("int16"))])
    assert read(content + bytes(10_000_000), "a.fits").stacks[0].values.shape == (1, 20, 30, 1)
    with pytest.raises(DataError, match="a header does not end"):
        read(content[:2880].replace(b"END ", b"    ") * 6000, "a.fits")


def test_broken_files() -> None:
    content = saved([astropy.PrimaryHDU(image("int16")), astropy.ImageHDU(image("float32"))])
    assert check_broken(content, "fits") > 20
    tiles = saved([astropy.PrimaryHDU(), astropy.CompImageHDU(image("int16"))])
    assert check_broken(tiles, "tiles", 40) > 5
