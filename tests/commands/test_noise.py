"""`dae noise`: measure, add and show."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import Dae
from noisy_pictures import colour, grey
from PIL import Image
from skimage import data

from dae_tui.spec.noise_spec import parse_noise


def picture(path: Path, name: str = "camera") -> Path:
    Image.fromarray((grey(name) * 255).round().astype(np.uint8)).save(path)
    return path


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(Image.open(path)).astype(np.float64)


def test_what_is_added_is_found_again_and_added_from_the_file(tmp_path: Path, dae: Dae) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    for name in ("camera", "coffee"):
        picture(clean / f"{name}.png", name)
    noisy, measured = tmp_path / "noisy", tmp_path / "measured.json"
    outcome = dae("noise", "add", clean, "-o", noisy, "--noise", "gaussian:15/255")
    assert outcome.code == 0
    assert "added gaussian:0.0588235 to 2 of 2 files, 2 images" in outcome.err
    for name in ("camera", "coffee"):
        difference = pixels(noisy / f"{name}.png") - pixels(clean / f"{name}.png")
        assert difference.std() == pytest.approx(15, rel=0.05)

    outcome = dae("noise", "estimate", noisy, "-o", measured, "--figure", tmp_path / "a.svg")
    assert outcome.code == 0
    assert outcome.out.startswith("noise        gaussian:0.05")
    assert "measured on  2 noisy images" in outcome.out
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    content = json.loads(measured.read_text())
    stage = parse_noise(content["noise"]).only_stage
    assert stage is not None
    assert stage.low == pytest.approx(15 / 255, rel=0.1)
    assert len(content["intensities"]) == len(content["variances"]) > 5

    again = tmp_path / "again.png"
    outcome = dae("noise", "add", clean / "camera.png", "-o", again, "--noise", measured)
    assert outcome.code == 0
    difference = pixels(again) - pixels(clean / "camera.png")
    assert difference.std() == pytest.approx(15, rel=0.1)


def test_the_noise_of_a_camera_is_measured_in_a_photograph(tmp_path: Path, dae: Dae) -> None:
    clean, noisy = tmp_path / "clean.png", tmp_path / "noisy.jpg"
    Image.fromarray((colour("coffee", 256) * 255).round().astype(np.uint8)).save(clean)
    added = dae("noise", "add", clean, "-o", noisy, "--noise", "camera:0.002,3,0.3+jpeg:92")
    assert added.code == 0
    outcome = dae("noise", "estimate", noisy)
    assert outcome.code == 0
    assert "as a camera  camera:0.00" in outcome.out
    content = json.loads(dae("noise", "estimate", noisy, "--json").out)
    true = (pixels(noisy) - pixels(clean)).std() / 255
    assert content["sigma"] == pytest.approx(true, rel=0.2)


def test_pairs_are_compared(tmp_path: Path, dae: Dae) -> None:
    (tmp_path / "clean").mkdir()
    picture(tmp_path / "clean" / "one.png")
    picture(tmp_path / "clean" / "two.png", "coffee")
    arguments = ("-o", tmp_path / "noisy", "--noise", "poisson:50")
    assert dae("noise", "add", tmp_path / "clean", *arguments).code == 0
    outcome = dae("noise", "estimate", tmp_path, "--json", "--no-align")
    content = json.loads(outcome.out)
    assert content["from_pairs"]
    stage = parse_noise(content["noise"]).only_stage
    assert stage is not None
    assert stage.kind == "poisson"
    assert stage.low == pytest.approx(50, rel=0.1)


def test_adding_keeps_type_alpha_pages_and_what_was_there_before(tmp_path: Path, dae: Dae) -> None:
    deep = (grey("coffee") * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", np.stack([deep, deep]), photometric="minisblack")
    see_through = np.dstack([(grey("camera") * 255).astype(np.uint8)] * 4)
    see_through[:100, :, 3] = 0
    Image.fromarray(see_through).save(tmp_path / "alpha.png")
    out = tmp_path / "out"
    paths = (tmp_path / "deep.tif", tmp_path / "alpha.png")
    assert dae("noise", "add", *paths, "-o", out, "--noise", "gaussian:0.05").code == 0
    read = tifffile.imread(out / "deep.tif")
    assert read.dtype == np.uint16
    assert read.shape == (2, 256, 256)
    assert not np.array_equal(read[0], read[1])
    assert (read[0] - deep.astype(float)).std() == pytest.approx(0.05 * 65535, rel=0.05)
    assert np.array_equal(pixels(out / "alpha.png")[..., 3], see_through[..., 3])

    before = (out / "alpha.png").read_bytes()
    outcome = dae("noise", "add", *paths, "-o", out, "--noise", "gaussian:0.3")
    assert outcome.code == 0
    assert "2 were there before" in outcome.err
    assert (out / "alpha.png").read_bytes() == before


def test_a_seed_gives_the_same_noise_again(tmp_path: Path, dae: Dae) -> None:
    source = picture(tmp_path / "one.png")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        arguments = ("-o", tmp_path / f"{name}.png", "--noise", "impulse:0.2", "--seed", seed)
        assert dae("noise", "add", source, *arguments).code == 0
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_show_draws_a_digit_and_a_photograph_at_three_levels(dae: Dae) -> None:
    outcome = dae("noise", "show", "poisson-gaussian:0.02,0.001")
    assert outcome.code == 0
    for name in ("clean", ":0.01,0.001", ":0.02,0.001", ":0.04,0.001"):
        assert outcome.out.count(name) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["estimate", "nothere"], "there is no nothere"),
        (["estimate", "bad.json", "-o", "a.txt"], "does not end in .json"),
        (["add", "one.png", "-o", "out.png", "--noise", "nothere.json"], "no such file"),
        (["add", "one.png", "-o", "out.png", "--noise", "bad.json"], "holds no noise"),
        (["add", "one.png", "-o", "out.png", "--noise", "gaussian:0.1,3"], "number after"),
        (["add", "bad.json", "-o", "out.png", "--noise", "gaussian:0.1"], "bad.json"),
        (["add", "one.png", "-o", "one.png", "--noise", "gaussian:0.1"], "choose another -o\n"),
        (["show", "none"], "no noise to show"),
        (["show", "gaussian:x"], "cannot read the noise"),
    ],
)
def test_mistakes_are_told_in_a_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    dae: Dae,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("one.png"))
    Path("bad.json").write_text("[1, 2]")
    outcome = dae("noise", *arguments)
    assert outcome.code != 0
    assert words in outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("out.png").exists()


@pytest.mark.slow
def test_white_noise_is_measured_in_a_photograph_that_is_all_texture(
    tmp_path: Path, dae: Dae
) -> None:
    """Patches alone said that neighbours share the noise, at three times its level."""
    clean, noisy = tmp_path / "clean.png", tmp_path / "noisy.png"
    Image.fromarray(data.gravel()).save(clean)
    assert dae("noise", "add", clean, "-o", noisy, "--noise", "poisson:500").code == 0
    outcome = dae("noise", "estimate", noisy, "--json")
    stage = parse_noise(json.loads(outcome.out)["noise"]).only_stage
    assert stage is not None
    assert stage.kind == "poisson"
    assert stage.low == pytest.approx(500, rel=0.2)
