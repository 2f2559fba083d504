"""What differs among the runs of a group, and their order."""

import math
from pathlib import Path
from typing import Any

import pytest

from dae_tui.dashboard.content.group_table import (
    FIGURES,
    best_of,
    group_of,
    parameter_of,
    sorted_members,
)
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import summarize
from dae_tui.runs.sweeps.results import Result
from dae_tui.runs.sweeps.watch import Member

LOSS, PSNR = FIGURES[:2]


def member(name: str, loss: float | None, psnr: float | None = None, **config: Any) -> Member:
    run = Run(Path("nowhere") / name)
    summary = summarize(run, {"state": "finished"}, config)
    result = Result(State.FINISHED, best_val_loss=loss, val_psnr=psnr)
    return Member(run, summary, result, config)


GROUP = group_of(
    [
        member("a", 0.3, 20.0, seed=0, lr=0.001, epochs=5, data_dir="/x"),
        member("b", 0.1, 22.0, seed=1, lr=0.01, epochs=5, data_dir="/y"),
        member("c", None, None, seed=0, lr=0.01, epochs=5),
    ]
)


def test_parameters_are_the_settings_that_differ_the_seed_last() -> None:
    assert [parameter.name for parameter in GROUP.parameters] == ["lr", "seed"]
    assert [figure.name for figure in GROUP.figures] == ["best loss", "PSNR"]
    assert group_of([]).figures == (LOSS,)


def names(column: str, *, descending: bool = False) -> str:
    rows = sorted_members(GROUP, column, descending=descending)
    return "".join(each.run.name for each, _ in rows)


def test_runs_are_sorted_by_any_column_those_without_a_value_last() -> None:
    assert names("best loss") == "bac"
    assert names("best loss", descending=True) == "abc"
    assert names("PSNR") == "abc"
    assert names("lr", descending=True) == "bca"
    assert names("run", descending=True) == "cba"
    assert names("test %") == "abc"  # Nobody has one.
    assert sorted_members(GROUP, "best loss", descending=False)[0][1] == ("0.01", "1")


def test_the_best_has_the_lowest_loss_or_the_highest_psnr() -> None:
    best = best_of(GROUP, LOSS), best_of(GROUP, PSNR), best_of(GROUP, FIGURES[3])
    assert [each and each.run.name for each in best] == ["b", "b", None]


@pytest.mark.parametrize(
    ("texts", "log"),
    [
        (["0.001", "0.01"], True),
        (["0.001", "0.003"], False),
        (["10", "20", "40"], True),
        (["10", "20", "30"], False),
        (["0", "1", "100"], False),
        (["-1", "100"], False),
        (["5"], False),
    ],
)
def test_values_that_are_far_apart_or_grow_by_factors_are_logarithmic(
    texts: list[str], log: bool
) -> None:
    assert parameter_of("x", texts).log is log


def test_words_have_places_and_names_and_missing_numbers_have_none() -> None:
    words = parameter_of("optimizer", ["sgd", "adam", "sgd"])
    assert words.places == (0.0, 1.0, 0.0)
    assert words.ticks == ((0.0, "sgd"), (1.0, "adam"))
    some = parameter_of("ema", ["0.5", "–"])
    assert some.places[0] == 0.5 and math.isnan(some.places[1])
    assert parameter_of("seed", [str(n) for n in range(20)]).ticks is None
