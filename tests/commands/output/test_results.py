"""The images above the table of a training or a benchmark."""

import re
from pathlib import Path

import numpy as np
import pytest

from dae_tui.commands.output.results import show_images_and_table, write_svg
from dae_tui.spec.table import BenchmarkRow, Example, Table


def a_table(
    shape: tuple[int, ...], titles: tuple[str, ...] = ("original", "noisy", "unet")
) -> Table:
    """A table with random images of a shape (N, C, H, W) in each view."""
    generator = np.random.default_rng(0)
    examples = [
        Example(
            title,
            generator.integers(0, 256, shape).astype(np.uint8),
            None if title == "original" else [20.0] * shape[0],
            None,
        )
        for title in titles
    ]
    none = None
    rows = [BenchmarkRow("noisy", none, "as given", none, none, none, 20.0, 0.9, none)]
    return Table({"data": "camera", "images": 3, "noise": "as given"}, rows, examples)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal: characters in place of colours, in any number of columns."""
    monkeypatch.setenv("TERM", "dumb")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_part_of_large_images_is_shown(capsys: pytest.CaptureFixture[str], channels: int) -> None:
    show_images_and_table(a_table((3, channels, 128, 200)), digits=2)

    printed = capsys.readouterr().out
    assert "original" in printed
    assert "denoised" in printed
    assert printed.count("20.0 dB") == 4
    assert re.search("40[×x]40 of 200[×x]128 pixels", printed)


def test_digits_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show_images_and_table(a_table((3, 1, 28, 28)))

    assert "pixels" not in capsys.readouterr().out


def test_without_an_original_there_are_two_views(capsys: pytest.CaptureFixture[str]) -> None:
    show_images_and_table(a_table((1, 3, 64, 64), ("noisy", "my-unet")))

    first = capsys.readouterr().out.split("\n")[0]
    assert first.split() == ["noisy", "denoised"]


@pytest.mark.parametrize("shape", [(0, 1, 64, 64), (2, 4, 64, 64), (2, 1, 1, 1)], ids=str)
def test_what_cannot_be_drawn_is_left_out(
    capsys: pytest.CaptureFixture[str], shape: tuple[int, ...]
) -> None:
    show_images_and_table(a_table(shape))

    assert "denoised" not in capsys.readouterr().out


def test_the_picture_is_in_colour(tmp_path: Path) -> None:
    write_svg(tmp_path / "result.svg", a_table((1, 3, 128, 128)), digits=1)

    svg = (tmp_path / "result.svg").read_text()
    colours = {tuple(bytes.fromhex(found)) for found in re.findall("#([0-9a-f]{6})", svg)}
    assert sum(len({*colour}) > 1 for colour in colours) > 1000
    assert "36×36" in svg
