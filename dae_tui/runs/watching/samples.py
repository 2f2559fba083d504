"""The images that a run saves as it trains: the same few in all views, after each epoch."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dae_tui.runs.folder.layout import SAMPLES
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.npz_files import BROKEN, read_archive

COLOURS = 3
VIEWS = ("original", "noisy", "denoised")
# A few digits in three views take ten thousand bytes or so, as many photographs some millions.
MOST_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class SavedSample:
    """A few images after `step` steps."""

    step: int
    views: dict[str, NDArray[np.uint8]]
    """`original`, `noisy` and `denoised`, each (N, H, W), or (N, 3, H, W) in colour."""
    labels: NDArray[np.int64] | None
    predictions: dict[str, NDArray[np.int64]]
    """What the classifier reads in each view, (N,) each; empty without a classifier."""
    psnr: dict[str, NDArray[np.float64]]
    """dB of `noisy` and `denoised` against `original`, (N,) each; infinite where they are equal."""

    def __len__(self) -> int:
        return len(self.views["original"])


@dataclass(frozen=True)
class BrokenSample:
    """A file of samples that cannot be shown, and why."""

    step: int
    reason: str


def sample_steps(run: Run) -> list[int]:
    """The steps after which images were saved, ascending."""
    try:
        names = [path.stem for path in (run.folder / SAMPLES).iterdir() if path.suffix == ".npz"]
    except OSError:
        return []
    return sorted(int(name) for name in names if re.fullmatch(r"[0-9]{8,}", name))


def load_sample(run: Run, step: int) -> SavedSample | BrokenSample:
    """The images that were saved after `step` steps, or why they cannot be shown."""
    path = run.folder / SAMPLES / f"{step:08d}.npz"
    try:
        arrays = read_archive(path, MOST_BYTES)
        stacks = {view: arrays[view] for view in VIEWS}
    except FileNotFoundError:
        return BrokenSample(step, f"{path.name} is gone")
    except KeyError as failure:
        return BrokenSample(step, f"{path.name} lacks the view {failure}")
    except BROKEN as failure:
        why = failure.strerror if isinstance(failure, OSError) else failure
        return BrokenSample(step, f"{path.name} cannot be read: {why}")
    shape = stacks["original"].shape
    if (
        len(shape) != 4
        or 0 in shape
        or any(stack.shape != shape or stack.dtype != np.uint8 for stack in stacks.values())
    ):
        return BrokenSample(step, f"{path.name} holds no images of one size")
    original = stacks["original"].astype(np.float64)
    psnr = {}
    for view in VIEWS[1:]:
        error = np.square(stacks[view] - original).mean(axis=(1, 2, 3)) / 255**2
        with np.errstate(divide="ignore"):
            psnr[view] = -10 * np.log10(error)
    return SavedSample(
        step,
        {view: _drawn(stack) for view, stack in stacks.items()},
        _integers(arrays.get("labels"), len(original)),
        {
            view: known
            for view in VIEWS
            if (known := _integers(arrays.get(f"reads_{view}"), len(original))) is not None
        },
        psnr,
    )


def _drawn(stack: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (N, C, H, W) as they are drawn: three channels as colours, others as their mean."""
    if stack.shape[1] == COLOURS:
        return stack
    grey: NDArray[np.uint8] = stack.mean(axis=1).round().astype(np.uint8)
    return grey


def _integers(array: NDArray[np.generic] | None, count: int) -> NDArray[np.int64] | None:
    """One integer per image, or None for anything else."""
    if array is None or array.shape != (count,) or not np.issubdtype(array.dtype, np.integer):
        return None
    return array.astype(np.int64)
