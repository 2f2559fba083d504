"""Where `dae denoise --reference` finds clean images: whatever its inputs may be."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from command_line import Dae
from numpy.typing import NDArray

from dae_tui.commands.denoising import report
from dae_tui.commands.denoising.plan import Plan
from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.spec.denoising import Job

FAST = ("--weights", "mnist-autoencoder", "--sigma", "0.5")


@pytest.fixture(scope="module")
def clean() -> NDArray[np.uint8]:
    """Digits (3, 28, 28)."""
    return load("digits", "test", Path()).images[:3, 0].numpy()


@pytest.fixture(scope="module")
def noisy() -> NDArray[np.uint8]:
    """The same digits with noise."""
    images = unit(load("digits", "test", Path()).images[:3])[:, 0].numpy()
    images = images + np.random.default_rng(0).normal(0, 0.5, images.shape)
    return np.asarray((images.clip(0, 1) * 255).round(), np.uint8)


def gain(dae: Dae, *arguments: Any) -> float:
    """By how many dB denoising came closer to the reference."""
    done = dae("denoise", *arguments, *FAST, "--json")
    assert done.code == 0, (done.out, done.err)
    line = json.loads(done.out)
    return float(line["after"]["psnr"] - line["before"]["psnr"])


def test_a_zarr_folder_and_a_data_set_are_references(
    dae: Dae, tmp_path: Path, clean: NDArray[np.uint8], noisy: NDArray[np.uint8]
) -> None:
    np.save(tmp_path / "noisy.npy", noisy)
    zarr.create_array(tmp_path / "clean.zarr", data=clean)
    with h5py.File(tmp_path / "clean.h5", "w") as file:
        file["x/clean"], file["other"] = clean, noisy
    for number, reference in enumerate(("clean.zarr", "clean.h5:/x/clean")):
        inputs = tmp_path / "noisy.npy", "-o", tmp_path / f"{number}.npy"
        assert gain(dae, *inputs, "--reference", tmp_path / reference) > 4


def test_in_a_folder_of_references_a_data_set_is_compared_with_its_like(
    dae: Dae, tmp_path: Path, clean: NDArray[np.uint8], noisy: NDArray[np.uint8]
) -> None:
    for name, first in (("clean", clean), ("noisy", noisy)):
        (tmp_path / name).mkdir()
        zarr.create_array(tmp_path / name / "b.zarr", data=first)
        with h5py.File(tmp_path / name / "a.h5", "w") as file:
            file["x"], file["other"] = first, noisy
    for source in ("a.h5:/x", "b.zarr"):
        inputs = tmp_path / "noisy" / source, "-o", f"{tmp_path}/out/"
        assert gain(dae, *inputs, "--reference", tmp_path / "clean") > 4


def test_a_reference_that_is_missing_is_a_typing_mistake(
    dae: Dae, tmp_path: Path, noisy: NDArray[np.uint8]
) -> None:
    np.save(tmp_path / "noisy.npy", noisy)
    inputs = "denoise", tmp_path / "noisy.npy", "-o", tmp_path / "out.npy"
    for missing in ("none.png", "none.h5:/x"):
        refused = dae(*inputs, "--reference", tmp_path / missing)
        assert refused.code == 2
        assert f"there is no {tmp_path / missing}" in refused.err
    with h5py.File(tmp_path / "clean.h5", "w") as file:
        file["x"] = noisy
    failed = dae(*inputs, "--reference", f"{tmp_path}/clean.h5:/y")
    assert failed.code == 1
    assert ":/x" in failed.err


def test_a_file_of_many_pages_moves_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "DRAW_EVERY", 0)
    job = Job(Path("a.tif"), Path("b.tif"), "a.tif")
    made = report.DenoiseReport(
        Plan([job, job]), json=False, quiet=False, verbose=False, preview=False, compare=None,
        residual=None,
        reference=None, sigma_given=False,
    )  # fmt: skip
    made.page(job, 3, 4)
    (task,) = made._bar.tasks
    assert task.completed == 0.75
    assert task.fields["rate"] == "page 3 of 4"
