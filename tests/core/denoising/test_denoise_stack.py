"""Stored images through a network: type, range, alpha and what was not measured stay."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from noisy_pictures import Array, colour, decibels, grey, impulses, page_of_text, shot_noise
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data

from dae_tui.core.denoising import apply_network as denoising
from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.denoise_stack import candidates_for, denoise_stack
from dae_tui.core.denoising.denoised import Denoised
from dae_tui.core.denoising.examination import examine
from dae_tui.core.denoising.large_image import inverts
from dae_tui.core.denoising.planes import conversion
from dae_tui.core.denoising.single_image import denoise_single
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.tone_curve import from_srgb, to_srgb
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.choice import Candidates, WeightsChoice
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.errors import WeightsError
from dae_tui.spec.denoising import DenoiseOptions
from dae_tui.spec.model_cards import published
from dae_tui.spec.noise_spec import parse_noise

FP32 = Compute(precision="fp32")
SIDE = 128
CHOICE = WeightsChoice()


@pytest.fixture(scope="module")
def autoencoder() -> Weights:
    return load_weights(published()["mnist-autoencoder"])


@pytest.fixture(scope="module")
def photos() -> Weights:
    return load_weights(published()["photos-unet"])


def denoise(
    stack: Stack, named: Weights | None = None, compute: Compute = FP32, **options: Any
) -> Denoised:
    asked = DenoiseOptions(**options)
    found = examine(stack, asked, "x")
    _, height, width, _ = stack.values.shape
    candidates = (
        CHOICE.candidates(height, width, found.sigma)
        if named is None
        else Candidates((named,), named=True)
    )
    return denoise_stack(candidates, stack, found, asked, compute)


def noisy(clean: Array, sigma: float, seed: int = 0) -> Array:
    return clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)


def stored(image: Array, black: float, white: float, dtype: str) -> NDArray[Any]:
    """One image as (1, H, W, C) between two stored values."""
    values = black + (white - black) * image
    kind = np.dtype(dtype)
    if kind.kind in "ui":
        values = np.rint(values).clip(np.iinfo(kind).min, np.iinfo(kind).max)
    typed: NDArray[Any] = values.astype(kind)
    return typed[None, ..., None] if typed.ndim == 2 else typed[None]


TYPES = [
    ("u1", 0, 255),
    ("u2", 0, 65535),
    (">u2", 100, 1500),
    ("i2", -1000, 1000),
    ("u4", 0, 3000),
    (">i4", -5000, 5000),
    ("i8", 0, 3000),
    ("f2", 0, 1),
    ("f4", -2, 2),
    (">f4", 0, 255),
    ("f8", -80, -10),
]


@pytest.mark.parametrize(("dtype", "black", "white"), TYPES)
@pytest.mark.parametrize("side", [64, SIDE])
def test_every_type_and_range_gets_better_and_keeps_its_mean(
    dtype: str, black: float, white: float, side: int
) -> None:
    clean = grey("camera", side)
    given = stored(noisy(clean, 0.08), black, white, dtype)
    done = denoise(Stack(given.copy()))
    values = done.stack.values
    assert (values.dtype, values.shape) == (given.dtype, given.shape)
    unit = (values[0, ..., 0].astype(float) - black) / (white - black)
    before = (given[0, ..., 0].astype(float) - black) / (white - black)
    assert decibels(unit, clean) > decibels(before, clean) + 3
    assert unit.mean() == pytest.approx(before.mean(), abs=0.005)
    assert done.images[0].weights is not None
    assert not done.is_unchanged


@pytest.mark.parametrize("dtype", ["f4"])
def test_shot_noise_in_colour_is_taken_out(dtype: str) -> None:
    clean = colour("coffee", SIDE)
    white = 255 if dtype == "u1" else 1
    given = stored(shot_noise(clean, 100).clip(0, 1), 0, white, dtype)
    after = denoise(Stack(given)).stack.values[0] / white
    assert decibels(after, clean) > decibels(given[0] / white, clean) + 4
    told = denoise(Stack(given), sigma=float(np.sqrt(clean.mean() / 100))).stack.values[0] / white
    assert decibels(after, clean) > decibels(told, clean) - 0.5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("best", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_strong_speckle_is_taken_out(channels: int, best: bool) -> None:
    clean = grey("coffee", 256) if channels == 1 else colour("coffee", 256)
    speckled = clean * (1 + np.random.default_rng(0).normal(0, 0.4, clean.shape))
    given = stored(speckled.clip(0, 1), 0, 255, "u1")
    done = denoise(Stack(given), compute=Compute(precision="fp32", best=best))
    after = done.stack.values[0] / 255
    shape = (256, 256, channels)
    before = decibels(given[0] / 255, clean.reshape(shape))
    assert decibels(after, clean.reshape(shape)) > before + 6


def test_radar_speckle_of_one_look_is_taken_out() -> None:
    clean = grey("coffee", 256)
    given = (clean * np.random.default_rng(0).exponential(1, clean.shape)).astype(np.float32)
    stack = Stack(given[None, ..., None])
    done = without_options(stack)
    before, after = (decibels(each, clean) for each in (given, done.stack.values[0, ..., 0]))
    assert after > before + 13
    assert done.stack.values.mean() == pytest.approx(given.mean(), rel=0.1)


@pytest.mark.parametrize("side", [64, SIDE])
def test_grey_stored_as_colour_is_denoised_as_grey_and_stays_grey(side: int) -> None:
    clean = grey("rocket", side)
    given = stored(noisy(clean, 0.1), 0, 255, "u1")
    alone = denoise(Stack(given)).stack.values[0, ..., 0]
    for compute in (FP32, Compute(tile=64)):
        coloured = denoise(Stack(given.repeat(3, axis=-1)), compute=compute).stack.values[0]
        assert np.ptp(coloured, axis=-1).max() <= 1
        assert decibels(coloured[..., 1] / 255, clean) > decibels(alone / 255, clean) - 0.5
    assert decibels(alone / 255, clean) > decibels(given[0, ..., 0] / 255, clean) + 5


def test_noise_that_channels_share_is_taken_out() -> None:
    clean = colour("rocket", SIDE)
    grain = np.random.default_rng(0).normal(0, 0.07, (SIDE, SIDE, 1))
    given = stored(clean + grain, 0, 255, "u1")
    after = denoise(Stack(given)).stack.values[0] / 255
    assert decibels(after, clean) > decibels(given[0] / 255, clean) + 5


def test_black_parts_do_not_mislead_the_level_of_colours() -> None:
    clean = colour("astronaut", 144)
    given = stored(shot_noise(clean, 100).clip(0, 1), 0, 255, "u1")
    after = denoise(Stack(given)).stack.values[0] / 255
    assert decibels(after, clean) > decibels(given[0] / 255, clean) + 6


@pytest.mark.parametrize(
    ("channels", "white"), [(1, 0.0), (1, 0.05), pytest.param(3, 0.05, marks=pytest.mark.slow)]
)
def test_stripes_are_removed(channels: int, white: float) -> None:
    clean = (grey("camera", 256) if channels == 1 else colour("astronaut", 256)).reshape(
        256, 256, -1
    )
    draw = np.random.default_rng(0)
    offsets = draw.normal(0, 0.06, (256, 1, 1))
    given = stored(clean + offsets + draw.normal(0, white, clean.shape), 0, 255, "u1")
    whole = denoise(Stack(given)).stack.values[0].astype(float)
    assert decibels(whole / 255, clean) > decibels(given[0] / 255, clean) + 6
    tiled = denoise(Stack(given), compute=Compute(tile=64)).stack.values[0].astype(float)
    assert np.abs(tiled - whole).max() <= 1
    none = denoise(Stack(given), strength=0.0).stack.values
    assert np.array_equal(none, given)


def test_networks_that_were_named_and_know_no_level_get_the_stripes_too() -> None:
    offsets = np.random.default_rng(0).normal(0, 0.06, (SIDE, 1))
    given = stored(grey("camera", SIDE) + offsets, 0, 255, "u1")
    blind = load_weights(published()["camera-unet"])
    whole = denoise(Stack(given.repeat(3, axis=-1)), named=blind).stack.values[0] / 255
    planes = torch.from_numpy(given[0] / 255).float().movedim(-1, 0).repeat(3, 1, 1)[None]
    direct = denoise_images(blind, planes, torch.zeros(1), FP32)[0].movedim(0, -1).numpy()
    assert np.abs(whole - direct).max() < 0.01


def test_salt_and_pepper_is_mended() -> None:
    clean = grey("camera", SIDE)
    given = stored(impulses(clean, 0.1), 0, 255, "u1")
    done = denoise(Stack(given))
    assert decibels(done.stack.values[0, ..., 0] / 255, clean) > 31
    assert not done.is_unchanged


@pytest.mark.parametrize("side", [64, SIDE])
@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "i2", "u4", "f4", "f8"])
def test_what_has_no_noise_stays_bit_for_bit(side: int, dtype: str) -> None:
    white = {"?": 1, "u1": 255, "f4": 1, "f8": 1}.get(dtype, 3000)
    code: Array = np.random.default_rng(0).integers(0, 2, (side // 4,) * 2).astype(np.float64)
    code = code.repeat(4, axis=0).repeat(4, axis=1)
    step = np.full((side, side), 0.2)
    step[:, side // 2 :] = 1
    for clean in (np.ones((side, side)), code, step):
        given = stored(clean, 0, white, dtype)
        done = denoise(Stack(given))
        assert (done.stack.values == given).all()
        assert done.is_unchanged
        assert done.images[0].weights is None


def test_a_page_without_noise_is_not_made_worse() -> None:
    page = page_of_text()[None, ..., None]
    done = denoise(Stack(page))
    assert (done.stack.values == page).all()
    assert done.is_unchanged


def test_weights_that_were_named_are_used_whatever_they_do(
    autoencoder: Weights, photos: Weights
) -> None:
    step = stored(np.tile([0.2, 0.2, 0.8, 0.8], (28, 7)), 0, 255, "u1")
    done = denoise(Stack(step), autoencoder)
    assert done.images[0].weights is autoencoder
    assert not done.is_unchanged
    # These take the level, and it is nothing.
    assert denoise(Stack(step), photos).is_unchanged


@pytest.mark.parametrize("side", [64, SIDE])
def test_no_data_stays_and_does_not_reach_its_neighbours(side: int) -> None:
    clean = 0.2 + 0.6 * grey("camera", side)
    given = stored(noisy(clean, 0.05).clip(0, 1), 0, 4000, "u2")
    hole = np.zeros(given.shape, bool)
    hole[0, side // 4 : side // 2, side // 4 : side // 2] = True
    given[hole] = 65535
    values = denoise(Stack(given.copy(), no_data=65535)).stack.values
    assert (values[hole] == 65535).all()
    assert values[~hole].max() <= given[~hole].max()
    errors = np.abs(values / 4000 - clean[None, ..., None])
    ring = np.zeros_like(hole)
    ring[0, side // 4 - 3 : side // 2 + 3, side // 4 - 3 : side // 2 + 3] = True
    ring &= ~hole
    assert errors[ring].mean() < 0.05
    other = given.copy()
    other[hole] = 0
    again = denoise(Stack(other, no_data=0)).stack.values
    assert np.abs(again[~hole].astype(int) - values[~hole]).max() <= 1


@pytest.mark.parametrize("side", [64, SIDE])
def test_nan_and_infinity_stay(side: int) -> None:
    given = stored(noisy(grey("camera", side), 0.05), 0, 1, "f4")
    given[0, 3, 4], given[0, 9, 9], given[0, 30:40, 30:40] = np.nan, -np.inf, np.nan
    values = denoise(Stack(given.copy())).stack.values
    finite = np.isfinite(given)
    assert np.array_equal(values[~finite], given[~finite], equal_nan=True)
    assert np.isfinite(values[finite]).all()
    assert np.abs(values[finite] - given[finite]).max() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, SIDE])
def test_transparent_pixels_stay_and_do_not_reach_their_neighbours(side: int) -> None:
    given = stored(noisy(colour("astronaut", side), 0.08), 0, 255, "u1")
    alpha = np.full((1, side, side, 1), 128, np.uint8)
    alpha[0, 20:40, 20:40] = 0
    hidden = alpha[..., 0] == 0
    results = []
    for shade in (0, 255):
        image = np.concatenate([given, alpha], axis=-1)
        image[0, 20:40, 20:40, :3] = shade
        values = denoise(Stack(image.copy(), alpha=True)).stack.values
        assert (values[..., 3] == alpha[..., 0]).all()
        assert (values[hidden] == image[hidden]).all()
        results.append(values[~hidden])
    assert (results[0] == results[1]).all()
    assert not (results[0][..., :3] == given[~hidden]).all()


@pytest.mark.parametrize("side", [28, SIDE])
def test_white_may_be_zero(photos: Weights, side: int) -> None:
    given = stored(noisy(grey("moon", side), 0.1), 0, 255, "u1")
    plain = denoise(Stack(given), photos).stack.values.astype(int)
    inverted = denoise(Stack(255 - given, white_is_zero=True), photos).stack.values
    assert np.abs(255 - inverted.astype(int) - plain).max() <= 1


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
def test_tiles_give_what_the_whole_gives(photos: Weights, dtype: str) -> None:
    white = {"u1": 255, ">u2": 65535, "f4": 1}[dtype]
    image = np.vstack([colour("coffee", SIDE), colour("astronaut", SIDE)])
    given = stored(noisy(image, 0.1), 0, white, dtype)
    whole = denoise(Stack(given), photos, sigma=0.1).stack.values
    tiled = denoise(Stack(given), photos, Compute(tile=96), sigma=0.1).stack.values
    assert np.abs(whole.astype(float) - tiled.astype(float)).max() <= white / 255


def test_each_image_of_a_stack_is_denoised_by_its_own_level() -> None:
    clean = grey("camera", SIDE)
    given = np.concatenate([stored(noisy(clean, sigma), 0, 255, "u1") for sigma in (0.02, 0.2)])
    given = np.concatenate([given, np.full_like(given[:1], 255)])
    done = denoise(Stack(given))
    assert [image.weights is None for image in done.images] == [False, False, True]
    for number, sigma in enumerate((0.02, 0.2)):
        alone = denoise(Stack(given[number : number + 1]), sigma=sigma).stack.values[0]
        together = done.stack.values[number]
        assert np.abs(together.astype(int) - alone.astype(int)).mean() < 1.5
    assert (done.stack.values[2] == 255).all()
    assert not done.is_unchanged
    parts = done.split()
    assert [part.is_unchanged for part in parts] == [False, False, True]
    assert all(part.stack.values.shape == (1, SIDE, SIDE, 1) for part in parts)


def test_networks_of_one_size_refuse_others() -> None:
    dense = load_weights(published()["mnist-dense"])
    with pytest.raises(WeightsError, match="28×28"):
        denoise(Stack(np.zeros((1, 30, 30, 1), np.uint8)), dense)


def test_what_a_network_sees_inverted(autoencoder: Weights, photos: Weights) -> None:
    assert inverts(autoencoder, DenoiseOptions(), True)
    assert not inverts(autoencoder, DenoiseOptions(), False)
    assert not inverts(autoencoder, DenoiseOptions(invert="no"), True)
    assert not inverts(photos, DenoiseOptions(), True)
    assert inverts(photos, DenoiseOptions(invert="yes"), False)


@pytest.mark.parametrize("side", [1, 28])
def test_many_tiny_images_take_no_more_memory_than_fewer_larger_ones(
    autoencoder: Weights, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    """Each is padded for the network: 8×8 pixels for one."""
    passed = []

    def counted(
        network: torch.nn.Module,
        noisy: torch.Tensor,
        precision: str,
        sigma: torch.Tensor,
        *,
        clip: bool,
        turns: int,
    ) -> torch.Tensor:
        passed.append(len(noisy))
        return noisy

    monkeypatch.setattr(denoising, "denoise_batch", counted)
    images = torch.zeros(20_000 // side, 1, side, side)
    denoise_images(autoencoder, images, torch.zeros(len(images)), FP32)
    assert sum(passed) == len(images)
    assert max(passed) * 64 * -((-side // 8) ** 2) <= 2.5 * denoising.BATCH_PIXELS


@pytest.mark.slow
def test_what_is_brighter_than_the_middle_is_not_cut_off() -> None:
    """Level and curve are looked at in the middle, but hold for the whole image."""
    light = 0.05 + 0.15 * grey("waves", 512)
    light[:120] += 0.7  # Above the middle that is looked at.
    noise = shot_noise(light, 200)
    stack = Stack(stored(noise, 0, 255, "u1"), alpha=False)
    done = denoise(stack)
    assert done.images[0].weights is not None
    before, after = (decibels(each.values[0, ..., 0] / 255, light) for each in (stack, done.stack))
    assert after > before + 3
    top = (done.stack.values[0, :120, :, 0] / 255).mean()
    assert top == pytest.approx(light[:120].mean(), abs=0.005)


@pytest.mark.slow
def test_what_takes_away_more_than_the_noise_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a curve is wrong: the estimate of the error does not see that."""
    stack = Stack(stored(noisy(grey("waves"), 0.05), 0, 255, "u1"), alpha=False)
    assert denoise(stack).images[0].weights is not None

    def darker(*arguments: Any, **options: Any) -> torch.Tensor:
        return denoise_images(*arguments, **options) - 0.2

    monkeypatch.setattr("dae_tui.core.denoising.large_image.denoise_images", darker)
    monkeypatch.setattr("dae_tui.core.denoising.risk.Trial.risk", 0.5)
    done = denoise(stack)
    assert done.images[0].harmed
    np.testing.assert_array_equal(done.stack.values, stack.values)


