"""The tone curve of sRGB against figures of its standard."""

import pytest
import torch

from dae_tui.core.images.tone_curve import from_srgb, to_srgb


@pytest.mark.parametrize(
    ("light", "value"), [(0, 0), (0.0031308, 0.04045), (0.2140, 0.5), (0.5, 0.7354), (1, 1)]
)
def test_values_of_light(light: float, value: float) -> None:
    assert float(to_srgb(torch.tensor(float(light)))) == pytest.approx(value, abs=1e-4)
    assert float(from_srgb(torch.tensor(float(value)))) == pytest.approx(light, abs=1e-4)


def test_it_leads_back_beyond_black_and_white_too() -> None:
    light = torch.linspace(-0.1, 2, 1001, dtype=torch.float64)
    values = to_srgb(light)
    assert torch.allclose(from_srgb(values), light, atol=1e-9)
    assert (values.diff() > 0).all()
