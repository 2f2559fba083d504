"""`dae benchmark quality`: the table, its formats, and figures that others can count again."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Dae

from dae_tui.core.cards import published
from dae_tui.core.data import load, unit
from dae_tui.core.evaluation import evaluation_generator
from dae_tui.core.measures import wilson_interval
from dae_tui.core.noise import add_noise
from dae_tui.core.noise_spec import parse_noise
from dae_tui.core.weights import load_weights

QUALITY = ["benchmark", "quality", "--data", "digits", "--weights", "mnist-autoencoder"]


def test_json_has_the_rows_of_table_1(dae: Dae) -> None:
    outcome = dae(*QUALITY, "--json")
    assert outcome.code == 0, outcome.err
    table = json.loads(outcome.out)
    assert table["protocol"]["classifier"] == "digits-classifier"
    assert table["protocol"]["noise"] == "gaussian:0.5"
    original, noisy, denoised = table["rows"]
    assert (original["view"], original["psnr"], original["ssim"]) == ("original", None, 1.0)
    assert (noisy["view"], noisy["method"]) == ("noisy", None)
    assert (denoised["view"], denoised["method"]) == ("denoised", "mnist-autoencoder")
    assert denoised["images_per_second"] > 0


def test_the_figures_can_be_counted_again(dae: Dae) -> None:
    table = json.loads(dae(*QUALITY, "--json").out)
    digits = load("digits", "test", Path())
    original = unit(digits.images)
    generator = evaluation_generator(0)
    noisy = add_noise(original, parse_noise("gaussian:0.5"), generator)
    network = load_weights(published()["mnist-autoencoder"]).network
    classifier = load_weights(published()["digits-classifier"], task="classify").network
    with torch.no_grad():
        denoised = network(noisy).clamp(0, 1)
        right = (classifier(denoised).argmax(1) == digits.labels).sum().item()
    row = table["rows"][-1]
    assert row["accuracy"] == pytest.approx(100 * right / 382)
    low, high = wilson_interval(int(right), 382)
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((100 * low, 100 * high))
    errors = ((denoised - original) ** 2).mean((1, 2, 3)).double().numpy()
    assert row["psnr"] == pytest.approx(float(np.mean(-10 * np.log10(errors))), abs=1e-4)


def test_the_same_command_gives_the_same_figures(dae: Dae) -> None:
    tables = [json.loads(dae(*QUALITY, "--json").out) for _ in range(2)]
    for table in tables:
        for row in table["rows"]:
            row["images_per_second"] = None
    assert tables[0] == tables[1]


def test_several_noises_and_weights_each_have_a_row(dae: Dae) -> None:
    outcome = dae(
        *(*QUALITY, "--weights", "mnist-dense", "--images", "100", "--json"),
        *("--noise", "gaussian:0.5", "--noise", "salt-pepper:0.2"),
    )
    table = json.loads(outcome.out)
    assert table["protocol"]["noise"] == ["gaussian:0.5", "salt-pepper:0.2"]
    assert table["protocol"]["images"] == 100
    assert [(row["view"], row["method"], row["noise"]) for row in table["rows"]] == [
        ("original", None, None),
        ("noisy", None, "gaussian:0.5"),
        ("denoised", "mnist-autoencoder", "gaussian:0.5"),
        ("denoised", "mnist-dense", "gaussian:0.5"),
        ("noisy", None, "salt-pepper:0.2"),
        ("denoised", "mnist-autoencoder", "salt-pepper:0.2"),
        ("denoised", "mnist-dense", "salt-pepper:0.2"),
    ]


def test_csv_and_markdown_say_the_same(dae: Dae) -> None:
    rows = json.loads(dae(*QUALITY, "--json").out)["rows"]
    read = list(csv.DictReader(io.StringIO(dae(*QUALITY, "--csv").out)))
    assert [row["view"] for row in read] == ["original", "noisy", "denoised"]
    assert float(read[2]["psnr"]) == pytest.approx(rows[2]["psnr"])
    assert read[0]["psnr"] == ""
    lines = dae(*QUALITY, "--markdown").out.splitlines()
    assert lines[0].startswith("| view | method | noise | accuracy % |")
    assert f"{rows[2]['psnr']:.2f}" in lines[4]
    assert "382 test images of digits" in lines[-1]


def test_the_table_has_its_conditions_under_it(dae: Dae) -> None:
    outcome = dae(*QUALITY, "--digits", "1")
    assert outcome.code == 0
    assert "clipped to [0, 1]" in outcome.out
    assert "read by digits-classifier" in outcome.out
    assert "reads" in outcome.out


def test_match_noisy_finds_the_noise_of_an_accuracy(dae: Dae) -> None:
    table = json.loads(dae(*QUALITY, "--match-noisy", "50", "--json").out)
    assert table["protocol"]["noise"].startswith("gaussian:")
    assert table["rows"][1]["accuracy"] == pytest.approx(50, abs=0.5)


def test_match_noisy_says_what_cannot_be(dae: Dae) -> None:
    outcome = dae(*QUALITY, "--match-noisy", "100")
    assert outcome.code == 2
    assert "hint: " in outcome.err


def test_without_clipping_the_noise_is_left_as_it_is(dae: Dae) -> None:
    clipped = json.loads(dae(*QUALITY, "--json").out)
    not_clipped = json.loads(dae(*QUALITY, "--no-clip", "--json").out)
    assert not_clipped["protocol"]["clip"] is False
    # Unclipped noise of sigma 0.5 has a mean squared error of 0.25.
    assert not_clipped["rows"][1]["psnr"] == pytest.approx(-10 * np.log10(0.25), abs=0.02)
    assert clipped["rows"][1]["psnr"] > not_clipped["rows"][1]["psnr"] + 2


def test_data_without_published_weights_says_what_to_name(dae: Dae) -> None:
    outcome = dae("benchmark", "quality", "--data", "kmnist")
    assert outcome.code == 2
    assert "--weights" in outcome.err


@pytest.mark.parametrize(
    ("noise", "least"), [(["--noise", "gaussian:0.5"], 97.5), (["--match-noisy", "13.68"], 97.3)]
)
def test_published_weights_keep_their_promise(
    dae: Dae, mnist_dir: Path, noise: list[str], least: float
) -> None:
    """The project's claim against the paper's 96.10 %, on the 10 000 test images."""
    outcome = dae(
        *("benchmark", "quality", *noise, "--data-dir", mnist_dir, "--json"),
        *("--weights", "mnist-autoencoder"),
    )
    original, noisy, denoised = json.loads(outcome.out)["rows"]
    assert original["accuracy"] >= 99.3
    assert noisy["accuracy"] <= 20
    assert denoised["accuracy"] >= least