@pytest.mark.slow
def test_the_noise_of_colours_that_a_jpeg_has_spread_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """JPEG holds colours at half the resolution, so that their noise is correlated."""
    clean = colour("chelsea", 256)
    white = np.random.default_rng(0).normal(0, 18 / 255, clean.shape)
    file = io.BytesIO()
    Image.fromarray(stored(clean + white, 0, 255, "u1")[0]).save(file, "JPEG", quality=90)
    stack = Stack(np.array(Image.open(file))[None])
    found = examine(stack, DenoiseOptions(), "x")
    assert found.noise[0].correlation.shared
    candidates = CHOICE.candidates(256, 256, found.sigma, channels=3)

    def after() -> float:
        done = denoise_stack(candidates, stack, found, DenoiseOptions(), FP32)
        assert done.images[0].weights is not None
        assert done.images[0].weights.name == "photos-unet"
        return decibels(done.stack.values[0] / 255, clean)

    measured_apart = after()
    assert measured_apart > decibels(stack.values[0] / 255, clean) + 4
    monkeypatch.setattr(conversion, "_level_apart", lambda planes: torch.zeros(len(planes)))
    assert measured_apart > after() + 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("shared", "name"), [(False, "photos-unet-colour"), (True, "photos-unet")])
def test_channels_are_denoised_together_where_their_noise_is_independent(
    shared: bool, name: str
) -> None:
    clean = colour("astronaut", 256)
    noise = np.random.default_rng(0).normal(0, 25 / 255, (256, 256, 1 if shared else 3))
    stack = Stack(stored(clean + noise, 0, 255, "u1"))
    found = examine(stack, DenoiseOptions(), "x")
    candidates = CHOICE.candidates(256, 256, found.sigma, channels=3)
    done = denoise_stack(candidates, stack, found, DenoiseOptions(), FP32)
    assert done.images[0].weights is not None
    assert done.images[0].weights.name == name
    before, after = (decibels(each.values[0] / 255, clean) for each in (stack, done.stack))
    assert after > before + 8


