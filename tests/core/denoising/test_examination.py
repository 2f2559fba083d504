"""What is found in images of any type: range, levels of each image, impulses, correlation."""

from typing import Any

import numpy as np
import pytest
import torch
from noisy_pictures import Array, colour, grey, impulses, page_of_text, shot_noise
from numpy.typing import NDArray
from scipy import ndimage

from dae_tui.core.denoising import examination
from dae_tui.core.denoising.examination import (
    Examination,
    examine,
    examine_small,
    is_small,
    joined,
    nothing_in,
    small_planes,
)
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import ValueRange, find_range
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.errors import DataError
from dae_tui.spec.denoising import DenoiseOptions

OPTIONS = DenoiseOptions()
SIDE = 160


def white_noise(sigma: float, *shape: int, seed: int = 0) -> Array:
    return np.asarray(np.random.default_rng(seed).normal(0, sigma, shape))


def stored(image: Array, black: float = 0, white: float = 255, dtype: str = "u1") -> Stack:
    """An image (H, W), (H, W, 3) or (N, H, W, C) between two stored values."""
    values = black + (white - black) * image
    kind = np.dtype(dtype)
    if kind.kind in "ui":
        values = np.rint(values).clip(np.iinfo(kind).min, np.iinfo(kind).max)
    typed: NDArray[Any] = values.astype(kind)
    while typed.ndim < 4:
        typed = typed[..., None] if typed.ndim == 2 else typed[None]
    return Stack(typed)


def found_in(stack: Stack, **options: Any) -> Examination:
    return examine(stack, DenoiseOptions(**options), "x.tif")


@pytest.mark.parametrize(
    ("dtype", "black", "white"),
    [("u1", 0, 255), ("u2", 100, 1500), ("i2", -1000, 1000), ("u4", 0, 3000), ("f4", -2, 2)],
)
def test_the_level_is_found_in_any_unit(dtype: str, black: float, white: float) -> None:
    clean = grey("camera", SIDE)
    found = found_in(stored(clean + white_noise(0.05, SIDE, SIDE), black, white, dtype))
    level = found.sigma * found.range.span / (white - black)
    assert level == pytest.approx(0.05, rel=0.1)
    assert found.noise[0].levels[0].is_constant
    assert found.sigma > found.nothing
    assert found.noise[0].impulses == 0


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_shot_noise_has_a_function_for_each_channel(channels: int) -> None:
    clean = grey("camera", SIDE) if channels == 1 else colour("astronaut", 256)
    found = found_in(stored(shot_noise(clean, 100).clip(0, 1)))
    assert len(found.noise[0].levels) == channels
    assert not any(level.is_constant for level in found.noise[0].levels)
    # Nearly all of the light reaches the sensor unclipped.
    assert found.sigma == pytest.approx(np.sqrt(clean.mean() / 100), rel=0.12)


@pytest.mark.parametrize("side", [28, 128])
def test_each_image_of_a_stack_has_its_own_level(side: int) -> None:
    clean = [grey(name, side) for name in ("camera", "coins", "moon")]
    images = [
        image + white_noise(sigma, side, side)
        for image, sigma in zip(clean, (0.03, 0.1, 0.25), strict=True)
    ]
    found = found_in(stored(np.stack(images)[..., None], dtype="f4", white=1))
    assert found.sigmas.tolist() == pytest.approx([0.03, 0.1, 0.25], rel=0.25)
    assert found.sigma == pytest.approx(0.1, rel=0.15)


def test_equal_levels_of_small_images_are_one() -> None:
    images = np.stack([grey("moon", 28) + white_noise(0.2, 28, 28, seed=n) for n in range(30)])
    found = found_in(stored(images[..., None], dtype="f4", white=1))
    assert len(set(found.sigmas.tolist())) == 1
    assert found.sigma == pytest.approx(0.2, rel=0.1)
    assert found.noise == ()


