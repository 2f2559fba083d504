"""How far the last checkpoint of a run is, without loading it and without torch."""

import json
import os
from dataclasses import dataclass

from dae_tui.runs.folder.layout import LAST_STATE, MOST_JSON
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import number
from dae_tui.system.regular_files import open_regular

# A safetensors file begins with the length of its header, as a little-endian integer.
LENGTH_BYTES = 8


@dataclass(frozen=True)
class SavedProgress:
    """What a run would resume from."""

    epoch: int
    """Whole epochs."""
    step: int


def saved_progress(run: Run) -> SavedProgress | None:
    """The progress that the last checkpoint holds; None if there is none, or it is broken."""
    try:
        with os.fdopen(open_regular(run.folder / LAST_STATE), "rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            header = json.loads(file.read(min(length, MOST_JSON)))
        progress = json.loads(header["__metadata__"]["progress"])
        epoch, step = number(progress["epoch"]), number(progress["step"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return None if epoch is None or step is None else SavedProgress(int(epoch), int(step))