def photograph(noise: str, name: str = "chelsea", quality: int = 0) -> tuple[Stack, Array]:
    """A colour picture with the noise of a camera, as 8 bits or a JPEG, and without noise."""
    clean = colour(name, 256)
    images = torch.from_numpy(clean).float().movedim(-1, 0)[None]
    drawn = add_noise(images, parse_noise(noise), torch.Generator().manual_seed(0))
    values = stored(drawn[0].movedim(0, -1).double().numpy(), 0, 255, "u1")
    if quality:
        file = io.BytesIO()
        Image.fromarray(values[0]).save(file, "JPEG", quality=quality)
        values = np.array(Image.open(file))[None]
    return Stack(values), clean


def without_options(stack: Stack) -> Denoised:
    """Denoised as `dae denoise FILE` does it."""
    found = examine(stack, DenoiseOptions(), "x")
    return denoise_stack(candidates_for(CHOICE, stack, found), stack, found, DenoiseOptions(), FP32)


def as_a_cameras(noise: str, **how: Any) -> tuple[Denoised, float, float]:
    """A photograph denoised without options, and its PSNR before and after."""
    stack, clean = photograph(noise, **how)
    done = without_options(stack)
    before, after = (decibels(each.values[0] / 255, clean) for each in (stack, done.stack))
    return done, before, after


