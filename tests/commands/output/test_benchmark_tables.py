"""Benchmark tables for a terminal: what is left out where there is little room, small speeds."""

from typing import Any

import pytest

from dae_tui.commands.output.benchmark_tables import protocol_line, rich_table, speed_words
from dae_tui.spec.table import BenchmarkRow, Table

PROTOCOL: dict[str, Any] = {"data": "/data/w2s", "images": 9, "noise": "as given"}


def pairs_table() -> Table:
    """A table of pairs as a training prints it at its end."""

    def row(view: str, method: str | None, **metrics: Any) -> BenchmarkRow:
        return BenchmarkRow(view, method, "as given", None, None, None, **metrics)

    noisy = row("noisy", None, psnr=18.3, ssim=0.2, images_per_second=None, psnr_fitted=19.1)
    denoised = row(
        "denoised",
        "microscopy-unet",
        psnr=26.5,
        ssim=0.7,
        images_per_second=0.42,
        psnr_fitted=32.5,
        sharpness=0.6,
        parameters=10**6,
        multiply_adds=10**10,
        peak_bytes=10**8,
    )
    return Table(PROTOCOL, [noisy, denoised])


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_fitted_psnr_of_pairs_is_shown_at_any_width(width: int) -> None:
    columns = [column.header for column in rich_table(pairs_table(), width).columns]
    assert columns[columns.index("PSNR dB") + 1] == "fitted PSNR dB"


@pytest.mark.parametrize(
    ("split", "words"),
    [(None, "9 test images of w2s"), ("test", "9 test images of w2s"), ("all", "9 images of w2s")],
)
def test_images_of_training_are_not_called_test_images(split: str | None, words: str) -> None:
    assert protocol_line(PROTOCOL | {"split": split}).startswith(f"{words} · ")


def test_a_psnr_that_is_estimated_from_takes_is_called_so() -> None:
    line = protocol_line(PROTOCOL | {"clean": "PSNR estimated from two noisy takes"})
    assert " · PSNR estimated from two noisy takes" in line
    assert "estimated" not in protocol_line(PROTOCOL)


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (7984.4, "7,984"), (10, "10"), (9.94, "9.9"), (0.042, "0.042")],
)
def test_a_slow_method_has_a_speed_too(value: float | None, words: str) -> None:
    assert speed_words(value) == words
