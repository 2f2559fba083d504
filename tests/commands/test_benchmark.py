"""`dae benchmark quality`: the table, its formats, and figures that others can count again."""

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from classifier_files import EVIL, Evil, export
from command_line import Dae
from PIL import Image
from scipy import ndimage

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.evaluation import benchmark as evaluation
from dae_tui.core.evaluation import measurements
from dae_tui.core.evaluation.images import tuning_images
from dae_tui.core.evaluation.measurements import Floats
from dae_tui.core.evaluation.metrics.image_metrics import wilson_interval
from dae_tui.core.evaluation.protocol import evaluation_generator
from dae_tui.core.filters.classical_filters import FILTERS
from dae_tui.core.filters.worker_pool import FilterPool
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.weights_file import load_weights, to_bytes
from dae_tui.spec.model_cards import published, read_metadata
from dae_tui.spec.noise_spec import parse_noise

QUALITY = ["benchmark", "quality", "--data", "digits", "--weights", "mnist-autoencoder"]


@pytest.fixture(scope="module")
def shared_pool() -> Iterator[FilterPool]:
    """Processes that filter, for all tests: to start them takes longer than most of the tests."""
    with FilterPool() as pool:
        yield pool


@pytest.fixture(autouse=True)
def fast_filters(shared_pool: FilterPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters in processes that run already, tuned with few images."""
    monkeypatch.setattr(evaluation, "FilterPool", lambda: nullcontext(shared_pool))
    monkeypatch.setattr(tuning_images, "TUNING_PIXELS", 10 * 28 * 28)


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


@pytest.mark.slow
def test_the_same_command_gives_the_same_figures(dae: Dae) -> None:
    some = "gaussian,wiener"
    command = (*QUALITY, "--methods", some, "--images", "40", "--seeds", "2", "--json")
    tables = [json.loads(dae(*command).out) for _ in range(2)]
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
    assert "classified by digits-classifier" in outcome.out
    assert "predicted " in outcome.out


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "least"),
    [
        (["--noise", "gaussian:0.5", "--images", "5000"], 96.8),
        (["--match-noisy", "13.68", "--images", "2000"], 97.3),
    ],
)
def test_published_weights_keep_their_promise(
    dae: Dae, mnist_dir: Path, options: list[str], least: float
) -> None:
    """The project's claim against the paper's 96.10 %, on the first test images."""
    outcome = dae(
        *("benchmark", "quality", *options, "--data-dir", mnist_dir, "--json"),
        *("--weights", "mnist-autoencoder"),
    )
    original, noisy, *_, denoised = json.loads(outcome.out)["rows"]
    assert original["accuracy"] >= 99
    assert noisy["accuracy"] <= 20
    assert denoised["accuracy"] >= least


@pytest.mark.slow
def test_every_method_is_compared_with_the_best(dae: Dae) -> None:
    outcome = dae(
        *(*QUALITY, "--weights", "mnist-dense", "--methods", "median,mean", "--images", "200"),
        "--json",
    )
    table = json.loads(outcome.out)
    assert table["protocol"]["test"] == "sign test (McNemar's, exact)"
    assert table["protocol"]["filters_tuned_on"] == "training images"
    assert table["protocol"]["filters_tuned_for"] == "accuracy"
    rows = {row["method"]: row for row in table["rows"] if row["view"] == "denoised"}
    best = max(rows.values(), key=lambda row: (row["accuracy"], row["psnr"]))
    assert (best["difference"], best["p_value"]) == (None, None)
    for row in rows.values():
        if row is not best:
            assert row["difference"] == pytest.approx(row["accuracy"] - best["accuracy"])
            assert 0 <= row["p_value"] <= 1
    assert rows["median"]["p_value"] < 0.001
    assert rows["median"]["setting"].startswith("size ")
    assert rows["median"]["parameters"] == 0
    assert rows["mnist-dense"]["multiply_adds"] == 2 * (784 * 512 + 512 * 256)
    assert 0.5 < rows["mnist-autoencoder"]["sharpness"] < 1
    shown = dae(*QUALITY, "--weights", "mnist-dense", "--images", "50").out
    assert "best: " in shown


def test_classes_are_counted_one_by_one(dae: Dae) -> None:
    outcome = dae(*QUALITY, "--per-class", "--json")
    *_, row = json.loads(outcome.out)["rows"]
    labels = load("digits", "test", Path()).labels
    assert labels is not None
    counts = labels.bincount()
    confusion = np.array(row["confusion"])
    np.testing.assert_array_equal(confusion.sum(1), counts)
    assert confusion.diagonal().sum() / 382 == pytest.approx(row["accuracy"] / 100)
    assert row["per_class"] == pytest.approx((100 * confusion.diagonal() / counts.numpy()).tolist())
    shown = dae(*QUALITY, "--per-class").out
    assert "true \\ predicted" in shown


def test_energy_and_width_of_edges_are_measured_if_asked_for(dae: Dae) -> None:
    few = (*QUALITY, "--images", "40")
    outcome = dae(*few, "--edges", "--json")
    original, noisy, denoised = json.loads(outcome.out)["rows"]
    assert original["edge_energy"] == pytest.approx(1)
    assert all(1 < row["edge_width"] < 3 for row in (original, denoised))
    assert noisy["edge_energy"] > denoised["edge_energy"] > 0.3
    assert noisy["edge_width"] is None
    headings = dae(*few, "--edges", "--markdown").out.splitlines()[0]
    assert "| edges | edge energy | edge px |" in headings
    *_, plain = json.loads(dae(*few, "--json").out)["rows"]
    assert (plain["edge_energy"], plain["edge_width"]) == (None, None)


def test_no_network_is_judged_by_what_it_was_trained_against(dae: Dae, tmp_path: Path) -> None:
    taught = tmp_path / "taught.safetensors"
    metadata = read_metadata(published()["mnist-dense"]) | {"loss": "l1+0.1*features"}
    network = load_weights(published()["mnist-dense"]).network
    taught.write_bytes(to_bytes(network, metadata))
    words = (*QUALITY, "--images", "20", "--weights", taught)
    outcome = dae(*words, "--classifier", "mnist-features")
    assert (outcome.code, outcome.out) == (2, "")
    assert "error: taught was trained against mnist-features" in outcome.err
    assert dae(*words).code == 0


@pytest.mark.slow
def test_seeds_are_averaged_and_their_spread_is_told(dae: Dae) -> None:
    single = [json.loads(dae(*QUALITY, "--seed", n, "--json").out) for n in ("0", "1")]
    both = json.loads(dae(*QUALITY, "--seeds", "2", "--json").out)
    accuracies = [table["rows"][2]["accuracy"] for table in single]
    row = both["rows"][2]
    assert row["accuracy"] == pytest.approx(np.mean(accuracies))
    assert row["accuracy_spread"] == pytest.approx(np.std(accuracies, ddof=1))
    assert both["protocol"]["seeds"] == 2


@pytest.mark.slow
def test_a_sweep_has_every_level_figures_and_a_plot(dae: Dae, tmp_path: Path) -> None:
    sweep = ("--noise", "gaussian:0.2..0.6/3", "--images", "60", "--methods", "networks,median")
    figures = tmp_path / "figures"
    outcome = dae("benchmark", "quality", "--data", "mnist-missing", *sweep)
    assert outcome.code == 2
    outcome = dae(*QUALITY, *sweep[:4], "--methods", "median", "--figures", figures)
    assert outcome.code == 0, outcome.err
    assert "gaussian sigma" in outcome.out
    for name in ("fig4-digits", "accuracy-against-gaussian", "psnr-against-gaussian"):
        assert (figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (figures / f"{name}.svg").read_bytes()
    saved = json.loads(dae("benchmark", "show", "--json").out)
    assert saved["protocol"]["noise"] == ["gaussian:0.2", "gaussian:0.4", "gaussian:0.6"]


@pytest.mark.slow
def test_the_losses_of_a_run_are_the_papers_figure_5(dae: Dae, tmp_path: Path) -> None:
    assert dae("train", "dense", "--data", "digits", "--epochs", "2", "--widths", "16").code == 0
    outcome = dae(
        *("benchmark", "quality", "--data", "digits", "--weights", "latest", "--images", "20"),
        *("--figures", tmp_path / "figures"),
    )
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "figures" / "fig5-training-loss.png").is_file()


def interrupt_at(cell: int) -> Any:
    """`measure_method`, with Ctrl-C pressed when it is called for the so manieth time."""
    calls: list[str] = []

    def measure_method(*args: Any, **options: Any) -> Any:
        calls.append("cell")
        if len(calls) == cell:
            raise KeyboardInterrupt
        return measurements.measure_method(*args, **options)

    return measure_method


@pytest.mark.slow
def test_an_interrupted_benchmark_goes_on(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (*QUALITY, "--noise", "gaussian:0.3..0.5/2", "--images", "50", "--methods", "mean")
    whole = json.loads(dae(*command, "--json").out)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "FilterPool", FilterPool)  # Its processes are ended.
        patch.setattr(evaluation, "measure_method", interrupt_at(4))
        outcome = dae(*command, "--json")
    assert outcome.code == 130
    assert "goes on" in outcome.err
    calls: list[str] = []

    def counted(*args: Any, **options: Any) -> Any:
        calls.append("cell")
        return measurements.measure_method(*args, **options)

    monkeypatch.setattr(evaluation, "measure_method", counted)
    outcome = dae(*command, "--json")
    assert outcome.code == 0, outcome.err
    # The original; noisy, autoencoder and mean at two levels: seven, three of which were there.
    assert len(calls) == 4
    assert "3 measurements of an interrupted start" in outcome.err
    again = json.loads(outcome.out)
    for row in (*whole["rows"], *again["rows"]):
        row["images_per_second"] = None
    assert again["protocol"] == whole["protocol"]
    for row, other in zip(again["rows"], whole["rows"], strict=True):
        assert row == other
    assert not list(tmp_path.rglob("unfinished"))


def test_every_form_has_every_row_and_figure(dae: Dae) -> None:
    table = json.loads(dae(*QUALITY, "--methods", "median", "--images", "50", "--json").out)
    forms = {
        form: dae("benchmark", "show", f"--{form}").out for form in ("markdown", "latex", "html")
    }
    for shown in forms.values():
        for row in table["rows"]:
            assert (row["method"] or row["view"]) in shown
            assert f"{row['accuracy']:.2f}" in shown
        assert "50 test images of digits" in shown
    ElementTree.fromstring(f"<all>{forms['html']}</all>")
    lines = [line for line in forms["latex"].splitlines() if line.endswith("\\\\")]
    assert len({line.count("&") for line in lines}) == 1
    assert "%" not in re.sub(r"\\%|^%.*", "", forms["latex"], flags=re.MULTILINE)


def test_saved_tables_are_compared_side_by_side(dae: Dae, tmp_path: Path) -> None:
    for images in ("40", "50"):
        assert dae(*QUALITY, "--images", images, "--quiet", "--json").code == 0
    names = [path.stem for path in sorted((tmp_path / "runs" / "benchmarks").glob("*.json"))]
    outcome = dae("benchmark", "compare", *names)
    assert outcome.code == 0, outcome.err
    assert "mnist-autoencoder" in outcome.out
    compared = json.loads(dae("benchmark", "compare", *names, "--json").out)
    assert {table["protocol"]["images"] for table in compared["tables"]} == {40, 50}
    assert all(len(row["psnr"]) == 2 for row in compared["rows"])
    assert dae("benchmark", "compare", names[0]).code == 2
    assert dae("benchmark", "show", "nothing-of-that-name").code == 3


def test_weights_may_be_called_as_other_rows_are(dae: Dae, tmp_path: Path) -> None:
    weights = tmp_path / "noisy.safetensors"
    weights.write_bytes(published()["mnist-dense"].read_bytes())
    outcome = dae(
        *("benchmark", "quality", "--data", "digits", "--weights", weights, "--images", "30"),
        *("--noise", "gaussian:0.5", "--noise", "gaussian:0.5", "--weights", "mnist-dense"),
    )
    assert outcome.code == 0, outcome.err
    assert "as good as" in outcome.out
    saved = json.loads(dae("benchmark", "show", "--json").out)
    assert saved["protocol"]["noise"] == "gaussian:0.5"
    *_, first, second = saved["rows"]
    assert first["psnr"] == second["psnr"] > 15


def test_filters_do_not_fail_where_there_is_no_noise(dae: Dae) -> None:
    some = "wiener,visu-shrink"
    command = ("benchmark", "quality", "--data", "digits", "--methods", some)
    outcome = dae(*command, "--images", "20", "--noise", "none", "--json")
    assert outcome.code == 0, outcome.err
    for row in json.loads(outcome.out)["rows"][2:]:
        assert row["psnr"] > 10


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        '{"protocol": {}, "rows": []}',
        '{"protocol": {"images": 3, "noise": "gaussian:0.5"}, "rows": []}',
        '{"protocol": {"images": "3", "noise": "gaussian:0.5"}, "rows": [{"view": "noisy"}]}',
        '{"protocol": {"images": 3, "noise": 3}, "rows": [{"view": "noisy"}]}',
        '{"protocol": {"images": 3, "noise": "x"}, "rows": [{"view": "noisy", "psnr": "high"}]}',
        '{"protocol": {"images": 3, "noise": "x"}, "rows": [{"method": "mean"}]}',
        '{"protocol": {"images": 3, "noise": "x", "seeds": "2", "seed": 0},'
        ' "rows": [{"view": "noisy"}]}',
        '{"protocol": {"images": 3, "noise": "x", "match_noisy": "some"},'
        ' "rows": [{"view": "noisy"}]}',
        '{"protocol": {"images": 3, "noise": "x"}, "rows": [{"view": "noisy", "psnr": %s}]}'
        % ("9" * 400),
        '{"protocol": {"images": 3, "noise": "x"}, "rows": [{"view": "noisy", "accuracy_low": 3}]}',
        '{"protocol": {"images": 3, "noise": "x"},'
        ' "rows": [{"view": "noisy", "per_class": ["x"]}]}',
        '{"protocol": {"images": 3, "noise": "x"},'
        ' "rows": [{"view": "noisy", "per_class": [1], "confusion": [1]}]}',
    ],
)
def test_a_saved_file_that_is_no_table_is_unusable(dae: Dae, tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    for words in (("show", "--per-class", path), ("compare", path, path)):
        outcome = dae("benchmark", *words)
        assert outcome.code == 3
        assert "holds no table" in outcome.err
        assert len(outcome.err) < 500


def test_a_table_of_an_older_version_is_shown(dae: Dae, tmp_path: Path) -> None:
    row = {"view": "denoised", "method": "unet", "noise": "gaussian:0.5", "psnr": 20.5}
    protocol = {"data": "mnist", "images": 10, "noise": "gaussian:0.5", "clip": True, "seed": 0}
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"protocol": protocol, "rows": [row]}))
    for form in ([], ["--markdown"], ["--csv"], ["--latex"]):
        outcome = dae("benchmark", "show", path, *form)
        assert outcome.code == 0, outcome.err
        assert "20.5" in outcome.out
        assert ("fitted" in outcome.out) == (form == ["--csv"])
    assert "10 test images of mnist" in dae("benchmark", "show", path).out
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps({"protocol": protocol, "rows": [row | {"psnr_fitted": 23.25}]}))
    assert "23.25" in dae("benchmark", "show", newer).out
    (compared,) = json.loads(dae("benchmark", "compare", path, newer, "--json").out)["rows"]
    assert compared["psnr_fitted"] == [None, 23.25]


def test_images_that_change_between_two_starts_are_measured_again(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()

    def fill() -> None:
        for number in range(2):
            noise = random.integers(0, 255, (70, 80)).astype(np.uint8)
            Image.fromarray(noise).save(folder / f"{number}.png")

    command = ("benchmark", "quality", "--data", folder, "--methods", "mean")
    fill()
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "measure_method", interrupt_at(3))
        assert dae(*command).code == 130
    fill()
    outcome = dae(*command)
    assert outcome.code == 0, outcome.err
    assert "interrupted start" not in outcome.err


def test_pairs_are_evaluated_as_they_are(dae: Dae, tmp_path: Path) -> None:
    digits = load("digits", "test", Path())
    assert digits.labels is not None
    original = unit(digits.images[:30])
    noisy = add_noise(original, parse_noise("gaussian:0.4"), torch.Generator().manual_seed(3))
    for view, images in (("clean", original), ("noisy", noisy)):
        for number, (image, label) in enumerate(zip(images, digits.labels, strict=False)):
            path = tmp_path / "pairs" / view / str(label.item()) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image[0] * 255).round().to(torch.uint8).numpy()).save(path)
    command = ("benchmark", "quality", "--data", tmp_path / "pairs", "--methods", "median")
    outcome = dae(
        *command, "--weights", "mnist-unet", "--classifier", "digits-classifier", "--json"
    )
    assert outcome.code == 0, outcome.err
    table = json.loads(outcome.out)
    assert table["protocol"]["noise"] == "as given"
    rounded = (noisy * 255).round() / 255
    errors = (rounded - original).square().mean((1, 2, 3)).double()
    assert table["rows"][1]["psnr"] == pytest.approx((-10 * errors.log10()).mean().item(), abs=1e-4)
    assert {row["method"] for row in table["rows"][2:]} == {"mnist-unet", "median"}
    assert table["protocol"]["split"] == "all"
    assert table["protocol"]["clip"] is table["protocol"]["seeds"] is None
    shown = dae("benchmark", "show")
    assert shown.code == 0, shown.err
    assert "noise as given" in shown.out
    assert "30 images of pairs" in shown.out
    assert dae(*command, "--noise", "gaussian:0.5").code == 2
    assert dae(*command, "--seeds", "2").code == 2


def save_pairs(folder: Path, clean: Floats, noisy: Floats) -> None:
    """Write images in [0, 255] as `clean/00.png`, `noisy/00.png` and so on."""
    for side, images in (("clean", clean), ("noisy", noisy)):
        (folder / side).mkdir(parents=True)
        for number, image in enumerate(images):
            stored = image.round().clip(0, 255).astype(np.uint8)
            Image.fromarray(stored).save(folder / side / f"{number:02}.png")


def test_pairs_of_another_brightness_have_a_fitted_psnr(dae: Dae, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    clean = ndimage.gaussian_filter(random.uniform(0, 255, (20, 72, 80)), (0, 2, 2)).round()
    # Each is noisy, and darker and flatter than its clean one in its own way.
    gains, offsets = random.uniform(0.3, 0.9, (2, 20, 1, 1)) * [[[[1]]], [[[40]]]]
    noisy = (gains * clean + offsets + random.normal(0, 4, clean.shape)).round().clip(0, 255)
    save_pairs(tmp_path / "pairs", clean, noisy)
    command = ("benchmark", "quality", "--data", tmp_path / "pairs", "--split", "test")
    outcome = dae(*command, "--methods", "mean", "--json")
    assert outcome.code == 0, outcome.err
    assert "left out 18 images, which are for training" in outcome.err
    table = json.loads(outcome.out)
    assert table["protocol"]["filters_tuned_on"] == "training images"
    fitted, given = [], []
    for image, reference in zip(noisy[9::10] / 255, clean[9::10] / 255, strict=True):
        gain, offset = np.polyfit(image.ravel(), reference.ravel(), 1)
        fitted.append(-10 * np.log10(np.mean((gain * image + offset - reference) ** 2)))
        given.append(-10 * np.log10(np.mean((image - reference) ** 2)))
    original, noisy_row, denoised = table["rows"]
    assert original["psnr_fitted"] is None
    assert noisy_row["psnr"] == pytest.approx(np.mean(given), abs=1e-4)
    assert noisy_row["psnr_fitted"] == pytest.approx(np.mean(fitted), abs=1e-4)
    assert denoised["psnr_fitted"] > denoised["psnr"] + 1
    text = f"{denoised['psnr_fitted']:.2f}"
    for form in ([], ["--markdown"]):
        shown = dae("benchmark", "show", *form).out
        assert "fitted PSNR dB" in shown
        assert text in shown
        assert "2 test images of pairs" in shown
    (*_, last) = csv.DictReader(io.StringIO(dae("benchmark", "show", "--csv").out))
    assert float(last["psnr_fitted"]) == pytest.approx(denoised["psnr_fitted"])


def test_without_pairs_there_is_no_fitted_psnr(dae: Dae) -> None:
    table = json.loads(dae(*QUALITY, "--images", "20", "--json").out)
    assert {row["psnr_fitted"] for row in table["rows"]} == {None}
    assert table["protocol"]["split"] == "test"
    assert "fitted" not in dae("benchmark", "show", "--markdown").out


def test_a_training_with_pairs_ends_with_the_figures_of_the_benchmark(
    dae: Dae, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    clean = random.uniform(0, 255, (12, 16, 16)).round()
    save_pairs(tmp_path / "mine", clean, 0.5 * clean + 20 + random.normal(0, 9, clean.shape))
    trained = dae(
        *("train", "unet", "--data", tmp_path / "mine", "--widths", "8,16", "--epochs", "1"),
        *("--device", "cpu", "--precision", "fp32"),
    )
    assert trained.code == 0, trained.err
    assert "fitted PSNR dB" in trained.out
    outcome = dae(
        *("benchmark", "quality", "--data", tmp_path / "mine", "--weights", "latest", "--json"),
        *("--device", "cpu"),
    )
    rows = json.loads(outcome.out)["rows"]
    assert f"{rows[2]['psnr_fitted']:.2f}" in trained.out
    (path,) = (tmp_path / "runs").glob("*/checkpoints/best/weights.safetensors")
    kept = read_metadata(path)["figures"]["rows"]
    for key in ("psnr", "psnr_fitted"):
        assert kept[2][key] == pytest.approx(rows[2][key], abs=0.01)


@pytest.mark.slow
def test_photographs_follow_the_protocol_of_the_literature(dae: Dae, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.random((3, 96, 120)), (0, 6, 6))
    photographs = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    for number, image in enumerate(photographs):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number}.png")
    outcome = dae(
        "benchmark", "quality", "--data", tmp_path / "photos", "--methods", "all", "--json"
    )
    assert outcome.code == 0, outcome.err
    table = json.loads(outcome.out)
    protocol, rows = table["protocol"], table["rows"]
    assert (protocol["clip"], protocol["classifier"], protocol["images"]) == (False, None, 3)
    noisy = [row for row in rows if row["view"] == "noisy"]
    for row, sigma in zip(noisy, (15, 25, 50), strict=True):
        # Neither clipped nor rounded, and the mean over images is of decibels.
        assert row["psnr"] == pytest.approx(-20 * np.log10(sigma / 255), abs=0.1)
        assert row["accuracy"] is None
    assert "photos-unet" in {row["method"] for row in rows}
    assert {row["p_value"] for row in rows if row["view"] == "denoised"} != {None}
    shown = dae("benchmark", "show").out
    assert "gaussian:25/255" in shown
    assert "accuracy" not in shown
    unread = dae("benchmark", "quality", "--data", tmp_path / "photos", "--per-class")
    assert (unread.code, "have no classes" in unread.err) == (2, True)


@pytest.mark.parametrize("colour", [False, True])
def test_photographs_are_denoised_by_the_networks_for_their_channels(
    dae: Dae, tmp_path: Path, colour: bool
) -> None:
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(2):
        flat = random.integers(60, 190, size=(1, 1, 3) if colour else (1, 1), dtype=np.uint8)
        image = np.broadcast_to(flat, (66, 72, 3) if colour else (66, 72))
        Image.fromarray(image.copy()).save(tmp_path / "photos" / f"{number}.png")
    arguments = ("benchmark", "quality", "--data", tmp_path / "photos", "--noise", "gaussian:0.1")
    table = json.loads(dae(*arguments, "--json").out)
    methods = {row["method"] for row in table["rows"] if row["view"] == "denoised"}
    assert methods == {"photos-unet"} | ({"photos-unet-colour"} if colour else set())
    if not colour:
        refused = dae(*arguments, "--weights", "photos-unet-colour")
        assert (refused.code, "takes images of 3 channels" in refused.err) == (3, True)


def test_networks_are_told_the_level_where_that_is_asked_for(dae: Dae, tmp_path: Path) -> None:
    """On a picture of nothing but noise the estimate counts it for noise too."""
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        texture = random.integers(60, 190, size=(64, 70), dtype=np.uint8)
        Image.fromarray(texture).save(tmp_path / "photos" / f"{number}.png")
    arguments = (
        *("benchmark", "quality", "--data", tmp_path / "photos", "--weights", "photos-unet"),
        *("--noise", "gaussian:5/255"),
    )
    estimated, told = (
        json.loads(dae(*arguments, "--json", *more).out) for more in ((), ("--tell-level",))
    )
    assert told["protocol"]["level"] == "told"
    assert "level" not in estimated["protocol"]
    found = [table["rows"][-1]["psnr"] for table in (estimated, told)]
    assert found[1] > found[0] + 3
    assert "level told" in dae(*arguments, "--tell-level").out
    for noise in ("poisson:30", "gaussian:0-0.1"):
        refused = dae(*arguments, "--noise", noise, "--tell-level")
        assert (refused.code, "level to tell of Gaussian noise alone" in refused.err) == (2, True)


@pytest.mark.parametrize(
    "mistake",
    [
        ["--methods", "magic"],
        ["--noise", "gaussian:0.5..0.1/3"],
        ["--noise", "gaussian:0.1..0.5"],
        ["--json", "--html"],
        ["--tune-on", "nowhere"],
        ["--tune-on", "nowhere", "--methods", "mean"],
        ["--figures", "/dev/null/figures"],
        ["--seeds", "0"],
        ["--methods", "oracle"],
        ["--data", "nowhere"],
        ["--trust-classifier"],
        ["--split", "training"],
        ["--split", "all"],
    ],
)
def test_a_mistake_is_a_usage_error_with_a_hint(dae: Dae, mistake: list[str]) -> None:
    outcome = dae(*QUALITY, *mistake)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert "hint: " in outcome.err


@pytest.mark.parametrize("ending", ["pt2", "pt", "onnx", "safetensors"])
@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_a_classifier_that_can_run_code_is_one_error_and_runs_none(
    dae: Dae, tmp_path: Path, evil: Evil, ending: str
) -> None:
    path, mark = tmp_path / f"mine.{ending}", tmp_path / "mark"
    evil(path, mark)
    outcome = dae(*QUALITY, "--classifier", path)
    assert (outcome.code, outcome.out, mark.exists()) == (3, "", False)
    error, hint = outcome.err.splitlines()
    assert error.startswith(f"error: {path} is not opened: ")
    assert hint.startswith("hint: export the classifier as ONNX (torch.onnx.export)")


def test_a_classifier_that_is_trusted_is_opened_and_told_of(dae: Dae, tmp_path: Path) -> None:
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    path = export(linear, tmp_path / "mine.pt", torch.zeros(4, 1, 28, 28))
    command = (*QUALITY, "--images", "20", "--classifier", path, "--trust-classifier", "--json")
    outcome = dae(*command)
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["protocol"]["classifier"] == "mine"
    told = f"opening {path}, as it is trusted: it can run any code with your rights"
    assert outcome.err.splitlines()[0] == told
    assert dae(*command, "-q").err == ""


@pytest.mark.slow
def test_the_oracle_of_the_operating_point_is_a_row_there_alone(dae: Dae, mnist_dir: Path) -> None:
    outcome = dae(
        *("benchmark", "quality", "--data-dir", mnist_dir, "--images", "2000", "--json"),
        *("--noise", "gaussian:0.5", "--noise", "salt-pepper:0.3", "--weights", "mnist-unet"),
    )
    rows = json.loads(outcome.out)["rows"]
    oracles = [row for row in rows if row["view"] == "noisy" and row["method"]]
    assert [(row["method"], row["noise"]) for row in oracles] == [("mnist-oracle", "gaussian:0.5")]
    assert oracles[0]["accuracy"] > 97.5


def test_the_docs_show_the_table_as_the_command_prints_it(dae: Dae) -> None:
    """Between its marks stands what `dae benchmark quality --methods all --markdown` prints."""
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    shown = page.split("<!-- results -->\n")[1].split("<!-- end of results -->")[0]
    methods = ("--methods", "mean,median", "--images", "20", "--markdown")
    printed = dae("benchmark", "quality", "--data", "digits", *QUALITY[4:], *methods).out
    shown_lines, lines = shown.strip().splitlines(), printed.strip().splitlines()
    # Only the embedded digits are always there, and their oracle is not.
    assert shown_lines[:2] == lines[:2]
    figures = re.compile(r"[\d.,]+")
    shapes = [
        {
            tuple(figures.sub("0", cell.strip()) for cell in line.split("|")[4:-2])
            for line in every
            if line.startswith("| noisy | – ") or line.startswith("| original ")
        }
        for every in (shown_lines, lines)
    ]
    assert shapes[0] == shapes[1]
    protocols = [
        figures.sub("0", every[-1]).replace("mnist", "digits") for every in (shown_lines, lines)
    ]
    assert protocols[0] == protocols[1]
    named = {line.split("|")[2].strip().strip("*") for line in shown_lines if "denoised" in line}
    assert set(FILTERS) <= named