@pytest.mark.parametrize(
    ("noise", "quality", "gain"),
    [
        ("camera:0.0002", 0, 0.3),
        ("camera:0.001,3,0.5", 92, 1.0),
        ("camera:0.005", 0, 3.0),
        ("camera:0.01,3,0.5", 85, 3.0),
    ],
)
def test_a_cameras_noise_of_any_strength_is_removed_by_its_weights(
    noise: str, quality: int, gain: float
) -> None:
    done, before, after = as_a_cameras(noise, quality=quality)
    assert done.images[0].weights is not None
    assert done.images[0].weights.name == "camera-unet"
    assert after > before + gain
    found = done.images[0].noise
    assert found is not None
    if gain > 0.5:  # Of weaker noise texture is taken for a part.
        assert found.sigma == pytest.approx(10 ** (-before / 20), rel=0.3)


@pytest.mark.parametrize("noise", ["gaussian:0.06", "poisson:200", "speckle:0.2"])
def test_noise_that_neighbours_do_not_share_is_not_for_the_weights_for_cameras(noise: str) -> None:
    done, before, after = as_a_cameras(noise)
    assert done.images[0].weights is not None
    assert done.images[0].weights.name.startswith("photos-unet")
    assert after > before + 5


@pytest.mark.parametrize("name", ["chelsea", "astronaut", "coffee"])
def test_a_photograph_without_noise_stays(name: str) -> None:
    done, _, after = as_a_cameras("none", name=name)
    assert after > 45, done.images


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_photographs_of_cameras_have_weights_of_their_own(channels: int) -> None:
    """Whether they are stored as grey or in colour."""
    clean = grey("coffee", 256)
    image = torch.from_numpy(clean).float()[None, None]
    spec = parse_noise("camera:0.003,3,0.5+jpeg:90")
    noisy = add_noise(image, spec, torch.Generator().manual_seed(0))[0, 0].clamp(0, 1)
    values = (noisy.numpy() * 255).round().astype(np.uint8)[None, ..., None]
    done = without_options(Stack(np.repeat(values, channels, axis=-1)))
    assert done.images[0].weights is not None
    assert done.images[0].weights.name == "camera-unet-grey"
    after = done.stack.values[0] / 255
    assert (after == after[..., :1]).all()
    assert decibels(after[..., 0], clean) > decibels(values[0, ..., 0] / 255, clean) + 1


