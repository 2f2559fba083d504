"""Sub-pixel registration: what shift is found, what is left alone, and that moving keeps values."""

import pytest
import torch
from torch import Tensor

from dae_tui.core.data.paired.registration import (
    common_brightness,
    find_brightness,
    find_shift,
    fit_brightness,
    shifted,
)
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import parse_noise


def scene(rows: float = 0.0, columns: float = 0.0) -> Tensor:
    """A smooth picture (1, 96, 80) of waves and blobs, moved down and to the right."""
    down = torch.arange(96)[:, None] - rows
    right = torch.arange(80) - columns
    waves = torch.sin(down / 5) * torch.cos(right / 7) + torch.cos((down + right) / 4)
    blobs = sum(
        torch.exp(-((down - top) ** 2 + (right - left) ** 2) / 30)
        for top, left in ((20, 60), (70, 20), (50, 50))
    )
    return (0.5 + 0.1 * waves + 0.3 * blobs)[None]


def noise(level: float = 0.03, seed: int = 0) -> Tensor:
    return level * torch.randn(1, 96, 80, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shift", [(0.4, -0.3), (-1.2, 0.1), (0.0, 2.0)])
def test_a_shift_is_found_in_spite_of_noise_gain_and_offset(shift: tuple[float, float]) -> None:
    noisy = 0.8 * scene(*shift) + 0.1 + noise()
    assert find_shift(scene(), noisy) == pytest.approx(shift, abs=0.05)


def test_colours_are_looked_at_together() -> None:
    colours = scene().expand(3, -1, -1) * torch.tensor([0.9, 0.5, 0.7])[:, None, None]
    moved = scene(0.5, 0.5).expand(3, -1, -1) * torch.tensor([0.9, 0.5, 0.7])[:, None, None]
    assert find_shift(colours, moved + noise()) == pytest.approx((0.5, 0.5), abs=0.05)


@pytest.mark.parametrize(
    ("clean", "noisy"),
    [
        (scene(), scene() + noise()),
        (scene(), scene(0.02, 0.03) + noise()),
        (scene(), scene(6.0, 0.0)),
        (torch.zeros(1, 96, 80), noise()),
        (torch.rand(1, 12, 12), torch.rand(1, 12, 12)),
        (noise(seed=1), noise(seed=2)),
    ],
    ids=["none", "tiny", "too large", "flat", "too small an image", "unlike images"],
)
def test_otherwise_an_image_stays_where_it_is(clean: Tensor, noisy: Tensor) -> None:
    assert find_shift(clean, noisy) == (0.0, 0.0)


def test_moving_gives_the_picture_from_there() -> None:
    inner = (..., slice(12, -12), slice(12, -12))
    assert torch.allclose(shifted(scene(), 0.4, -0.3)[inner], scene(0.4, -0.3)[inner], atol=4e-3)
    assert torch.allclose(shifted(scene(), 2.0, 0.0)[0, 4:-4], scene()[0, 2:-6], atol=1e-3)


def test_moving_nowhere_changes_nothing() -> None:
    assert torch.allclose(shifted(scene(), 0.0, 0.0), scene(), atol=1e-6)


def test_brightness_is_fitted_through_noise() -> None:
    assert fit_brightness(scene(), 0.6 * scene() + 0.1 + noise()) == pytest.approx(
        (0.6, 0.1), abs=0.01
    )
    assert fit_brightness(torch.full((1, 9, 9), 0.3), noise()) == (1.0, 0.0)


def with_white_sky(image: Tensor) -> Tensor:
    image = image.clone()
    image[:, : len(image[0]) // 16] = 1
    return image


@pytest.mark.parametrize(
    ("clean", "gain", "offset"),
    [(scene(), 0.6, 0.1), (scene(), 1.0, 0.1), (with_white_sky(scene()), 0.8, 0.3)],
    ids=["darker", "an offset alone", "a white sky"],
)
def test_clean_images_that_are_brighter_or_darker_are_found(
    clean: Tensor, gain: float, offset: float
) -> None:
    noisy = (gain * clean + offset + noise()).clamp(0, 1)
    found = find_brightness(clean, noisy)
    assert found == pytest.approx((gain, offset), abs=0.01)


@pytest.mark.parametrize("spec", ["impulse:0.3", "salt-pepper:0.3", "gaussian:0.5", "poisson:8"])
def test_noise_is_not_taken_for_brightness(spec: str) -> None:
    drawn = torch.Generator().manual_seed(0)
    noisy = add_noise(scene()[None], parse_noise(spec), drawn)[0]
    assert find_brightness(scene(), noisy) == (1, 0)


def test_neither_is_the_noise_of_images_with_little_contrast() -> None:
    clean = 0.5 + 0.06 * (scene() - 0.5)
    noisy = clean + noise(0.14)
    assert find_brightness(clean, noisy) == (1, 0)
    assert find_brightness(torch.full_like(clean, 0.5), noisy) == (1, 0)
    assert find_brightness(scene(), torch.full_like(clean, 0.5)) == (1, 0)


def test_the_common_brightness_leads_back_on_the_whole() -> None:
    """Clean images of factors 2 and 4 above their noisy ones are of one factor between after it."""
    noisy_images = [scene(), scene(3.0)]
    clean = [2 * noisy_images[0], 4 * noisy_images[1]]
    fits = [fit_brightness(*both) for both in zip(clean, noisy_images, strict=True)]
    assert fits == [pytest.approx((0.5, 0), abs=1e-4), pytest.approx((0.25, 0), abs=1e-4)]
    gain, _ = common_brightness(clean, fits)
    assert 2.5 < gain < 3.5
