"""Files that go through page by page: the same results as in memory, whole outputs or none."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray

from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.files import denoise_paged as module
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.denoising.files.pipeline import denoise_files
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.paged import paged_file
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.spec.denoising import DenoiseOptions, Job

SIDE = 112
OPTIONS = DenoiseOptions()


@pytest.fixture(scope="module")
def choice() -> WeightsChoice:
    return WeightsChoice()


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files go through page by page."""
    monkeypatch.setattr(paged_file, "PAGED_FROM", 1000)


def noisy(count: int = 3, side: int = SIDE, top: float = 60_000) -> NDArray[np.uint16]:
    """Images of all of 16 bits, with a noise of 1 in 20; the first is the noisiest."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side] / side
    clean = 0.5 + 0.4 * np.sin(7 * rows + 3 * columns)
    levels = np.linspace(0.08, 0.03, count)[:, None, None]
    images = clean + levels * random.standard_normal((count, side, side))
    values: NDArray[np.uint16] = (images.clip(0, 1) * top).astype(np.uint16)
    return values


def tiff(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        for image in noisy():
            writer.write(image, compression="zlib", contiguous=False, metadata=None)


def mrc(path: Path) -> None:
    with mrcfile.new(path) as file:
        file.set_data(noisy())


def npy(path: Path) -> None:
    np.save(path, noisy())


def zarr_folder(path: Path) -> None:
    zarr.create_array(path, data=noisy(), chunks=(2, 64, 64))


KINDS: dict[str, Callable[[Path], None]] = {
    "a.tif": tiff,
    "a.mrc": mrc,
    "a.npy": npy,
    "a.zarr": zarr_folder,
}


def run(choice: WeightsChoice, source: Path, target: Path, **job: Any) -> Outcome:
    jobs = [Job(source, target, source.name, **job)]
    options = job.pop("options", OPTIONS)
    (outcome,) = denoise_files(jobs, choice, options, Compute())
    return outcome


def content(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def test_padding_that_the_file_does_not_name_stays(
    tmp_path: Path, choice: WeightsChoice, large: None
) -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    outside = np.hypot(rows, columns) > SIDE / 2 - 4
    values = np.where(outside, -2000, noisy(top=1800).astype(np.int16) - 1000).astype(np.int16)
    tifffile.imwrite(tmp_path / "ct.tif", values, photometric="minisblack", metadata=None)
    outcome = run(choice, tmp_path / "ct.tif", tmp_path / "out.tif")
    assert isinstance(outcome, module.PagedOutcome)
    assert outcome.error is None
    assert any("-2000 fills areas" in warning for warning in outcome.remarks)
    denoised = tifffile.imread(tmp_path / "out.tif")
    assert (denoised[:, outside] == -2000).all()
    assert denoised[:, ~outside].min() > -1100
    assert (denoised[:, ~outside] != values[:, ~outside]).mean() > 0.9


@pytest.mark.parametrize("name", KINDS)
def test_the_same_file_as_in_memory(
    tmp_path: Path, name: str, choice: WeightsChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    KINDS[name](tmp_path / name)
    whole = run(choice, tmp_path / name, tmp_path / f"whole-{name}")
    monkeypatch.setattr(paged_file, "PAGED_FROM", 1000)
    paged = run(choice, tmp_path / name, tmp_path / f"paged-{name}")
    assert whole.error is paged.error is None
    assert content(tmp_path / f"paged-{name}") == content(tmp_path / f"whole-{name}")
    assert content(tmp_path / f"paged-{name}") != content(tmp_path / name)
    assert not isinstance(whole, module.PagedOutcome)
    assert isinstance(paged, module.PagedOutcome)
    assert paged.file is None
    for about in ("images", "size", "weights", "quiet", "harmed", "remarks"):
        assert getattr(paged, about) == getattr(whole, about), about
    assert paged.sigma == pytest.approx(whole.sigma)
    assert {path.name for path in tmp_path.iterdir()} == {
        name, f"whole-{name}", f"paged-{name}"
    }  # fmt: skip


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", KINDS)
def test_files_without_noise_come_back_bit_for_bit(
    tmp_path: Path, name: str, choice: WeightsChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "noisy", lambda: np.full((3, SIDE, SIDE), 60_000, np.uint16))
    KINDS[name](tmp_path / name)
    outcome = run(choice, tmp_path / name, tmp_path / f"b-{name}")
    assert outcome.error is None
    assert (outcome.quiet, outcome.weights) == (3, "")
    assert content(tmp_path / f"b-{name}") == content(tmp_path / name)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", KINDS)
def test_in_place(tmp_path: Path, name: str, choice: WeightsChoice) -> None:
    path = tmp_path / name
    KINDS[name](path)
    before = content(path)
    outcome = run(choice, path, path, replace=True)
    assert outcome.error is None
    assert content(path) != before
    assert content(path).keys() == before.keys()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_one_range_for_all_pages_and_a_level_for_each(
    tmp_path: Path, choice: WeightsChoice
) -> None:
    values = noisy(20, top=4000)
    values[7, 3, 4] = 9000  # Of a page that may not be in the sample.
    np.save(tmp_path / "a.npy", values)
    outcome = run(choice, tmp_path / "a.npy", tmp_path / "b.npy")
    assert outcome.error is None
    ranges = {(found.range.black, found.range.white) for found in outcome.found}
    assert len(ranges) == 1
    assert ranges.pop()[1] == pytest.approx(4000, rel=0.05)
    levels = [found.sigma for found in outcome.found]
    assert levels[0] > 1.5 * levels[-1]
    assert max(found.range.highest for found in outcome.found) >= 9000


@pytest.mark.usefixtures("large")
def test_pages_of_nothing_and_missing_values_stay(tmp_path: Path, choice: WeightsChoice) -> None:
    values = (noisy() / 60_000).astype(np.float32)
    values[1] = np.nan
    values[2, :10, :10] = np.inf
    np.save(tmp_path / "a.npy", values)
    outcome = run(choice, tmp_path / "a.npy", tmp_path / "b.npy")
    assert outcome.error is None
    after = np.load(tmp_path / "b.npy")
    np.testing.assert_array_equal(np.isfinite(after), np.isfinite(values))
    assert outcome.remarks[0] == "in 1 page, values are NaN or infinite, and stay so"
    assert outcome.quiet == 1


@pytest.mark.usefixtures("large")
def test_small_images_go_in_groups(tmp_path: Path, choice: WeightsChoice) -> None:
    values = (noisy(40, 28) >> 8).astype(np.uint8)
    np.save(tmp_path / "a.npy", values)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for image in values:
            writer.write(image, contiguous=False, metadata=None)
    for name in ("a.npy", "a.tif"):
        outcome = run(choice, tmp_path / name, tmp_path / f"b-{name}")
        assert isinstance(outcome, module.PagedOutcome)
        assert (outcome.error, outcome.images, outcome.size) == (None, 40, (28, 28))
    after = np.load(tmp_path / "b-a.npy")
    assert after.shape == values.shape
    assert np.abs(np.diff(after.astype(int), axis=2)).mean() < (
        0.8 * np.abs(np.diff(values.astype(int), axis=2)).mean()
    )


@pytest.mark.slow
@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("how", [KeyboardInterrupt, MemoryError, OSError])
def test_what_breaks_off_leaves_nothing(
    tmp_path: Path,
    name: str,
    how: type[BaseException],
    choice: WeightsChoice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    KINDS[name](tmp_path / name)
    (tmp_path / "out").mkdir()
    calls = []

    def fails(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise how(errno.ENOSPC, "No space left on device") if how is OSError else how
        return put(*arguments)

    put = module._put
    monkeypatch.setattr(module, "_put", fails)
    target = tmp_path / "out" / name
    if how is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            run(choice, tmp_path / name, target)
    else:
        outcome = run(choice, tmp_path / name, target)
        assert outcome.error is not None
        expected = "cannot be written: no space" if how is OSError else "not enough memory"
        assert expected in outcome.error.message
        assert str(tmp_path / "out" / name if how is OSError else name) in outcome.error.message
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("large")
def test_an_output_of_another_process_is_not_replaced(
    tmp_path: Path, choice: WeightsChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    npy(tmp_path / "a.npy")
    out = tmp_path / "out"
    out.mkdir()
    put = module._put

    def other(*arguments: Any) -> Any:
        (out / "a.npy").write_bytes(b"of another")
        return put(*arguments)

    monkeypatch.setattr(module, "_put", other)
    outcome = run(choice, tmp_path / "a.npy", out / "a.npy", inside=out)
    assert outcome.skipped
    assert outcome.error is None
    assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [("a.npy", b"of another")]


@pytest.mark.usefixtures("large")
def test_what_goes_through_as_a_whole(tmp_path: Path) -> None:
    npy(tmp_path / "a.npy")
    zarr_folder(tmp_path / "a.zarr")
    job = Job(tmp_path / "a.npy", tmp_path / "b.npy", "a.npy")
    folder = Job(tmp_path / "a.zarr", tmp_path / "b.zarr", "a.zarr")
    for each in (job, folder, replace(job, kind="npy"), replace(job, target=tmp_path / "x" / "b")):
        found = module.paged(each)
        assert found is not None
        assert found.file is not None
        found.file.close()
    for each in (
        replace(job, source=None),
        replace(job, target=None),
        replace(job, keep=True),
        replace(job, kind="tiff"),
        replace(job, target=Path(os.devnull)),
        replace(job, target=tmp_path / "a.zarr"),
        replace(folder, target=tmp_path / "b.zarr.zip"),
        replace(folder, target=tmp_path / "a.npy"),
    ):
        assert module.paged(each) is None


@pytest.mark.usefixtures("large")
def test_progress_and_other_files_of_the_same_call(tmp_path: Path, choice: WeightsChoice) -> None:
    npy(tmp_path / "a.npy")
    tifffile.imwrite(tmp_path / "b.tif", noisy(1)[0, :50, :50])
    (tmp_path / "c.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    jobs = [
        Job(tmp_path / name, tmp_path / f"out-{name}", name)
        for name in ("b.tif", "a.npy", "c.npy", "b.tif")
    ]
    told: list[tuple[str, int, int]] = []
    outcomes = list(
        denoise_files(
            jobs[:3],
            choice,
            OPTIONS,
            Compute(),
            lambda job, done, total: told.append((job.name, done, total)),
        )
    )
    assert [outcome.job.name for outcome in outcomes] == ["b.tif", "a.npy", "c.npy"]
    assert [outcome.error is None for outcome in outcomes] == [True, True, False]
    assert told == [("a.npy", 1, 3), ("a.npy", 2, 3), ("a.npy", 3, 3)]


def test_a_part_of_a_large_page_shows_its_range() -> None:
    values = np.zeros((1, 3000, 2000, 1), np.uint16)
    values[:, ::2] = 7
    part = module._part(Stack(values)).values
    assert part.size <= module.SAMPLE_PIXELS
    assert part.size > module.SAMPLE_PIXELS // 2
    assert part.mean() == pytest.approx(3.5)
    many = module._part(Stack(np.zeros((5000, 30, 30, 1), np.uint8))).values
    assert module.SAMPLE_PIXELS // 4 < many.size <= module.SAMPLE_PIXELS
    small = Stack(values[:, :9, :9])
    assert module._part(small) is small


MEMORY = """
import resource, sys
from pathlib import Path
from dae_tui.core.denoising.apply_network import Compute
from dae_tui.core.denoising.files.pipeline import denoise_files
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.paged import paged_file
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.spec.denoising import DenoiseOptions, Job

paged_file.PAGED_FROM = 1 << 24
small, large = map(Path, sys.argv[1:])
peaks = []
for path in (small, large):
    job = Job(path, path.with_name("out-" + path.name), path.name)
    # A level of 0: all pages are read and written, and the network need not run.
    (outcome,) = denoise_files([job], WeightsChoice(), DenoiseOptions(0.0), Compute())
    assert outcome.error is None, outcome.error
    assert outcome.quiet == outcome.images
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npy", "tif"])
def test_the_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    """256 MB take hardly more than 32 MB do; in memory they took 400 MB more."""
    for name, count in (("small", 16), ("large", 128)):
        values = np.full((count, 1024, 1024), 60_000, np.uint16)
        if kind == "npy":
            np.save(tmp_path / f"{name}.npy", values)
        else:
            tifffile.imwrite(tmp_path / f"{name}.tif", values, photometric="minisblack")
        del values
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    arguments = [str(tmp_path / f"{name}.{kind}") for name in ("small", "large")]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60_000  # KiB.
