"""Lines as characters, against pictures drawn by hand."""

from typing import Any

import numpy as np
import pytest

from dae_tui.terminal.plot import Line, Marks, Plot, plot, polylines, scatter

NAN = float("nan")


def draw(
    y: list[float],
    width: int,
    height: int,
    marks: Marks = Marks.ASCII,
    *,
    log: bool = False,
    smoothing: float = 0.0,
) -> Plot:
    line = Line(np.arange(len(y), dtype=np.float64), np.array(y, np.float64))
    edges = (0.0, max(1.0, len(y) - 1.0))
    return plot([line], width, height, edges, log=log, smoothing=smoothing, marks=marks)


@pytest.mark.parametrize(
    ("marks", "rising", "falling"),
    [
        (Marks.BRAILLE, ["  ⣠⠞", "⡴⠋⠁ "], ["⢳   ", "⠈⢧⡀ ", "  ⢳⡀", "   ⢧"]),
        (Marks.BLOCKS, ["  ▄▛", "▟▀▘ "], ["▙   ", "▝▙▖ ", "  ▜▖", "   ▜"]),
        (Marks.ASCII, [" ***", "**  "], ["**  ", " *  ", " ***", "   *"]),
    ],
    ids=str,
)
def test_a_slope(marks: Marks, rising: list[str], falling: list[str]) -> None:
    assert draw([0, 1, 2, 3], 4, 2, marks).rows == rising
    assert draw([3, 2, 1, 0], 4, 4, marks).rows == falling


def test_a_constant_line_lies_in_the_middle_of_an_axis_around_it() -> None:
    drawing = draw([1, 1, 1], 3, 3)
    assert drawing.rows == ["   ", "***", "   "]
    assert drawing.ticks == {2: "0.95", 0: "1.05"}
    assert draw([1, 1, 1], 3, 3, Marks.BRAILLE).rows == ["   ", "⠤⠤⠤", "   "]
    assert draw([0.1, 0.1], 3, 3, log=True).ticks == {2: "0.089", 0: "0.11"}
    assert draw([0, 0], 3, 3).ticks == {2: "-0.05", 1: "0", 0: "0.05"}


def test_small_values_are_told_from_zero() -> None:
    constant = draw([8e-4, 8e-4], 3, 3)
    assert constant.rows == ["   ", "***", "   "]
    assert constant.ticks == {2: "0.00076", 0: "0.00084"}
    falling = draw([2e-10, 1e-10], 2, 5)
    assert falling.rows == ["* ", "* ", "**", " *", " *"]
    assert falling.ticks == {4: "1e-10", 2: "1.5e-10", 0: "2e-10"}


def test_one_point_is_a_dot() -> None:
    assert draw([5], 3, 3).rows == ["   ", "*  ", "   "]


@pytest.mark.parametrize("log", [False, True])
def test_nothing_to_draw(log: bool) -> None:
    for y in ([], [NAN, NAN], [float("inf")]):
        drawing = draw(y, 3, 2, log=log)
        assert drawing.rows == ["   ", "   "]
        assert drawing.ticks == {}
        assert (drawing.owners == -1).all()
    assert draw([0.0, -1.0], 3, 2, log=True).rows == ["   ", "   "]
    assert plot([], 3, 2, (0.0, 1.0), log=log, smoothing=0, marks=Marks.ASCII).rows == ["   "] * 2


def test_a_nan_breaks_the_line_from_its_neighbour_to_its_neighbour() -> None:
    assert draw([1, 1, NAN, 1, 1], 5, 1).rows == ["** **"]
    # Four columns to a step: none of those around the NaN is drawn.
    assert draw([1, 1, NAN, 1, 1], 17, 1).rows == ["*****       *****"]
    assert draw([NAN, 1, 1, NAN], 10, 1).rows == ["   ****   "]


def test_a_few_points_are_joined() -> None:
    assert draw([1, 1], 9, 1).rows == ["*********"]


def test_a_logarithmic_axis_has_round_labels_and_leaves_out_what_is_not_positive() -> None:
    assert draw([1, 0.1, 0.01, 0.001], 8, 7, log=True).ticks == {6: "0.001", 2: "0.1"}
    assert draw([0.02, 0.03], 8, 7, log=True).ticks == {6: "0.02", 0: "0.03"}
    drawing = draw([100, 0, -1, 1], 4, 5, log=True)
    assert drawing.ticks == {4: "1", 0: "100"}
    assert [row[0] + row[3] for row in drawing.rows] == ["* ", "  ", "  ", "  ", " *"]


def test_a_linear_axis_has_round_labels() -> None:
    assert draw([0, 1], 8, 11).ticks == {10: "0", 8: "0.2", 6: "0.4", 4: "0.6", 2: "0.8", 0: "1"}


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "y", [[1.7e308] * 3, [1.7e308, -1.7e308, 1e308], [1e17, 1e17], [1e299, 1e-320], [1e-300] * 2]
)
def test_values_beyond_all_measure(y: list[float], log: bool) -> None:
    drawing = draw(y, 8, 7, Marks.BRAILLE, log=log)
    assert [len(row) for row in drawing.rows] == [8] * 7


