"""The error of a denoiser without the clean image, against the true one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from noisy_pictures import colour, grey
from scipy import ndimage
from torch import Tensor

from dae_tui.core.denoising.risk import SIDE, estimate_risk, middle

CLEAN = torch.from_numpy(grey("camera", SIDE).astype(np.float32))[None]


def blur(width: float) -> Callable[[Tensor], Tensor]:
    def apply(planes: Tensor) -> Tensor:
        return torch.from_numpy(ndimage.gaussian_filter(planes.numpy(), (0, width, width)))

    return apply


def median(planes: Tensor) -> Tensor:
    return torch.from_numpy(ndimage.median_filter(planes.numpy(), (1, 3, 3)))


def true_risk(apply: Callable[[Tensor], Tensor], noisy: Tensor, clean: Tensor) -> float:
    errors = [(image - clean).square().mean((1, 2)) for image in (apply(noisy), noisy)]
    return float((errors[0] / errors[1]).mean())


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.3])
@pytest.mark.parametrize(
    "apply",
    [blur(0.5), blur(1.0), blur(3.0), median, lambda planes: 0.7 * planes + 0.1],
    ids=["weak", "medium", "strong", "median", "linear"],
)
def test_it_is_the_true_error(sigma: float, apply: Callable[[Tensor], Tensor]) -> None:
    noise = torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    noisy = CLEAN + sigma * noise
    found = estimate_risk(apply, noisy, torch.tensor([sigma]))
    assert found == pytest.approx(true_risk(apply, noisy, CLEAN), rel=0.05, abs=0.05)


def test_leaving_the_image_has_the_risk_of_its_noise() -> None:
    noisy = CLEAN + 0.1 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    assert estimate_risk(lambda planes: planes, noisy, torch.tensor([0.1])) == pytest.approx(
        1, abs=0.02
    )


def test_planes_of_different_levels_count_alike() -> None:
    clean = torch.from_numpy(colour("astronaut", SIDE).astype(np.float32)).movedim(-1, 0)
    sigmas = torch.tensor([0.08, 0.1, 0.2])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    noisy = clean + sigmas[:, None, None] * noise
    found = estimate_risk(blur(1.0), noisy, sigmas)
    assert found == pytest.approx(true_risk(blur(1.0), noisy, clean), rel=0.03)


def test_a_plane_without_noise_does_not_decide_alone() -> None:
    noisy = CLEAN + 0.1 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    planes = torch.cat([noisy, torch.full_like(noisy, 0.5)])
    sigmas = torch.tensor([0.1, 1e-6])

    def nearly(given: Tensor) -> Tensor:
        return torch.cat([blur(1.0)(given[:1]), given[1:] + 1e-3])

    alone = estimate_risk(blur(1.0), noisy, sigmas[:1])
    assert estimate_risk(nearly, planes, sigmas) == pytest.approx(alone, abs=0.01)
    assert estimate_risk(lambda given: given, planes, sigmas) == pytest.approx(1, abs=0.02)
    assert estimate_risk(lambda given: given + 0.2, planes, sigmas) > 2


def test_the_middle_of_an_axis() -> None:
    assert middle(100) == (0, 100)
    assert middle(SIDE + 20) == (10, SIDE + 10)
