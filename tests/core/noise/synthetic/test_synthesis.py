"""Noise of every kind against its theory, from fixed seeds."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from dae_tui.core.noise.synthetic.jpeg import jpeg, on_device
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import KINDS, parse_noise

GREY = 0.4
SIDE = 64
# A figure may miss its theory by so many standard errors; by chance once in 1.7 million.
ERRORS = 5.0

# One spec of each kind, with a level at which it shows.
SPECS = {
    "gaussian": "gaussian:0.2",
    "poisson": "poisson:20",
    "speckle": "speckle:0.5",
    "salt-pepper": "salt-pepper:0.3",
    "impulse": "impulse:0.3",
    "uniform": "uniform:0.25",
    "masking": "masking:0.3",
    "stripes": "stripes:0.2",
    "poisson-gaussian": "poisson-gaussian:0.05,0.01",
    "correlated": "correlated:0.2,0.8",
    "camera": "camera:0.002,3,0.5",
    "jpeg": "jpeg:20",
    "quantize": "quantize:3",
    "compress": "compress:16",
}


@dataclass(frozen=True)
class Theory:
    """Mean and central moments of one noisy pixel, and how many draws a flat image has."""

    mean: float
    variance: float
    fourth: float
    draws: int = SIDE * SIDE
    low: float = float("-inf")
    high: float = float("inf")


def normal(sigma: float, draws: int = SIDE * SIDE) -> Theory:
    return Theory(GREY, sigma**2, 3 * sigma**4, draws)


def mixture(raw: Callable[[int], float], low: float, high: float) -> Theory:
    """From raw(k), the mean of the k-th power of a noisy pixel."""
    mean = raw(1)
    variance = raw(2) - mean**2
    fourth = raw(4) - 4 * mean * raw(3) + 6 * mean**2 * raw(2) - 3 * mean**4
    return Theory(mean, variance, fourth, low=low, high=high)


THEORIES = {
    "gaussian": normal(0.2),
    # k/20 with k Poisson of mean 20·GREY: the variance of a pixel is GREY/20.
    "poisson": Theory(GREY, GREY / 20, (20 * GREY + 3 * (20 * GREY) ** 2) / 20**4, low=0),
    "speckle": normal(0.5 * GREY),
    "salt-pepper": mixture(lambda k: 0.7 * GREY**k + 0.15, 0, 1),
    "impulse": mixture(lambda k: 0.7 * GREY**k + 0.3 / (k + 1), 0, 1),
    "uniform": Theory(GREY, 0.25**2 / 3, 0.25**4 / 5, low=GREY - 0.25, high=GREY + 0.25),
    "masking": mixture(lambda k: 0.7 * GREY**k, 0, GREY),
    "stripes": normal(0.2, draws=SIDE),
    # Photons in steps of 0.05, eight at GREY, and Gaussian noise of variance 0.01.
    "poisson-gaussian": Theory(
        GREY, 0.02 + 0.01, 0.05**4 * (8 + 3 * 8**2) + 6 * 0.02 * 0.01 + 3 * 0.01**2
    ),
    # Neighbours are alike: of nine pixels one counts.
    "correlated": normal(0.2, draws=SIDE * SIDE // 9),
    # 0.4 of seven steps is 2.8, so 3/7, without chance.
    "quantize": Theory(3 / 7, 0, 0, low=3 / 7, high=3 / 7),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat(count: int = 32, channels: int = 1) -> Tensor:
    return torch.full((count, channels, SIDE, SIDE), GREY)


def ramp() -> Tensor:
    """Two colour images with every grey from 0 to 1."""
    return torch.linspace(0, 1, 2 * 3 * 24 * 20).reshape(2, 3, 24, 20)


def noisy(images: Tensor, spec: str, seed: int = 0, clip: bool = True) -> Tensor:
    return add_noise(images, parse_noise(spec), seeded(seed), clip)


def test_every_kind_of_the_grammar_has_a_theory_here() -> None:
    assert set(SPECS) == set(KINDS)
    # See test_compression.py, test_camera.py, and below.
    assert set(THEORIES) == set(KINDS) - {"compress", "camera", "jpeg"}


@pytest.mark.parametrize("kind", THEORIES)
def test_the_mean_is_that_of_theory(kind: str) -> None:
    images = flat()
    theory = THEORIES[kind]
    error = (theory.variance / (theory.draws * len(images))) ** 0.5
    mean = noisy(images, SPECS[kind], clip=False).double().mean().item()
    assert mean == pytest.approx(theory.mean, abs=ERRORS * error + 1e-6)


@pytest.mark.parametrize("kind", THEORIES)
def test_the_variance_is_that_of_theory(kind: str) -> None:
    images = flat()
    theory = THEORIES[kind]
    error = ((theory.fourth - theory.variance**2) / (theory.draws * len(images))) ** 0.5
    residual = noisy(images, SPECS[kind], clip=False).double() - theory.mean
    assert residual.square().mean().item() == pytest.approx(
        theory.variance, abs=ERRORS * error + 1e-6
    )


@pytest.mark.parametrize("kind", THEORIES)
def test_values_stay_in_the_range_of_theory_and_fill_it(kind: str) -> None:
    theory = THEORIES[kind]
    found = noisy(flat(), SPECS[kind], clip=False)
    low, high = found.min().item(), found.max().item()
    assert low >= theory.low - 1e-6
    assert high <= theory.high + 1e-6
    # 131 072 pixels reach 3 standard deviations, or the end of the range where it is nearer.
    reach = 1.5 if kind == "stripes" else 3
    assert low <= max(theory.low + 1e-3, theory.mean - reach * theory.variance**0.5)
    assert high >= min(theory.high - 1e-3, theory.mean + reach * theory.variance**0.5)


@pytest.mark.parametrize("kind", sorted(set(THEORIES) - {"stripes", "quantize", "correlated"}))
def test_pixels_channels_and_images_are_drawn_independently(kind: str) -> None:
    residual = noisy(flat(8, 3), SPECS[kind], clip=False).double()
    residual = (residual - residual.mean()) / residual.std()
    pairs = {
        "row": residual[:, :, 1:] * residual[:, :, :-1],
        "column": residual[..., 1:] * residual[..., :-1],
        "channel": residual[:, 1:] * residual[:, :-1],
        "image": residual[1:] * residual[:-1],
    }
    for name, products in pairs.items():
        assert abs(products.mean().item()) < ERRORS / products.numel() ** 0.5, name


def test_poisson_counts_photons_in_steps_of_one_over_the_peak() -> None:
    photons = noisy(flat(4), "poisson:20", clip=False) * 20
    assert torch.allclose(photons, photons.round(), atol=1e-4)


def test_poisson_noise_grows_with_the_brightness_and_spares_black() -> None:
    images = torch.tensor([0.0, 0.1, 0.9])[:, None, None, None].expand(3, 1, SIDE, SIDE)
    black, dark, bright = noisy(images, "poisson:50", clip=False).double().flatten(1).var(1)
    assert black == 0
    # The variance of a Poisson variance over n pixels is about (2·λ² + λ)/n, in counts.
    assert dark.item() == pytest.approx(0.1 / 50, rel=0.15)
    assert bright.item() == pytest.approx(0.9 / 50, rel=0.15)


def test_speckle_grows_with_the_brightness_and_spares_black() -> None:
    images = torch.tensor([0.0, 0.2, 0.8])[:, None, None, None].expand(3, 1, SIDE, SIDE)
    black, dark, bright = noisy(images, "speckle:0.5", clip=False).double().flatten(1).std(1)
    assert black == 0
    assert dark.item() == pytest.approx(0.2 * 0.5, rel=0.1)
    assert bright.item() == pytest.approx(0.8 * 0.5, rel=0.1)


def test_salt_and_pepper_are_half_each_and_the_rest_is_untouched() -> None:
    found = noisy(flat(), "salt-pepper:0.3")
    error = (0.15 * 0.85 / found.numel()) ** 0.5
    assert (found == 0).double().mean().item() == pytest.approx(0.15, abs=ERRORS * error)
    assert (found == 1).double().mean().item() == pytest.approx(0.15, abs=ERRORS * error)
    assert set(found.flatten().tolist()) == {0.0, flat()[0, 0, 0, 0].item(), 1.0}


def test_impulse_replaces_a_fraction_of_pixels_by_uniform_greys() -> None:
    images = flat()
    found = noisy(images, "impulse:0.3")
    replaced = found[found != images].double()
    error = (0.3 * 0.7 / found.numel()) ** 0.5
    assert replaced.numel() / found.numel() == pytest.approx(0.3, abs=ERRORS * error)
    share = torch.histc(replaced, bins=10, min=0, max=1) / replaced.numel()
    assert share.tolist() == pytest.approx(
        [0.1] * 10, abs=ERRORS * (0.1 * 0.9 / replaced.numel()) ** 0.5
    )


def test_masking_turns_a_fraction_black_and_leaves_the_rest_untouched() -> None:
    images = flat()
    found = noisy(images, "masking:0.3")
    error = (0.3 * 0.7 / found.numel()) ** 0.5
    assert (found == 0).double().mean().item() == pytest.approx(0.3, abs=ERRORS * error)
    assert torch.equal(found[found != 0], images[found != 0])


@pytest.mark.parametrize("kind", ["salt-pepper", "impulse", "masking"])
def test_a_fraction_of_one_hits_every_pixel_and_of_zero_none(kind: str) -> None:
    images = flat(4)
    assert not (noisy(images, f"{kind}:1") == images).any()
    assert torch.equal(noisy(images, f"{kind}:0"), images)


def test_correlated_noise_is_that_of_a_blur_and_of_shared_channels() -> None:
    residual = noisy(flat(16, 3), "correlated:0.2,0.8,0.5", clip=False).double() - GREY
    power = residual.square().mean()
    # A Gaussian of 0.8 blurs twice: exp(-1 / (4 · 0.8²)) between neighbours, in both directions.
    for products in (
        residual[:, :, 1:] * residual[:, :, :-1],
        residual[..., 1:] * residual[..., :-1],
    ):
        assert (products.mean() / power).item() == pytest.approx(0.677, abs=0.02)
    channels = residual[:, 1:] * residual[:, :-1]
    assert (channels.mean() / power).item() == pytest.approx(0.5, abs=0.02)


def test_a_width_of_zero_leaves_noise_white() -> None:
    residual = noisy(flat(16), "correlated:0.2,0", clip=False).double() - GREY
    products = residual[..., 1:] * residual[..., :-1]
    assert abs(products.mean().item()) < ERRORS * 0.04 / products.numel() ** 0.5


def test_the_variance_of_a_sensor_grows_with_the_light_from_its_offset() -> None:
    images = torch.tensor([0.0, 0.5])[:, None, None, None].expand(2, 1, SIDE, SIDE)
    for spec in ("poisson-gaussian:0.02,0.001", "poisson-gaussian:0.02,0.001,0.5"):
        black, grey = noisy(images, spec, clip=False).double().flatten(1).var(1)
        assert black.item() == pytest.approx(0.001, rel=0.15)
        assert grey.item() == pytest.approx(0.011, rel=0.15)


def test_jpeg_is_what_pillow_makes_of_the_image() -> None:
    images = ramp()
    stored = (images[0].movedim(0, -1) * 255).round().to(torch.uint8).numpy()
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "JPEG", quality=20)
    read = torch.from_numpy(np.asarray(Image.open(file)).copy()).movedim(-1, 0) / 255
    assert torch.equal(noisy(images, "jpeg:20")[0], read)
    better, worse = ((noisy(images, f"jpeg:{q}") - images).abs().mean() for q in (90, 5))
    assert better < worse / 2


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [10, 60, 95])
def test_jpeg_on_a_gpu_differs_from_pillow_by_rounding_alone(channels: int, quality: int) -> None:
    photograph = torch.from_numpy(data.astronaut()[100:183, 60:151].copy()).movedim(-1, 0) / 255
    images = torch.stack([photograph, photograph.flip(-1)])[:, :channels]
    qualities = torch.full((2, 1, 1, 1), float(quality))
    ours, pillows = on_device(images, qualities), jpeg(images, qualities)
    assert (ours - pillows).abs().mean() < 0.75 / 255
    # Less than what JPEG itself changes; of good quality, that is little more than rounding.
    assert (ours - pillows).square().mean() < 0.25 * (pillows - images).square().mean()


def test_on_a_gpu_each_image_has_its_own_quality() -> None:
    images = ramp()
    both = on_device(images, torch.tensor([5.0, 95.0])[:, None, None, None])
    for number, quality in enumerate((5.0, 95.0)):
        one = on_device(images[number : number + 1], torch.full((1, 1, 1, 1), quality))
        assert torch.equal(both[number], one[0])


def test_an_alternative_that_is_written_twice_is_drawn_twice_as_often() -> None:
    images = flat(3000)[:, :, :1, :1]
    found = noisy(images, "masking:1|none|masking:1")
    black = (found == 0).double().mean().item()
    assert black == pytest.approx(2 / 3, abs=ERRORS * 0.5 / 3000**0.5)


def test_stripes_are_constant_along_rows_or_columns_and_both_occur() -> None:
    offsets = noisy(flat(64), "stripes:0.2", clip=False) - GREY
    by_row = (offsets.std(dim=3) < 1e-6).all(dim=2)[:, 0]
    by_column = (offsets.std(dim=2) < 1e-6).all(dim=2)[:, 0]
    assert (by_row ^ by_column).all()
    assert by_row.double().mean().item() == pytest.approx(0.5, abs=ERRORS * 0.5 / 64**0.5)


def test_stripes_are_the_same_in_each_channel() -> None:
    found = noisy(flat(8, channels=3), "stripes:0.2", clip=False)
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 0], found[:, 2])
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_quantize_leaves_two_to_the_bits_even_levels(bits: int) -> None:
    levels = 2**bits
    found = sorted(set(noisy(ramp(), f"quantize:{bits}").flatten().tolist()))
    assert len(found) == levels
    assert torch.allclose(torch.tensor(found), torch.arange(levels) / (levels - 1))


def test_quantize_rounds_to_the_nearest_level() -> None:
    images = ramp()
    step = 1 / 7
    assert (noisy(images, "quantize:3") - images).abs().max() <= step / 2 + 1e-6


@pytest.mark.parametrize("kind", SPECS)
def test_noisy_images_are_clipped_unless_asked_otherwise(kind: str) -> None:
    images = ramp()
    spec = parse_noise(SPECS[kind])
    raw = add_noise(images, spec, seeded(), clip=False)
    clipped = add_noise(images, spec, seeded())
    assert torch.equal(clipped, raw.clamp(0, 1))
    leaves = raw.min() < 0 or raw.max() > 1
    inside = ("salt-pepper", "impulse", "masking", "jpeg", "quantize", "compress")
    assert leaves == (kind not in inside)


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_are_kept(kind: str, channels: int) -> None:
    images = torch.rand((5, channels, 9, 11), generator=seeded())
    for clip in (True, False):
        found = noisy(images, SPECS[kind], clip=clip)
        assert found.shape == (5, channels, 9, 11)
        assert found.dtype == torch.float32
        assert found.isfinite().all()


@pytest.mark.parametrize("kind", SPECS)
def test_the_images_given_are_not_modified(kind: str) -> None:
    images = ramp()
    noisy(images, SPECS[kind])
    assert torch.equal(images, ramp())


@pytest.mark.parametrize("kind", SPECS)
def test_a_seed_decides_the_noise(kind: str) -> None:
    images = ramp()
    assert torch.equal(noisy(images, SPECS[kind], seed=1), noisy(images, SPECS[kind], seed=1))
    differs = not torch.equal(
        noisy(images, SPECS[kind], seed=1), noisy(images, SPECS[kind], seed=2)
    )
    # Rounding and compression leave nothing to chance.
    assert differs == (kind not in ("jpeg", "quantize", "compress"))


def test_one_generator_gives_new_noise_each_time() -> None:
    images, spec, generator = ramp(), parse_noise("gaussian:0.5"), seeded()
    first = add_noise(images, spec, generator)
    assert not torch.equal(first, add_noise(images, spec, generator))


@pytest.mark.parametrize("spec", [*SPECS.values(), "gaussian:0-1", "quantize:1-8"])
def test_noise_leaves_the_global_random_state_alone(spec: str) -> None:
    before = torch.random.get_rng_state()
    noisy(ramp(), spec)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("kind", SPECS)
def test_noise_does_not_depend_on_the_memory_layout(kind: str) -> None:
    images = ramp()
    channels_last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(noisy(images, SPECS[kind]), noisy(channels_last, SPECS[kind]))


@pytest.mark.parametrize("clip", [True, False])
def test_none_is_the_identity(clip: bool) -> None:
    assert torch.equal(noisy(ramp(), "none", clip=clip), ramp())


# How the level of one noisy flat image is estimated: (spec, low, high, estimate, its error).
RANGES: list[tuple[str, float, float, Callable[[Tensor], Tensor], float]] = [
    ("gaussian:0.1-0.5", 0.1, 0.5, lambda image: (image - GREY).std(), 0.03),
    ("poisson:5-20", 5, 20, lambda image: GREY / image.var(), 3),
    ("speckle:0.1-0.5", 0.1, 0.5, lambda image: (image - GREY).std() / GREY, 0.03),
    ("salt-pepper:0.2-0.8", 0.2, 0.8, lambda image: (image != GREY).float().mean(), 0.04),
    ("impulse:0.2-0.8", 0.2, 0.8, lambda image: (image != GREY).float().mean(), 0.04),
    ("uniform:0.1-0.4", 0.1, 0.4, lambda image: (image - GREY).abs().max(), 0.01),
    ("masking:0.2-0.8", 0.2, 0.8, lambda image: (image == 0).float().mean(), 0.04),
    ("stripes:0.1-0.5", 0.1, 0.5, lambda image: (image - GREY).std(), 0.25),
]


@pytest.mark.parametrize(("spec", "low", "high", "estimate", "error"), RANGES)
def test_a_level_range_is_drawn_anew_for_each_image(
    spec: str, low: float, high: float, estimate: Callable[[Tensor], Tensor], error: float
) -> None:
    found = noisy(flat(200), spec, clip=False)
    levels = torch.stack([estimate(image) for image in found])
    assert low - error <= levels.min()
    assert levels.max() <= high + error
    # Uniform in the range: its middle on average, and both of its outer fifths occur.
    spread = (high - low) / 12**0.5
    assert levels.mean().item() == pytest.approx(
        (low + high) / 2, abs=ERRORS * spread / 200**0.5 + error / 5
    )
    assert levels.min() < low + (high - low) / 5
    assert levels.max() > high - (high - low) / 5


def test_a_range_of_bits_draws_whole_bits_and_each_as_often() -> None:
    images = torch.linspace(0, 1, SIDE * SIDE).reshape(1, 1, SIDE, SIDE).expand(400, -1, -1, -1)
    counts = [len(image.unique()) for image in noisy(images, "quantize:1-4")]
    assert set(counts) == {2, 4, 8, 16}
    for count in (2, 4, 8, 16):
        assert counts.count(count) == pytest.approx(100, abs=ERRORS * (400 * 0.25 * 0.75) ** 0.5)


def test_a_level_holds_for_all_channels_of_an_image() -> None:
    found = noisy(flat(50, channels=3), "gaussian:0-1", clip=False)
    sigmas = (found - GREY).flatten(2).std(2)
    assert torch.allclose(sigmas, sigmas.mean(1, keepdim=True).expand(-1, 3), rtol=0.1)
    assert sigmas.std(0).min() > 0.1


def test_a_range_of_one_level_is_that_level() -> None:
    assert torch.equal(noisy(ramp(), "gaussian:0.3-0.3"), noisy(ramp(), "gaussian:0.3"))


def test_each_image_gets_one_of_the_alternatives_and_all_of_them_equally_often() -> None:
    images = flat(300)
    found = noisy(images, "masking:1|salt-pepper:1|none", clip=False)
    black = (found == 0).flatten(1).all(1)
    extreme = ((found == 0) | (found == 1)).flatten(1).all(1) & ~black
    clean = (found == images).flatten(1).all(1)
    assert (black.long() + extreme.long() + clean.long() == 1).all()
    for each in (black, extreme, clean):
        assert each.sum().item() == pytest.approx(100, abs=ERRORS * (300 * 2 / 9) ** 0.5)


def test_alternatives_are_decided_by_the_seed() -> None:
    spec = "gaussian:0-0.5|poisson:5|quantize:2"
    assert torch.equal(noisy(ramp(), spec, seed=1), noisy(ramp(), spec, seed=1))
    assert not torch.equal(noisy(flat(), spec, seed=1), noisy(flat(), spec, seed=2))


def test_quantized_images_are_clipped_and_those_beside_them_only_if_asked() -> None:
    images = ramp().repeat(50, 1, 1, 1)
    found = noisy(images, "gaussian:0.5|gaussian:0.5+quantize:8", clip=False)
    outside = ((found < 0) | (found > 1)).flatten(1).any(1)
    steps = found * 255
    whole = (steps - steps.round()).abs().flatten(1).amax(1) < 1e-3
    assert torch.equal(outside, ~whole)
    assert 20 < whole.sum() < 80
    every = noisy(images, "gaussian:0.5|gaussian:0.5+quantize:8")
    assert every.min() == 0
    assert every.max() == 1


def test_a_chain_applies_its_stages_in_order() -> None:
    images = flat(2)
    masked_last = noisy(images, "gaussian:0.2+masking:1")
    masked_first = noisy(images, "masking:1+gaussian:0.2")
    assert masked_last.abs().max() == 0
    assert masked_first.max() > 0.5


def test_a_chain_is_one_stage_after_the_other_from_one_generator_clipped_at_the_end() -> None:
    images = ramp()
    generator = seeded()
    between = add_noise(images, parse_noise("gaussian:0.5"), generator, clip=False)
    expected = add_noise(between, parse_noise("speckle:0.5"), generator, clip=False).clamp(0, 1)
    assert between.min() < 0
    assert torch.equal(noisy(images, "gaussian:0.5+speckle:0.5"), expected)


def test_the_variances_of_a_chain_add() -> None:
    found = noisy(flat(), "gaussian:0.1+uniform:0.3", clip=False).double()
    assert found.var().item() == pytest.approx(0.1**2 + 0.3**2 / 3, rel=0.02)


def test_poisson_after_noise_below_zero_counts_no_photons_there() -> None:
    found = noisy(torch.zeros(1, 1, 16, 16), "gaussian:0.5+poisson:100", clip=False)
    assert found.isfinite().all()
    assert found.min() == 0