@pytest.mark.parametrize("name", ["camera", "coffee"])
def test_a_grey_photograph_without_noise_stays(name: str) -> None:
    values = (grey(name, 256) * 255).round().astype(np.uint8)[None, ..., None]
    assert np.array_equal(without_options(Stack(values)).stack.values, values)


@pytest.mark.parametrize("tile", [None, 128])
def test_a_photograph_cut_from_a_jpeg_is_denoised_as_well(tile: int | None) -> None:
    """Wherever its blocks begin, and in tiles too."""
    stack, clean = photograph("gaussian:0.04", quality=60)
    cut = Stack(np.ascontiguousarray(stack.values[:, 3:, 5:]))
    how = Compute(precision="fp32", tile=tile)
    found = examine(cut, DenoiseOptions(), "x")
    candidates = candidates_for(CHOICE, cut, found)
    done = denoise_stack(candidates, cut, found, DenoiseOptions(), how)
    whole = without_options(stack)
    for each in (done, whole):
        assert each.images[0].weights is not None
        assert each.images[0].weights.name == "camera-unet"
    one, other = (
        decibels(each / 255, clean[3:, 5:])
        for each in (done.stack.values[0], whole.stack.values[0, 3:, 5:])
    )
    assert one == pytest.approx(other, abs=0.1)


