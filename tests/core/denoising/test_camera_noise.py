"""What weights for cameras take away, told apart: a camera's noise, other noise, texture."""

import torch
from torch import Tensor

from dae_tui.core.denoising.camera_noise import Taken
from dae_tui.core.noise.level.image_noise import Correlation, ImageNoise
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.synthetic.correlated import unit_noise

SIDE = 128
GREY = torch.full((3, SIDE, SIDE), 0.5)


def blotches(level: float) -> Tensor:
    """Noise whose colours neighbouring pixels share."""
    drawn = torch.Generator().manual_seed(0)
    return level / 255 * unit_noise(GREY[None], drawn, 0.7, 0.5, 1.0)[0]


def white(level: float) -> Tensor:
    return level / 255 * torch.randn(GREY.shape, generator=torch.Generator().manual_seed(1))


def noise(level: float, *, correlated: bool = False) -> ImageNoise:
    ratio = 3.0 if correlated else 1.0
    return ImageNoise(
        (LevelFunction.constant(level / 255),) * 3, correlation=Correlation(ratio=ratio)
    )


def test_blotches_of_colour_everywhere_are_a_cameras() -> None:
    for level in (2, 8, 30):
        assert Taken(GREY, blotches(level)).is_of_camera(noise(level / 4).sigma)
        assert not Taken(GREY, white(level)).is_of_camera(noise(level / 4).sigma)
    assert not Taken(GREY, blotches(0.5)).is_of_camera(noise(1).sigma)


def test_a_drawing_has_none_whatever_is_taken_from_its_fringes() -> None:
    assert not Taken(GREY, blotches(8)).is_of_camera(noise(0.1).sigma)
    assert not Taken(GREY, blotches(30)).is_of_camera(noise(1).sigma)


def test_what_is_taken_in_some_places_alone_is_no_noise() -> None:
    change = blotches(8)
    change[:, :, SIDE // 2 :] = 0
    assert not Taken(GREY, change).is_of_camera(noise(1).sigma)


def test_but_black_places_have_none() -> None:
    night, change = GREY.clone(), blotches(8)
    night[:, :, SIDE // 2 :] = 0
    change[:, :, SIDE // 2 :] = 0
    assert Taken(night, change).is_of_camera(noise(1).sigma)


def test_a_level_far_above_what_is_taken_is_that_of_texture() -> None:
    taken = Taken(GREY, white(2))
    assert not taken.disproves(noise(2))
    assert not taken.disproves(noise(6))
    assert taken.disproves(noise(20))


def test_hardly_anything_and_no_white_noise_is_texture() -> None:
    assert not Taken(GREY, white(0.8)).disproves(noise(2))
    assert Taken(GREY, blotches(2)).disproves(noise(2))
    assert Taken(GREY, white(0.8)).disproves(noise(2, correlated=True))
    assert Taken(GREY, blotches(0.8)).disproves(noise(2))


def test_of_grey_photographs_brightness_tells() -> None:
    seen = GREY[:1]
    blurred = blotches(20)[:1]
    assert Taken(seen, blurred).is_of_camera(noise(4).sigma)
    assert not Taken(seen, white(8)[:1]).is_of_camera(noise(4).sigma)
    level = Taken(seen, blurred).level
    assert not Taken(seen, blurred).is_of_camera(noise(4).sigma, artefacts=level)
    assert Taken(seen, blurred).is_of_camera(noise(4).sigma, artefacts=level / 2)
