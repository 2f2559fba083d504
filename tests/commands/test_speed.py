"""`dae benchmark speed` and `scaling`: what they print, in every form, and what they refuse."""

import dataclasses
import json
from pathlib import Path

import pytest
from command_line import Dae
from rich.console import Console

from dae_tui.commands.benchmarking.speed_tables import grids, show
from dae_tui.core.speed.denoising.denoising_speed import Throughput
from dae_tui.core.speed.denoising.photograph_denoising import PhotographThroughput
from dae_tui.core.speed.repeated_measurement import Spread
from dae_tui.core.speed.report import SpeedReport
from dae_tui.core.speed.roofline import Peaks, Share
from dae_tui.core.speed.startup import Startup
from dae_tui.core.speed.training.data_size import Scale
from dae_tui.core.speed.training.time_to_accuracy import Agreement, Target
from dae_tui.core.speed.training.training_speed import LoopSpeed

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = {
    "device": "a processor",
    "data": "mnist",
    "noise": "gaussian:0.5",
    "rounds": 3,
    "versions": {"torch": "2"},
}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--parts", "training,nothing"], "there is no part 'nothing'"),
        (["--data", "emnist"], "speed is not measured with 'emnist'"),
        (["--json", "--markdown"], "only one of --json, --markdown"),
        (["--device", "tpu"], "there is no device 'tpu'"),
    ],
)
def test_what_cannot_be_measured_is_said(dae: Dae, options: list[str], said: str) -> None:
    outcome = dae("benchmark", "speed", *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


@pytest.mark.slow
def test_shares_of_the_machine_as_json_and_for_people(dae: Dae) -> None:
    outcome = dae("benchmark", "speed", "--data", "digits", "--parts", "peak", "--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert report["protocol"]["data"] == "digits"
    assert {each["method"] for each in report["shares"]} == {
        "mnist-unet",
        "mnist-autoencoder",
        "mnist-dense",
    }
    for share in report["shares"]:
        peak = report["peaks"]["flops"][share["precision"]]
        assert share["share_of_flops"] == pytest.approx(share["flops"] / peak)
    assert report["training"] == report["startup"] == []


SPEED = Spread(100.0, 90.0, 110.0, 3)
REPORT = SpeedReport(
    PROTOCOL,
    training=[
        LoopSpeed("tutorial", "textbook", "fp32", SPEED, 1.0, 0.02, 10**9),
        LoopSpeed("tutorial", "dae", "bf16", SPEED, 2.5, 0.0, 5 * 10**8),
    ],
    epoch_seconds=600.0,
    targets=[Target("fast", "unet", 16_000, Spread(2, 1, 3, 2), 2.0, (96.0, 97.0), 1, 2 / 600)],
    inference=[
        Throughput("small", "bf16", 200, Spread(3000, 2000, 4000, 3)),
        Throughput("median", None, None, SPEED),
        Throughput("non-local-means", None, None, Spread(10, 9, 11, 3)),
    ],
    peaks=Peaks({"fp32": 4e11}, 2.5e10),
    shares=[Share("small", "fp32", 200, 3000, 2e11, 0.5, 0.1, "arithmetic", {"conv2d": 0.8})],
    megapixels=[
        PhotographThroughput("ours", 1, "bf16", 1.0, Spread(3.0, 2.9, 3.1, 2), 130.3, 0.85),
        PhotographThroughput("FFDNet", 1, "fp32", 1.0, Spread(1.5, 1.4, 1.6, 2), 121.1, 0.9),
        PhotographThroughput("FFDNet", 1, "bf16", 1.0, Spread(2.0, 1.9, 2.1, 2), 121.1, 0.8),
        PhotographThroughput("FFDNet", 3, "fp32", 1.0, Spread(0.5, 0.5, 0.5, 2), 212.8, 0.9),
        PhotographThroughput(
            "non-local-means", 1, None, 0.262, Spread(0.1, 0.1, 0.1, 2), None, None
        ),
    ],
    startup=[
        Startup("dae --help", Spread(0.05, 0.04, 0.06, 3)),
        Startup("dae denoise one.png", Spread(2.0, 1.9, 2.2, 3), Spread(0.25, 0.1, 0.3, 3)),
    ],
    scale=[Scale(2000, 1_600_000, SPEED, 7 * 10**8)],
    agreement=[Agreement("dense", "dae", 60_000, Spread(2, 1, 3, 2), (94.0, 96.0))],
)


def test_tables_say_ratios_and_who_came_through() -> None:
    training, targets, inference, peak, megapixels, startup, scale, agreement = grids(REPORT)
    assert training.rows[1] == (
        *("tutorial", "dae", "bf16", "100 (90–110)", "2.50×", "0.0 %", "500 MB"),
    )
    assert "textbook's loop, 600 s" in targets.remark
    assert targets.rows[0][-4:] == ("2.00 (1.00–3.00)", "0.0033", "96.50 (96.00)", "1/2")
    assert inference.rows[0][-2:] == ("30.00×", "300.00×")
    assert peak.rows[0][4:] == ("200", "50 %", "10 %", "arithmetic")
    assert "small in fp32: conv2d 80 % of the time." in peak.remark
    assert "400 GFLOP/s in fp32; a copy 25.0 GB/s" in peak.remark
    assert megapixels.rows[0] == (
        *("ours", "grey", "bf16", "1.0", "3 (2.9–3.1)"),
        *("2.00×", "1.50×", "30.00×", "130", "85 %"),
    )
    assert megapixels.rows[3][5:] == ("1.00×", "1.00×", "–", "213", "90 %")
    assert megapixels.rows[4][5:] == ("–", "–", "1.00×", "–", "–")
    assert startup.rows == [
        ("dae --help", "0.05", "0.04–0.06", "–"),
        ("dae denoise one.png", "2.00", "1.90–2.20", "0.25"),
    ]
    assert scale.rows == [("2,000", "2 MB", "100 (90–110)", "700 MB")]
    assert agreement.rows == [("dense", "dae", "60,000", "2 (1–3)", "95.00", "94.00–96.00")]


def test_the_docs_show_the_tables_as_the_command_prints_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Titles and columns; the figures are a machine's."""
    shown = (DOCS / "speed.md").read_text()
    show(dataclasses.replace(REPORT, agreement=[]), Console(), markdown=True)
    printed = capsys.readouterr().out.splitlines()
    for line in printed:
        heads = ("network", "recipe", "method", "start", "images")
        if line.startswith(("**", "|---", *(f"| {head} |" for head in heads))):
            assert line in shown.splitlines()


def test_the_cost_model_as_json_and_markdown(dae: Dae) -> None:
    words = ("benchmark", "scaling", "autoencoder", "--images-per-second", "1000")
    outcome = dae(*words, "--json")
    assert outcome.code == 0, outcome.err
    model = json.loads(outcome.out)
    assert model["machine"]["parameters"] == 257_218
    # Six batch normalisations, there and back, and the loss.
    assert model["machine"]["barriers"] == 13
    assert model["shared"][0]["images_per_second"] == 1000
    assert [each["processes"] for each in model["growing"]] == [1, 2, 4, 8, 16, 32, 64]
    page = (DOCS / "distributed.md").read_text()
    shown = page.partition("<!-- scaling -->\n")[2].partition("<!-- /scaling -->")[0]
    of_the_page = ("--images-per-second", "100000", "--batch-size", "1024", "--markdown")
    assert dae("benchmark", "scaling", *of_the_page).out == shown


def test_the_cost_model_has_no_figures_for_a_batch_that_cannot_be_shared(
    dae: Dae, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("benchmark", "scaling", "--images-per-second", "1000", "--batch-size", "8")
    model = json.loads(dae(*words, "--json").out)
    assert [each["processes"] for each in model["shared"]] == [1, 2, 4]
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    said = dae(*words).out
    assert "Sharing a batch of 8 pays off up to 4 processes. A batch of 8 each pays off" in said
    assert "at least 1.25 times the images" in said
    assert "–: the batch has no equal parts" in said
    assert "too narrow for: waiting (--json has all)" in said
    assert "…" not in said


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--images-per-second", "inf"),
        ("--images-per-second", "1e30"),
        ("--latency", "inf"),
        ("--latency", "nan"),
        ("--drawing", "inf"),
        ("--bandwidth", "nan"),
        ("--batch-size", "99999999999999999999999999"),
    ],
)
def test_the_cost_model_takes_what_a_machine_may_have(dae: Dae, option: str, value: str) -> None:
    outcome = dae("benchmark", "scaling", "--images-per-second", "10", option, value)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"invalid value for '{option}'" in outcome.err


def test_the_cost_model_of_a_network_that_there_is_not(dae: Dae) -> None:
    outcome = dae("benchmark", "scaling", "nothing", "--images-per-second", "10")
    assert (outcome.code, outcome.out) == (2, "")
