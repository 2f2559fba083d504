"""The estimated noise level against noise of a known level."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dae_tui.core.noise.level.estimation import MOST_PATCHES, estimate_sigma

SIGMAS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


def noisy(clean: Tensor, sigma: float, on_disk: bool = False, seed: int = 0) -> Tensor:
    """With Gaussian noise; clipped and of 8 bits where it is to be as in a file on disk."""
    generator = torch.Generator().manual_seed(seed)
    images = clean + sigma * torch.randn(clean.shape, generator=generator)
    return (images.clamp(0, 1) * 255).round() / 255 if on_disk else images


def plane(value: Tensor) -> Tensor:
    return value.expand(256, 256)[None, None].clone()


def scene() -> Tensor:
    """Smooth shades, hard edges, a striped and a rough area and black and white ones."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand((1, 1, 8, 8), generator=generator)
    image = 0.15 + 0.7 * torch.nn.functional.interpolate(coarse, (256, 256), mode="bicubic")
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    image[..., (x - 180) ** 2 + (y - 70) ** 2 < 40**2] += 0.3
    stripes = 0.2 * torch.sin(0.9 * x + 0.6 * y)
    image[..., 160:, :100] += stripes[160:, :100]
    image[..., 170:, 150:] += 0.1 * torch.randn((86, 106), generator=generator)
    image[..., 20:60, 20:60] = 0
    image[..., 100:140, 200:250] = 1
    return image.clamp(0, 1)


def digits(folder: Path, count: int) -> Tensor:
    content = np.fromfile(folder / "MNIST" / "raw" / "t10k-images-idx3-ubyte", np.uint8)
    return torch.from_numpy(content[16:].reshape(-1, 1, 28, 28)[:count]).float() / 255


CLEAN = {
    "grey": plane(torch.tensor(0.5)),
    "dark": plane(torch.tensor(0.1)),
    "light": plane(torch.tensor(0.85)),
    "gradient": plane(torch.linspace(0, 1, 256)),
    "scene": scene(),
}


@pytest.fixture(scope="module")
def photos() -> list[Tensor]:
    """The twelve photographs, the larger ones cut to 256×256."""
    folder = Path(os.environ.get("DAE_DATA", "")) / "photos" / "set12"
    files = sorted(folder.glob("*.png"))
    if len(files) != 12:
        pytest.skip("needs photographs: set DAE_DATA to the folder that holds photos/set12")
    images = [np.array(Image.open(file).convert("L"))[-256:, -256:] for file in files]
    return [torch.from_numpy(image)[None, None].float() / 255 for image in images]


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("name", CLEAN)
def test_a_known_level_is_found(name: str, sigma: float, on_disk: bool) -> None:
    found = estimate_sigma(noisy(CLEAN[name], sigma, on_disk))
    assert found.item() == pytest.approx(sigma, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_a_known_level_is_found_in_photographs(
    photos: list[Tensor], sigma: float, on_disk: bool
) -> None:
    found = torch.cat(
        [estimate_sigma(noisy(photo, sigma, on_disk, seed)) for seed, photo in enumerate(photos)]
    )
    assert found.numpy() == pytest.approx(np.full(12, sigma), rel=0.1)


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3, 0.5, 0.8])
def test_a_known_level_is_found_in_clipped_digits(mnist_dir: Path, sigma: float) -> None:
    clean = digits(mnist_dir, 200)
    assert estimate_sigma(noisy(clean, sigma, on_disk=True)).mean() == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.5])
def test_patches_of_photographs_are_right_on_the_average(
    photos: list[Tensor], sigma: float
) -> None:
    patches = torch.cat([photo[..., 60:100, 100:140] for photo in photos])
    found = estimate_sigma(noisy(patches.repeat(4, 1, 1, 1), sigma))
    assert found.mean() == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("size", [28, 40, 64])
