"""Images as Rich sends them to a terminal: the escape codes are read back, pixel by pixel."""

import math
import re
from io import StringIO
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console, RenderableType

from dae_tui.commands.output.pictures import picture, views_side_by_side
from dae_tui.terminal.graphics import Graphics

VIEWS = ("original", "noisy", "denoised")
CAPTION = "20.0 dB  pred. 7"


def palette_grey(number: int) -> float:
    """The grey of a colour of xterm's 256: a cube of 6×6×6, then 24 greys."""
    if number >= 232:
        return 8 + 10 * (number - 232)
    red, green, blue = ((number - 16) // scale % 6 for scale in (36, 6, 1))
    assert red == green == blue
    return (0, 95, 135, 175, 215, 255)[red]


def terminal(sent: str) -> NDArray[np.float64]:
    """The pixels (H, W), 0 to 255, of half blocks after their escape codes; NaN: no colour."""
    rows = []
    for line in sent.splitlines():
        colours = {"38": math.nan, "48": math.nan}
        upper, lower = [], []
        for codes, character in re.findall(r"\x1b\[([\d;]*)m|(.)", line):
            if character:
                assert character == "▀"
                upper.append(colours["38"])
                lower.append(colours["48"])
            elif codes in ("", "0"):
                colours = {"38": math.nan, "48": math.nan}
            else:
                parts = codes.split(";")
                while parts:
                    ground, kind, *parts = parts
                    if kind == "5":
                        colours[ground] = palette_grey(int(parts.pop(0)))
                    else:
                        red, green, blue = parts[:3]
                        assert kind == "2"
                        assert red == green == blue
                        colours[ground] = int(red)
                        parts = parts[3:]
        rows += [upper, lower]
    return np.array(rows)


def sent(
    what: RenderableType,
    color_system: Literal["truecolor", "256"] | None,
    width: int = 80,
) -> str:
    """What Rich writes for a terminal of the given colours and columns."""
    console = Console(
        file=StringIO(), color_system=color_system, force_terminal=True, width=width, _environ={}
    )
    console.print(what)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("mode", "half_step"), [(Graphics.TRUECOLOR, 2.5), (Graphics.COLORS_256, 8.5)]
)
@pytest.mark.parametrize("shape", [(28, 28), (26, 26), (5, 9), (1, 1)])
def test_the_terminal_gets_every_pixel(
    mode: Graphics, half_step: float, shape: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).normal(0.4, 0.5, shape).clip(0, 1)
    colours: Literal["truecolor", "256"] = "256" if mode is Graphics.COLORS_256 else "truecolor"

    shown = terminal(sent(picture(image, mode), colours))

    height, width = shape
    assert shown.shape == (height + height % 2, width)
    assert np.abs(shown[:height] - image * 255).max() <= half_step + 1e-6
    assert np.isnan(shown[height:]).all()


@pytest.mark.parametrize("mode", [Graphics.SHADES, Graphics.ASCII])
def test_without_colours_nothing_but_characters_is_sent(mode: Graphics) -> None:
    text = sent(picture(np.random.default_rng(0).random((28, 28)), mode), "truecolor")

    assert "\x1b" not in text
    assert [len(line) for line in text.splitlines()] == [28] * 14


def digits(width: int, side: int = 28) -> list[str]:
    """The lines that show one white digit in three views."""
    views = {name: np.ones((1, side, side)) for name in VIEWS}
    captions = {name: [CAPTION] for name in VIEWS}
    shown = views_side_by_side(views, captions, Graphics.ASCII, width)
    return [line.rstrip() for line in sent(shown, None, width).splitlines()]


@pytest.mark.parametrize(
    ("width", "pixels", "gap"),
    [(120, 28, 2), (88, 28, 2), (87, 28, 1), (85, 26, 1), (80, 26, 1), (79, 24, 1), (60, 18, 1)],
)
def test_three_views_stand_beside_each_other_as_wide_as_they_fit(
    width: int, pixels: int, gap: int
) -> None:
    names, *rows, captions = digits(width)

    assert names.split() == list(VIEWS)
    assert rows == [(" " * gap).join(["@" * pixels] * 3)] * (pixels // 2)
    assert captions.split("  ", 1)[0] == "20.0 dB"
    assert captions.count(CAPTION) == 3


def test_below_60_columns_the_views_stand_below_each_other() -> None:
    expected = []
    for name in VIEWS:
        expected += [name, *["@" * 28] * 14, CAPTION]

    assert digits(59) == expected


def test_a_larger_image_loses_as_much_border_as_must_be() -> None:
    assert digits(80, side=40)[1] == " ".join(["@" * 26] * 3)


def test_a_coloured_image_is_sent_in_colour() -> None:
    image = np.zeros((3, 2, 1))
    image[0, 0], image[2, 1] = 1, 1

    assert sent(picture(image, Graphics.TRUECOLOR), "truecolor").startswith(
        "\x1b[38;2;255;0;0;48;2;0;0;255m▀"
    )
    assert sent(picture(image, Graphics.COLORS_256), "256").startswith("\x1b[38;5;")


def test_every_view_shows_the_same_part_of_a_large_image() -> None:
    original = np.zeros((1, 128, 128))
    original[0, 100:, ::2] = 1
    views = {name: original if name == "original" else original[:, ::-1] for name in VIEWS}
    captions = {name: [CAPTION] for name in VIEWS}
    views["noisy"] = original * 0.8

    lines = sent(views_side_by_side(views, captions, Graphics.ASCII, 80), None).splitlines()

    pictures = [line[:26] for line in lines[1:14]]
    assert pictures in (["@ " * 13] * 13, [" @" * 13] * 13)
    assert lines[15].startswith("26x26 of 128x128 pixels")
