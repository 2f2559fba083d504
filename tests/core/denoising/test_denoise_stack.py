"""Pages of a file through a network, one by one and together."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dae_tui.core.denoising import apply_network as denoising
from dae_tui.core.denoising import denoise_stack as stacks
from dae_tui.core.denoising.apply_network import Compute, denoise_images
from dae_tui.core.denoising.denoise_stack import Inspection, denoise_pages, denoise_stack
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import Oddities
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.spec.denoising import DenoiseOptions
from dae_tui.spec.model_cards import published

FP32 = Compute(precision="fp32")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights(published()["mnist-autoencoder"])


def pages() -> list[tuple[Stack, Inspection]]:
    """Pages of two sizes and three types, light and dark, with weak and strong noise, mixed."""
    draw = np.random.default_rng(0)

    def page(size: int, sigma: float, dark: bool, kind: str) -> tuple[Stack, Inspection]:
        clean = np.kron(draw.integers(0, 2, (size // 4, size // 4)), np.ones((4, 4)))
        noisy = clean * 0.3 + dark * 0.6 + draw.normal(0, sigma, clean.shape)
        stored: NDArray[np.generic] = noisy.clip(0, 1).astype("f4")
        if np.dtype(kind).kind == "u":
            stored = (stored * np.iinfo(kind).max).astype(kind)
        stack = Stack(stored[None, ..., None])
        return stack, Inspection(sigma, dark, Oddities(), stack.white)

    return [
        page(size, sigma, dark, kind)
        for size in (12, 16)
        for dark in (True, False)
        for sigma in (0.02, 0.2)
        for kind in ("u1", ">u2", "u1", "f4")
    ]


def test_pages_that_go_together_come_out_as_one_by_one(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = DenoiseOptions()
    found, what = zip(*pages(), strict=True)
    one_by_one = [
        denoise_stack(weights, page, inspection, options, FP32)
        for page, inspection in zip(found, what, strict=True)
    ]
    batches = []

    def counted(
        weights: Weights, noisy: torch.Tensor, sigma: torch.Tensor, compute: Compute
    ) -> torch.Tensor:
        batches.append(len(noisy))
        return denoise_images(weights, noisy, sigma, compute)

    monkeypatch.setattr(stacks, "denoise_images", counted)
    together = denoise_pages(weights, found, what, options, FP32)
    assert sorted(batches) == [2] * 8 + [4] * 4  # By size, type, and light or dark.
    for one, other, page in zip(one_by_one, together, found, strict=True):
        assert other.values.dtype == page.values.dtype
        assert other.values.shape == page.values.shape
        step = 1e-5 if page.values.dtype.kind == "f" else 1
        np.testing.assert_allclose(other.values, one.values.astype(float), atol=step, rtol=0)


@pytest.mark.parametrize("side", [1, 28])
def test_many_tiny_images_take_no_more_memory_than_fewer_larger_ones(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    """Each is padded for the network: 8×8 pixels for one."""
    passed = []

    def counted(
        network: torch.nn.Module, noisy: torch.Tensor, precision: str, sigma: torch.Tensor
    ) -> torch.Tensor:
        passed.append(len(noisy))
        return noisy

    monkeypatch.setattr(denoising, "denoise_batch", counted)
    noisy = torch.zeros(20_000 // side, 1, side, side)
    denoise_images(weights, noisy, torch.zeros(len(noisy)), FP32)
    assert sum(passed) == len(noisy)
    assert max(passed) * 64 * -((-side // 8) ** 2) <= 2.5 * denoising.BATCH_PIXELS