def test_light_is_seen_as_a_picture_by_the_weights_for_cameras() -> None:
    """Raw files hold what the sensor counted: shades in which nothing would be seen otherwise."""
    pictures, clean = photograph("camera:0.004")
    light = from_srgb(torch.from_numpy(pictures.values / 255)).numpy()
    stack = Stack((light * 65535).round().astype("u2"), linear=True)
    as_picture, as_light = without_options(pictures), without_options(stack)
    for done in (as_picture, as_light):
        assert done.images[0].weights is not None
        assert done.images[0].weights.name == "camera-unet"
    after = to_srgb(torch.from_numpy(as_light.stack.values[0] / 65535)).numpy()
    assert decibels(after, clean) == pytest.approx(
        decibels(as_picture.stack.values[0] / 255, clean), abs=0.1
    )


@pytest.mark.parametrize(("contrast", "width"), [(0.5, 0.5), (0.3, 0.7)])
def test_texture_is_not_taken_for_white_noise(contrast: float, width: float) -> None:
    """What the weights for cameras, which know no level, take away tells its true level."""
    fur = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 1, (256, 256)), width)
    clean = np.clip(colour("chelsea", 256) * (1 + contrast * fur[..., None]), 0, 1)
    stack = Stack(stored(clean, 0, 255, "u1"))
    assert np.array_equal(without_options(stack).stack.values, stack.values)


