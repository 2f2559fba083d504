"""The noise of a camera: what its theory says, and what photographs of cameras show."""

import math

import pytest
import torch
from torch import Tensor

from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import parse_noise

SIDE = 64
COUNT = 48


def flat(grey: float, channels: int = 3, count: int = COUNT) -> Tensor:
    return torch.full((count, channels, SIDE, SIDE), grey)


def noise_of(images: Tensor, spec: str, seed: int = 0) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return (add_noise(images, parse_noise(spec), drawn, clip=False) - images).double()


def level(noise: Tensor) -> float:
    """The root mean square."""
    return noise.square().mean().sqrt().item()


def neighbours(noise: Tensor) -> float:
    """The correlation of neighbours in a row and in a column."""
    across, down = noise[..., 1:] * noise[..., :-1], noise[..., 1:, :] * noise[..., :-1, :]
    return ((across.mean() + down.mean()) / 2 / noise.square().mean()).item()


def test_four_times_the_photons_halve_the_noise() -> None:
    few, many = (level(noise_of(flat(0.5), f"camera:{gain},0")) for gain in (0.0004, 0.0001))
    assert few == pytest.approx(2 * many, rel=0.02)


def test_its_level_is_that_of_photons_after_the_tone_curve() -> None:
    """Of a grey that is measured at the green pixels: without blur, colours or contrast."""
    gain = 0.00001
    light = ((0.5 + 0.055) / 1.055) ** 2.4
    slope = 1.055 / 2.4 * light ** (1 / 2.4 - 1)
    expected = slope * math.sqrt(gain * light)
    found = level(noise_of(flat(0.5), f"camera:{gain:f},0"))
    # Red and blue are amplified, colours moved apart, and contrast is higher in every other image;
    # the mean of neighbours is less noisy.
    assert 0.7 * expected < found < 2 * expected


def test_black_has_the_noise_of_reading_alone() -> None:
    black = flat(0.0)
    assert level(noise_of(black, "camera:0.001,0")) == 0
    assert level(noise_of(black, "camera:0.001,10")) > 0.01


def test_it_neither_brightens_nor_darkens() -> None:
    noise = noise_of(flat(0.5), "camera:0.0005,3,0.5")
    assert abs(noise.mean().item()) < 0.03 * level(noise)


def test_neighbours_share_it_and_their_colours_more_so() -> None:
    """As on the 35 photographs of PolyU: 0.5 and 0.3 of brightness, 0.8 of colours."""
    noise = noise_of(flat(0.5), "camera:0.0005+jpeg:90")
    noise = noise - noise.mean((2, 3), keepdim=True)
    bright = noise.mean(1, keepdim=True)
    assert 0.3 < neighbours(bright) < 0.7
    assert 0.7 < neighbours(noise - bright) < 0.95


def test_noise_reduction_leaves_less_and_smoother_noise() -> None:
    plain, smooth = (noise_of(flat(0.5), f"camera:0.001,3,{width}") for width in (0, 2))
    assert level(smooth) < 0.7 * level(plain)
    assert neighbours(smooth) > neighbours(plain) + 0.1


def test_sharpening_makes_brightness_noisier_and_less_smooth() -> None:
    plain, sharp = (noise_of(flat(0.5), f"camera:0.001,3,0.5{more}") for more in ("", ",3"))
    plain_bright, sharp_bright = plain.mean(1, keepdim=True), sharp.mean(1, keepdim=True)
    assert level(sharp_bright) > 1.3 * level(plain_bright)
    assert neighbours(sharp_bright) < neighbours(plain_bright) - 0.1
    # The colours stay as they are.
    assert torch.allclose(sharp - sharp_bright, plain - plain_bright, atol=1e-6)


def test_each_image_has_a_camera_of_its_own() -> None:
    levels = noise_of(flat(0.5), "camera:0.001").square().mean((1, 2, 3)).sqrt()
    assert levels.max() > 1.3 * levels.min()


def test_the_gains_of_a_range_are_drawn_by_their_logarithm() -> None:
    images = flat(0.5, count=200)
    ranged, middle = (
        noise_of(images, spec).square().mean((1, 2, 3)).median().item()
        for spec in ("camera:0.0001-0.01,0", "camera:0.001,0")
    )
    assert ranged == pytest.approx(middle, rel=0.5)


def test_a_grey_photograph_gets_the_brightness_of_the_noise() -> None:
    grey = noise_of(flat(0.5, channels=1), "camera:0.001")
    colour = noise_of(flat(0.5), "camera:0.001")
    assert grey.shape == (COUNT, 1, SIDE, SIDE)
    assert level(grey) == pytest.approx(level(colour.mean(1)), rel=0.05)


def test_alternatives_may_choose_it_for_no_image() -> None:
    images = flat(0.5, count=1)
    for seed in range(8):
        assert noise_of(images, "camera:0.001,3,1|none|none", seed).isfinite().all()


def test_the_photograph_keeps_its_detail() -> None:
    """What is added is the noise alone, not the blur of the mosaic."""
    stripes = torch.zeros(4, 3, SIDE, SIDE) + 0.2
    stripes[..., ::2] = 0.8
    assert level(noise_of(stripes, "camera:0.00001,0")) < 0.01