def test_a_million_points_are_their_means() -> None:
    drawing = draw(np.linspace(0, 1, 1_000_000).tolist(), 10, 4, Marks.BRAILLE)
    assert drawing.rows == ["       ⣀⡴⠋", "     ⣠⠞⠁  ", "  ⢀⡴⠋⠁    ", "⣠⠞⠉       "]
    assert drawing.ticks == {3: "0.0132", 0: "0.987"}


def test_only_the_steps_in_sight_are_drawn() -> None:
    line = Line(np.arange(10.0), np.array([9.0] * 5 + [1.0] * 5))
    drawing = plot([line], 5, 3, (5.0, 9.0), log=False, smoothing=0, marks=Marks.ASCII)
    assert drawing.rows == ["     ", "*****", "     "]


def test_a_line_goes_on_to_its_points_beyond_the_edges() -> None:
    line = Line(np.array([0.0, 10.0, 20.0, 30.0]), np.array([0.0, 10.0, 20.0, NAN]))

    def zoomed(left: float, right: float) -> Plot:
        return plot([line], 5, 5, (left, right), log=False, smoothing=0, marks=Marks.ASCII)

    between = zoomed(12.0, 16.0)
    assert between.rows == ["   **", "   * ", " *** ", " *   ", "**   "]
    assert between.ticks == {4: "12", 2: "14", 0: "16"}
    assert zoomed(8.0, 12.0).rows == between.rows
    assert zoomed(16.0, 20.0).rows == between.rows
    # Nothing beyond the last point, before the first, or on to a NaN.
    for left, right in ((22.0, 26.0), (31.0, 35.0), (-9.0, -5.0)):
        assert zoomed(left, right).rows == ["     "] * 5
    assert zoomed(18.0, 22.0).rows[0] == "  *  "


def test_smoothing_draws_values_together_and_spares_lines_that_want_none() -> None:
    wild = [0.0, 1.0] * 4
    rough, smooth = draw(wild, 8, 2), draw(wild, 8, 2, smoothing=0.9)
    assert rough.ticks == {1: "0", 0: "1"}
    assert smooth.ticks == {1: "0", 0: "0.2"}
    line = Line(np.arange(8.0), np.array(wild), smooth=False)
    spared = plot([line], 8, 2, (0.0, 7.0), log=False, smoothing=0.9, marks=Marks.ASCII)
    assert spared.rows == rough.rows


def test_a_later_line_lies_over_an_earlier_one_which_is_seen_through_dashes() -> None:
    x, y = np.arange(4.0), np.ones(4)
    lines = [Line(x, y), Line(x, y, dashed=True)]
    drawing = plot(lines, 4, 1, (0.0, 3.0), log=False, smoothing=0, marks=Marks.ASCII)
    assert drawing.rows == ["o*o*"]
    assert drawing.owners.tolist() == [[1, 0, 1, 0]]


def points(x: list[float], y: list[float], **options: Any) -> Plot:
    return scatter(np.array(x), np.array(y), 5, 3, **options)


def test_points_are_single_characters_and_know_whose_they_are() -> None:
    drawn = points([0, 1, 2], [0, 1, 2])
    assert drawn.rows == ["    o", "  o  ", "o    "]
    assert drawn.owners.tolist()[0] == [-1, -1, -1, -1, 2]
    assert drawn.ticks == {0: "2", 1: "1", 2: "0"}
    assert drawn.x_ticks == {0: "0", 2: "1", 4: "2"}


def test_points_on_logarithmic_axes() -> None:
    assert (
        points([1, 10, 100], [1, 10, 100], log=(True, True)).rows
        == points([0, 1, 2], [0, 1, 2]).rows
    )
    drawn = points([0, 1, 100], [1, -1, 100], log=(True, True), symbol="x")
    assert drawn.rows[1] == "  x  "  # The others are not positive.
    assert points([1, 10, 100], [1, 1, 1], log=(True, False)).rows[1] == "o o o"


def test_a_later_point_lies_on_top_and_unknown_ones_are_left_out() -> None:
    drawn = points([1, 1, 2, NAN, 3], [1, 1, 2, 1, NAN])
    assert drawn.owners.max() == 2
    assert drawn.owners[2, 0] == 1
    nothing = points([NAN], [1])
    assert (nothing.rows, nothing.ticks, nothing.x_ticks) == ([" " * 5] * 3, {}, {})
    assert points([3], [4]).rows == ["     ", "  o  ", "     "]


def test_the_labels_of_the_x_axis_can_be_given() -> None:
    ticks = [(0.001, "1e-3"), (0.01, "1e-2"), (1.0, "1")]
    drawn = points([0.001, 0.1], [1, 2], log=(True, False), x_ticks=ticks)
    assert drawn.x_ticks == {0: "1e-3", 2: "1e-2"}


def test_polylines_go_from_axis_to_axis_and_the_last_lies_on_top() -> None:
    heights = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, np.nan]])
    drawn = polylines(heights, [0, 4], 5, 5, marks=Marks.ASCII, symbols="ab")
    assert drawn.rows == ["b   a", " b a ", "  b  ", " a b ", "a   b"]
    assert drawn.owners[2, 2] == 1
    assert drawn.owners[2, 0] == -1  # A line without its end is not drawn.
    fine = polylines(heights[:1], [0, 4], 5, 5)
    assert sum(cell != " " for row in fine.rows for cell in row) >= 5
    assert fine.rows[4][0] != " " and fine.rows[0][4] != " "
    assert fine.rows[0][0] == fine.rows[4][4] == " "