@pytest.mark.slow
def test_noise_is_found_where_all_is_texture() -> None:
    """Patches of gravel found 7.8/255, and the photograph gained a decibel less."""
    clean = data.gravel() / 255
    noisy_one = stored(shot_noise(clean, 1000), 0, 255, "u1")
    stack = Stack(noisy_one)
    done = without_options(stack)
    before, after = (
        decibels(each[0, ..., 0] / 255, clean) for each in (noisy_one, done.stack.values)
    )
    assert after > before + 1.9
    found = done.images[0].noise
    assert found is not None
    assert found.levels[0].at(np.array([0.5]))[0] == pytest.approx(np.sqrt(0.5 / 1000), rel=0.15)
    planes = torch.from_numpy(noisy_one / 255).float().permute(0, 3, 1, 2)
    _, chosen = denoise_single(planes, CHOICE)
    assert chosen.sigma == pytest.approx(np.sqrt(clean.mean() / 1000), rel=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grass", "gravel", "brick"])
def test_textures_without_noise_stay(name: str) -> None:
    clean = getattr(data, name)()
    done = without_options(Stack(clean[None, ..., None]))
    assert np.array_equal(done.stack.values[0, ..., 0], clean)


def star_field(width: float, side: int = 256, seed: int = 1) -> Array:
    """Counts of a camera at a telescope: a sky of 500, and stars of up to 100 times that."""
    drawn = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    counts = np.full((side, side), 500.0)
    for down, across, size in drawn.random((60, 3)):
        distance = (rows - side * down) ** 2 + (columns - side * across) ** 2
        counts += 10 ** (1.5 + 3.2 * size) * np.exp(-distance / (2 * width**2))
    return counts


@pytest.mark.parametrize(("width", "scale"), [(0.7, 1), (1.0, 1), (1.7, 1), (1.7, 1 / 60_000)])
def test_stars_stay_and_the_sky_gets_smooth(width: float, scale: float) -> None:
    clean = star_field(width)
    drawn = np.random.default_rng(0)
    counts = np.rint(drawn.poisson(2 * clean) / 2 + drawn.normal(0, 6, clean.shape))
    given = counts.astype(np.uint16) if scale == 1 else (scale * counts).astype(np.float32)
    done = without_options(Stack(given[None, ..., None]))
    after = done.stack.values[0, ..., 0] / scale
    assert done.images[0].weights is not None
    sky, bright = clean < 510, clean > 3000
    errors = {
        name: [float(np.std((each - clean)[part])) for each in (counts, after)]
        for name, part in (("sky", sky), ("bright", bright))
    }
    assert errors["sky"][1] < errors["sky"][0] / 5
    assert errors["bright"][1] < 1.03 * errors["bright"][0]
    assert after[sky].mean() == pytest.approx(clean[sky].mean(), rel=0.001)
    assert (after - 500).sum() == pytest.approx((clean - 500).sum(), rel=0.01)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_sky_around_zero_has_one_level(seed: int) -> None:
    """The first one alone seems to have speckle, and was left as it was."""
    clean = star_field(1.7, side=200, seed=seed) - 500
    noise = np.random.default_rng(seed).normal(0, 22, clean.shape)
    given = (clean + noise).astype(np.float32)
    done = without_options(Stack(given[None, ..., None]))
    sky = clean < 10
    assert np.std((done.stack.values[0, ..., 0] - clean)[sky]) < 22 / 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gravel", "camera", "coins"])
def test_texture_below_bright_things_is_no_noise(name: str) -> None:
    ground = getattr(data, name)()[:224, :224]
    given = (300 + 600 * (ground / 255)).astype(np.uint16)
    for row in range(20, 220, 45):
        given[row : row + 4, row : row + 4] = 60_000
    done = without_options(Stack(given[None, ..., None]))
    assert np.array_equal(done.stack.values[0, ..., 0], given)


@pytest.mark.parametrize("photons", [0.3, 1, 3])
def test_counts_of_single_photons_keep_their_mean(photons: float) -> None:
    counts = np.random.default_rng(0).poisson(photons, (256, 256)).astype(np.uint16)
    counts[100:104, 50:54] = 400
    done = without_options(Stack(counts[None, ..., None]))
    assert done.stack.values.mean() == pytest.approx(counts.mean(), rel=0.05)
