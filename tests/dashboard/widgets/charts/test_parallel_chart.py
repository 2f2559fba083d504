"""What stands beside the axes of parallel coordinates."""

from dae_tui.dashboard.widgets.charts.parallel_chart import _one_a_row


def test_labels_do_not_overwrite_each_other_and_those_of_the_ends_come_first() -> None:
    labels = ((0.0, "0.00125"), (0.05, "0.0015"), (0.5, "0.004"), (1.0, "0.01"))
    assert _one_a_row(labels, 6) == {5: "0.00125", 2: "0.004", 0: "0.01"}


def test_a_wide_character_takes_one_cell() -> None:
    assert _one_a_row(((1.0, "网络a"),), 3) == {0: "??a"}
