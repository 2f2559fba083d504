"""Cards of weights: which metrics they show."""

from typing import Any

import pytest

from dae_tui.spec.model_cards import card, published, read_metadata

ROW = {"accuracy": None, "psnr": 27.25, "ssim": 0.75}


def measured(protocol: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Metadata of published weights, as if they had been measured otherwise."""
    metadata = read_metadata(published()["mnist-unet"])
    rows = [
        {"view": "noisy", "noise": "as given", **ROW, **more},
        {"view": "denoised", "noise": "as given", **ROW, **more},
    ]
    return metadata | {
        "figures": {"protocol": {"images": 9, "data": "w2s"} | protocol, "rows": rows}
    }


def test_a_card_of_weights_for_pairs_has_a_fitted_psnr() -> None:
    lines = card("mine", measured({"seed": None}, psnr_fitted=31.5), 1, "MIT").splitlines()
    assert "Measured at the end of that command on 9 test images of w2s:" in lines
    assert "| view | accuracy % | PSNR dB | fitted PSNR dB | SSIM |" in lines
    assert "|---|---|---|---|---|" in lines
    assert "| denoised, as given | – | 27.25 | 31.50 | 0.750 |" in lines


@pytest.mark.parametrize("more", [{}, {"psnr_fitted": None}])
def test_a_card_without_a_fitted_psnr_has_no_column_for_it(more: dict[str, Any]) -> None:
    lines = card("mine", measured({"seed": 3}, **more), 1, "MIT").splitlines()
    assert "Measured at the end of that command on 9 test images of w2s (noise seed 3):" in lines
    assert "| view | accuracy % | PSNR dB | SSIM |" in lines
    assert "| noisy, as given | – | 27.25 | 0.750 |" in lines
