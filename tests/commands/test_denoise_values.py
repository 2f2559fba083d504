"""`dae denoise` of files of any field: no value is lost, and none changes without need."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from command_line import Dae, Outcome
from noisy_pictures import Array, colour, decibels, grey, impulses, page_of_text, shot_noise
from numpy.typing import NDArray
from PIL import Image

SIDE = 144


def normal(sigma: float, *shape: int) -> Array:
    return np.asarray(np.random.default_rng(1).normal(0, sigma, shape))


def tiff(path: Path, values: NDArray[Any], no_data: str | None = None) -> Path:
    """A TIFF, with the tag of GDAL for pixels that were not measured."""
    tags: list[Any] = [] if no_data is None else [(42113, "s", 0, no_data, True)]
    tifffile.imwrite(path, values, extratags=tags)
    return path


def png(path: Path, image: Array) -> Path:
    Image.fromarray(np.rint(image.clip(0, 1) * 255).astype(np.uint8)).save(path)
    return path


def denoised(dae: Dae, source: Path, *options: str | Path) -> tuple[Path, Outcome]:
    target = source.with_name(f"out{source.suffix}")
    outcome = dae("denoise", source, "-o", target, "--overwrite", *options)
    assert outcome.code == 0, outcome.err
    return target, outcome


def read_png(path: Path) -> Array:
    with Image.open(path) as image:
        return np.asarray(image) / 255


# Ranges


@pytest.mark.parametrize("dtype", ["uint32", "int32"])
def test_counts_of_a_detector(dae: Dae, tmp_path: Path, dtype: str) -> None:
    clean = grey("coins", SIDE) * 2000
    given = np.random.default_rng(0).poisson(clean).astype(dtype)
    target, _ = denoised(dae, tiff(tmp_path / "in.tif", given))
    values = tifffile.imread(target)
    assert values.dtype == given.dtype
    assert decibels(values, clean, 2000) > decibels(given, clean, 2000) + 0.5
    assert values.mean() == pytest.approx(given.mean(), rel=0.002)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_around_zero(dae: Dae, tmp_path: Path, dtype: str) -> None:
    clean = (grey("rocket", SIDE) - 0.4) * 3
    given = (clean + normal(0.3, SIDE, SIDE)).astype(dtype)
    np.save(tmp_path / "in.npy", given)
    target, outcome = denoised(dae, tmp_path / "in.npy")
    values = np.load(target)
    assert values.dtype == given.dtype
    assert decibels(values, clean, 3) > decibels(given, clean, 3) + 4
    assert values.min() < -0.9 and values.max() > 1.2
    assert "lie outside" not in outcome.err


def test_ct_in_hounsfield_units(dae: Dae, tmp_path: Path) -> None:
    clean = grey("moon", SIDE) * 2000 - 1000
    given = np.rint(clean + normal(60, SIDE, SIDE)).astype(np.int16)
    target, _ = denoised(dae, tiff(tmp_path / "in.tif", given))
    values = tifffile.imread(target)
    assert values.dtype == np.int16
    assert decibels(values, clean, 2000) > decibels(given, clean, 2000) + 4
    assert values.mean() == pytest.approx(given.mean(), abs=3)


@pytest.mark.parametrize("offset", [100])
def test_a_camera_with_an_offset(dae: Dae, tmp_path: Path, offset: int) -> None:
    light = grey("cell", SIDE) * 400
    given = np.random.default_rng(0).poisson(light) + offset + normal(3, SIDE, SIDE)
    source = tiff(tmp_path / "in.tif", np.rint(given).astype(np.uint16))
    target, _ = denoised(dae, source)
    values = tifffile.imread(target)
    assert decibels(values, light + offset, 400) > decibels(given, light + offset, 400) + 3
    told, _ = denoised(dae, source, "--black", str(offset), "--white", str(offset + 400))
    assert np.abs(tifffile.imread(told).astype(int) - values).mean() < 6


def test_floats_up_to_255_need_no_word(dae: Dae, tmp_path: Path) -> None:
    clean = grey("camera", SIDE) * 255
    given = (clean + normal(20, SIDE, SIDE)).astype(np.float32)
    np.save(tmp_path / "in.npy", given)
    target, _ = denoised(dae, tmp_path / "in.npy")
    values = np.load(target)
    assert decibels(values, clean, 255) > decibels(given, clean, 255) + 4
    told, _ = denoised(dae, tmp_path / "in.npy", "--white", "255", "--black", "0")
    assert np.abs(np.load(told) - values).mean() < 2


@pytest.mark.parametrize("side", [64, SIDE])
def test_floats_from_0_to_1_in_strong_noise_keep_0_and_1(
    dae: Dae, tmp_path: Path, side: int
) -> None:
    clean = grey("camera", side)
    given = (clean + normal(0.4, side, side)).astype(np.float32)
    assert given.min() < -0.5 and given.max() > 1.5
    np.save(tmp_path / "in.npy", given)
    target, outcome = denoised(dae, tmp_path / "in.npy", "--json")
    found = json.loads(outcome.out)
    assert found["sigma"] == pytest.approx(0.4, rel=0.1)
    assert decibels(np.load(target), clean) > decibels(given, clean) + 6


# Noise


@pytest.mark.slow
@pytest.mark.parametrize(("name", "photons"), [("coffee", 30), ("rocket", 100)])
def test_shot_noise_in_colour(dae: Dae, tmp_path: Path, name: str, photons: int) -> None:
    clean = colour(name, SIDE)
    source = png(tmp_path / "in.png", shot_noise(clean, photons))
    target, outcome = denoised(dae, source, "--json")
    before, after = (decibels(read_png(path), clean) for path in (source, target))
    assert after > before + 4
    true = np.sqrt(clean.mean() / photons)
    assert json.loads(outcome.out)["sigma"] == pytest.approx(true, rel=0.15)
    told, _ = denoised(dae, source, "--sigma", f"{true:.4f}")
    assert after > decibels(read_png(told), clean) - 0.5


def test_stripes_and_speckle_are_explained(dae: Dae, tmp_path: Path) -> None:
    draw, clean = np.random.default_rng(0), grey("camera", SIDE)
    striped = png(tmp_path / "striped.png", clean + draw.normal(0, 0.05, (SIDE, 1)))
    speckled = png(tmp_path / "speckled.png", clean * (1 + draw.normal(0, 0.2, clean.shape)))
    outcome = dae("denoise", striped, speckled, "-o", tmp_path / "out", "--explain")
    assert outcome.code == 0
    assert "stripes of 0.0" in outcome.err
    assert "of the intensity, as speckle is" in outcome.err
    assert "whole rows or columns" not in outcome.err
    for source in (striped, speckled):
        after = np.asarray(Image.open(tmp_path / "out" / source.name)) / 255
        before = np.asarray(Image.open(source)) / 255
        assert decibels(after, clean) > decibels(before, clean) + 5


def test_shot_noise_in_grey(dae: Dae, tmp_path: Path) -> None:
    clean = grey("chelsea", SIDE)
    source = png(tmp_path / "in.png", shot_noise(clean, 50))
    target, _ = denoised(dae, source)
    assert decibels(read_png(target), clean) > decibels(read_png(source), clean) + 5


@pytest.mark.parametrize(("share", "least"), [(0.05, 32), (0.1, 31), (0.3, 25)])
def test_salt_and_pepper(dae: Dae, tmp_path: Path, share: float, least: float) -> None:
    clean = grey("rocket", SIDE)
    target, _ = denoised(dae, png(tmp_path / "in.png", impulses(clean, share)))
    assert decibels(read_png(target), clean) > least


# What was not measured


@pytest.mark.parametrize(
    ("dtype", "white", "no_data"),
    [("uint16", 4000, 65535), ("int16", 3000, -32768), ("float32", 1, -9999), ("uint8", 250, 0)],
)
def test_pixels_without_data_stay_and_reach_nothing(
    dae: Dae, tmp_path: Path, dtype: str, white: float, no_data: int
) -> None:
    clean = 0.15 + 0.7 * grey("coins", SIDE)
    noisy = (clean + normal(0.05, SIDE, SIDE)).clip(0.01, 1) * white
    given = (np.rint(noisy) if dtype[0] != "f" else noisy).astype(dtype)
    hole = np.zeros(given.shape, bool)
    hole[30:70, 50:110] = hole[100, 20] = True
    given[hole] = no_data
    target, outcome = denoised(dae, tiff(tmp_path / "in.tif", given, str(no_data)))
    values = tifffile.imread(target)
    assert (values[hole] == no_data).all()
    assert (values[~hole] >= given[~hole].min()).all()
    assert (values[~hole] <= given[~hole].max()).all()
    assert decibels(values[~hole] / white, clean[~hole]) > 30
    ring = np.zeros_like(hole)
    ring[28:72, 48:112] = True
    assert decibels(values[ring & ~hole] / white, clean[ring & ~hole]) > 27
    assert f"2,401 values are no-data ({no_data})" in outcome.err
    with tifffile.TiffFile(target) as file:
        assert file.pages[0].tags[42113].value == str(no_data)  # type: ignore[union-attr]


def test_nan_stays(dae: Dae, tmp_path: Path) -> None:
    given = (grey("camera", SIDE) + normal(0.1, SIDE, SIDE)).astype(np.float32)
    given[20:30, 40:60] = np.nan
    np.save(tmp_path / "in.npy", given)
    target, outcome = denoised(dae, tmp_path / "in.npy")
    assert (np.isnan(np.load(target)) == np.isnan(given)).all()
    assert "200 values are NaN or infinite, and stay so" in outcome.err


# Nothing to denoise


def clean_images() -> dict[str, NDArray[np.uint8]]:
    step = np.zeros((SIDE, SIDE), np.uint8)
    step[:, SIDE // 2 :] = 255
    code = np.random.default_rng(0).integers(0, 2, (33, 33)) * 255
    return {
        "white": np.full((SIDE, SIDE), 255, np.uint8),
        "small white": np.full((50, 60), 255, np.uint8),
        "step": step,
        "small step": step[:64, 40:104].copy(),
        "colour": np.stack([step, step // 2, step.T], axis=-1),
        "code": code.astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1),
        "page": page_of_text(),
    }


@pytest.mark.parametrize("name", clean_images())
@pytest.mark.parametrize("kind", ["png", "tif", "npy"])
def test_what_is_clean_comes_back_byte_for_byte(
    dae: Dae, tmp_path: Path, name: str, kind: str
) -> None:
    source = tmp_path / f"in.{kind}"
    image = clean_images()[name]
    if kind == "npy":
        np.save(source, image)
    else:
        Image.fromarray(image).save(source)
    target, _ = denoised(dae, source)
    assert target.read_bytes() == source.read_bytes()


def test_a_clean_jpeg_is_not_packed_again(dae: Dae, tmp_path: Path) -> None:
    step = clean_images()["step"][:, 8:-8]
    Image.fromarray(step).save(tmp_path / "in.jpg", quality=60)
    target, _ = denoised(dae, tmp_path / "in.jpg")
    assert target.read_bytes() == (tmp_path / "in.jpg").read_bytes()


def test_clean_files_in_other_ways(dae: Dae, tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    Image.fromarray(clean_images()["step"]).save(source)
    content = source.read_bytes()
    assert dae("denoise", source, "-o", tmp_path / "x.bmp").code == 0
    with Image.open(tmp_path / "x.bmp") as image:
        assert image.format == "BMP"
        assert (np.asarray(image) == clean_images()["step"]).all()
    assert dae("denoise", source, "--in-place").code == 0
    assert source.read_bytes() == content


def test_a_clean_table_of_digits_in_gzip_stays_one(dae: Dae, tmp_path: Path) -> None:
    digits = np.zeros((3, 28, 28), np.uint8)
    digits[:, 5:20, 10:14] = 255
    header = bytes([0, 0, 8, 3]) + np.array(digits.shape, ">u4").tobytes()
    source = tmp_path / "a-idx3-ubyte.gz"
    source.write_bytes(gzip.compress(header + digits.tobytes(), mtime=0))
    target = tmp_path / "out" / source.name
    assert dae("denoise", source, "-o", tmp_path / "out").code == 0
    assert gzip.decompress(target.read_bytes()) == header + digits.tobytes()


def test_clean_raw_data_of_a_camera_become_a_tiff(dae: Dae, tmp_path: Path) -> None:
    """They cannot be written back, not even unchanged."""
    tags: list[Any] = [(33421, "H", 2, (2, 2)), (33422, "B", 4, (0, 1, 1, 2))]
    tags.append((50706, "B", 4, (1, 4, 0, 0)))
    sensor = np.full((128, 128), 4000, np.uint16)
    tifffile.imwrite(tmp_path / "a.dng", sensor, photometric=32803, extratags=tags, metadata=None)
    assert dae("denoise", tmp_path / "a.dng", "-o", tmp_path / "out").code == 0
    assert tifffile.imread(tmp_path / "out" / "a.tif").shape == (128, 128, 3)


def test_noise_among_clean_pages_leaves_the_clean_ones(dae: Dae, tmp_path: Path) -> None:
    clean = clean_images()["step"]
    noisy = np.rint((grey("moon", SIDE) * 255 + normal(20, SIDE, SIDE)).clip(0, 255))
    pages = [clean, noisy.astype(np.uint8), clean.T]
    images = [Image.fromarray(page) for page in pages]
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:])
    (tmp_path / "in.tif").write_bytes(buffer.getvalue())
    target, _ = denoised(dae, tmp_path / "in.tif")
    values = tifffile.imread(target)
    assert (values[0] == clean).all() and (values[2] == clean.T).all()
    assert (values[1] != pages[1]).mean() > 0.5
