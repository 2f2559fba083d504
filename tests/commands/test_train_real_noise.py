"""`dae train` on real noise: pairs of a list, noisy takes, noisy images alone, other weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Dae
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.weights.weights_file import load_weights
from dae_tui.spec.model_cards import read_metadata
from dae_tui.spec.training_config import command_line, default_config

SMALL = ("--widths", "4,8", "--set", "blocks=1", "--batch-size", "4", "--patch", "32")
CPU = ("--device", "cpu", "--precision", "fp32", "--json", "--epochs", "1")


def picture(number: int, height: int = 48, width: int = 80) -> NDArray[np.float64]:
    """A smooth picture in [0, 1]."""
    down, right = np.mgrid[:height, :width] / 8
    wave: NDArray[np.float64] = 0.5 + 0.3 * np.sin(down + number) * np.cos(right)
    return wave


def save(path: Path, values: NDArray[np.float64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * values.clip(0, 1)).astype(np.uint8)).save(path)


def noisy(number: int, seed: int = 0) -> NDArray[np.float64]:
    clean = picture(number)
    return clean + np.random.default_rng(100 * seed + number).normal(0, 0.1, clean.shape)


def trained(dae: Dae, *arguments: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The event `done` of a small training, and the validations."""
    outcome = dae("train", *arguments, *CPU)
    assert outcome.code == 0, outcome.err
    events = [json.loads(line) for line in outcome.out.splitlines()]
    return events[-1], [event for event in events if event["event"] == "validation"]


def test_pairs_of_a_list_are_learnt_from_and_measured_whole(dae: Dae, tmp_path: Path) -> None:
    lines = ["noisy,clean"]
    for number in range(12):
        save(tmp_path / "sharp" / f"{number}.png", picture(number, 48 + number % 2))
        save(tmp_path / "grainy" / f"{number}.png", picture(number, 48 + number % 2) + 0.05)
        lines.append(f"grainy/{number}.png,sharp/{number}.png")
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    done, (validation,) = trained(dae, "unet", "--data", tmp_path / "mine.csv", *SMALL)
    _, before, after = done["benchmark"]["rows"]
    assert before["psnr"] == pytest.approx(-20 * np.log10(0.05), abs=0.3)
    assert after["psnr"] is not None and after["psnr_fitted"] > after["psnr"] - 1e-6
    assert validation["val_psnr"] is not None
    metadata = read_metadata(Path(done["weights"]))
    assert (metadata["data"], metadata["pairs"]) == ("mine.csv", True)
    assert str(tmp_path) not in json.dumps(metadata)


@pytest.mark.parametrize("takes", ["a-b", "pages", "folders"])
def test_takes_have_an_estimated_psnr(takes: str, dae: Dae, tmp_path: Path) -> None:
    options: tuple[str, ...] = ("--takes", takes)
    if takes == "a-b":
        options = ()
        for number in range(12):
            for seed, side in enumerate("ab"):
                save(tmp_path / "set" / side / f"{number:02}.png", noisy(number, seed))
    elif takes == "folders":
        for number in range(12):
            for seed in range(2):
                save(tmp_path / "set" / f"{number:02}" / f"{seed}.png", noisy(number, seed))
    else:
        (tmp_path / "set").mkdir()
        pages = np.stack([noisy(3, seed) for seed in range(12)])
        np.save(tmp_path / "set" / "scene.npy", (255 * pages.clip(0, 1)).astype(np.uint8))
    done, _ = trained(dae, "unet", "--data", tmp_path / "set", *options, *SMALL)
    before, after = done["benchmark"]["rows"]
    assert before["psnr"] == pytest.approx(20, abs=0.7)
    assert after["view"] == "denoised"
    assert "two noisy takes" in done["benchmark"]["protocol"]["clean"]


