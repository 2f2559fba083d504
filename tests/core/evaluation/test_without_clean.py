"""Figures where no clean image is known: estimated from two takes, none from one."""

import pytest
import torch

from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.evaluation.metrics.image_metrics import psnr
from dae_tui.core.evaluation.without_clean import measure_without_clean
from dae_tui.core.weights.weights_file import Weights
from dae_tui.models.registry import build, settings_of

CPU = torch.device("cpu")


def identity() -> Weights:
    """A U-Net that changes nothing, as it is before any training."""
    network = build("unet", {"widths": [4], "sigma": False}).eval()
    return Weights("same", network, {"network": "unet", "settings": settings_of(network)})


def takes() -> tuple[torch.Tensor, ImageSet]:
    generator = torch.Generator().manual_seed(0)
    clean = 0.3 + 0.4 * torch.rand(6, 1, 48, 40, generator=generator)
    first, second = (clean + 0.05 * torch.randn(clean.shape, generator=generator) for _ in "ab")
    return clean, ImageSet("somewhere", first, None, 0, second)


def test_the_estimated_psnr_is_that_to_the_clean_image() -> None:
    clean, images = takes()
    table = measure_without_clean([images], identity(), CPU, takes=True)
    noisy, denoised = table.rows
    assert images.noisy is not None
    true = float(psnr(images.noisy, clean).mean())
    assert noisy.psnr == pytest.approx(true, abs=0.1)
    assert denoised.psnr == pytest.approx(true, abs=0.1)
    assert (noisy.view, denoised.view, denoised.method) == ("noisy", "denoised", "same")
    assert table.protocol["clean"] == "PSNR estimated from two noisy takes"
    assert [example.title for example in table.examples] == ["noisy", "same"]


def test_single_images_have_no_psnr() -> None:
    _, images = takes()
    alone = ImageSet("somewhere", images.images, None, 0)
    table = measure_without_clean([alone], identity(), CPU, takes=False)
    assert [row.psnr for row in table.rows] == [None, None]
    assert table.protocol["images"] == 6
    assert table.from_json(table.as_json()).rows == table.rows
