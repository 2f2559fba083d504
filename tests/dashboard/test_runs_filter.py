"""Conditions on fields in the filter of the list of runs."""

from pathlib import Path
from typing import Any

import pytest

from dae_tui.dashboard.runs_filter import matches, parse_filter
from dae_tui.runs.layout import CONFIG, STATUS, write_json
from dae_tui.runs.reader import Run
from dae_tui.runs.tags import change_tags
from dae_tui.runs.watching.runs_watch import RunsWatch

RUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "good": (
        {"network": "unet", "data": "mnist", "noise": "gaussian:0.5", "lr": 0.006},
        {"state": "finished", "val_loss": 0.005, "epoch": 30, "test_accuracy": 97.3},
    ),
    "bad": (
        {"network": "dense", "data": "mnist", "noise": "poisson:30", "lr": 0.001, "loss": "l1"},
        {"state": "failed", "val_loss": 0.05, "epoch": 3, "reason": "the loss is nan"},
    ),
    "new": (
        {"network": "unet", "data": "/photos/of mine", "noise": "none", "lr": 0.006},
        {"state": "stopped", "epoch": 1},
    ),
}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", "good bad new"),
        ("state:failed", "bad"),
        ("state:", "good bad new"),
        ("loss<0.01", "good"),
        ("loss>=0.05", "bad"),
        ("loss:l1", "bad"),
        ("data:mnist lr=0.006", "good"),
        ("lr=6e-3", "good new"),
        ("lr!=0.006", "bad"),
        ("LR=0.006 Network=UNET", "good new"),
        ("network=une", ""),
        ("network:une", "good new"),
        ("gaussian:0.5", "good"),
        ("noise:poisson", "bad"),
        ("epoch<10 -state:failed", "new"),
        ("test>97", "good"),
        ("test<97", ""),
        ("reason:nan", "bad"),
        ("tag:best", "good"),
        ("-tag:best", "bad new"),
        ("tag!=best", "bad new"),
        ("best", "good"),
        ('"of mine"', "new"),
        ('data:"of mine', "new"),  # The quote is still open.
        ("momentum<3", ""),
        ("unet mnist", "good"),
        ("lr<", "good bad new"),
    ],
)
def test_runs_are_found_by_their_fields(tmp_path: Path, typed: str, found: str) -> None:
    for name, (config, status) in RUNS.items():
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / CONFIG, config)
        write_json(tmp_path / name / STATUS, status)
    change_tags(Run(tmp_path / "good"), ["best"])
    rows = RunsWatch(tmp_path).look()
    conditions = parse_filter(typed)
    names = {row.run.name for row in rows if matches(conditions, row)}
    assert names == set(found.split())
