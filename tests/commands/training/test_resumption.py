"""Runs that moved, or whose images did: found beside the run, named with --data, or refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import Dae
from PIL import Image
from safetensors.numpy import load_file

from dae_tui.runs.folder.layout import META
from dae_tui.runs.folder.reader import Run, list_runs

OPTIONS = ("--widths", "4,8", "--device", "cpu", "--precision", "fp32", "--quiet")


def write_images(folder: Path, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(30):
        Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).save(
            folder / f"{number:02}.png"
        )


@pytest.fixture
def project(dae: Dae, tmp_path: Path) -> Path:
    """A folder with images and a run of one epoch."""
    project = tmp_path / "a"
    write_images(project / "data")
    trained = dae(
        *("train", "unet", "--data", project / "data", "--epochs", "1"),
        *("--runs-dir", project / "runs", *OPTIONS),
    )
    assert trained.code == 0, trained.err
    return project


def resume(dae: Dae, project: Path, *more: str | Path) -> tuple[int, str]:
    outcome = dae(
        *("train", "--resume", "latest", "--runs-dir", project / "runs", "--epochs", "2"),
        *("--device", "cpu", *more),
    )
    return outcome.code, outcome.err


def only_run(project: Path) -> Run:
    (run,) = list_runs(project / "runs")
    return run


def weights(project: Path) -> dict[str, bytes]:
    state = load_file(only_run(project).folder / "checkpoints" / "last" / "weights.safetensors")
    return {name: value.tobytes() for name, value in state.items()}


def test_a_project_that_moved_goes_on_to_the_same_bits(
    dae: Dae, project: Path, tmp_path: Path
) -> None:
    stayed = tmp_path / "stayed"
    shutil.copytree(project, stayed)
    assert resume(dae, stayed)[0] == 0  # Its images are still where they were.
    moved = project.rename(tmp_path / "b")
    code, said = resume(dae, moved)
    assert code == 0, said
    assert f"the images are in {moved / 'data'} now; they were in {project / 'data'}" in said
    assert weights(moved) == weights(stayed)
    assert only_run(moved).config()["data"] == str(moved / "data")
    # Moved once more, it is found again.
    again = moved.rename(tmp_path / "c")
    assert resume(dae, again, "--epochs", "3")[0] == 0


def test_images_that_moved_alone_are_named(dae: Dae, project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "archive" / "images of last year"
    elsewhere.parent.mkdir()
    (project / "data").rename(elsewhere)
    code, said = resume(dae, project)
    assert code == 2
    assert "are gone: there is no folder" in said
    assert "--data FOLDER" in said
    code, said = resume(dae, project, "--data", elsewhere)
    assert code == 0, said
    assert only_run(project).config()["data"] == str(elsewhere)


def test_other_images_are_refused_and_the_run_stays_as_it_was(
    dae: Dae, project: Path, tmp_path: Path
) -> None:
    write_images(tmp_path / "others", seed=1)
    before = only_run(project)
    kept = (before.config(), before.meta(), before.status())
    code, said = resume(dae, project, "--data", tmp_path / "others")
    assert code == 3
    assert "are not those that the run was trained on" in said
    assert (before.config(), before.meta(), before.status()) == kept
    # So are images that have changed in their place.
    Image.new("L", (16, 16), 7).save(project / "data" / "05.png")
    assert resume(dae, project)[0] == 3


def test_a_data_set_by_name_takes_no_folder_in_its_place(
    dae: Dae, project: Path, tmp_path: Path
) -> None:
    code, said = resume(dae, project, "--data", "digits")
    assert code == 2
    assert "a resumed run keeps its data" in said


def test_a_run_without_a_checksum_still_resumes(dae: Dae, project: Path, tmp_path: Path) -> None:
    """As runs of version 0.1.0, which say where they were at their end alone."""
    run = only_run(project)
    meta = run.meta()
    del meta["data_checksum"], meta["folder"]
    (run.folder / META).write_text(json.dumps(meta))
    assert (run.data_checksum(), run.recorded_folder()) == (None, run.folder)
    moved = project.rename(tmp_path / "b")
    code, said = resume(dae, moved)
    assert code == 0, said
    assert "only their number is compared" in said
    assert only_run(moved).data_checksum() is not None
