"""The error of a denoiser without the clean image, against the true one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from noisy_pictures import colour, grey
from scipy import ndimage
from torch import Tensor

from dae_tui.core.denoising.risk import SIDE, attempt, middle

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
    found = attempt(apply, noisy, torch.full((1, 1, 1), sigma)).risk
    assert found == pytest.approx(true_risk(apply, noisy, CLEAN), rel=0.05, abs=0.05)


@pytest.mark.parametrize("width", [0.5, 1.0, 3.0])
def test_noise_may_differ_from_place_to_place(width: float) -> None:
    sigmas = 0.05 + 0.3 * CLEAN
    noise = torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    noisy = CLEAN + sigmas * noise
    found = attempt(blur(width), noisy, sigmas).risk
    assert found == pytest.approx(true_risk(blur(width), noisy, CLEAN), rel=0.05, abs=0.02)


def test_leaving_the_image_has_the_risk_of_its_noise() -> None:
    noisy = CLEAN + 0.1 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    assert attempt(lambda planes: planes, noisy, torch.full((1, 1, 1), 0.1)).risk == pytest.approx(
        1, abs=0.02
    )


def test_planes_of_different_levels_count_alike() -> None:
    clean = torch.from_numpy(colour("astronaut", SIDE).astype(np.float32)).movedim(-1, 0)
    sigmas = torch.tensor([0.08, 0.1, 0.2])[:, None, None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    noisy = clean + sigmas * noise
    found = attempt(blur(1.0), noisy, sigmas).risk
    assert found == pytest.approx(true_risk(blur(1.0), noisy, clean), rel=0.03)


def test_a_plane_without_noise_does_not_decide_alone() -> None:
    noisy = CLEAN + 0.1 * torch.randn(CLEAN.shape, generator=torch.Generator().manual_seed(1))
    planes = torch.cat([noisy, torch.full_like(noisy, 0.5)])
    sigmas = torch.tensor([0.1, 1e-6])[:, None, None]

    def nearly(given: Tensor) -> Tensor:
        return torch.cat([blur(1.0)(given[:1]), given[1:] + 1e-3])

    alone = attempt(blur(1.0), noisy, sigmas[:1]).risk
    assert attempt(nearly, planes, sigmas).risk == pytest.approx(alone, abs=0.01)
    assert attempt(lambda given: given, planes, sigmas).risk == pytest.approx(1, abs=0.02)
    assert attempt(lambda given: given + 0.2, planes, sigmas).risk > 2


def test_the_middle_of_an_axis() -> None:
    assert middle(100) == (0, 100)
    assert middle(SIDE + 20) == (10, SIDE + 10)


def test_a_mean_of_two_is_tried_without_applying_them_again() -> None:
    sigma = 0.1
    clean = torch.from_numpy(grey("camera", 160).astype(np.float32))[None]
    noisy = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    levels = torch.full((1, 1, 1), sigma)
    strong, weak = blur(2.0), blur(0.5)
    mixed = attempt(strong, noisy, levels).mixed(attempt(weak, noisy, levels), 0.25)
    both = attempt(lambda planes: 0.25 * strong(planes) + 0.75 * weak(planes), noisy, levels)
    assert mixed.risk == pytest.approx(both.risk, rel=1e-4)
    true = float((mixed.denoised - clean).square().mean()) / sigma**2
    assert mixed.risk == pytest.approx(true, abs=0.05)


def test_planes_without_noise_have_a_risk() -> None:
    noisy = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    trial = attempt(blur(1.0), noisy, torch.tensor([0.1, 0.1, 0.0])[:, None, None])
    assert np.isfinite(trial.risk)
