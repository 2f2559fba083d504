"""The gain of a camera whose noise is as strong as in photographs."""

import pytest
import torch
from noisy_pictures import colour, grey
from torch import Tensor

from dae_tui.core.noise.measured.measurement import measure
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.spec.noise_spec import parse_noise


def photographs(noise: str) -> list[Tensor]:
    """Three photographs in colour, with noise, of 8 bits."""
    clean = [torch.from_numpy(colour(name, 256)) for name in ("chelsea", "astronaut", "coffee")]
    images = torch.stack(clean).float().movedim(-1, 1)
    noisy = add_noise(images, parse_noise(noise), torch.Generator().manual_seed(0))
    return list((noisy * 255).round() / 255)


@pytest.mark.parametrize("gain", ["0.002", "0.004"])
def test_the_gain_that_photographs_had_is_found(gain: str) -> None:
    found = measure(photographs(f"camera:{gain},3,0.3+jpeg:92")).camera
    assert found is not None
    first, last = found.chains[0].stages
    assert (first.kind, last.kind) == ("camera", "jpeg")
    assert float(gain) / 2 < first.low <= first.high < float(gain) * 2


@pytest.mark.parametrize("noise", ["gaussian:0.05", "poisson:200", "gaussian:0.05+jpeg:85"])
def test_other_noise_is_not_that_of_a_camera(noise: str) -> None:
    assert measure(photographs(noise)).camera is None


def test_neither_is_that_of_grey_photographs() -> None:
    images = torch.from_numpy(grey("camera", 256)).float()[None, None]
    noisy = add_noise(images, parse_noise("camera:0.002"), torch.Generator().manual_seed(0))
    assert measure([noisy[0]]).camera is None
