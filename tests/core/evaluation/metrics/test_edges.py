"""The energy and the width of edges."""

import math

import pytest
import torch
from torch import Tensor

from dae_tui.core.evaluation.metrics.edges import edge_energy, edge_width


def edge(sigma: float, degrees: float = 0.0, contrast: float = 0.8) -> Tensor:
    """An image (1, 1, 40, 40) of one straight edge, blurred by a Gaussian of `sigma` pixels."""
    y, x = torch.meshgrid(*[torch.arange(40.0, dtype=torch.float64) - 19.6] * 2, indexing="ij")
    angle = math.radians(degrees)
    distance = x * math.cos(angle) + y * math.sin(angle)
    rise = 0.5 + 0.5 * torch.erf(distance / (sigma * math.sqrt(2)))
    return (0.1 + contrast * rise).float()[None, None]


@pytest.mark.parametrize("degrees", [0, 20, 45, 100, 215])
@pytest.mark.parametrize("sigma", [0.8, 1.2, 1.6])
def test_the_width_of_a_blurred_edge_is_2_56_sigma(sigma: float, degrees: float) -> None:
    found = edge_width(edge(sigma, degrees), edge(0.6, degrees))
    assert found.item() == pytest.approx(2.563 * sigma, rel=0.1)


def test_a_step_is_a_pixel_wide_whatever_its_contrast() -> None:
    step = (edge(0.01) > 0.5).float()
    for image in (step, 0.3 * step + 0.2):
        assert 0.7 < edge_width(image, step).item() < 1.3


def test_an_edge_that_has_moved_keeps_its_width() -> None:
    moved = torch.roll(edge(1.0), 1, dims=-1)
    assert edge_width(moved, edge(1.0)).item() == pytest.approx(
        edge_width(edge(1.0), edge(1.0)).item(), rel=0.05
    )


def test_images_without_edges_have_no_width() -> None:
    flat = torch.full((1, 1, 40, 40), 0.5)
    both = edge_width(torch.cat([edge(1), flat, edge(1)]), torch.cat([flat, edge(1), edge(1)]))
    assert both.isnan().tolist() == [True, True, False]


def test_each_image_of_a_batch_is_measured_by_itself_and_colours_by_their_mean() -> None:
    square = torch.zeros(1, 1, 40, 40)
    square[..., 8:30, 12:25] = 1
    originals = torch.cat([edge(1.0, 30), square, edge(1.5)])
    blurred = torch.nn.functional.avg_pool2d(originals, 5, stride=1, padding=2)
    alone = [
        edge_width(image[None], original[None]).item()
        for image, original in zip(blurred, originals, strict=True)
    ]
    assert edge_width(blurred, originals).tolist() == pytest.approx(alone)
    in_colour = (each.expand(-1, 3, -1, -1) for each in (blurred, originals))
    assert edge_width(*in_colour).tolist() == pytest.approx(alone, rel=1e-4)
    assert (edge_width(blurred, originals) > 1.2 * edge_width(originals, originals)).all()


def test_energy_falls_with_blur_and_grows_with_noise() -> None:
    original = edge(1.0)
    generator = torch.Generator().manual_seed(0)
    noisy = original + 0.2 * torch.randn(original.shape, generator=generator)
    assert edge_energy(original, original).item() == pytest.approx(1)
    assert edge_energy(0.5 * original + 0.2, original).item() == pytest.approx(0.25)
    # The energy of a Gaussian's slope is in inverse proportion to its sigma.
    assert edge_energy(edge(3.0), edge(1.5)).item() == pytest.approx(0.5, rel=0.1)
    assert edge_energy(noisy, original).item() > 1.5
    assert edge_energy(original, torch.zeros_like(original)).isnan().all()
