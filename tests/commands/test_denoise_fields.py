"""`dae denoise` of files that are folders or parts of files, of raw files and of tables."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import heic_files
import numpy as np
import pytest
import tifffile
import zarr
from command_line import Dae
from numpy.typing import NDArray
from PIL import Image

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load

RANDOM = np.random.default_rng(0)
RAW_TAGS: list[Any] = [(33421, "H", 2, (2, 2)), (33422, "B", 4, (0, 1, 1, 2))]


@pytest.fixture(scope="module")
def digits() -> NDArray[np.uint8]:
    """Noisy digits (4, 28, 28)."""
    images = unit(load("digits", "test", Path()).images[:4])[:, 0].numpy()
    noisy = images + RANDOM.normal(0, 0.5, images.shape)
    return np.asarray((noisy.clip(0, 1) * 255).round(), np.uint8)


@pytest.fixture
def folder(tmp_path: Path, digits: NDArray[np.uint8]) -> Path:
    """A folder `in` with a Zarr folder and an HDF5 file of two sets."""
    (tmp_path / "in").mkdir()
    zarr.create_array(tmp_path / "in" / "a.zarr", data=digits, chunks=(1, 28, 28))
    with h5py.File(tmp_path / "in" / "b.h5", "w") as file:
        file["x/first"], file["second"], file["line"] = digits, digits[0], np.arange(5)
    return tmp_path / "in"


def changed(before: NDArray[Any], after: Any) -> bool:
    """Whether other values of the same shape and type came back."""
    values = np.asarray(after)
    assert (values.shape, values.dtype) == (before.shape, before.dtype)
    return bool((values != before).any())


def array(path: Path) -> Any:
    return zarr.open_array(path, mode="r")[...]


def test_a_zarr_folder_is_one_image_file(dae: Dae, folder: Path, digits: NDArray[np.uint8]) -> None:
    out = folder.parent / "out"
    done = dae("denoise", folder / "a.zarr", "-o", folder.parent / "new.zarr", "--json")
    assert done.code == 0
    assert json.loads(done.out)["images"] == 4
    assert changed(digits, array(folder.parent / "new.zarr"))
    again = dae("denoise", folder / "a.zarr", "-o", f"{folder.parent}/new.zarr/")
    assert again.code == 2
    assert "new.zarr exists" in again.err
    (folder / "b.h5").unlink()
    assert dae("denoise", folder, "-o", out).code == 0
    assert [path.name for path in out.iterdir()] == ["a.zarr"]
    np.testing.assert_array_equal(array(out / "a.zarr"), array(folder.parent / "new.zarr"))
    assert "skipped 1 file" in dae("denoise", folder, "-o", out).err
    assert dae("denoise", folder / "a.zarr", "--in-place").code == 0
    np.testing.assert_array_equal(array(folder / "a.zarr"), array(out / "a.zarr"))
    assert [path.name for path in folder.iterdir()] == ["a.zarr"]


def test_other_kinds_become_zarr_and_back(dae: Dae, folder: Path) -> None:
    tiff, store = folder.parent / "a.tif", folder.parent / "b.zarr"
    assert dae("denoise", folder / "a.zarr", "-o", tiff).code == 0
    assert tifffile.imread(tiff).shape == (4, 28, 28)
    assert dae("denoise", tiff, "-o", store, "--sigma", "0").code == 0
    assert array(store).shape == (4, 28, 28)
    (folder.parent / "mine.zarr").mkdir()
    (folder.parent / "mine.zarr" / "letter").touch()
    assert dae("denoise", tiff, "-o", folder.parent / "mine.zarr", "--overwrite").code == 0
    assert (folder.parent / "mine.zarr" / "letter").exists()


def test_a_data_set_of_a_file(dae: Dae, folder: Path, digits: NDArray[np.uint8]) -> None:
    out = folder.parent / "out"
    missing = dae("denoise", folder / "b.h5", "-o", out / "b.h5")
    assert missing.code == 1
    assert "hint: name one behind the file: :/second :/x/first" in missing.err
    assert dae("denoise", f"{folder}/b.h5:/x/first", "-o", f"{out}/").code == 0
    with h5py.File(out / "b.h5") as file:
        assert changed(digits, file["x/first"])
        assert not changed(digits[0], file["second"])
        denoised = file["x/first"][()]
    assert "skipped 1" in dae("denoise", f"{folder}/b.h5:/x/first", "-o", f"{out}/").err
    assert dae("denoise", f"{folder}/*.h5:/x/first", "-o", f"{out}/more/").code == 0
    assert (out / "more" / "b.h5").read_bytes() == (out / "b.h5").read_bytes()
    assert dae("denoise", f"{folder}/b.h5:/x/first", "-o", f"{out}/new.h5:/it").code == 0
    with h5py.File(out / "new.h5") as file:
        assert list(file) == ["it"]
        np.testing.assert_array_equal(file["it"], denoised)
    assert dae("denoise", f"{folder}/b.h5:/x/first", "--in-place").code == 0
    with h5py.File(folder / "b.h5") as file:
        np.testing.assert_array_equal(file["x/first"], denoised)
        assert not changed(digits[0], file["second"])
    both = dae("denoise", f"{folder}/b.h5:/x/first", f"{folder}/b.h5:/second", "--in-place")
    assert both.code == 1
    assert "as would" in both.err


def test_mistakes_about_data_sets(dae: Dae, folder: Path) -> None:
    wrong = dae("denoise", folder / "a.zarr", "-o", f"{folder}/c.h5:/x", "--format", "png")
    assert (wrong.code, "is a data set of HDF5" in wrong.err) == (2, True)
    assert "there is no" in dae("denoise", f"{folder}/none.h5:/x", "-o", f"{folder}/c.h5").err


def test_raw_files_become_tiffs_and_are_not_replaced(dae: Dae, tmp_path: Path) -> None:
    for name in ("a.dng", "b.tif"):
        tags = [*RAW_TAGS, (50706, "B", 4, (1, 4, 0, 0))]
        sensor = RANDOM.integers(4000, 6000, (32, 32)).astype(np.uint16)
        tifffile.imwrite(tmp_path / name, sensor, photometric=32803, extratags=tags, metadata=None)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()}
    refused = dae("denoise", *before, "--in-place")
    assert refused.code == 1
    assert refused.err.count("raw data of a camera, which cannot be written back") == 2
    assert {path: path.read_bytes() for path in before} == before
    assert dae("denoise", tmp_path / "a.dng", "-o", tmp_path / "out.dng").code == 2
    assert dae("denoise", *before, "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "b.tif"]
    assert tifffile.imread(tmp_path / "out" / "a.tif").shape == (32, 32, 3)


def test_tables_of_digits(dae: Dae, tmp_path: Path, digits: NDArray[np.uint8]) -> None:
    rows = digits.reshape(4, 784)
    np.save(tmp_path / "a.npy", rows)
    lines = [",".join(map(str, [7, *row])) for row in rows.tolist()]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "labels.csv").write_text("file,label\na.npy,7\n")
    assert dae("denoise", tmp_path, "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "a.npy"]
    made = np.load(tmp_path / "out" / "a.npy")
    assert changed(rows, made)
    table = np.loadtxt(tmp_path / "out" / "a.csv", delimiter=",")
    assert set(table[:, 0]) == {7}
    np.testing.assert_array_equal(table[:, 1:], made)


def test_heic_photographs_become_tiffs_and_are_not_replaced(dae: Dae, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.HEIC").write_bytes(heic_files.TURNED)
    (source / "b.heif").write_bytes(heic_files.FLAT)  # Without noise, which others copy.
    (source / "c.tif").write_bytes(heic_files.TEN_BITS)
    Image.fromarray(heic_files.waves(3)).save(source / "d.heic", "AVIF")
    before = {path: path.read_bytes() for path in source.iterdir() if path.name < "d"}
    refused = dae("denoise", source, "--in-place")
    assert refused.code == 1
    assert refused.err.count("is a HEIF photograph, which cannot be written back") == 3
    assert {path: path.read_bytes() for path in before} == before
    assert dae("denoise", source / "a.HEIC", "-o", tmp_path / "out.heic").code == 2
    assert dae("denoise", source, "-o", tmp_path / "out").code == 0
    made = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert sorted(made) == ["a.tif", "b.tif", "c.tif", "d.heic"]
    assert tifffile.imread(made["a.tif"]).shape == (48, 32, 3)
    assert (tifffile.imread(made["b.tif"]) == 90).mean() > 0.99
    assert tifffile.imread(made["c.tif"]).dtype == np.uint16
    with Image.open(made["d.heic"]) as image:
        assert image.format == "AVIF"
    again = dae("denoise", source, "-o", tmp_path / "out")
    assert "skipped 4 files whose output exists" in again.err


def test_a_heic_with_another_name_needs_a_kind(dae: Dae, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(heic_files.COLOUR)
    for command in (["denoise"], ["noise", "add", "--noise", "gaussian:0.1"]):
        refused = dae(*command, tmp_path / "a.jpg", "-o", f"{tmp_path}/out/")
        assert refused.code == 1
        assert "is a heif file, and becomes a tiff" in refused.err
        assert not (tmp_path / "out" / "a.jpg").exists()
    made = tmp_path / "b.png"
    assert dae("denoise", tmp_path / "a.jpg", "-o", made).code == 0
    with Image.open(made) as image:
        assert (image.format, image.size) == ("PNG", (48, 32))


def test_pngs_are_read_without_the_libraries_of_other_kinds(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from dae_tui.core.images import formats;"
        "import numpy as np; from PIL import Image;"
        "Image.fromarray(np.zeros((9, 9), np.uint8)).save('a.png');"
        "formats.read_file(Path('a.png'), 'a.png');"
        "heavy = {'mrcfile', 'astropy', 'pydicom', 'nibabel', 'zarr', 'h5py', 'rawpy',"
        " 'pi_heif'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
