"""The border of the consoles: what Rich draws cannot steer the terminal."""

import io
from typing import Any

import pytest
from rich.live import Live
from rich.markdown import Markdown
from rich.style import Style
from rich.table import Table
from rich.text import Text

from dae_tui.commands.output.terminal import SafeConsole, print_lines

HOSTILE = "\x1b]0;EVIL\x07\x1b[666m\x9b31m\u202e\ud800"
# Rich itself takes out the bell.
WRITTEN = r"\x1b]0;EVIL\x1b[666m\x9b31m\u202e\ud800"


def console(**options: Any) -> SafeConsole:
    return SafeConsole(file=io.StringIO(), width=200, markup=False, **options)


def printed(shown: SafeConsole) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def table() -> Table:
    table = Table(HOSTILE)
    table.add_row(Text(HOSTILE))
    return table


@pytest.mark.parametrize(
    "drawn", [HOSTILE, Text(HOSTILE), Text.assemble("a", (HOSTILE, "red")), table()]
)
def test_no_escape_sequence_of_a_text_gets_through(drawn: object) -> None:
    shown = console()
    shown.print(drawn)
    assert WRITTEN[:12] in printed(shown)  # A table gives it as many cells as the words have.
    assert all(line.isprintable() for line in printed(shown).split("\n"))


def test_colours_lines_and_the_cursor_are_ours_to_steer() -> None:
    shown = console(force_terminal=True, color_system="standard")
    shown.print("a\nb", style="red", soft_wrap=True)
    assert printed(shown) == "\x1b[31ma\x1b[0m\n\x1b[31mb\x1b[0m\n"
    shown.show_cursor(False)
    assert printed(shown).endswith("\x1b[?25l")


def test_a_live_display_is_behind_the_border_too() -> None:
    shown = console(force_terminal=True, color_system=None)
    with Live(Text(HOSTILE), console=shown, auto_refresh=False) as live:
        live.update(Text(f"then {HOSTILE}"), refresh=True)
        shown.print(f"said {HOSTILE}")
    assert printed(shown).count(WRITTEN) >= 3
    assert "\x1b]" not in printed(shown)
    assert "\x1b[666m" not in printed(shown)


def test_a_link_has_no_address_that_is_not_shown() -> None:
    shown = console(force_terminal=True, color_system="standard")
    shown.print(Text("here", Style(link="http://x\x1b\\")), Markdown("[there](http://y)"))
    assert "\x1b]8" not in printed(shown)
    assert "here" in printed(shown)


def test_lines_to_paste_have_no_others_among_them(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines("a | \x1b[31m\r\nb\x85c\u2028d\n")
    assert capsys.readouterr().out == "a | \\x1b[31m\\r\nb\\x85c\\u2028d\n"
