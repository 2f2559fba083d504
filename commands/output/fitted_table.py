"""Tables for narrow terminals: whole columns are dropped, the least important first."""

from collections.abc import Callable, Collection, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from dae_tui.commands.output.terminal import plain_table
from dae_tui.system.printable import printable

# Only for measuring: wider than any table.
_MEASURE = Console(width=1000)


def fits(table: Table, width: int) -> bool:
    """Whether a table fits into so many columns."""
    return Measurement.get(_MEASURE, _MEASURE.options, table).maximum <= width


def fitted(draw: Callable[[Collection[str]], Table], dropped: Sequence[str], width: int) -> Table:
    """The table, without the first of the `dropped` columns: as few of them as make it fit.

    `draw` draws it without the columns of the given headings.
    """
    for count in range(len(dropped) + 1):
        table = draw(dropped[:count])
        if fits(table, width):
            break
    return table


def print_fitted(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    left: Collection[str],
    dropped: Sequence[str],
) -> None:
    """Print a table that fits into the console, and below it the names of dropped columns.

    Args:
        console: where to print; off a terminal it is wide enough for all.
        headings: of the columns; the first one names the rows and stays.
        rows: a text for each heading; a `str` is made printable, a `Text` is trusted.
        left: headings of words, which are aligned to the left.
        dropped: headings in the order in which their columns are dropped.
    """

    def draw(without: Collection[str]) -> Table:
        table = plain_table()
        kept = [place for place, heading in enumerate(headings) if heading not in without]
        for place in kept:
            table.add_column(
                headings[place],
                justify="left" if headings[place] in left else "right",
                # A name that is too long goes on in the next line.
                no_wrap=place > 0,
                overflow="ellipsis" if place else "fold",
            )
        for row in rows:
            table.add_row(*(_cell(row[place]) for place in kept))
        return table

    table = fitted(draw, dropped, console.width)
    console.print(table)
    shown = {column.header for column in table.columns}
    hidden = dict.fromkeys(each.replace("\n", " ") for each in headings if each not in shown)
    if hidden:
        console.print(f"too narrow for: {', '.join(hidden)} (--json has all)", style="dim")


def _cell(words: str | Text) -> str | Text:
    return words if isinstance(words, Text) else printable(words)
