"""What `dae train` would do with a command line, checked by itself, for what runs it many times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dae_tui.spec.training_config import TrainingConfig


@dataclass(frozen=True)
class Rehearsed:
    """A training that was checked and not begun."""

    config: TrainingConfig
    label: str
    """What its run is named after."""
    runs_dir: Path
    options: Sequence[str]
    """What its process is to be told beside the config."""


@dataclass
class Rehearsal:
    """As `obj` of its context it has `dae train` check what was typed and train nothing."""

    seen: list[Rehearsed] = field(default_factory=list)
