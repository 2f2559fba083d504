"""Noisy images alone: what is hidden, what a loss measures, and when the noise forbids it."""

import math

import pytest
import torch
from torch import Tensor, nn

from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.training.objectives.self_supervision import (
    STRIDE,
    BlindSpot,
    Neighbours,
    Recorrupted,
    correlation_remark,
    hide_pixels,
    level_table,
)
from dae_tui.models.registry import build


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(height: int, width: int, count: int = 3) -> Tensor:
    """Images whose every value is another one."""
    return torch.arange(count * 2 * height * width, dtype=torch.float32).view(
        count, 2, height, width
    )


@pytest.mark.parametrize("size", [(16, 12), (17, 13), (2, 3)], ids=["even", "odd", "tiny"])
def test_one_pixel_of_each_square_gets_the_value_of_a_near_one(size: tuple[int, int]) -> None:
    images = numbered(*size)
    given, hidden = hide_pixels(images, generator())
    assert hidden.shape == (3, 1, *size)
    changed = given != images
    # All channels of a pixel are hidden together, and nothing else changes.
    assert torch.equal(changed.any(1, keepdim=True) & (hidden == 0), torch.zeros_like(hidden) > 0)
    squares = math.ceil(size[0] / STRIDE) * math.ceil(size[1] / STRIDE)
    assert hidden.flatten(1).sum(1).max() <= squares
    if min(size) > STRIDE:
        assert changed.sum() > 0.9 * 2 * hidden.sum()
    for image, _, row, column in changed.nonzero().tolist():
        value = int(given[image, 0, row, column])
        there = divmod(value % (size[0] * size[1]), size[1])
        assert abs(there[0] - row) <= 2
        assert abs(there[1] - column) <= 2


def test_other_pixels_are_hidden_each_time_and_the_same_for_a_seed() -> None:
    images = numbered(16, 16)
    first, again, other = (hide_pixels(images, generator(seed))[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


class Shifted(nn.Module):
    """Adds a constant."""

    def forward(self, images: Tensor) -> Tensor:
        return images + 0.5


def test_the_loss_is_that_at_hidden_pixels() -> None:
    images = torch.zeros(2, 1, 8, 8)
    hidden = torch.zeros(2, 1, 8, 8)
    hidden[:, :, 0, 0] = 1
    images[:, :, 5, 5] = 9  # Not hidden.
    assert BlindSpot().loss(Shifted(), [images, hidden], images, None).item() == pytest.approx(0.25)


class Middle(nn.Module):
    """Predicts the mean of all values of an image."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3), keepdim=True).expand_as(images)


@pytest.mark.parametrize("objective", [BlindSpot(), Neighbours()])
def test_where_the_clean_value_is_predicted_the_loss_is_the_variance(
    objective: BlindSpot | Neighbours,
) -> None:
    noisy = 0.5 + 0.1 * torch.randn(16, 1, 128, 128, generator=generator())
    found = objective.evaluate(Middle(), [ImageSet("", noisy, None, 0)])
    # Neighbours has a second term, which is the same where nothing differs between scales.
    terms = 2 if isinstance(objective, Neighbours) else 1
    assert found.loss == pytest.approx(terms * 0.01, rel=0.05)
    assert found.psnr is None


@pytest.mark.parametrize("objective", [BlindSpot(), Neighbours()])
def test_copying_the_noise_does_not_pay(objective: BlindSpot | Neighbours) -> None:
    noisy = [ImageSet("", 0.1 * torch.randn(4, 1, 32, 32, generator=generator()), None, 0)]
    assert objective.evaluate(nn.Identity(), noisy).loss > 1.8 * objective.evaluate(
        Middle(), noisy
    ).loss / (2 if isinstance(objective, Neighbours) else 1)


def test_neighbours_are_two_different_pixels_of_each_square() -> None:
    images = numbered(6, 10)
    given, chosen = Neighbours().draw(nn.Identity(), images, generator())
    assert given.shape == (3, 2, 3, 5)
    first, second = chosen[:, 0], chosen[:, 1]
    assert ((first // 2 == second // 2) != (first % 2 == second % 2)).all()
    row = 2 * torch.arange(3)[:, None] + first // 2
    column = 2 * torch.arange(5) + first % 2
    assert torch.equal(given[0, 0], images[0, 0, row[0], column[0]])


def test_correlated_noise_is_said_and_white_noise_is_not() -> None:
    white = 0.1 * torch.randn(3, 1, 200, 200, generator=generator())
    smooth = nn.functional.avg_pool2d(white, 2, stride=1)
    assert correlation_remark(0.5 + white) == ""
    assert "times as strong between every second pixel" in correlation_remark(0.5 + smooth)


@pytest.mark.parametrize("objective", [BlindSpot(), Neighbours()])
def test_a_network_that_is_told_the_level_learns_too(objective: BlindSpot | Neighbours) -> None:
    network = build("unet", {"widths": [4, 8]})
    images = 0.5 + 0.1 * torch.randn(3, 1, 32, 32, generator=generator())
    inputs = objective.draw(network, images, generator())
    assert inputs[-1].tolist() == pytest.approx([0.1] * 3, rel=0.2)
    assert objective.loss(network, inputs, images, None).requires_grad
    assert objective.evaluate(network.eval(), [ImageSet("", images, None, 0)]).loss > 0


# Recorrupted images


def smooth(count: int = 8, side: int = 128) -> Tensor:
    """Images (count, 1, side, side) that change slowly from dark to light."""
    ramp = torch.linspace(0.2, 0.8, side)
    return ramp[None].expand(side, side)[None, None].expand(count, 1, side, side)


def poisson_noise(clean: Tensor, photons: float) -> Tensor:
    return torch.poisson(clean * photons, generator=generator(1)) / photons


@pytest.mark.parametrize("kind", ["white", "poisson"])
def test_the_noise_of_both_copies_is_independent(kind: str) -> None:
    clean = smooth()
    white = clean + 0.1 * torch.randn(clean.shape, generator=generator(1))
    noisy = white if kind == "white" else poisson_noise(clean, 40)
    given, target = Recorrupted(noisy)._drawn(noisy, generator())
    # In each third of the range, or the noise would be taken for equally strong everywhere.
    for part in torch.split(torch.arange(128), 43):
        first, second = ((each - clean)[..., part] for each in (given, target))
        assert first.mean().abs() < 0.01 * 5
        correlation = (first * second).mean() / (first.std() * second.std())
        assert correlation.abs() < 0.05, part
        assert second.std() > first.std() > (noisy - clean)[..., part].std()


def test_the_level_table_is_that_of_the_noise_over_intensity() -> None:
    clean = smooth()
    table = level_table(poisson_noise(clean, 40))
    assert table.shape == (1, 65)
    for intensity in (0.25, 0.5, 0.75):
        measured = table[0, round(64 * intensity)].item()
        assert measured == pytest.approx(intensity / 40, rel=0.15)


def test_copying_a_noisy_copy_does_not_pay_and_knowing_the_clean_image_does() -> None:
    clean = smooth()
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator(1))
    objective = Recorrupted(noisy)
    inputs = objective.draw(nn.Identity(), noisy, generator())
    copied = objective.loss(nn.Identity(), inputs, noisy, None).item()
    known = objective.loss(nn.Identity(), [clean, inputs[1]], noisy, None).item()
    # The noise of the copy that is given is what copying adds.
    assert copied - known == pytest.approx(0.1**2 * (1 + 0.5**2), rel=0.1)
