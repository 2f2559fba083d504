"""What a terminal is taken to show; bars and small curves."""

import math

import numpy as np
import pytest

from dae_tui.terminal.graphics import (
    ASCII_BARS,
    BARS,
    Graphics,
    bar,
    detect_graphics,
    sparkline,
    terminal_graphics,
)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, Graphics.TRUECOLOR),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, Graphics.TRUECOLOR),
        ({"TERM": "xterm", "COLORTERM": "TrueColor"}, Graphics.TRUECOLOR),
        ({"TERM": "screen-256color"}, Graphics.COLORS_256),
        ({"TERM": "tmux-256color", "COLORTERM": "yes"}, Graphics.COLORS_256),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Graphics.COLORS_256),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, Graphics.SHADES),
        ({"TERM": "xterm"}, Graphics.SHADES),
        ({"TERM": "linux"}, Graphics.SHADES),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Graphics.SHADES),
        ({}, Graphics.SHADES),
    ],
)
def test_graphics_are_what_the_environment_says(
    environment: dict[str, str], expected: Graphics
) -> None:
    assert detect_graphics(environment, utf8=True) is expected


def test_without_utf8_even_a_colour_terminal_gets_ascii() -> None:
    environment = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}

    assert detect_graphics(environment, utf8=False) is Graphics.ASCII


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", Graphics.COLORS_256),
        ("UTF8", Graphics.COLORS_256),
        ("ascii", Graphics.ASCII),
        ("latin-1", Graphics.ASCII),
        (None, Graphics.ASCII),
    ],
)
def test_the_encoding_of_the_stream_decides_about_utf8(
    monkeypatch: pytest.MonkeyPatch, encoding: str | None, expected: Graphics
) -> None:
    monkeypatch.setenv("TERM", "screen-256color")
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)

    assert terminal_graphics(encoding) is expected


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("C", Graphics.ASCII),
        ("POSIX", Graphics.ASCII),
        ("C.UTF-8", Graphics.COLORS_256),
        ("", Graphics.COLORS_256),
    ],
)
def test_a_terminal_without_utf_8_is_not_sent_any(
    monkeypatch: pytest.MonkeyPatch, locale: str, expected: Graphics
) -> None:
    monkeypatch.setenv("TERM", "screen-256color")
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("LC_ALL", locale)
    # As Python says there, which then writes UTF-8 whatever the locale is.
    assert terminal_graphics("utf-8") is expected


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0, "    "),
        (1 / 32, "▏   "),
        (0.125, "▌   "),
        (0.25, "█   "),
        (0.5, "██  "),
        (0.6, "██▍ "),
        (31 / 32, "███▉"),
        (1, "████"),
        (7, "████"),
        (-1, "    "),
        (math.inf, "████"),
        (-math.inf, "    "),
        (math.nan, "    "),
    ],
)
def test_a_bar_is_filled_in_eighths(fraction: float, expected: str) -> None:
    assert bar(fraction, 4, Graphics.COLORS_256) == expected


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0, "...."), (0.3, "#..."), (0.5, "##.."), (1, "####"), (9, "####"), (math.nan, "....")],
)
def test_an_ascii_bar_has_whole_cells(fraction: float, expected: str) -> None:
    assert bar(fraction, 4, Graphics.ASCII) == expected


@pytest.mark.parametrize("mode", list(Graphics))
def test_a_bar_is_exactly_as_wide_as_asked_and_never_falls(mode: Graphics) -> None:
    for width in (0, 1, 7, 30):
        bars = [bar(fraction, width, mode) for fraction in np.linspace(-0.1, 1.1, 99).tolist()]

        assert {len(text) for text in bars} == {width}
        filled = [sum(" ▏▎▍▌▋▊▉█".find(cell) + (cell == "#") * 9 for cell in text) for text in bars]
        assert filled == sorted(filled)


@pytest.mark.parametrize(("utf8", "bars"), [(True, BARS), (False, ASCII_BARS)])
def test_a_sparkline_climbs_with_the_logarithm(utf8: bool, bars: str) -> None:
    assert sparkline([10.0**power for power in range(-4, 4)], utf8) == bars


def test_sparklines_on_the_same_scale_can_be_compared() -> None:
    assert sparkline([1.0, 0.1], scale=(0.001, 1.0)) == "█▆"
    assert sparkline([0.01, 0.001], scale=(0.001, 1.0)) == "▃▁"
    assert sparkline([100.0, 1e-9], scale=(0.001, 1.0)) == "█▁"


def test_a_sparkline_never_falls_where_the_values_rise() -> None:
    heights = [BARS.index(bar) for bar in sparkline(np.linspace(0.01, 1, 50))]

    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == (0, 7)


def test_a_sparkline_has_a_space_for_what_has_no_logarithm() -> None:
    assert sparkline([math.nan, 1, math.inf, 0, -math.inf, 100, -1]) == " ▁   █ "


def test_a_sparkline_has_a_space_for_what_is_unknown() -> None:
    assert sparkline([None, 1, None, 10]) == " ▁ █"


def test_a_sparkline_takes_any_numbers() -> None:
    assert sparkline([5e-324, 1, 1.7e308]) == "▁▅█"
    assert sparkline(np.array([1, 2], dtype=np.float32)) == "▁█"


def test_a_sparkline_of_equal_values_is_flat() -> None:
    assert sparkline([0.5, 0.5, 0.5]) == "▁▁▁"


@pytest.mark.parametrize(("values", "expected"), [([], ""), ([math.nan, 0.0], "  ")])
def test_a_sparkline_of_nothing_is_blank(values: list[float], expected: str) -> None:
    assert sparkline(values) == expected


def test_an_ascii_sparkline_is_ascii() -> None:
    assert sparkline([1, 2, 4, 8, math.nan], utf8=False).isascii()
