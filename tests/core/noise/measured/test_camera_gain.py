"""The noise of cameras, measured by what weights for it take away, and that of microscopes."""

import os
from functools import cache
from pathlib import Path

import pytest
import torch
from noisy_pictures import colour, grey
from torch import Tensor

from dae_tui.core.data.paired.pairs import load_pairs
from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.camera_noise import without_camera_noise
from dae_tui.core.noise.measured.camera_gain import camera_noise_like
from dae_tui.core.noise.measured.measurement import (
    Measurement,
    measure,
    measure_of_cameras,
    measure_pairs,
)
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.choice import CAMERA, for_channels, of_data
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.spec.noise_spec import NoiseSpec, parse_noise

CLEAN = torch.stack(
    [torch.from_numpy(colour(name, 256)) for name in ("chelsea", "astronaut", "coffee")]
).movedim(-1, 1)


def at_each_intensity(found: Measurement, truth: Measurement) -> list[float]:
    """How many times as large the variance is, at each intensity that both have."""
    known = dict(zip(truth.intensities, truth.variances, strict=True))
    both = zip(found.intensities, found.variances, strict=True)
    return [variance / known[at] for at, variance in both if at in known]


@cache
def weights() -> Weights:
    colours = for_channels([load_weights(path) for path in of_data(CAMERA, pairs=True)], 3)
    assert colours is not None
    return colours


def noisy(spec: str) -> list[Tensor]:
    """Three photographs in colour, with noise, of 8 bits."""
    images = add_noise(CLEAN.float(), parse_noise(spec), torch.Generator().manual_seed(0))
    return list((images * 255).round() / 255)


def seen(images: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return without_camera_noise(images, weights(), Compute())


def check_gain(found: NoiseSpec | None, gain: float) -> None:
    """That of cameras whose photographs were stored as they are, or as JPEG."""
    assert found is not None
    kinds = [tuple(stage.kind for stage in chain.stages) for chain in found.chains]
    assert kinds == [("camera", "quantize"), ("camera", "jpeg")]
    first, second = (chain.stages[0] for chain in found.chains)
    assert first == second
    assert gain / 2 < first.low <= first.high < gain * 2


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.001, 0.004])
def test_level_and_gain_that_photographs_had_are_found(gain: float) -> None:
    images = noisy(f"camera:{gain},3,0.3+jpeg:92")
    photographs = seen(images)
    assert len(photographs) == 3
    found = measure_of_cameras(photographs)
    check_gain(found.camera, gain)
    truth = measure_pairs(list(zip(images, CLEAN.float(), strict=True)))
    assert found.sigma == pytest.approx(truth.sigma, rel=0.15)
    assert not found.from_pairs


def test_pairs_tell_the_gain_as_well() -> None:
    images = noisy("camera:0.002,3,0.3+jpeg:92")
    check_gain(measure_pairs(list(zip(images, CLEAN.float(), strict=True))).camera, 0.002)


def test_where_the_middle_of_a_photograph_is_white_others_tell_the_gain() -> None:
    images = noisy("camera:0.002,3,0.3+jpeg:92")
    clean = CLEAN.clone().float()
    clean[0, :, 16:-16, 16:-16] = images[0][:, 16:-16, 16:-16] = 1
    clean[1, :, :1] = images[1][:, :1] = 1
    check_gain(measure_pairs(list(zip(images, clean, strict=True))).camera, 0.002)
    white = torch.ones(3, 256, 256)
    assert camera_noise_like([white], [0.02]) is None


def test_the_white_noise_of_pairs_is_of_no_camera() -> None:
    images = noisy("gaussian:0.05")
    assert measure_pairs(list(zip(images, CLEAN.float(), strict=True))).camera is None


@pytest.mark.parametrize("noise", ["none", "gaussian:0.05", "poisson:200", "salt-pepper:0.05"])
def test_other_noise_is_not_that_of_a_camera(noise: str) -> None:
    assert seen(noisy(noise)[:2]) == []


def test_neither_is_that_of_grey_or_small_photographs() -> None:
    images = torch.from_numpy(grey("camera", 256)).float()[None, None]
    spec = parse_noise("camera:0.002")
    one = add_noise(images, spec, torch.Generator().manual_seed(0))[0]
    assert seen([one, one.expand(3, -1, -1).contiguous()]) == []
    assert seen([image[:, :64, :64] for image in noisy("camera:0.002")]) == []


def test_of_a_large_photograph_the_middle_tells() -> None:
    image = noisy("camera:0.002,3,0.3+jpeg:92")[0]
    wide = torch.cat([image] * 3, 2)
    ((part, denoised),) = seen([wide])
    assert part.shape == denoised.shape == (3, 256, 512)
    assert torch.equal(part, wide[:, :, 128:640])


@pytest.mark.slow
def test_fields_of_a_microscope_alone_tell_what_their_pairs_do() -> None:
    folder = Path(os.environ.get("DAE_DATA", "")) / "microscopy"
    if not folder.is_dir():
        pytest.skip("needs real fields: set DAE_DATA to the folder that holds microscopy/noisy")
    pairs = load_pairs(str(folder), all_noisy=False).as_bright()
    whole = [pairs.whole(pair) for pair in pairs.pairs]
    truth = measure_pairs([(noisy, clean) for clean, noisy in whole])
    found = measure([noisy for _, noisy in whole])
    ratios = at_each_intensity(found, truth)
    assert len(ratios) > 13
    assert 0.92 < min(ratios) <= max(ratios) < 1.03
    photons, true = (each.spec.chains[0].stages[0] for each in (found, truth))
    assert photons.kind == true.kind == "poisson"
    assert (photons.low, photons.high) == pytest.approx((true.low, true.high), rel=0.15)


@pytest.mark.slow
def test_photographs_of_cameras_alone_tell_what_their_pairs_do() -> None:
    folder = Path(os.environ.get("DAE_DATA", "")) / "camera"
    if not folder.is_dir():
        pytest.skip("needs real photographs: set DAE_DATA to the folder that holds camera/noisy")
    pairs = load_pairs(str(folder), all_noisy=False).aligned().as_bright()
    whole = [pairs.whole(pair) for pair in pairs.pairs]
    truth = measure_pairs([(noisy, clean) for clean, noisy in whole])
    photographs = seen([noisy for _, noisy in whole])
    assert len(photographs) == len(whole) == 35
    found = measure_of_cameras(photographs)
    assert found.sigma == pytest.approx(truth.sigma, rel=0.05)
    ratios = at_each_intensity(found, truth)
    assert len(ratios) > 20
    assert 0.86 < min(ratios) <= max(ratios) < 1.14
    assert found.spread is not None and truth.spread is not None
    assert found.spread.colour_neighbours == pytest.approx(truth.spread.colour_neighbours, abs=0.05)
    assert found.spread.bright_neighbours == pytest.approx(truth.spread.bright_neighbours, abs=0.1)
    assert found.camera is not None and truth.camera is not None
    low, true = (each.chains[0].stages[0].low for each in (found.camera, truth.camera))
    assert low == pytest.approx(true, rel=0.4)
