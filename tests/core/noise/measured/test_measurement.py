"""The noise of images, measured: the right kind, and the right level."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from noisy_pictures import colour, grey
from torch import Tensor

from dae_tui.core.data.load_data import load
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.measured.measurement import (
    FEW,
    Levels,
    Measurement,
    measure,
    measure_pairs,
)
from dae_tui.core.noise.synthetic.correlated import neighbour_correlation, width_of
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.errors import DataError
from dae_tui.spec.noise_spec import NoiseStage, parse_noise

# One noise of each kind that can be told from its images.
NOISES = [
    "gaussian:0.1",
    "gaussian:0.4",
    "poisson:30",
    "speckle:0.3",
    "salt-pepper:0.1",
    "impulse:0.1",
    "uniform:0.2",
    "masking:0.3",
    "stripes:0.1",
    "quantize:3",
    "correlated:0.1,1",
]
PICTURES = ("camera", "astronaut", "coffee", "chelsea")


@cache
def digits() -> Tensor:
    return load("digits", "train", Path()).images[:600].float() / 255


def pictures() -> list[Tensor]:
    return [torch.from_numpy(grey(name)).float()[None] for name in PICTURES]


def stored(images: Tensor, spec: str, seed: int = 0) -> Tensor:
    """Images with noise, clipped and rounded as files of 8 bits hold them."""
    generator = torch.Generator().manual_seed(seed)
    return (add_noise(images, parse_noise(spec), generator) * 255).round() / 255


def only_stage(found: Measurement) -> NoiseStage:
    assert found.spec.only_stage is not None, str(found.spec)
    return found.spec.only_stage


def noisy_pictures(spec: str, images: Sequence[Tensor] | None = None) -> list[Tensor]:
    return [stored(image[None], spec, seed)[0] for seed, image in enumerate(images or pictures())]


@pytest.mark.parametrize("spec", NOISES)
def test_the_kind_and_the_level_on_digits(spec: str) -> None:
    found = only_stage(measure(list(stored(digits(), spec))))
    wanted = parse_noise(spec).only_stage
    assert wanted is not None
    assert found.kind == wanted.kind
    assert found.low == pytest.approx(wanted.low, rel=0.12)


@pytest.mark.parametrize("spec", NOISES)
def test_the_kind_and_the_level_on_photographs(spec: str) -> None:
    measured = measure(noisy_pictures(spec))
    assert measured.differs is None or measured.differs < 0.2
    found = only_stage(measured)
    wanted = parse_noise(spec).only_stage
    assert wanted is not None
    assert found.kind == wanted.kind
    # Texture of so small pictures has pixels that look like random impulses.
    right_to = 0.2 if found.kind == "impulse" else 0.12
    assert (found.low + found.high) / 2 == pytest.approx(wanted.low, rel=right_to)


def test_a_sensor_has_a_gain_and_an_offset() -> None:
    found = measure(noisy_pictures("poisson-gaussian:0.02,0.002"))
    assert only_stage(found).kind == "poisson-gaussian"
    wanted = 0.02 * found.intensities + 0.002
    assert np.allclose(np.sqrt(found.variances), np.sqrt(wanted), rtol=0.15)


@pytest.mark.slow
def test_colours_share_noise_as_they_do() -> None:
    images = [
        torch.from_numpy(colour(name, 256)).float().movedim(-1, 0)
        for name in ("astronaut", "coffee")
    ]
    shared = only_stage(measure(noisy_pictures("correlated:0.1,0.8,0.5", images)))
    assert shared.kind == "correlated"
    assert shared.extras[1] == pytest.approx(0.5, abs=0.1)
    alone = only_stage(measure(noisy_pictures("gaussian:0.1", images)))
    assert (alone.kind, alone.extras) == ("gaussian", ())


def test_pairs_give_the_noise_itself() -> None:
    clean = pictures()
    spec = parse_noise("poisson-gaussian:0.01,0.001,0.7")
    pairs = [
        (add_noise(image[None], spec, torch.Generator().manual_seed(n), clip=False)[0], image)
        for n, image in enumerate(clean)
    ]
    found = measure_pairs(pairs)
    stage = only_stage(found)
    assert stage.kind == "poisson-gaussian"
    assert stage.low == pytest.approx(0.01, rel=0.1)
    assert stage.extras[0] == pytest.approx(0.001, rel=0.2)
    assert stage.extras[1] == pytest.approx(0.7, abs=0.07)
    assert found.from_pairs


def test_the_exposures_of_a_pair_may_differ() -> None:
    """One is brighter than the other, and more so on one side: that is no noise."""
    brighter = torch.linspace(0, 0.05, 256)
    pairs = [(stored(clean[None], "gaussian:0.03")[0], clean) for clean in pictures()]
    exact = measure_pairs(pairs).sigma
    found = measure_pairs([(noisy + brighter, clean) for noisy, clean in pairs])
    assert found.sigma == pytest.approx(exact, rel=0.02)
    found = measure_pairs([(noisy + 0.1 * clean, clean) for noisy, clean in pairs])
    assert found.sigma == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("grey", [0.5, 0.52, 0.55])
def test_a_flat_image_has_the_noise_of_its_intensity(grey: float) -> None:
    flat = torch.full((1, 1, 128, 128), grey)
    found = measure([stored(flat, "gaussian:0.02")[0]])
    assert only_stage(found).kind == "gaussian"
    assert found.sigma == pytest.approx(0.02, rel=0.1)


def test_the_range_of_two_images_reaches_to_both() -> None:
    clean = pictures()[:2]
    specs = ["gaussian:0.03", "gaussian:0.12"]
    pairs = [(stored(x[None], spec)[0], x) for x, spec in zip(clean, specs, strict=True)]
    found = only_stage(measure_pairs(pairs))
    assert found.low == pytest.approx(0.04, rel=0.1)
    assert found.high == pytest.approx(0.11, rel=0.1)


def test_levels_that_differ_become_a_range() -> None:
    specs = ["gaussian:0.05", "gaussian:0.1", "gaussian:0.2", "gaussian:0.1"]
    images = [stored(image[None], spec)[0] for image, spec in zip(pictures(), specs, strict=True)]
    found = only_stage(measure(images))
    assert found.kind == "gaussian"
    assert found.low < 0.08
    assert found.high > 0.12


def test_what_was_measured_imitates_what_was_there() -> None:
    first = measure(noisy_pictures("speckle:0.3"))
    again = measure(noisy_pictures(str(first.spec)))
    assert only_stage(again).low == pytest.approx(only_stage(first).low, rel=0.1)


def test_clean_digits_and_black_pictures_have_no_noise() -> None:
    for images in ([torch.zeros(1, 128, 128)], list(digits())):
        found = measure(images)
        assert found.spec.is_none, str(found.spec)
        assert found.sigma == 0


def test_of_digits_no_variance_at_single_intensities_is_claimed() -> None:
    found = measure(list(stored(digits(), "poisson:30")))
    assert len(found.intensities) == len(found.variances) == 0
    assert found.spread is None


def test_too_small_images_are_refused() -> None:
    with pytest.raises(DataError, match="too small, or too few"):
        measure([torch.rand(1, 8, 8)])


@pytest.mark.parametrize("width", [0.5, 0.7, 1.5, 4.0])
def test_a_width_is_found_by_the_correlation_it_makes(width: float) -> None:
    assert width_of(neighbour_correlation(width), 8.0) == pytest.approx(width, rel=0.01)


def as_white(image: Tensor, levels: Levels | None) -> Levels:
    """Trials that find white noise of 0.05 in whatever they are shown."""
    return (LevelFunction.constant(0.05),) * len(image)


@pytest.mark.parametrize("spec", ["correlated:0.1,1", "gaussian:0.1"])
def test_what_trials_find_counts(spec: str) -> None:
    noisy = noisy_pictures(spec)[:2]
    assert str(measure(noisy, as_white).spec) == "gaussian:0.05"
    kept = measure(noisy, lambda image, levels: None)
    assert str(kept.spec) == str(measure(noisy).spec)


def test_trials_know_nothing_of_how_channels_and_values_are_spread() -> None:
    grey_as_colour = [image.expand(3, -1, -1) for image in noisy_pictures("gaussian:0.05")[:2]]
    stage = only_stage(measure(grey_as_colour, as_white))
    assert stage.kind == "correlated"
    assert stage.extras[1] == 1
    assert only_stage(measure(noisy_pictures("uniform:0.087")[:2], as_white)).kind == "uniform"


@pytest.mark.parametrize("spec", ["stripes:0.1", "salt-pepper:0.1", "masking:0.3", "quantize:3"])
def test_trials_are_for_images_with_white_noise_alone(spec: str) -> None:
    noisy = noisy_pictures(spec)[:2]
    assert str(measure(noisy, as_white).spec) == str(measure(noisy).spec)


def test_many_images_are_measured_without_trials() -> None:
    noisy = noisy_pictures("gaussian:0.1", [pictures()[0]] * (FEW + 1))
    assert only_stage(measure(noisy, as_white)).low == pytest.approx(0.1, rel=0.1)
