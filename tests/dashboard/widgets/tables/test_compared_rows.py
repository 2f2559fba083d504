"""Tables that compare: which cells are touched, how wide the columns are, what is marked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.widgets import DataTable

from dae_tui.dashboard.content.comparison import ComparisonCell, ComparisonColumn, ComparisonRow
from dae_tui.dashboard.widgets.tables.compared_rows import ComparedRows

pytestmark = pytest.mark.asyncio
COLUMNS = (ComparisonColumn("name", numeric=False), ComparisonColumn("PSNR", best=max))


class Alone(App[None]):
    def compose(self) -> ComposeResult:
        yield DataTable[Text](cell_padding=0)


@asynccontextmanager
async def filled(*rows: ComparisonRow) -> AsyncIterator[ComparedRows]:
    app = Alone()
    async with app.run_test() as pilot:
        found = ComparedRows(app.query_one(DataTable), COLUMNS)
        found.fill(rows)
        await pilot.pause()
        yield found


def row(name: str, psnr: str, *, best: bool = False) -> ComparisonRow:
    return ComparisonRow(name, [ComparisonCell(name), ComparisonCell(psnr, best)])


def texts(rows: ComparedRows) -> list[list[str]]:
    table = rows.table
    return [[cell.plain for cell in table.get_row_at(n)] for n in range(table.row_count)]


async def test_numbers_are_aligned_and_the_best_has_a_mark() -> None:
    async with filled(row("a", "9.5"), row("b", "20.25", best=True)) as rows:
        assert texts(rows) == [["a", "   9.5 "], ["b", " 20.25*"]]
        assert "bold" in str(rows.table.get_row_at(1)[1].style)


async def test_columns_are_as_wide_as_their_cells_before_they_are_drawn() -> None:
    async with filled(row("a", "9.5")) as rows:
        (names, numbers) = rows.table.ordered_columns
        assert (names.content_width, numbers.content_width) == (4, 5)
        rows.fill([row("a", "1234567.5")])
        assert numbers.content_width == 11
        rows.fill([row("a", "9.5"), row("longer", "9.5")])
        assert (names.content_width, numbers.content_width) == (6, 5)


async def test_the_cursor_stays_at_its_row() -> None:
    async with filled(row("a", "1"), row("b", "2")) as rows:
        rows.table.move_cursor(row=1)
        rows.fill([row("new", "3"), row("a", "1"), row("b", "2")])
        assert rows.table.cursor_row == 2
        assert rows.keys == ["new", "a", "b"]
        rows.fill([row("a", "1")])
        assert rows.table.cursor_row == 0


async def test_a_name_has_the_mark_of_its_curve() -> None:
    async with filled() as rows:
        drawn = rows.named("a", 1, drawn=True, hidden=False, ascii_only=False)
        assert drawn.plain == "━ a"
        assert rows.named("a", 1, drawn=True, hidden=False, ascii_only=True).plain == "o a"
        assert rows.named("a", 1, drawn=False, hidden=True, ascii_only=False).plain == "○ a"
        assert rows.named("a", 1, drawn=False, hidden=False, ascii_only=False).plain == "  a"
        long = rows.named("x" * 20 + "-3f2a\x1b", 0, drawn=True, hidden=False, ascii_only=True)
        assert long.plain == r"* ~xxxxxxxx-3f2a\x1b"
