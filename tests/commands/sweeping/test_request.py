"""The command that goes on with a sweep."""

from pathlib import Path

import pytest

from dae_tui.commands.sweeping.request import SweepRequest


@pytest.fixture(autouse=True)
def usual_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAE_RUNS", raising=False)


def test_it_is_what_was_typed_with_the_group() -> None:
    asked = SweepRequest(("lr=1,2", "widths=4,8;8,16"), ("train", "--name", "a b"), "0..2", 4)
    assert asked.again("g") == (
        "dae sweep --group g --set lr=1,2 --set 'widths=4,8;8,16' --seed 0..2 --jobs 4 "
        "-- train --name 'a b'"
    )


def test_it_names_a_folder_that_is_not_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = SweepRequest(("lr=1",), ("train",), runs_dir=Path("other runs"))
    assert asked.again("g") == ("dae sweep --group g --set lr=1 --runs-dir 'other runs' -- train")
    monkeypatch.setenv("DAE_RUNS", "other runs")
    assert asked.again("g") == "dae sweep --group g --set lr=1 -- train"


def test_that_of_a_search_has_its_trials() -> None:
    asked = SweepRequest(("lr=1..2",), ("train",))
    assert asked.again("g", 9) == (
        "dae sweep --search optuna --trials 9 --group g --set lr=1..2 -- train"
    )
