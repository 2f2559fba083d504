"""Weights by what a person calls them: a published name, a file, or a run.

The one place where published weights and runs are known together; no torch.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

from dae_tui.errors import RunError, WeightsError
from dae_tui.models.registry import NETWORKS
from dae_tui.runs.reader import find_run
from dae_tui.spec.model_cards import published, read_metadata
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import DATA_SETS, DATA_SETS_SIZE
from dae_tui.system.printable import shortened

LEAST_SIGMA_OF_DIGITS = 0.08
NEAR = 0.3
"""How far a level may be from the one that weights have learnt, as a share of it."""


def find_weights(text: str, runs_dir: Path) -> Path:
    """The weights file that `--weights` means: a published name, a file, or a run."""
    if text in published():
        return published()[text]
    # Not Path.expanduser and exists: those raise for an unknown user and a name that is too long.
    path = Path(os.path.expanduser(text))  # noqa: PTH111
    if os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112
        return path  # If it is a pipe or a device, reading says so.
    hint = f"published weights: {', '.join(published())}; or give a file, or a run of dae runs list"
    try:
        run = find_run(text, runs_dir)
    except RunError as failure:
        raise WeightsError(f"there are no weights '{shortened(text)}'", hint) from failure
    return run.best_weights()


def best_published(height: int, width: int, sigma: float) -> Path:
    """The published weights that suit images of a size and noise level best.

    Digits have weights of their own. Measured on MNIST (PSNR in dB of those that have learnt one
    level, 0.5, of those that have learnt every level, and of those for photographs):
    24.8, 30.8, 32.6 at sigma 0.05; 24.6, 29.1, 28.0 at 0.1; 23.3, 23.9, 20.9 at 0.3; 22.4, 22.3,
    18.8 at 0.4; 21.2, 20.9, 16.9 at 0.5; 17.4, 18.0, 11.5 at 0.8.
    """
    digits = (height, width) == DATA_SETS_SIZE and sigma >= LEAST_SIGMA_OF_DIGITS
    suitable = {
        path: metadata
        for path, metadata in _denoisers().items()
        if (metadata["data"] in DATA_SETS) == digits
    }
    return max(
        suitable,
        key=lambda path: (
            _fits(suitable[path]["noise"], sigma),
            suitable[path]["figures"]["rows"][-1]["psnr"],
        ),
    )


def _fits(noise: str, sigma: float) -> int:
    """How well weights that have learnt from `noise` suit a level: better if from it alone."""
    low, high = parse_noise(noise).stages[0].low, parse_noise(noise).stages[0].high
    if low == high:
        return 2 if abs(sigma / low - 1) < NEAR else 0
    return 1


@cache
def _denoisers() -> dict[Path, dict[str, Any]]:
    """What the published denoisers say of themselves: this is asked for every image."""
    every = {path: read_metadata(path) for path in published().values()}
    return {
        path: metadata
        for path, metadata in every.items()
        if NETWORKS[metadata["network"]].task == "denoise"
    }