def test_the_user_says_the_level() -> None:
    for side in (28, 128):
        found = found_in(stored(grey("camera", side)), sigma=0.2)
        assert found.sigma == pytest.approx(0.2)
        assert found.nothing == 0
    (level,) = found.noise[0].levels
    assert level.is_constant


def test_salt_and_pepper_does_not_count_for_noise() -> None:
    clean = grey("camera", SIDE)
    found = found_in(stored(impulses(clean, 0.1)))
    assert found.noise[0].impulses == pytest.approx(0.1, abs=0.015)
    assert found.sigma < 0.03


def test_correlated_noise_is_known() -> None:
    clean = grey("camera", 256)
    white = white_noise(0.1, 256, 256)
    smooth = ndimage.gaussian_filter(white, 0.8)
    smooth *= 0.1 / smooth.std()
    assert not found_in(stored(clean + white)).noise[0].correlation.between_pixels
    assert found_in(stored(clean + smooth)).noise[0].correlation.between_pixels
    assert not found_in(stored(shot_noise(clean, 100))).noise[0].correlation.between_pixels


def coloured(noise: NDArray[np.float64], texture: str = "astronaut") -> ImageNoise:
    """What is found in a picture in colour, with noise (H, W, 3)."""
    side = noise.shape[0]
    return found_in(stored(np.clip(colour(texture, side) + noise, 0, 1))).noise[0]


def test_white_noise_in_colour_is_correlated_neither_between_pixels_nor_channels() -> None:
    noise = np.random.default_rng(0).normal(0, 0.06, (256, 256, 3))
    found = coloured(noise)
    assert not found.correlation.between_pixels
    assert not found.correlation.shared


def test_texture_is_not_taken_for_correlated_noise() -> None:
    """On a fine texture of brightness the measure of brightness alone is wrong."""
    texture = ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 1, (256, 256)), 1)
    image = 0.5 + 0.1 * texture[..., None] / texture.std() * np.ones(3)
    image = image + np.random.default_rng(0).normal(0, 0.02, image.shape)
    found = found_in(stored(image.clip(0, 1))).noise[0]
    assert not found.correlation.between_pixels
    assert not found.correlation.shared


def test_noise_that_a_camera_has_smoothed_is_correlated() -> None:
    noise = np.random.default_rng(0).normal(0, 0.06, (256, 256, 3))
    smooth = ndimage.gaussian_filter(noise, (0.8, 0.8, 0))
    assert coloured(smooth).correlation.between_pixels


def test_what_may_be_a_cameras_is_a_picture_of_a_level_that_nobody_gave() -> None:
    photograph = stored(colour("astronaut", 128))
    assert found_in(photograph).camera
    assert not found_in(photograph, sigma=0.02).camera
    assert found_in(stored(grey("camera", 128))).camera
    assert not found_in(Stack(stored(grey("camera", 128)).values.astype(np.uint16) * 257)).camera


@pytest.mark.slow
def test_noise_of_the_brightness_is_shared_by_the_channels() -> None:
    noise = np.random.default_rng(0).normal(0, 0.06, (256, 256, 1))
    own = np.random.default_rng(1).normal(0, 0.01, (256, 256, 3))
    assert coloured(noise + own).correlation.shared
    grey_as_rgb = np.repeat(grey("camera", 256)[..., None], 3, axis=2) + noise
    assert found_in(stored(grey_as_rgb)).noise[0].correlation.shared
    assert found_in(stored(grey_as_rgb), sigma=0.06).noise[0].correlation.shared


@pytest.mark.parametrize("side", [40, 128])
def test_dark_on_light_is_seen(side: int) -> None:
    page = page_of_text()[:side, :side] / 255
    assert found_in(stored(page)).dark.all()
    assert not found_in(stored(1 - page)).dark.any()