def test_a_batch_gives_what_its_images_give_alone(size: int) -> None:
    levels = torch.linspace(0.05, 0.6, 8)
    clean = CLEAN["scene"][..., 30 : 30 + size, 30 : 30 + size]
    batch = torch.cat([noisy(clean, float(level), seed=i) for i, level in enumerate(levels)])
    batch[::2] = batch[::2].clamp(0, 1)
    alone = torch.cat([estimate_sigma(image[None]) for image in batch])
    torch.testing.assert_close(estimate_sigma(batch), alone, rtol=1e-3, atol=0)


def test_many_images_are_worked_off_in_parts() -> None:
    batch = noisy(torch.full((1000, 1, 28, 28), 0.5), 0.1)
    found = estimate_sigma(batch)
    assert found.shape == (1000,)
    torch.testing.assert_close(found[-3:], estimate_sigma(batch[-3:]), rtol=1e-3, atol=0)


def test_the_same_image_gives_the_same_level() -> None:
    image = noisy(CLEAN["scene"], 0.3, on_disk=True)
    assert torch.equal(estimate_sigma(image), estimate_sigma(image.clone()))


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_channels_of_a_colour_image_are_pooled(on_disk: bool) -> None:
    clean = torch.cat([CLEAN["scene"], CLEAN["grey"], CLEAN["gradient"]], dim=1)
    found = estimate_sigma(noisy(clean, 0.3, on_disk))
    assert found.shape == (1,)
    assert found.item() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 2), (3, 5), (7, 7), (8, 300), (20, 21)])
@pytest.mark.parametrize("on_disk", [False, True])
def test_tiny_images_give_a_figure(shape: tuple[int, int], on_disk: bool) -> None:
    found = estimate_sigma(noisy(torch.full((2, 3, *shape), 0.4), 0.3, on_disk))
    assert found.shape == (2,)
    assert found.isfinite().all()
    assert ((found >= 0) & (found <= 0.6)).all()


def test_no_images_give_no_levels() -> None:
    assert estimate_sigma(torch.zeros(0, 1, 28, 28)).shape == (0,)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_image_has_no_noise(value: float) -> None:
    assert estimate_sigma(torch.full((2, 1, 64, 64), value)).max() < 1e-4


def test_digits_without_noise_have_hardly_any(mnist_dir: Path) -> None:
    assert estimate_sigma(digits(mnist_dir, 50)).median() < 1e-3


@pytest.mark.parametrize("sigma", [0.02, 0.1])
@pytest.mark.parametrize("kind", ["ramp", "stripes", "checks"])
def test_where_no_patch_is_noise_alone_the_level_does_not_collapse(kind: str, sigma: float) -> None:
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    clean = {
        "ramp": 0.2 + 0.6 * x / 127,
        "stripes": 0.5 + 0.3 * torch.sign(torch.sin(0.6 * x)),
        "checks": 0.5 + 0.2 * torch.sin(x / 3) * torch.cos(y / 3),
    }[kind]
    found = estimate_sigma(noisy(clean.expand(4, 1, 128, 128), sigma))
    assert found.min() > 0.5 * sigma
    assert found.max() < 1.3 * sigma


def test_areas_that_are_saturated_say_nothing() -> None:
    image = noisy(CLEAN["grey"], 0.1)
    image[..., :140, :] = 1
    assert estimate_sigma(image.clamp(0, 1)).item() == pytest.approx(0.1, rel=0.1)


def test_noise_of_every_level_can_be_told_apart() -> None:
    found = torch.cat([estimate_sigma(noisy(CLEAN["scene"], s / 20, True)) for s in range(1, 14)])
    assert (found.diff() > 0.02).all()


def test_a_large_image_is_like_its_parts() -> None:
    image = noisy(CLEAN["scene"].repeat(1, 1, 5, 5), 0.1)
    assert image.numel() > 16 * MOST_PATCHES
    whole = estimate_sigma(image).item()
    corners = [(y, x) for y in (0, 900) for x in (0, 900)]
    parts = [estimate_sigma(image[..., y : y + 320, x : x + 320]) for y, x in corners]
    assert whole == pytest.approx(torch.cat(parts).mean().item(), rel=0.04)
    assert whole == pytest.approx(0.1, rel=0.05)
