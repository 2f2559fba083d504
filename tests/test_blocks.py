"""A grey image as characters: every pixel in every mode, and what a terminal is taken to show."""

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.blocks import (
    ASCII_BARS,
    BARS,
    Graphics,
    Segment,
    detect_graphics,
    image_lines,
    sparkline,
    terminal_graphics,
)

# What a 256-colour terminal shows: the corners of the colour cube and the ramp of 24 greys.
PALETTE = {16: 0, 231: 255} | {232 + step: 8 + 10 * step for step in range(24)}
COLOUR_MODES = [Graphics.TRUECOLOR, Graphics.COLORS_256]
CHARACTER_MODES = [Graphics.SHADES, Graphics.ASCII]


def grey_of(colour: str) -> int:
    """The grey, 0 to 255, that a colour's name stands for."""
    if colour.startswith("#"):
        red, green, blue = bytes.fromhex(colour[1:])
        assert red == green == blue
        return red
    return PALETTE[int(colour.removeprefix("color(").removesuffix(")"))]


def drawn(lines: list[list[Segment]]) -> NDArray[np.int64]:
    """The pixels (H, W), 0 to 255, that a terminal shows for half blocks."""
    rows = []
    for line in lines:
        assert all(set(segment.text) == {"▀"} for segment in line)
        rows.append([grey_of(part.foreground) for part in line for _ in part.text])
        rows.append([grey_of(part.background) for part in line for _ in part.text])
    return np.array(rows)


def text_of(lines: list[list[Segment]]) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.mark.parametrize(
    ("mode", "black", "grey", "white"),
    [
        (Graphics.TRUECOLOR, "#000000", "#808080", "#ffffff"),
        (Graphics.COLORS_256, "color(16)", "color(244)", "color(231)"),
    ],
)
def test_a_half_block_has_the_upper_pixel_in_front_and_the_lower_behind(
    mode: Graphics, black: str, grey: str, white: str
) -> None:
    image = np.array([[0, 1], [1, 128 / 255], [128 / 255, 0], [0, 0]])

    assert image_lines(image, mode) == [
        [Segment("▀", black, white), Segment("▀", white, grey)],
        [Segment("▀", grey, black), Segment("▀", black, black)],
    ]


@pytest.mark.parametrize("mode", COLOUR_MODES)
def test_every_pixel_is_drawn_in_the_nearest_of_the_26_greys(mode: Graphics) -> None:
    pixels = np.stack([np.arange(256), np.arange(256)[::-1]])
    available = np.array(sorted(PALETTE.values()))

    shown = drawn(image_lines((pixels / 255).astype(np.float32), mode))

    assert shown.shape == (2, 256)
    assert set(shown.flat) == set(PALETTE.values())
    nearest_distance = np.abs(pixels[..., None] - available).min(-1)
    assert np.abs(shown - pixels).tolist() == nearest_distance.tolist()


@pytest.mark.parametrize("mode", list(Graphics))
def test_28_by_28_pixels_take_28_by_14_cells(mode: Graphics) -> None:
    image = np.random.default_rng(0).random((28, 28), dtype=np.float32)

    assert [len(line) for line in text_of(image_lines(image, mode))] == [28] * 14


@pytest.mark.parametrize("mode", COLOUR_MODES)
def test_an_odd_height_gets_a_black_last_row(mode: Graphics) -> None:
    shown = drawn(image_lines(np.ones((3, 2)), mode))

    assert shown.tolist() == [[255, 255], [255, 255], [255, 255], [0, 0]]


def test_an_odd_height_ends_in_half_a_shade() -> None:
    assert text_of(image_lines(np.ones((3, 2)), Graphics.SHADES)) == ["██", "▒▒"]


def test_equal_neighbours_are_joined_in_one_segment() -> None:
    image = np.array([[1, 1, 0, 1], [1, 1, 1, 1]])

    assert image_lines(image, Graphics.TRUECOLOR) == [
        [
            Segment("▀▀", "#ffffff", "#ffffff"),
            Segment("▀", "#000000", "#ffffff"),
            Segment("▀", "#ffffff", "#ffffff"),
        ]
    ]


