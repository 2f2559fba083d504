"""The parts of `dae benchmark speed`, each with little to do: figures that agree."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dae_tui.core.speed import startup
from dae_tui.core.speed.denoising import denoising_speed as inference
from dae_tui.core.speed.denoising import photograph_denoising
from dae_tui.core.speed.denoising.denoising_speed import measure_inference
from dae_tui.core.speed.denoising.ffdnet import COLOUR, FFDNet, Settings
from dae_tui.core.speed.denoising.photograph_denoising import photograph_throughput
from dae_tui.core.speed.repeated_measurement import spread
from dae_tui.core.speed.roofline import Peaks, measure_peaks, measure_shares
from dae_tui.core.speed.training import time_to_accuracy as targets
from dae_tui.core.speed.training.data_size import measure_scale
from dae_tui.core.speed.training.time_to_accuracy import recipes
from dae_tui.core.speed.training.training_loops import BATCH, Task, own_rounds, textbook_rounds
from dae_tui.core.speed.training.training_speed import training_speed
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import DaeError
from dae_tui.models.registry import build
from dae_tui.spec.training_config import TrainingConfig

CPU = torch.device("cpu")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task("dense", "digits", str(tmp_path), "cpu", steps=3)


@pytest.fixture
def dense() -> Weights:
    network = build("dense", {"widths": [16]}).eval().requires_grad_(False)
    return Weights("small", network, {})


def result(measuring: Generator[str, None, Any]) -> tuple[list[str], Any]:
    """What a part says that it is at, and what it comes to."""
    said = []
    while True:
        try:
            said.append(next(measuring))
        except StopIteration as done:
            return said, done.value


def test_a_spread_is_median_and_extremes() -> None:
    found = spread([3.0, 1.0, 10.0])
    assert (found.median, found.low, found.high, found.count) == (3, 1, 10, 3)


@pytest.mark.slow
def test_the_loops_take_turns(task: Task) -> None:
    said, (textbook, ours) = result(training_speed(task, ["fp32"], rounds=2))
    turns = [state.rpartition(", ")[2] for state in said if "round" in state]
    assert turns == ["textbook in fp32", "dae in fp32"] * 2
    assert (textbook.loop, ours.loop) == ("textbook", "dae")
    assert textbook.ratio == 1
    speeds = ours.images_per_second, textbook.images_per_second
    assert ours.ratio == speeds[0].median / speeds[1].median
    assert all(each.count == 2 and 0 < each.low <= each.median <= each.high for each in speeds)
    assert all(0 <= each.waiting < 1 and each.peak_bytes > 50e6 for each in (textbook, ours))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_textbook_counts_its_steps_and_its_waiting(task: Task) -> None:
    rounds = textbook_rounds(task)
    first = next(rounds)
    assert first.images == 3 * BATCH
    assert 0 < first.waited < first.seconds


def test_a_round_of_ours_counts_no_images_that_there_are_not(task: Task) -> None:
    # 1415 digits are 14 batches, though 20 steps are asked for.
    assert next(own_rounds(replace(task, steps=20))).images == 14 * BATCH


def test_digits_a_second_of_networks_and_filters(
    dense: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "BATCHES", (1, 30))
    monkeypatch.setattr(inference, "IMAGES", 60)
    noisy = torch.rand(20, 1, 28, 28)
    _, found = result(measure_inference([dense], noisy, CPU, "fp32", rounds=1))
    assert [(each.method, each.batch) for each in found] == [
        ("small", 1),
        ("small", 30),
        ("median", None),
        ("non-local-means", None),
    ]
    assert all(each.images_per_second.low > 0 for each in found)


def test_megapixels_a_second_of_ours_and_of_ffdnet(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = Peaks({"fp32": 1e12, "bf16": 2e12}, 1e10)
    monkeypatch.setattr(photograph_denoising, "measure_peaks", lambda *_: peaks)
    monkeypatch.setattr(photograph_denoising, "_filters", lambda *_: [])
    said, found = result(photograph_throughput("cpu", 2, ((64, 96),)))
    assert "round 2/2, 0.0 megapixels in colour: FFDNet in fp32" in said
    methods = [(each.method, each.channels) for each in found if each.precision == "fp32"]
    assert methods == [("photos-unet", 1), ("FFDNet", 1), ("photos-unet-colour", 3), ("FFDNet", 3)]
    for each in found:
        assert each.megapixels == pytest.approx(64 * 96 / 1e6)
        assert each.per_second.count == 2 and each.per_second.low > 0
        assert each.kilo_multiply_adds is not None and each.precision is not None
        flops = 2e9 * each.kilo_multiply_adds * each.per_second.median
        assert each.share_of_peak == pytest.approx(flops / peaks.flops[each.precision])
    # As the literature counts it: 485 k and 852 k parameters, 121 k multiply-adds for a grey pixel.
    grey = next(each for each in found if each.method == "FFDNet")
    assert grey.kilo_multiply_adds == 121.104
    assert sum(each.numel() for each in FFDNet(Settings()).parameters()) == 485_316
    assert sum(each.numel() for each in FFDNet(COLOUR).parameters()) == 852_108


@pytest.mark.slow
def test_filters_are_measured_on_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photograph_denoising, "FILTERED_SIDE", 32)
    _, found = result(photograph_throughput("cpu", 1, ((64, 64),)))
    filtered = [each for each in found if each.method == "non-local-means"]
    assert [each.channels for each in filtered] == [1, 3]
    assert all(each.megapixels == pytest.approx(32**2 / 1e6) for each in filtered)


def test_shares_are_of_what_was_counted(dense: Weights) -> None:
    peaks = Peaks({"fp32": 1e15}, 1e15)
    _, (share,) = result(measure_shares([dense], torch.rand(50, 1, 28, 28), CPU, peaks))
    assert share.flops == pytest.approx(2 * 2 * 784 * 16 * share.images_per_second)
    assert share.share_of_flops == pytest.approx(share.flops / 1e15)
    assert share.binds == "neither"
    # Images in and out at least, of four bytes a pixel.
    assert share.share_of_bandwidth > 2 * 4 * 784 * share.images_per_second / 1e15
    assert {"linear", "addmm"} & share.operators.keys()
    assert 0 < sum(share.operators.values()) < 1.001


def test_peaks_are_those_of_a_machine() -> None:
    peaks = measure_peaks(CPU, ["fp32"])
    assert 1e9 < peaks.flops["fp32"] < 1e15
    assert 1e8 < peaks.bytes_per_second < 1e14


@pytest.mark.slow
def test_streaming_is_measured_for_each_number_of_images(task: Task) -> None:
    _, (scale,) = result(measure_scale(task, (2000,)))
    assert scale.images == 2000
    assert scale.disk_bytes == pytest.approx(2100 * 784, rel=0.01)
    assert scale.images_per_second.count == 3


@pytest.mark.slow
def test_a_target_says_what_was_trained_and_who_came_through(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = TrainingConfig("dense", {"widths": [8]}, "digits", epochs=2)
    monkeypatch.setattr(targets, "recipes", lambda data: {"small": recipe})
    _, (target,) = result(targets.measure_targets(task, seeds=1, epoch_seconds=100.0))
    # 12 batches of 100 of 1274 images, twice.
    assert (target.recipe, target.network, target.images) == ("small", "dense", 2400)
    assert target.reached == 0
    assert target.share_of_epoch == pytest.approx(target.mean_seconds / 100)
    assert 0 < target.accuracies[0] < 96


@pytest.mark.slow
def test_both_loops_see_the_same_images_and_learn_alike(task: Task) -> None:
    # 14 steps an epoch, whose last ones fill no round.
    _, (textbook, ours) = result(targets.measure_agreement(task, seeds=1, epochs=10))
    assert (textbook.loop, ours.loop) == ("textbook", "dae")
    assert textbook.images == ours.images == 10 * 1400
    # What a network makes of digits that has learnt nothing is guessed: 10 %.
    assert textbook.accuracies[0] > 40
    assert ours.accuracies[0] == pytest.approx(textbook.accuracies[0], abs=10)


def test_a_dashboard_is_there_when_it_says_who_is_alive(tmp_path: Path) -> None:
    command = [*startup.DAE, "dashboard", "--runs-dir", str(tmp_path)]
    assert 0 < startup.until_shown(command, b"none alive") < startup.PATIENCE
    with pytest.raises(DaeError, match="there is no run 'nothing'"):
        startup.until_shown([*command, "nothing"], b"none alive")


def test_the_recipes_are_those_of_the_command_line() -> None:
    fast = recipes("mnist")["fast"]
    assert (fast.network, fast.epochs * fast.epoch_images) == ("unet", 7_200)
