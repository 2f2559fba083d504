"""Weights by what a person calls them: a published name, a file, or a run.

The one place where published weights and runs are known together; no torch.
"""

import os
from pathlib import Path

from dae_tui.errors import RunError, WeightsError
from dae_tui.runs.folder.reader import find_run
from dae_tui.spec.model_cards import published
from dae_tui.system.printable import shortened


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
