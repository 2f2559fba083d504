"""The runs of a group, and which of them is a training that is asked for again."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from dae_tui.runs.folder.layout import State, dump_json
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.folder.tags import read_tags

# What decides where a network is trained, and not which.
MACHINE = ("data_dir", "device", "compile")
# Of several runs of the same training the one that is furthest counts.
_FURTHEST = (State.FINISHED, State.EVALUATING, State.RUNNING, State.PAUSED, State.STARTING)


def members_of(runs_dir: Path, group: str) -> list[Run]:
    """The runs of a group, oldest first."""
    return [run for run in list_runs(runs_dir) if read_tags(run).group == group]


def same_training(
    wanted: Mapping[str, Any],
    stored: Mapping[str, Any],
    usual: Mapping[str, Any],
    swept: Collection[str] = (),
) -> bool:
    """Whether two configs are of one training, on whichever machine.

    Args:
        wanted: a config with every field.
        stored: one that was read.
        usual: what fields are taken for that an older version has not stored.
        swept: fields that tell trainings apart even if they are only of the machine.
    """
    if not stored:
        return False
    wanted, known = json.loads(dump_json(wanted)), {**usual, **stored}
    left_out = set(MACHINE) - set(swept)
    return all(known.get(key) == value for key, value in wanted.items() if key not in left_out)


def find_same(
    wanted: Mapping[str, Any],
    runs: Iterable[Run],
    usual: Mapping[str, Any],
    swept: Collection[str] = (),
) -> Run | None:
    """The run of a training among others; of several the one that is furthest, then the newest."""
    same = [run for run in runs if same_training(wanted, run.config(), usual, swept)]
    if not same:
        return None
    states = {run: run.state() for run in same}
    return max(same, key=lambda run: (-_place(states[run]), run.name))


def _place(state: State) -> int:
    return _FURTHEST.index(state) if state in _FURTHEST else len(_FURTHEST)
