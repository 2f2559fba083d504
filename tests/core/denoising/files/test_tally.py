"""What was done with the images of a file, counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dae_tui.core.denoising.denoised import Denoised, Done
from dae_tui.core.denoising.examination import Examination
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.denoising.files.tally import Tally
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import ValueRange
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.spec.denoising import Job

HARMED = Done(None, harmed=True)
MENDED = Done(None, mended=True)
QUIET = Done(None)


def found(sigma: float, *remarks: str) -> Examination:
    sigmas, dark = torch.tensor([sigma]), torch.tensor([False])
    return Examination(ValueRange(0, 255), sigmas, dark, 0.002, remarks=remarks)


def told(*stacks: tuple[Examination | None, Done]) -> Outcome:
    tally = Tally()
    for examination, done in stacks:
        tally.add(examination, Denoised(Stack(np.zeros((1, 8, 8, 1), np.uint8)), [done]))
    outcome = Outcome(Job(Path("in.tif"), Path("out.tif"), "in.tif"))
    tally.tell(outcome)
    return outcome


def test_images_without_a_network_are_counted_by_what_was_done() -> None:
    outcome = told(
        (found(0.0), QUIET), (found(0.1), HARMED), (found(0.2), MENDED), (found(0.1), MENDED)
    )
    assert (outcome.quiet, outcome.harmed, outcome.mended) == (1, 1, 2)
    assert outcome.weights == ""
    assert outcome.sigma == np.float32(0.1)


def test_a_page_where_nothing_was_measured_has_no_level() -> None:
    outcome = told((None, QUIET), (found(0.25), HARMED))
    assert (outcome.quiet, outcome.sigma) == (1, 0.25)


def test_remarks_of_one_stack_stay_and_those_of_pages_are_counted() -> None:
    assert told((found(0, "12 values are NaN"), QUIET)).remarks == ["12 values are NaN"]
    pages = told((found(0, "12 values are NaN"), QUIET), (found(0, "1,012 values are NaN"), QUIET))
    assert pages.remarks == ["in 2 pages, values are NaN"]


def test_stripes_are_told_whatever_was_done() -> None:
    striped = replace(found(0.1), striped=True)
    for done in (HARMED, QUIET):
        assert any("stripes" in remark for remark in told((striped, done)).remarks)
    assert not told((found(0.1), HARMED)).remarks


def test_the_level_is_that_which_weights_for_cameras_found() -> None:
    levels = (LevelFunction.constant(0.1),)
    examined = replace(found(0.1), noise=(ImageNoise(levels),))
    measured = ImageNoise((LevelFunction.constant(0.02),))
    outcome = told((examined, Done(None, noise=measured)))
    assert outcome.sigma == pytest.approx(0.02)
    assert outcome.found[0].noise == (measured,)
    assert told((examined, QUIET)).sigma == pytest.approx(0.1)
