"""Conditions on fields in the filter of the list of runs."""

from pathlib import Path
from typing import Any

import pytest

from dae_tui.dashboard.content.runs_filter import listed, matches, parse_filter
from dae_tui.runs.folder.layout import CONFIG, STATUS, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import change_tags, set_archived, set_group
from dae_tui.runs.watching.runs_watch import RunRow, RunsWatch

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
        ("group:lr", "good bad"),
        ("group=lr-1", "good"),
        ("-group:lr", "new"),
        ("lr-2", "bad"),
        ("is:archived", "new"),
        ("-is:archived", "good bad"),
        ("is:alive", ""),
        ("is:arch", ""),
        ("is:", "good bad new"),
        ('"of mine"', "new"),
        ('data:"of mine', "new"),  # The quote is still open.
        ("momentum<3", ""),
        ("unet mnist", "good"),
        ("lr<", "good bad new"),
    ],
)
def test_runs_are_found_by_their_fields(tmp_path: Path, typed: str, found: str) -> None:
    rows = rows_in(tmp_path)
    conditions = parse_filter(typed)
    names = {row.run.name for row in rows if matches(conditions, row)}
    assert names == set(found.split())


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", "good bad"),
        ("unet", "good"),
        ("is:archived", "new"),
        ("is:archived good", ""),
        ("-is:archived unet", "good"),
        ("is:archive", ""),
    ],
)
def test_archived_runs_are_listed_where_they_are_asked_for(
    tmp_path: Path, typed: str, found: str
) -> None:
    rows = listed(parse_filter(typed), rows_in(tmp_path))
    assert {row.run.name for row in rows} == set(found.split())


def rows_in(folder: Path) -> list[RunRow]:
    """The runs above; the first with a tag, two in groups, the last in the archive."""
    for name, (config, status) in RUNS.items():
        (folder / name).mkdir()
        write_json(folder / name / CONFIG, config)
        write_json(folder / name / STATUS, status)
    change_tags(Run(folder / "good"), ["best"])
    set_group(Run(folder / "good"), "lr-1")
    set_group(Run(folder / "bad"), "lr-2")
    set_archived(Run(folder / "new"), True)
    return RunsWatch(folder).look()
