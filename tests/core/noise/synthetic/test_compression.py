"""Compression as a kind of noise: the same as a file of that ratio has, and worse as it grows."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dae_tui.core.compression.codecs import find_codec
from dae_tui.core.compression.compress import Aim, compress_with_codec, pictures_in
from dae_tui.core.compression.container import Picture
from dae_tui.core.data.load_data import load
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import parse_noise


def compressed(images: Tensor, spec: str, seed: int = 0) -> Tensor:
    return add_noise(images, parse_noise(spec), torch.Generator().manual_seed(seed))


def digits(count: int = 20) -> Tensor:
    return load("digits", "test", Path()).images[:count].float() / 255


def smooth(channels: int, side: int = 40) -> Tensor:
    """An image of a few waves, (1, channels, side, side)."""
    ramp = torch.linspace(0, 6, side)
    waves = [0.5 + 0.3 * torch.sin(ramp[:, None] + (1 + c) * ramp[None]) for c in range(channels)]
    return torch.stack(waves)[None]


def error(images: Tensor, originals: Tensor) -> float:
    return float((images - originals).square().mean())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_number_of_channels_keep_shape_and_range(channels: int) -> None:
    images = smooth(channels)
    found = compressed(images, "compress:16")
    assert found.shape == images.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    assert error(found, images) < 0.03


def test_the_error_grows_with_the_ratio() -> None:
    images = digits()
    errors = [error(compressed(images, f"compress:{ratio}"), images) for ratio in (8, 32, 128, 784)]
    assert errors == sorted(errors)
    assert errors[0] < 0.3 * errors[-1]


def test_a_range_of_ratios_gives_each_image_one_of_its_own() -> None:
    images = digits()
    alike = images[:1].expand(20, -1, -1, -1)
    found = compressed(alike, "compress:8-400")
    assert len({round(error(each, images[0]), 6) for each in found}) > 5


@pytest.mark.parametrize(("codec", "ratio"), [("mnist-codec", 49), ("photos-codec", 16)])
def test_it_is_what_a_file_of_that_ratio_holds(codec: str, ratio: int) -> None:
    images = digits(5) if codec == "mnist-codec" else smooth(3)
    count, channels, height, width = images.shape
    picture = Picture(count, height, width, channels, dtype="float32", white=1)
    made = compress_with_codec([(picture, images)], find_codec(codec), Aim(ratio=ratio))
    [(_, from_file)] = pictures_in(made.contents, made.coder)
    assert float((compressed(images, f"compress:{ratio}") - from_file).abs().max()) < 1e-4


def test_values_outside_of_0_to_1_are_clipped_before() -> None:
    images = smooth(1)
    assert torch.equal(compressed(2 * images, "compress:16"),
                       compressed((2 * images).clamp(0, 1), "compress:16"))  # fmt: skip
