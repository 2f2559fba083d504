"""Weights by what a person calls them: a published name, a file, or a run.

The one place where published weights and runs are known together; no torch.
"""

import os
import re
from pathlib import Path

from dae_tui.core.cards import published
from dae_tui.errors import RunError, WeightsError
from dae_tui.runs.reader import find_run


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


def weights_name(path: Path) -> str:
    """What to call a weights file in a table: its stem, or its run's name without the time."""
    if path.parts[-3:-2] != ("checkpoints",):
        return path.stem
    return re.sub(r"^\d{8}-\d{6}-", "", path.parents[2].resolve().name)
