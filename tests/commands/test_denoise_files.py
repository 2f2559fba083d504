"""`dae denoise` over many files: what is skipped, refused, interrupted, and what is said."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Dae
from noisy_pictures import grey
from numpy.typing import NDArray
from paper_photograph import WHITE_12_BITS, clean_page, photograph
from PIL import Image

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load

COMMAND = (sys.executable, "-m", "dae_tui", "denoise")


@pytest.fixture(scope="module")
def digits() -> NDArray[np.uint8]:
    """Noisy digits (40, 28, 28)."""
    images = unit(load("digits", "test", Path()).images[:40])[:, 0]
    noise = 0.5 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    stored: NDArray[np.uint8] = ((images + noise).clamp(0, 1) * 255).round().byte().numpy()
    return stored


@pytest.fixture
def folder(tmp_path: Path, digits: NDArray[np.uint8]) -> Path:
    """A folder `in` of twelve PNG files."""
    (tmp_path / "in").mkdir()
    for number, digit in enumerate(digits[:12]):
        Image.fromarray(digit).save(tmp_path / "in" / f"{number:02d}.png")
    return tmp_path / "in"


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("error: ")]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_go_together_and_come_out_as_one_by_one(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    together = dae("denoise", folder, "-o", tmp_path / "out", "--json")
    assert together.code == 0
    lines = [json.loads(line) for line in together.out.splitlines()]
    assert [line["input"] for line in lines] == sorted(str(path) for path in folder.iterdir())
    first = lines[0]
    assert (first["images"], first["height"], first["width"]) == (1, 28, 28)
    assert first["weights"] == "mnist-unet"
    assert first["sigma"] == pytest.approx(0.5, rel=0.4)
    assert dae("denoise", folder / "03.png", "-o", tmp_path / "one.png").code == 0
    one, of_many = (Image.open(tmp_path / name) for name in ("one.png", "out/03.png"))
    assert np.abs(np.asarray(one).astype(int) - np.asarray(of_many)).max() <= 1


def test_a_second_start_skips_what_is_done_and_does_the_rest(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert dae("denoise", folder, "-o", out).code == 0
    (out / "05.png").unlink()
    (out / "06.png").write_bytes(b"")  # As a crash of the machine may leave it.
    before = (out / "04.png").stat().st_mtime_ns
    again = dae("denoise", folder, "-o", out)
    assert again.code == 0
    assert "skipped 10" in again.err
    assert "denoised 2 of 2 files" in again.err
    assert (out / "04.png").stat().st_mtime_ns == before
    assert len(files(out)) == 12
    assert dae("denoise", folder, "-o", out, "--json").out.count('"skipped": true') == 12
    assert "skipped" not in dae("denoise", folder, "-o", out, "--overwrite").err
    assert (out / "04.png").stat().st_mtime_ns > before


def test_in_place_replaces_the_inputs_and_nothing_else_does(
    dae: Dae, folder: Path, digits: NDArray[np.uint8]
) -> None:
    assert dae("denoise", folder).code == 2
    assert dae("denoise", folder, "-o", folder).code == 2
    assert np.array_equal(np.asarray(Image.open(folder / "00.png")), digits[0])
    assert dae("denoise", folder, "--in-place").code == 0
    assert not np.array_equal(np.asarray(Image.open(folder / "00.png")), digits[0])
    assert len(files(folder)) == 12
    both = dae("denoise", folder, "--in-place", "-o", folder / "x")
    assert both.code == 2
    assert "--in-place and -o exclude each other" in both.err
    assert dae("denoise", folder, "--in-place", "--format", "bmp").code == 2


def test_what_is_replaced_keeps_its_permissions_and_links(
    dae: Dae, folder: Path, tmp_path: Path, digits: NDArray[np.uint8]
) -> None:
    (folder / "00.png").chmod(0o600)
    (folder / "01.png").rename(tmp_path / "real.png")
    (folder / "01.png").symlink_to(tmp_path / "real.png")
    assert dae("denoise", folder, "--in-place").code == 0
    assert (folder / "00.png").stat().st_mode & 0o777 == 0o600
    assert (folder / "01.png").is_symlink()
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "real.png")), digits[1])


def test_a_comparison_replaces_no_image(dae: Dae, folder: Path, tmp_path: Path) -> None:
    source, out = folder / "00.png", tmp_path / "out.png"
    before = source.read_bytes()
    for target in (source, out):
        for picture in ("--compare", "--residual"):
            assert dae("denoise", source, "-o", out, picture, target, "--overwrite").code == 2
    assert source.read_bytes() == before
    (tmp_path / "other.png").write_text("precious")
    assert dae("denoise", source, "-o", out, "--compare", tmp_path / "other.png").code == 2
    assert (tmp_path / "other.png").read_text() == "precious"


def test_an_output_without_an_image_ending_is_a_folder(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    assert dae("denoise", folder / "0[0].png", "-o", tmp_path / "one").code == 0
    assert files(tmp_path / "one") == ["00.png"]
    assert dae("denoise", folder / "0*.png", "-o", tmp_path / "two.d").code == 0
    assert len(files(tmp_path / "two.d")) == 10
    assert dae("denoise", folder / "00.png", "-o", tmp_path / "two.d", "--overwrite").code == 0


def test_an_ending_of_no_image_is_refused_unless_the_format_is_told(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "x.xyz"
    refused = dae("denoise", folder / "00.png", "-o", target)
    assert refused.code == 2
    assert "x.xyz does not have the ending of an image" in refused.err
    assert ".png .jpg" in refused.err
    assert not target.exists()
    assert dae("denoise", folder / "00.png", "-o", target, "--format", "bmp").code == 0
    with Image.open(target) as image:
        assert image.format == "BMP"


def test_what_keeps_nothing_takes_any_image(dae: Dae, folder: Path) -> None:
    ours, its = os.openpty()  # A character device that nobody would miss.
    try:
        device = Path(os.ttyname(its))
        assert dae("denoise", folder / "00.png", "-o", device).code == 0
        assert device.is_char_device()
    finally:
        os.close(ours)
        os.close(its)


def test_a_slash_at_the_end_names_a_folder(dae: Dae, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.v2"
    assert dae("denoise", folder / "00.png", "-o", out).code == 2
    assert dae("denoise", folder / "00.png", "-o", f"{out}/").code == 0
    assert (out / "00.png").is_file()


@pytest.mark.parametrize(
    ("stream", "option"), [("stdout", "--json"), ("stderr", "-v"), ("stderr", "--preview")]
)
def test_a_reader_that_has_seen_enough_does_not_end_the_work(
    dae: Dae,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stream: str,
    option: str,
) -> None:
    (folder / "bad.png").write_text("hello")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(sys, stream, closed)
        outcome = dae("denoise", folder, "-o", tmp_path / "out", option)
        monkeypatch.undo()
    assert outcome.code == 1
    assert len(files(tmp_path / "out")) == 12


def test_references_lie_where_the_images_do(dae: Dae, folder: Path, tmp_path: Path) -> None:
    clean = load("digits", "test", Path()).images[:2, 0].numpy()
    for number, below in enumerate(("a", "b")):
        (folder / below).mkdir()
        (folder / f"{number:02d}.png").rename(folder / below / "x.png")
        (tmp_path / "clean" / below).mkdir(parents=True)
        Image.fromarray(clean[number]).save(tmp_path / "clean" / below / "x.png")
    outcome = dae(
        *("denoise", "-r", folder / "a", "-o", tmp_path / "out", "--json"),
        *("--reference", tmp_path / "clean" / "a"),
    )
    assert json.loads(outcome.out)["after"]["psnr"] > 15
    both = dae(
        *("denoise", "-r", folder, "-o", tmp_path / "more", "--json"),
        *("--reference", tmp_path / "clean"),
    )
    scored = [json.loads(line) for line in both.out.splitlines()]
    assert all(line["after"]["psnr"] > 15 for line in scored if "after" in line)
    assert sum("after" in line for line in scored) == 2
    assert sum("error" in line for line in scored) == 10


def test_json_and_an_image_do_not_share_standard_output(dae: Dae, folder: Path) -> None:
    assert dae("denoise", folder / "00.png", "-o", "-", "--json").code == 2


def test_black_and_white_know_no_other_white(dae: Dae, folder: Path, tmp_path: Path) -> None:
    clean = load("digits", "test", Path()).images[0, 0].numpy()
    Image.fromarray(clean > 128).save(tmp_path / "bits.png")
    image = tmp_path / "bits.png"
    assert dae("denoise", image, "-o", tmp_path / "x.png", "--white", "4095").code == 0
    assert np.asarray(Image.open(tmp_path / "x.png")).any()
    deep = dae("denoise", folder / "00.png", "-o", tmp_path / "y.png", "--white", "4095")
    assert deep.code == 1
    assert "cannot be white" in deep.err
    assert dae("denoise", image, "-o", tmp_path / "z.png", "--white", "inf").code == 2


def test_only_images_of_the_folder_itself_unless_recursive(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "00.png").rename(folder / "deep" / "er" / "00.png")
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_text("not an image")
    assert dae("denoise", folder, "-o", tmp_path / "flat").code == 0
    assert len(files(tmp_path / "flat")) == 11
    assert dae("denoise", folder, "-r", "-o", tmp_path / "deep").code == 0
    assert "deep/er/00.png" in files(tmp_path / "deep")
    assert dae("denoise", folder / "deep", "-o", tmp_path / "none").code == 2


def test_a_pattern_is_understood_where_the_shell_left_it(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    assert dae("denoise", folder / "0*.png", "-o", tmp_path / "out").code == 0
    assert len(files(tmp_path / "out")) == 10
    nothing = dae("denoise", folder / "z*.png", "-o", tmp_path / "out")
    assert nothing.code == 2
    assert "z*.png" in nothing.err


def test_every_kind_of_bad_file_has_its_line_and_the_rest_is_done(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    whole = (folder / "00.png").read_bytes()
    (folder / "empty.png").touch()
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("hello")
    (folder / "folder.png").mkdir()
    (folder / "link.png").symlink_to(folder / "gone.png")
    (folder / "a\nb.png").write_text("hello")
    (folder / os.fsdecode(b"caf\xe9.png")).write_text("hello")
    outcome = dae("denoise", folder, "-o", tmp_path / "out")
    assert outcome.code == 1
    found = errors(outcome.err)
    for words in (
        "empty.png is empty",
        "truncated.png",
        "text.png is not an image",
        "folder.png is a folder",
        "link.png cannot be read: no such file",
        r"a\nb.png is not an image",
        r"caf\xe9.png is not an image",
    ):
        assert sum(words in line for line in found) == 1, (words, found)
    assert len(found) == 7
    assert files(tmp_path / "out") == [f"{number:02d}.png" for number in range(12)]
    assert "denoised 12 of 19 files" in outcome.err
    lines = dae("denoise", folder, "-o", tmp_path / "again", "--json").out.splitlines()
    assert sum("error" in json.loads(line) for line in lines) == 7


def test_names_that_no_one_can_read_are_denoised(
    dae: Dae, tmp_path: Path, digits: NDArray[np.uint8]
) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9\n.png")
    Image.fromarray(digits[0]).save(source)
    outcome = dae("denoise", source, "-o", tmp_path / "out", "--format", "png", "--json")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["input"] == str(source)
    assert dae("denoise", source, "-o", tmp_path / "folder" / "x.png").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read_has_its_line(dae: Dae, folder: Path, tmp_path: Path) -> None:
    (folder / "00.png").chmod(0)
    outcome = dae("denoise", folder, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "00.png cannot be read: permission denied" in outcome.err


def test_a_full_disk_ends_it_with_one_line_and_no_partial_file(
    dae: Dae, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = os.write, 0

    def write(file: int, content: bytes) -> int:
        nonlocal written
        written += 1
        if written > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, content)

    monkeypatch.setattr(os, "write", write)
    outcome = dae("denoise", folder, "-o", tmp_path / "out")
    monkeypatch.undo()
    assert outcome.code == 1
    found = errors(outcome.err)
    assert "no space left on device" in found[0]
    assert "6 files were not started" in found[1]
    assert len(found) == 2
    assert len(files(tmp_path / "out")) == 5
    assert dae("denoise", folder, "-o", tmp_path / "out").code == 0
    assert len(files(tmp_path / "out")) == 12


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_start_leaves_whole_files_and_the_next_one_the_rest(
    tmp_path: Path, digits: NDArray[np.uint8], how: signal.Signals
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(1500):
        Image.fromarray(np.roll(digits[number % 40], number)).save(source / f"{number:04d}.png")
    command = [*COMMAND, str(source), "-o", str(out)]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        while not out.exists() or len(list(out.iterdir())) < 20:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    assert "Traceback" not in said
    if how is signal.SIGINT:
        assert said.splitlines()[-2] == "interrupted"
    partly = files(out)
    assert 20 <= len(partly) < 1500
    for name in partly:
        with Image.open(out / name) as image:
            image.load()
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"skipped {len(partly):,}" in finished.stderr
    assert len(files(out)) == 1500


def test_standard_input_to_standard_output(folder: Path) -> None:
    content = (folder / "00.png").read_bytes()
    finished = subprocess.run([*COMMAND, "-"], input=content, capture_output=True, check=True)
    with Image.open(io.BytesIO(finished.stdout)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (28, 28))
    converted = subprocess.run(
        [*COMMAND, str(folder / "00.png"), "-o", "-", "--format", "npy", "-q"],
        capture_output=True,
        check=True,
    )
    assert np.load(io.BytesIO(converted.stdout)).squeeze().shape == (28, 28)
    assert converted.stderr == b""
    broken = subprocess.run([*COMMAND, "-"], input=b"hello", capture_output=True, check=False)
    assert broken.returncode == 1
    assert broken.stdout == b""
    assert broken.stderr.startswith(b"error: standard input is not an image")


def test_the_name_of_the_output_or_the_format_decides_its_kind(
    dae: Dae, folder: Path, tmp_path: Path
) -> None:
    assert dae("denoise", folder / "00.png", "-o", tmp_path / "x.tif").code == 0
    with Image.open(tmp_path / "x.tif") as image:
        assert (image.format, image.size) == ("TIFF", (28, 28))
    assert dae("denoise", folder, "-o", tmp_path / "out", "--format", "bmp").code == 0
    assert files(tmp_path / "out") == [f"{number:02d}.bmp" for number in range(12)]
    assert dae("denoise", folder, "-o", tmp_path / "out", "--format", "tga").code == 2
    np.save(tmp_path / "stack.npy", np.zeros((3, 28, 28), np.uint8))
    several = dae("denoise", tmp_path / "stack.npy", "-o", tmp_path / "y.png")
    assert several.code == 1
    assert not (tmp_path / "y.png").exists()


def test_each_rank_takes_its_share(
    dae: Dae, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, done in (("0", 6), ("1", 12)):
        monkeypatch.setenv("RANK", rank)
        # The second one begins when the first has finished, and takes its own share all the same.
        assert dae("denoise", folder, "-o", tmp_path / "out").code == 0
        assert len(files(tmp_path / "out")) == done
    monkeypatch.setenv("RANK", "many")
    assert "skipped 12" in dae("denoise", folder, "-o", tmp_path / "out").err


def test_preview_comparison_and_reference(
    dae: Dae, folder: Path, tmp_path: Path, digits: NDArray[np.uint8]
) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    originals = load("digits", "test", Path()).images[:12, 0].numpy()
    for number, digit in enumerate(originals):
        Image.fromarray(digit).save(clean / f"{number:02d}.png")
    outcome = dae(
        *("denoise", folder, "-o", tmp_path / "out", "--preview", "--reference", clean),
        *("--compare", tmp_path / "compare.png"),
    )
    assert outcome.code == 0, outcome.err
    assert "before" in outcome.err and "after" in outcome.err
    assert any(set(line) & set("▀░▒▓█") for line in outcome.err.splitlines())
    summary = outcome.err.splitlines()[-1]
    before, after = (float(word) for word in summary.split()[1:4:2])
    assert summary.startswith("PSNR")
    assert after > before + 5
    with Image.open(tmp_path / "compare.png") as image:
        assert image.size == (3 * 28 + 2 * 8, 12 * 28 + 11 * 8)
        pixels = np.asarray(image.convert("L"))
    assert np.array_equal(pixels[:28, :28], digits[0])
    assert np.array_equal(pixels[:28, -28:], originals[0])
    one = dae(
        *("denoise", folder / "00.png", "-o", tmp_path / "one.png", "--json"),
        *("--reference", clean / "00.png"),
    )
    scores = json.loads(one.out)
    assert scores["after"]["psnr"] > scores["before"]["psnr"] + 5
    (clean / "05.png").unlink()
    missing = dae("denoise", folder, "-o", tmp_path / "more", "--reference", clean)
    assert missing.code == 1
    assert "clean/05.png cannot be read" in missing.err
    assert dae("denoise", folder, "-o", tmp_path / "x", "--reference", tmp_path / "no").code == 2
    assert dae("denoise", folder, "-o", tmp_path / "x", "--compare", tmp_path / "c.jpg").code == 2


def noisy_photograph(path: Path, sigma: float = 0.1) -> NDArray[np.uint8]:
    """A grey photograph of 128×128 with white noise, as a PNG."""
    noise = np.random.default_rng(0).normal(0, sigma, (128, 128))
    stored: NDArray[np.uint8] = (
        ((grey("camera", 128) + noise).clip(0, 1) * 255).round().astype("u1")
    )
    Image.fromarray(stored).save(path)
    return stored


def test_the_residual_is_what_was_taken_away_with_grey_for_nothing(
    dae: Dae, tmp_path: Path
) -> None:
    noisy = noisy_photograph(tmp_path / "noisy.png").astype(float)
    outcome = dae(
        *("denoise", tmp_path / "noisy.png", "-o", tmp_path / "out.png"),
        *("--residual", tmp_path / "residual.png"),
    )
    assert outcome.code == 0, outcome.err
    taken = noisy - np.asarray(Image.open(tmp_path / "out.png"))
    drawn = np.asarray(Image.open(tmp_path / "residual.png").convert("L")).astype(float)
    expected = (127.5 + taken / taken.std() * 127.5 / 3).clip(0, 255)
    assert np.abs(drawn - expected).max() < 1


def test_the_residual_of_an_image_that_is_left_as_it_is_is_grey(dae: Dae, tmp_path: Path) -> None:
    Image.fromarray(np.full((100, 100), 30, np.uint8)).save(tmp_path / "flat.png")
    outcome = dae(
        *("denoise", tmp_path / "flat.png", "-o", tmp_path / "out.png"),
        *("--residual", tmp_path / "residual.png"),
    )
    assert outcome.code == 0, outcome.err
    assert set(np.asarray(Image.open(tmp_path / "residual.png")).flatten()) == {128}


@pytest.mark.parametrize("size", [128, 28])
def test_the_strength_is_the_share_of_the_noise_that_is_taken_away(
    dae: Dae, tmp_path: Path, size: int
) -> None:
    noisy = noisy_photograph(tmp_path / "noisy.png")[:size, :size]
    Image.fromarray(noisy).save(tmp_path / "noisy.png")
    results = {}
    for strength in ("0", "0.25", "1"):
        target = tmp_path / f"{strength}.png"
        outcome = dae(*("denoise", tmp_path / "noisy.png", "-o", target, "--strength", strength))
        assert outcome.code == 0, outcome.err
        results[strength] = np.asarray(Image.open(target)).astype(float)
    assert np.array_equal(results["0"], noisy)
    assert np.abs(results["1"] - noisy).max() > 10
    expected = noisy + 0.25 * (results["1"] - noisy)
    assert np.abs(results["0.25"] - expected).max() <= 1


def test_a_strength_beyond_one_is_refused(dae: Dae, folder: Path, tmp_path: Path) -> None:
    for strength in ("-0.1", "1.1", "nan"):
        outcome = dae("denoise", folder, "-o", tmp_path / "out", "--strength", strength)
        assert outcome.code == 2
        assert "the strength is" in outcome.err


@pytest.mark.slow
def test_best_takes_the_mean_over_turns_and_flips(dae: Dae, tmp_path: Path) -> None:
    noisy = noisy_photograph(tmp_path / "noisy.png")
    clean = grey("camera", 128) * 255
    Image.fromarray(noisy.T).save(tmp_path / "turned.png")
    results, errors = {}, {}
    for name, more in (("noisy", ()), ("noisy", ("--best",)), ("turned", ("--best",))):
        target = tmp_path / f"{name}{len(more)}-out.png"
        assert dae("denoise", tmp_path / f"{name}.png", "-o", target, *more).code == 0
        results[name, more] = np.asarray(Image.open(target)).astype(float)
        errors[name, more] = np.square(results[name, more] - clean).mean()
    assert errors["noisy", ("--best",)] < errors["noisy", ()]
    difference = results["turned", ("--best",)].T - results["noisy", ("--best",)]
    assert np.abs(difference).max() <= 1


def test_the_level_decides_which_weights_are_best(dae: Dae, folder: Path, tmp_path: Path) -> None:
    def weights(*more: str | Path) -> str:
        outcome = dae(
            "denoise", folder / "00.png", "-o", tmp_path / "x.png", "--overwrite", "--json", *more
        )
        return str(json.loads(outcome.out)["weights"])

    assert weights() == weights("--sigma", "0.5") == "mnist-unet"
    assert weights("--sigma", "10/255") == "photos-unet"
    assert weights("--sigma", "0.05", "--weights", "mnist-dense") == "mnist-dense"
    for level in ("much", "0.1-0.2", "-1", "25", "nan"):
        wrong = dae("denoise", folder, "-o", tmp_path / "out", f"--sigma={level}")
        assert wrong.code == 2, level
        if level in ("much", "0.1-0.2"):
            assert f"cannot read the level '{level}'" in wrong.err
        else:
            assert f"the level '{level}' is out of range" in wrong.err
            assert "at least 0 and at most 10" in wrong.err and "25/255" in wrong.err


def test_an_image_unlike_any_digit_is_warned_of(dae: Dae, tmp_path: Path) -> None:
    page = (clean_page()[:200, :300] * 255).astype(np.uint8)
    Image.fromarray(page).save(tmp_path / "page.png")
    outcome = dae(
        *("denoise", tmp_path / "page.png", "-o", tmp_path / "x.png"),
        *("--weights", "mnist-autoencoder"),
    )
    assert outcome.code == 0
    assert "warning: " in outcome.err and "28×28" in outcome.err


@pytest.mark.slow
def test_a_photograph_of_digits_on_paper_is_cleaned(dae: Dae, tmp_path: Path) -> None:
    """Uneven light, 12 bits in 16, 1 500 × 1 000 pixels: no weights or level are named."""
    page = clean_page()
    Image.fromarray(photograph(page)).save(tmp_path / "photo.png")
    clean = np.rint(page * WHITE_12_BITS).astype(np.uint16)
    Image.fromarray(clean).save(tmp_path / "clean.png")
    outcome = dae(
        *("denoise", tmp_path / "photo.png", "-o", tmp_path / "cleaned.png", "--json"),
        *("--white", str(WHITE_12_BITS), "--reference", tmp_path / "clean.png"),
    )
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["weights"] in ("pages-unet", "photos-unet")  # Not those for digits.
    assert found["before"]["psnr"] < 23
    assert found["after"]["psnr"] > 35
    with Image.open(tmp_path / "cleaned.png") as image:
        assert (image.size, image.mode) == ((1500, 1000), "I;16")
        cleaned = np.asarray(image).astype(float)
    assert np.abs(cleaned - clean).mean() < 0.015 * WHITE_12_BITS


def test_a_full_device_is_named(dae: Dae, tmp_path: Path) -> None:
    np.save(tmp_path / "noisy.npy", np.random.default_rng(0).random((28, 28), np.float32))
    outcome = dae("denoise", tmp_path / "noisy.npy", "-o", "/dev/full", "--sigma", "0.5")
    assert outcome.code == 1
    assert "/dev/full cannot be written: no space left on device" in outcome.err
