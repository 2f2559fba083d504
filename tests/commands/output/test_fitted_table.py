"""Tables on narrow terminals: whole columns go, and never a part of a figure."""

from io import StringIO

import pytest
from rich.console import Console

from dae_tui.commands.output.fitted_table import print_fitted

HEADINGS = ("name", "data", "loss", "test\n%")


def printed(width: int) -> list[str]:
    console = Console(width=width, file=StringIO())
    rows = [("unet", "mnist", "0.01234", "98.21"), ("dense", "digits", "1.5", "7.5")]
    print_fitted(
        console, HEADINGS, rows, left=("name", "data"), dropped=("data", "loss", "test\n%")
    )
    assert isinstance(console.file, StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_where_there_is_room_all_is_shown() -> None:
    assert printed(40)[-2:] == ["unet   mnist   0.01234  98.21", "dense  digits      1.5    7.5"]


@pytest.mark.parametrize(
    ("width", "row", "said"),
    [(28, "unet   0.01234  98.21", "data"), (20, "unet   98.21", "data, loss")],
)
def test_whole_columns_go_in_their_order_and_are_named(width: int, row: str, said: str) -> None:
    lines = printed(width)
    assert row in lines
    assert f"too narrow for: {said} (--json has all)" in " ".join(lines)
    assert "…" not in "".join(lines)


def test_a_name_that_has_no_room_goes_on_in_the_next_line() -> None:
    lines = printed(3)
    assert [line for line in lines if line in ("une", "t", "den", "se")] == [
        "une",
        "t",
        "den",
        "se",
    ]
