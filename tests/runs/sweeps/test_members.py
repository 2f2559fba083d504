"""Which runs belong to a group, and which of them is a training that is asked for again."""

from pathlib import Path
from typing import Any

import pytest

from dae_tui.runs.folder.layout import CONFIG, STATUS, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import set_group
from dae_tui.runs.sweeps.members import find_same, members_of, same_training

WANTED = {"lr": 0.001, "seed": 0, "settings": {"widths": (4, 8)}, "device": "auto", "ema": 0.0}
STORED = {"lr": 0.001, "seed": 0, "settings": {"widths": [4, 8]}, "device": "cpu", "ema": 0.0}


def made(folder: Path, name: str, state: str, config: dict[str, Any]) -> Run:
    run = Run(folder / name)
    run.folder.mkdir(parents=True)
    write_json(run.folder / CONFIG, config)
    write_json(run.folder / STATUS, {"state": state})
    return run


def test_members_have_the_very_name(tmp_path: Path) -> None:
    runs = [made(tmp_path, f"run-{n}", "finished", STORED) for n in range(3)]
    set_group(runs[0], "lr")
    set_group(runs[1], "lr-2")
    assert members_of(tmp_path, "lr") == [runs[0]]
    assert members_of(tmp_path / "nowhere", "lr") == []


@pytest.mark.parametrize(
    ("stored", "swept", "same"),
    [
        (STORED, (), True),
        (STORED | {"lr": 0.003}, (), False),
        (STORED, ("device",), False),
        ({key: value for key, value in STORED.items() if key != "ema"}, (), True),
        (STORED | {"ema": 0.9}, (), False),
        (STORED | {"unknown": 1}, (), True),
        ({}, (), False),
    ],
)
def test_the_same_training_on_whichever_machine(
    stored: dict[str, Any], swept: tuple[str, ...], same: bool
) -> None:
    assert same_training(WANTED, stored, {"ema": 0.0}, swept) is same


def test_a_field_that_is_not_stored_has_its_usual_value() -> None:
    before = {key: value for key, value in STORED.items() if key != "ema"}
    assert not same_training(WANTED | {"ema": 0.9}, before, {"ema": 0.0})


def test_of_several_runs_the_furthest_counts_then_the_newest(tmp_path: Path) -> None:
    states = ("stopped", "finished", "failed", "stopped")
    runs = [made(tmp_path, f"run-{n}", state, STORED) for n, state in enumerate(states)]
    other = made(tmp_path, "run-9", "finished", STORED | {"seed": 1})
    assert find_same(WANTED, [*runs, other], {}) == runs[1]
    assert find_same(WANTED, [runs[0], runs[2], runs[3]], {}) == runs[3]
    assert find_same(WANTED, [other], {}) is None
