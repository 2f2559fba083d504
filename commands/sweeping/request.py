"""What `dae sweep` was asked for, as typed, and the command that goes on with it."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from dae_tui.commands.options import RUNS_DIR


@dataclass(frozen=True)
class SweepRequest:
    """The options of a sweep, and the command that it runs."""

    settings: tuple[str, ...]
    """Of `--set`."""
    command: tuple[str, ...]
    """`train` and its options."""
    seeds: str | None = None
    jobs: int = 1
    group: str | None = None
    runs_dir: Path = RUNS_DIR

    def again(self, group: str, trials: int | None = None) -> str:
        """The command that goes on with it; with `trials`, with a search."""
        words = ["dae", "sweep"]
        if trials is not None:
            words += ["--search", "optuna", "--trials", str(trials)]
        words += ["--group", group]
        words += [word for each in self.settings for word in ("--set", each)]
        words += ["--seed", self.seeds] if self.seeds is not None else []
        words += ["--jobs", str(self.jobs)] if self.jobs > 1 else []
        usual = Path(os.environ.get("DAE_RUNS") or RUNS_DIR)
        if self.runs_dir != usual:  # Without it, a new group would begin there.
            words += ["--runs-dir", str(self.runs_dir)]
        return shlex.join([*words, "--", *self.command])