def test_pixels_that_differ_less_than_the_greys_are_joined() -> None:
    image = np.array([[7, 8, 9, 18], [8, 9, 7, 18]]) / 255

    assert [part.text for part in image_lines(image, Graphics.COLORS_256)[0]] == ["▀▀▀", "▀"]


@pytest.mark.parametrize("mode", COLOUR_MODES)
def test_neighbouring_segments_never_look_the_same(mode: Graphics) -> None:
    image = np.random.default_rng(0).choice([0.0, 0.5, 1.0], size=(8, 40))

    for line in image_lines(image, mode):
        looks = [(segment.foreground, segment.background) for segment in line]
        assert all(left != right for left, right in pairwise(looks))
        assert len(looks) < 40


def test_shades_go_from_blank_to_full() -> None:
    row = np.linspace(0, 1, 5)

    assert image_lines(np.stack([row, row]), Graphics.SHADES) == [[Segment(" ░▒▓█")]]


def test_ascii_goes_from_blank_to_at() -> None:
    row = np.linspace(0, 1, 10)

    assert image_lines(np.stack([row, row]), Graphics.ASCII) == [[Segment(" .:-=+*#%@")]]


@pytest.mark.parametrize("mode", CHARACTER_MODES)
def test_a_character_is_the_mean_of_its_two_pixels(mode: Graphics) -> None:
    mixed = text_of(image_lines(np.array([[0.8, 0, 0.3, 0.6], [0, 0.8, 0.5, 0.2]]), mode))
    even = text_of(image_lines(np.full((2, 4), 0.4), mode))

    assert mixed == even


@pytest.mark.parametrize("mode", list(Graphics))
def test_values_outside_zero_and_one_are_clipped_and_nan_is_black(mode: Graphics) -> None:
    wild = np.array([[math.nan, -3, -math.inf, 1.5, math.inf]] * 2)
    tame = np.array([[0.0, 0, 0, 1, 1]] * 2)

    assert image_lines(wild, mode) == image_lines(tame, mode)


def test_drawing_leaves_the_image_as_it_was() -> None:
    image = np.array([[math.nan, 2.0], [-1.0, 0.5], [0.0, 1.0]])
    before = image.copy()

    image_lines(image, Graphics.TRUECOLOR)

    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(), (28,), (1, 28, 28), (28, 28, 3)])
def test_only_two_dimensions_are_an_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="height, width"):
        image_lines(np.zeros(shape), Graphics.TRUECOLOR)


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


@pytest.mark.parametrize(("utf8", "bars"), [(True, BARS), (False, ASCII_BARS)])
def test_a_sparkline_climbs_with_the_logarithm(utf8: bool, bars: str) -> None:
    assert sparkline([10.0**power for power in range(-4, 4)], utf8) == bars


def test_a_sparkline_never_falls_where_the_values_rise() -> None:
    heights = [BARS.index(bar) for bar in sparkline(np.linspace(0.01, 1, 50))]

    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == (0, 7)


def test_a_sparkline_has_a_space_for_what_has_no_logarithm() -> None:
    assert sparkline([math.nan, 1, math.inf, 0, -math.inf, 100, -1]) == " ▁   █ "


def test_a_sparkline_of_equal_values_is_flat() -> None:
    assert sparkline([0.5, 0.5, 0.5]) == "▁▁▁"


@pytest.mark.parametrize(("values", "expected"), [([], ""), ([math.nan, 0.0], "  ")])
def test_a_sparkline_of_nothing_is_blank(values: list[float], expected: str) -> None:
    assert sparkline(values) == expected


def test_an_ascii_sparkline_is_ascii() -> None:
    assert sparkline([1, 2, 4, 8, math.nan], utf8=False).isascii()
