"""`dae compress`, `dae decompress` and `dae codec train`, as they are typed."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Dae
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from dae_tui.runs.compressions import list_compressions, read_compression
from dae_tui.spec.model_cards import codecs

QUICK = ("--presentations", "5", "--start", "6", "--units", "5")


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A grey photograph of 64×64 pixels."""
    means = data.camera().reshape(64, 8, 64, 8).mean((1, 3))
    Image.fromarray(means.astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_an_image_is_compressed_and_written_again(
    dae: Dae, tmp_path: Path, photograph: Path
) -> None:
    file, back = tmp_path / "photo.dae", tmp_path / "back.png"
    done = dae("compress", photograph, "-o", file, "--json", *QUICK)
    assert done.code == 0
    found = json.loads(done.out)
    assert [row["method"] for row in found["rows"]] == ["dae", "JPEG", "WebP"]
    assert found["rows"][0]["bytes"] == file.stat().st_size
    assert found["rows"][0]["ratio"] == pytest.approx(64 * 64 / file.stat().st_size)
    assert found["nominal_ratio"] == pytest.approx(256 / 5)
    assert [step["units"] for step in found["steps"]] == [6, 5]
    assert dae("decompress", file, "-o", back).code == 0
    error = pixels(back).astype(float) - pixels(photograph)
    assert 10 * np.log10(255**2 / (error**2).mean()) == pytest.approx(found["rows"][0]["psnr"])


def test_the_steps_are_shown_as_a_table_and_a_figure(
    dae: Dae, tmp_path: Path, photograph: Path
) -> None:
    figure = tmp_path / "steps.png"
    done = dae("compress", photograph, "-o", tmp_path / "a.dae", "--progress", "--figure", figure,
               "--published", *QUICK)  # fmt: skip
    assert done.code == 0
    assert "smallest angle" in done.out
    assert "sum of squares" in done.out
    assert pixels(figure).shape == (128 + 14, 3 * 128 + 2 * 8, 3)


def test_the_table_of_the_steps_is_kept_with_the_progress_and_where_it_is_asked_for(
    dae: Dae, tmp_path: Path, photograph: Path
) -> None:
    runs = tmp_path / "runs"
    file = tmp_path / "small.dae"
    plain = ("compress", photograph, "-o", file, "--overwrite", "--runs-dir", runs, *QUICK)
    assert dae(*plain, "--json").code == 0
    assert dae(*plain, "--progress", "--no-keep").code == 0
    assert not runs.exists()
    done = dae(*plain, "--progress", "--json")
    assert done.code == 0
    (path,) = list_compressions(runs)
    assert f"saved {path}; its curves: dae dashboard, 3 and C" in done.err
    assert path.name[16:-10] == "small"
    assert json.loads(path.read_text()) == json.loads(done.out)
    saved = read_compression(path)
    assert saved is not None
    assert saved.protocol == {
        "inputs": ["photo.png"], "patch": 16, "channels": 1, "values": 4096, "presentations": 5,
        "published": False, "seed": 0,
    }  # fmt: skip
    error = saved.steps[-1]["squared_error"] / saved.protocol["values"]
    assert -10 * np.log10(error) == pytest.approx(saved.steps[-1]["psnr"], abs=0.05)
    done = dae(*plain, "--keep", "--quiet", "--published")
    assert (done.code, done.err) == (0, "")
    assert len(list_compressions(runs)) == 2


def test_a_table_that_cannot_be_kept_is_told_and_the_file_is_written(
    dae: Dae, tmp_path: Path, photograph: Path
) -> None:
    file = tmp_path / "a.dae"
    done = dae("compress", photograph, "-o", file, "--keep", "--runs-dir", photograph, *QUICK)
    assert done.code == 0
    assert "the table is not saved: Not a directory" in done.err
    assert file.stat().st_size > 0


def test_a_codec_makes_a_smaller_file_than_a_decoder_of_its_own(
    dae: Dae, tmp_path: Path, photograph: Path
) -> None:
    own, learnt = tmp_path / "own.dae", tmp_path / "learnt.dae"
    assert dae("compress", photograph, "-o", own, "--no-compare", *QUICK).code == 0
    done = dae("compress", photograph, "-o", learnt, "--codec", "photos-codec", "--units", "5")
    assert done.code == 0
    assert "JPEG" in done.out
    assert learnt.stat().st_size < own.stat().st_size / 2
    assert dae("decompress", learnt, "-o", tmp_path / "back.tif").code == 0


def test_several_images_become_one_file_and_a_folder(
    dae: Dae, tmp_path: Path, photograph: Path
) -> None:
    (tmp_path / "sub").mkdir()
    Image.fromarray(pixels(photograph)[:20, :30]).save(tmp_path / "sub" / "photo.png")
    file, folder = tmp_path / "two.dae", tmp_path / "out"
    inputs = (photograph, tmp_path / "sub" / "photo.png")
    assert dae("compress", *inputs, "-o", file, "--codec", "photos-codec").code == 0
    assert dae("decompress", file, "-o", folder).code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["photo-1.png", "photo.png"]
    assert pixels(folder / "photo-1.png").shape == (20, 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "x.png"), "does not end in .dae"),
        (("-o", "x.dae", "--ratio", "8", "--units", "3"), "only one of"),
        (("-o", "x.dae", "--codec", "nobody"), "there is no codec 'nobody'"),
        (("-o", "x.dae", "--codec", "mnist-codec", "--published"), "--published is for pruning"),
        (("-o", "x.dae", "--codec", "mnist-codec", "--keep"), "--keep is for pruning"),
        (("-o", "x.dae", "--units", "300"), "at most 256 units"),
    ],
)
def test_mistakes_are_one_line(
    dae: Dae, tmp_path: Path, photograph: Path, monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = dae("compress", photograph, *options)
    assert done.code in (2, 3)
    assert message in done.err
    assert not list(tmp_path.glob("x.*"))


def test_what_is_no_dae_file_is_one_line(dae: Dae, tmp_path: Path, photograph: Path) -> None:
    done = dae("decompress", photograph, "-o", tmp_path / "x.png")
    assert done.code == 1
    assert done.err == f"error: {photograph}: it was not written by dae compress\n"
    done = dae("decompress", tmp_path / "nothing.dae", "-o", tmp_path / "x.png")
    assert done.code == 2
    assert done.err.startswith(f"error: there is no {tmp_path / 'nothing.dae'}\nhint: give files")
    assert dae("compress", tmp_path / "nothing.png", "-o", tmp_path / "x.dae").code == 2


def test_nothing_is_replaced_unless_asked(dae: Dae, tmp_path: Path, photograph: Path) -> None:
    file = tmp_path / "a.dae"
    codec = ("--codec", "photos-codec", "--no-compare")
    assert dae("compress", photograph, "-o", file, *codec).code == 0
    assert dae("compress", photograph, "-o", file, *codec).code == 2
    assert dae("decompress", file, "-o", photograph).code == 2
    assert dae("decompress", file, "-o", photograph, "--overwrite").code == 0


def test_a_codec_is_learned_from_a_folder_and_used(dae: Dae, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    whole = data.astronaut()
    for number in range(12):
        part = whole[(number // 4) * 120 :, (number % 4) * 120 :][:96, :96]
        Image.fromarray(part).save(folder / f"{number}.png")
    weights, file = tmp_path / "own.safetensors", tmp_path / "a.dae"
    done = dae("codec", "train", "--data", folder, "--units", "24", "-o", weights, "--json", "-q")
    assert done.code == 0
    assert json.loads(done.out)["figures"]["rows"][0]["psnr"] > 10
    card = dae("weights", "show", weights).out
    assert "dae codec train --data photos --units 24 -o own.safetensors" in card
    picture = folder / "0.png"
    assert dae("compress", picture, "-o", file, "--codec", weights, "--units", "20").code == 0
    done = dae("decompress", file, "-o", tmp_path / "x.png")
    assert "which is not published" in done.err
    assert dae("decompress", file, "-o", tmp_path / "x.png", "--codec", weights).code == 0
    assert pixels(tmp_path / "x.png").shape == (96, 96, 3)


def test_a_codec_is_not_trained_by_dae_train(dae: Dae) -> None:
    assert set(codecs()) == {"mnist-codec", "photos-codec"}
    assert dae("train", "autoassociative").code == 2


def test_curves_are_measured_beside_jpeg(dae: Dae, tmp_path: Path, photograph: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    photograph.rename(folder / "photo.png")
    done = dae("benchmark", "compression", "--data", folder, "--ratios", "16,64", "--figures",
               tmp_path, "--json")  # fmt: skip
    assert done.code == 0
    points = json.loads(done.out)["points"]
    assert [point["setting"] for point in points[:2]] == ["16:1", "64:1"]
    assert points[0]["bits"] > points[1]["bits"]
    assert points[0]["psnr"] > points[1]["psnr"]
    assert (tmp_path / "rate-distortion.svg").stat().st_size > 1000
    assert dae("benchmark", "compression", "--data", folder, "--ratios", "0").code == 2
