"""Weights by what a person calls them: a published name, a file, or a run.

The one place where published weights and runs are known together; no torch.
"""

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from dae_tui.core.cards import published, read_metadata
from dae_tui.core.config import DATA_SETS, DATA_SETS_SIZE
from dae_tui.errors import RunError, WeightsError
from dae_tui.runs.reader import find_run
from models.registry import NETWORKS

LEAST_SIGMA_OF_DIGITS = 0.16


def find_weights(text: str, runs_dir: Path) -> Path:
    """The weights file that `--weights` means: a published name, a file, or a run."""
    if text in published():
        return published()[text]
    # Not Path.expanduser and is_file: those raise for an unknown user and a name that is too long.
    path = Path(os.path.expanduser(text))  # noqa: PTH111
    if os.path.isfile(path):  # noqa: PTH113
        return path
    hint = f"published weights: {', '.join(published())}; or give a file, or a run of dae runs list"
    try:
        run = find_run(text, runs_dir)
    except RunError as failure:
        raise WeightsError(f"there are no weights '{text}'", hint) from failure
    if not run.weights.is_file():
        raise WeightsError(f"the run {run.name} has no weights yet", "wait for its first epoch")
    return run.weights


def best_published(height: int, width: int, sigma: float) -> Path:
    """The published weights that suit images of a size and noise level best.

    Digits have weights of their own, for as strong a noise as they have learnt. Measured on MNIST
    (PSNR, digits' against photographs' weights): 24.4 and 23.2 dB at sigma 0.2, 24.7 and 25.2 at
    0.15, 24.9 and 27.7 at 0.1, where those of the digits are too smooth.
    """
    digits = (height, width) == DATA_SETS_SIZE and sigma >= LEAST_SIGMA_OF_DIGITS
    suitable = {
        path: metadata
        for path, metadata in _denoisers().items()
        if (metadata["data"] in DATA_SETS) == digits
    }
    return max(suitable, key=lambda path: suitable[path]["figures"]["rows"][-1]["psnr"])


@cache
def _denoisers() -> dict[Path, dict[str, Any]]:
    """What the published denoisers say of themselves: this is asked for every image."""
    every = {path: read_metadata(path) for path in published().values()}
    return {
        path: metadata
        for path, metadata in every.items()
        if NETWORKS[metadata["network"]].task == "denoise"
    }


def weights_name(path: Path) -> str:
    """What to call a weights file in a table: its stem, or its run's name without the time."""
    if path.parts[-3:-2] != ("checkpoints",):
        return path.stem
    return re.sub(r"^\d{8}-\d{6}-", "", path.parents[2].resolve().name)
