"""A group as parallel coordinates: where each run is on each axis."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from dashboard_example import sweep_runs

from dae_tui.dashboard.content.group_table import (
    FIGURES,
    Group,
    best_of,
    group_of,
    in_order_of_marks,
    parameter_of,
)
from dae_tui.dashboard.content.parallel_axes import _parameter_axis, parallel_of
from dae_tui.runs.folder.reader import list_runs
from dae_tui.runs.sweeps.watch import GroupWatch


@pytest.fixture
def group(tmp_path: Path) -> Group:
    sweep_runs(tmp_path)
    return group_of(GroupWatch(lambda: list_runs(tmp_path), "lr-3f2a").look())


def test_an_axis_is_logarithmic_where_values_are_spread_over_decades() -> None:
    spread = _parameter_axis(parameter_of("lr", ["0.0001", "0.01", "0.001"]), [0, 1, 2])
    assert spread.log
    assert spread.heights == pytest.approx((0.0, 1.0, 0.5))
    assert [words for _, words in spread.labels] == ["0.0001", "0.001", "0.01"]
    assert [place for place, _ in spread.labels] == pytest.approx([0.0, 0.5, 1.0])
    near = _parameter_axis(parameter_of("seed", ["0", "1", "2"]), [2, 0, 1])
    assert not near.log
    assert near.heights == (1.0, 0.0, 0.5)


def test_words_have_places_of_their_own() -> None:
    axis = _parameter_axis(parameter_of("network", ["dense", "unet", "dense"]), [0, 1, 2])
    assert axis.heights == (0.0, 1.0, 0.0)
    assert axis.labels == ((0.0, "dense"), (1.0, "unet"))


def test_many_values_are_labelled_at_the_ends_alone() -> None:
    axis = _parameter_axis(parameter_of("lr", [str(n) for n in range(1, 30)]), range(29))
    assert [words for _, words in axis.labels] == ["1", "29"]


def test_the_figure_comes_last_and_the_best_and_the_chosen_run_lie_on_top(group: Group) -> None:
    chosen = group.members[0].run.name
    shown = parallel_of(group, FIGURES[0], log=True, chosen=chosen)
    assert [axis.name for axis in shown.axes] == ["lr", "seed", "best loss"]
    lr, _, loss = shown.axes
    assert (shown.best, shown.chosen) == (4, 5)
    assert (lr.heights[4], loss.heights[4]) == (1.0, 0.0)  # The highest rate, the lowest loss.
    assert lr.heights[5] == 0.0
    # A run that has failed has no figure, and lies below.
    assert math.isnan(loss.heights[0])
    assert math.isnan(shown.worth[0])
    assert shown.worth[4] == 1.0


def test_of_equal_runs_the_same_one_is_the_best_as_in_the_table(group: Group) -> None:
    equal = replace(FIGURES[0], of=lambda member: 0.1)
    starred = best_of(group, equal)
    shown = parallel_of(group, equal, log=False)
    assert starred is not None
    order = in_order_of_marks(group, equal, "")
    assert shown.best is not None
    assert group.members[order[shown.best]] is starred


def test_another_parameter_can_come_first(group: Group) -> None:
    shown = parallel_of(group, FIGURES[0], log=False, first="seed")
    assert [axis.name for axis in shown.axes] == ["seed", "lr", "best loss"]
    assert not shown.axes[-1].log
    assert shown.chosen is None


def test_without_any_figure_lines_end_at_the_last_parameter(group: Group) -> None:
    shown = parallel_of(group, FIGURES[3], log=False)
    assert shown.best is None
    assert all(math.isnan(height) for height in shown.axes[-1].heights)
    assert shown.axes[-1].labels == ()