def test_below_the_rounding_there_is_nothing() -> None:
    byte = stored(grey("camera", 32))
    assert nothing_in(byte, ValueRange(0, 255)) == pytest.approx(0.5 / 255)
    counts = stored(grey("camera", 32), 0, 3000, "u4")
    assert nothing_in(counts, ValueRange(0, 3000)) == pytest.approx(0.5 / 3000)
    assert nothing_in(stored(grey("camera", 32), 0, 1, "f4"), ValueRange(0, 1)) < 1e-5
    assert nothing_in(byte, ValueRange(0, 255), DenoiseOptions(sigma=0.001)) == 0


@pytest.mark.parametrize("side", [32, 128])
@pytest.mark.parametrize("dtype", ["u1", "f4", "?"])
def test_two_values_hold_no_noise(side: int, dtype: str) -> None:
    code: Array = np.random.default_rng(0).integers(0, 2, (side // 4,) * 2).astype(np.float64)
    code = code.repeat(4, axis=0).repeat(4, axis=1)
    found = found_in(stored(code, 0, 255 if dtype == "u1" else 1, dtype))
    assert found.sigma <= found.nothing
    grey_code = stored(0.2 + 0.6 * code, 0, 255 if dtype == "u1" else 1, dtype)
    assert found_in(grey_code).sigma <= found_in(grey_code).nothing


@pytest.mark.parametrize("side", [32, 128])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8"])
def test_a_constant_and_a_step_hold_none(side: int, dtype: str) -> None:
    step = np.zeros((side, side))
    for image in (step + 1, step, np.where(np.arange(side) < side // 2, step, 0.5)):
        found = found_in(stored(image, 0, 200, dtype))
        assert found.sigma <= found.nothing


def test_what_stays_is_remarked() -> None:
    image = grey("camera", SIDE).copy()
    image[:3, :4] = np.nan
    missing = stored(image, dtype="f4", white=1)
    assert found_in(missing).remarks == ("12 values are NaN or infinite, and stay so",)
    clean = stored(grey("camera", SIDE), 10, 200, "u2")
    clean.values[0, 5, :7] = 65535
    holed = Stack(clean.values, no_data=65535)
    assert found_in(holed).remarks == ("7 values are no-data (65535), and stay so",)
    assert found_in(stored(grey("camera", SIDE))).remarks == ()


@pytest.mark.parametrize("side", [40, 128])
def test_what_was_not_measured_changes_no_level(side: int) -> None:
    clean = np.clip(grey("camera", side) + white_noise(0.05, side, side), 0.01, None)
    whole = found_in(stored(clean, 0, 4000, "u2"))
    holed = stored(clean, 0, 4000, "u2")
    holed.values[0, side // 4 : side // 2, side // 4 : side // 2] = 65535
    found = found_in(Stack(holed.values, no_data=65535))
    assert found.range.source == "data"
    assert found.sigma == pytest.approx(whole.sigma, rel=0.15)
    assert small_planes(Stack(holed.values, no_data=65535), found.range).isnan().any()


def test_transparent_pixels_are_not_measured() -> None:
    image = np.concatenate([colour("astronaut", SIDE), np.ones((SIDE, SIDE, 1))], axis=-1)
    stack = Stack(stored(image).values, alpha=True)
    stack.values[0, 20:90, 20:90] = (*np.random.default_rng(0).integers(0, 255, 3), 0)
    planes = small_planes(stack, ValueRange(0, 255))
    assert planes.shape == (1, 3, SIDE, SIDE)
    assert int(planes.isnan().sum()) == 3 * 70 * 70


def test_nothing_but_nan_is_refused() -> None:
    with pytest.raises(DataError, match=r"x\.tif holds nothing but NaN"):
        found_in(Stack(np.full((1, 20, 20, 1), np.nan)))


def test_small_images_of_many_files_are_examined_as_one_by_one() -> None:
    stacks = [
        stored(grey(name, 28) + white_noise(sigma, 28, 28))
        for name, sigma in (("camera", 0.1), ("moon", 0.3), ("coins", 0.02))
    ]
    ranges = [find_range(stack, "x") for stack in stacks]
    together = examine_small(stacks, ranges, OPTIONS)
    for stack, found in zip(stacks, together, strict=True):
        alone = examine(stack, OPTIONS, "x")
        assert found.sigma == pytest.approx(alone.sigma, rel=1e-4)
        assert torch.equal(found.dark, alone.dark)
    one = joined(together)
    assert one.sigmas.tolist() == [float(found.sigmas[0]) for found in together]
    assert len(one.dark) == 3


def test_small_is_below_the_least_for_a_function() -> None:
    assert is_small(Stack(np.zeros((5, 95, 96, 1), np.uint8)))
    assert not is_small(Stack(np.zeros((1, 96, 96, 1), np.uint8)))


@pytest.mark.slow
def test_a_large_scan_with_empty_margins_is_a_page() -> None:
    scan = np.full((2600, 2000), 240, np.uint8)
    scan[600:2200, 232:1768] = np.tile(page_of_text(), (10, 8))
    options = DenoiseOptions(sigma=0.1)
    assert examine(Stack(scan[None, ..., None]), options, "scan").page
    assert not examine(Stack(np.full((1, 2600, 2000, 1), 240, np.uint8)), options, "blank").page


def test_letters_on_blank_paper_are_not_taken_for_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    of_letters = LevelFunction((0.02, 1e-4), 0.6, 1.0, sigma=0.08)
    monkeypatch.setattr(examination, "estimate_level_functions", lambda _: (of_letters,))
    page = page_of_text()[None, ..., None]
    clean = examine(Stack(page, compression_error=10.0), OPTIONS, "page.jpg")
    assert clean.page and clean.artefacts
    assert clean.sigma == pytest.approx(0.5 * 10 / 255)
    noisy = page / 255 + white_noise(0.06, *page.shape)
    found = examine(stored(noisy.clip(0, 1)), OPTIONS, "page.png")
    assert found.page and found.sigma == pytest.approx(0.08)


def test_weak_artefacts_of_a_page_are_left() -> None:
    page = page_of_text()[None, ..., None]
    for error, removed in ((2.0, False), (4.0, True)):
        found = examine(Stack(page, compression_error=error), OPTIONS, "page.jpg")
        assert found.page and found.artefacts is removed


def test_shot_noise_in_colour_texture_is_found_by_the_differences_of_colours() -> None:
    rng = np.random.default_rng(0)
    white = rng.uniform(-1, 1, (SIDE, SIDE))
    grain = (white + np.roll(white, 1, 0) + np.roll(white, 1, 1) + np.roll(white, (1, 1))) / 2
    light = 0.15 + 0.6 * np.mgrid[:SIDE, :SIDE][1] / SIDE
    clean = (light * (1 + 0.25 * grain)).clip(0.02, 0.95)[..., None] * np.array([1, 0.85, 0.75])
    found = found_in(stored(rng.poisson(clean * 400) / 400))
    true = np.sqrt((clean / 400).mean())
    assert found.sigma == pytest.approx(float(true), rel=0.08)
    assert not found.noise[0].correlation.shared


@pytest.mark.parametrize("axis", [0, 1])
def test_stripes_are_seen(axis: int) -> None:
    clean = grey("camera", SIDE)
    offsets = white_noise(0.05, *((SIDE, 1) if axis else (1, SIDE)))
    for without in (clean, clean + white_noise(0.05, SIDE, SIDE)):
        assert found_in(stored(without)).noise[0].stripes is None
    eight, sixteen = stored(clean + offsets), stored(clean + offsets, 100, 900, "u2")
    for given, span in ((eight, 255), (sixteen, 800)):
        found = found_in(given)
        assert not found.striped  # They are known, and no reason to warn.
        assert found.noise[0].stripes is not None
        sigma = found.noise[0].stripes.sigma * found.range.span / span
        assert sigma == pytest.approx(0.05, rel=0.25)