@pytest.mark.parametrize("how", ["noise2self", "neighbor2neighbor"])
def test_a_single_noisy_file_is_enough(how: str, dae: Dae, tmp_path: Path) -> None:
    save(tmp_path / "one.png", noisy(1))
    source = tmp_path / "one.png"
    done, (validation,) = trained(
        dae, "unet", "--data", source, "--supervision", how, *SMALL, "--batch-size", "2"
    )
    # The loss is at least the variance of the noise, and there is nothing to compare with.
    assert 0.008 < validation["val_loss"] < 0.2
    assert validation["val_psnr"] is None
    assert [row["psnr"] for row in done["benchmark"]["rows"]] == [None, None]
    assert read_metadata(Path(done["weights"]))["supervision"] == how
    target = tmp_path / "clean.png"
    assert dae("denoise", source, "-o", target, "--weights", done["weights"]).code == 0
    with Image.open(target) as denoised:
        assert denoised.size == (80, 48)


@pytest.mark.slow
def test_a_training_starts_from_other_weights(dae: Dae, tmp_path: Path) -> None:
    for number in range(12):
        for side, image in (("clean", picture(number)), ("noisy", noisy(number))):
            save(tmp_path / "mine" / side / f"{number:02}.png", image)
    few = ("--epoch-images", "4", "--batch-size", "4", "--patch", "32", "--lr", "1e-9")
    done, _ = trained(dae, "--from", "photos-unet", "--data", tmp_path / "mine", *few)
    started = load_weights(Path(done["weights"]))
    given = load_weights(Path(__file__).parents[2] / "models/weights/photos-unet.safetensors")
    for name, value in given.network.state_dict().items():
        assert np.allclose(value, started.network.state_dict()[name], atol=1e-6)
    assert "--from photos-unet" in started.metadata["command"]
    again, _ = trained(dae, "--from", done["run"], "--data", tmp_path / "mine", *few)
    metadata = read_metadata(Path(again["weights"]))
    first, second = metadata["command"].split(" && ")
    assert first == started.metadata["command"]
    assert "--from latest" in second
    assert str(tmp_path) not in json.dumps(metadata)
    wrong = dae("train", "dense", "--from", "photos-unet", "--data", tmp_path / "mine")
    assert wrong.code == 2
    assert "hold the network unet, not dense" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--supervision", "pairs"), "there are no pairs in"),
        (("--supervision", "noise2noise"), "there are no takes in"),
        (("--supervision", "magic"), "there is no supervision 'magic'"),
        (("--takes", "nowhere"), "there is no place of takes 'nowhere'"),
        (("--supervision", "noise2self", "--noise", "gaussian:0.1"), "leave --noise out"),
        (("--patch", "8"), "the patch is 8"),
        (("--ema", "1"), "the moving average keeps 1"),
        (("--gradient-clip", "-1"), "the gradient is clipped at -1"),
        (("--from", "nothing"), "there are no weights 'nothing'"),
        (("--from", "photos-unet", "--preset", "fast"), "both name a network"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(
    arguments: tuple[str, ...], said: str, dae: Dae, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    outcome = dae("train", "--data", tmp_path / "set", *arguments)
    assert outcome.code in (2, 3)
    assert said in outcome.err
    assert not (tmp_path / "runs").exists()


def test_mnist_has_no_pairs(dae: Dae) -> None:
    outcome = dae("train", "--supervision", "noise2self")
    assert outcome.code == 2
    assert "mnist has no images for noise2self" in outcome.err


def test_the_command_line_of_a_config_means_the_same(tmp_path: Path) -> None:
    for side in ("clean", "noisy"):
        (tmp_path / side).mkdir()
    config = default_config("unet", str(tmp_path))
    assert (config.patch, config.augment, config.align, config.ema) == (64, True, True, 0.999)
    assert command_line(config) == f"dae train unet --data {tmp_path}"


def test_a_file_without_supervision_is_told_what_can_be_learnt_from_it(
    dae: Dae, tmp_path: Path
) -> None:
    save(tmp_path / "one.png", noisy(1))
    outcome = dae("train", "--data", tmp_path / "one.png")
    assert outcome.code == 2
    assert "one.png is a file, and images are in folders" in outcome.err
    assert "--supervision noise2self" in outcome.err


def test_a_file_that_is_no_image_is_one_clear_error(dae: Dae, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    outcome = dae("train", "--data", tmp_path / "text.png", "--supervision", "noise2self")
    assert outcome.code == 1
    assert "text.png is not an image file that dae can read" in outcome.err
    assert "folder" not in outcome.err
