"""The border before the terminal: what is drawn cannot steer it, whoever forgot to look."""

from pathlib import Path

import pytest
from dashboard_driver import Driver, dashboard
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.color import Color
from textual.widgets import DataTable, Input, Static

from dae_tui.dashboard.control_characters import Harmless

HOSTILE = "<\x1b]0;EVIL\x07\x1b[666m\x9b31m\nFAKED\u202e\ud800>"


def apply(*segments: Segment) -> list[Segment]:
    return Harmless().apply(list(segments), Color(0, 0, 0))


def test_ordinary_lines_are_left_as_they_are() -> None:
    line = [Segment("σ = 0.5 ▀ 字", Style(bold=True)), Segment(" ")]
    assert Harmless().apply(line, Color(0, 0, 0)) is line


def test_no_character_moves() -> None:
    (segment,) = apply(Segment("a\x1b[31mb\u00a0c\x9b", Style(bold=True)))
    assert segment == Segment("a[31mb c", Style(bold=True))
    assert segment.cell_length == Segment("a\x1b[31mb\u00a0c\x9b").cell_length


def test_a_link_goes() -> None:
    (segment,) = apply(Segment("here", Style(bold=True, link="http://x\x1b\\")))
    assert segment.style is not None
    assert (segment.style.link, segment.style.bold) == (None, True)


@pytest.mark.asyncio
async def test_no_widget_and_no_toast_gets_around_it(tmp_path: Path) -> None:
    app = dashboard(tmp_path)
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        driver = Driver(app, pilot)
        table: DataTable[Text] = DataTable()
        table.add_column(Text(HOSTILE))
        table.add_row(Text(HOSTILE))
        table.styles.height = 4
        await app.screen.mount(
            Static(HOSTILE, markup=False), Static(Text(HOSTILE)), table, Input(HOSTILE)
        )
        app.notify(HOSTILE, markup=False, timeout=60)
        await driver.until(lambda: driver.text().count("EVIL") == 6, "six times the words")
        assert all(line.isprintable() for line in driver.text().split("\n"))
        assert len(driver.text().split("\n")) == 30
