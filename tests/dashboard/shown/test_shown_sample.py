"""The samples of a run as they are shown."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dashboard_example import photographs, photographs_run

from dae_tui.dashboard.content.learning import Learning
from dae_tui.dashboard.shown.shown_sample import ShownSample, shown_sample
from dae_tui.runs.folder.layout import SAMPLES
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.watching.samples import BrokenSample

PAIRS = Learning("pairs", "as given")


def replace(run: Run, views: dict[str, np.ndarray]) -> None:
    """Put other images into the newest sample."""
    arrays: dict[str, Any] = {**views}
    np.savez(run.folder / SAMPLES / "00000010.npz", **arrays)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return photographs_run(tmp_path, "20260131-235959-camera-unet-3f2a")


def shown(run: Run, learning: Learning = PAIRS) -> ShownSample:
    sample = shown_sample(run, 10, learning)
    assert isinstance(sample, ShownSample), sample
    return sample


def test_images_in_colour_stay_in_colour(run: Run) -> None:
    sample = shown(run)

    assert sample.colour
    assert (len(sample), sample.size) == (3, (128, 128))
    expected = photographs(0.02)
    for view, images in sample.saved.views.items():
        np.testing.assert_array_equal(images, expected[view])


def test_grey_images_stay_grey(run: Run) -> None:
    grey = {view: images[:, :1] for view, images in photographs(0.02).items()}
    replace(run, grey)

    assert not shown(run).colour
    assert shown(run).saved.views["noisy"].shape == (3, 128, 128)


def test_images_of_other_channels_are_averaged(run: Run) -> None:
    many = {view: np.repeat(images, 2, 1)[:, :5] for view, images in photographs(0.02).items()}
    replace(run, many)

    assert not shown(run).colour


def test_captions_say_how_near_a_view_is_to_the_clean_one(run: Run) -> None:
    ((clean, noisy, denoised),) = shown(run).pictures([2])

    assert clean.caption == "clean"
    assert noisy.caption.startswith("noisy 2")
    assert noisy.caption.endswith(" dB")
    assert denoised.caption.startswith("denoised 3")
    assert clean.image.shape == (3, 128, 128)
    assert (clean.prediction, clean.right) == ("", None)


@pytest.mark.parametrize(
    ("supervision", "captions", "telling"),
    [
        ("noise2noise", ["other take", "noisy", "denoised"], 2),
        ("noise2self", ["noisy", "denoised"], 1),
    ],
)
def test_against_noisy_images_captions_have_no_figures(
    run: Run, supervision: str, captions: list[str], telling: int
) -> None:
    sample = shown(run, Learning(supervision))

    assert [picture.caption for picture in sample.pictures([0])[0]] == captions
    assert sample.telling == telling


def test_a_broken_file_says_why(run: Run) -> None:
    (run.folder / SAMPLES / "00000010.npz").write_bytes(b"no archive")

    assert isinstance(shown_sample(run, 10, PAIRS), BrokenSample)
    assert isinstance(shown_sample(run, 11, PAIRS), BrokenSample)
