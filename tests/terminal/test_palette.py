"""The colours of a terminal: each pixel gets the one meant, and Rich sends it as that."""

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.color import Color, ColorSystem

from dae_tui.terminal.palette import palette_names, rich_hex, truecolor_names

CUBE = (0, 95, 135, 175, 215, 255)
# What a 256-colour terminal shows: the cube of 6×6×6, and the ramp of 24 greys.
PALETTE = {
    16 + 36 * r + 6 * g + b: (CUBE[r], CUBE[g], CUBE[b])
    for r in range(6)
    for g in range(6)
    for b in range(6)
} | {232 + step: (8 + 10 * step,) * 3 for step in range(24)}
COLOURS = {number: colour for number, colour in PALETTE.items() if len({*colour}) > 1}
GREYS = [16, 231, *range(232, 256)]


def number_of(name: object) -> int:
    return int(str(name).removeprefix("color(").removesuffix(")"))


def filled(colour: tuple[int, ...], shape: tuple[int, int] = (7, 7)) -> NDArray[np.float64]:
    """An image (3, H, W) of one colour."""
    return np.broadcast_to(np.array(colour)[:, None, None] / 255, (3, *shape)).copy()


@pytest.mark.parametrize("number", [*COLOURS, *GREYS])
def test_rich_brings_every_colour_to_a_256_colour_terminal_as_the_one_meant(number: int) -> None:
    colour = Color.parse(rich_hex(f"color({number})"))

    assert colour.system is ColorSystem.TRUECOLOR
    assert colour.downgrade(ColorSystem.EIGHT_BIT).number == number
    # A terminal that has true colour after all shows nearly the same.
    assert colour.triplet is not None
    assert max(abs(np.subtract(colour.triplet, PALETTE[number]))) <= 7


def test_the_palette_s_own_greys_would_not_all_survive_rich() -> None:
    """Why there is `rich_hex`."""
    arrived = {
        number: Color.from_rgb(*PALETTE[number]).downgrade(ColorSystem.EIGHT_BIT).number
        for number in GREYS
    }

    assert {number for number in GREYS if arrived[number] != number} == {*range(247, 256)}


@pytest.mark.parametrize("colour", ["", "#123456", "#828282"])
def test_what_is_no_palette_colour_is_left_as_it_is(colour: str) -> None:
    assert rich_hex(colour) == colour


def test_true_colours_are_as_near_as_64_steps_allow() -> None:
    image = np.random.default_rng(0).random((3, 30, 20))

    names = truecolor_names(image)

    shown = np.array([[[*bytes.fromhex(name[1:])] for name in row] for row in names.tolist()])
    assert shown.shape == (30, 20, 3)
    assert np.abs(shown - image.transpose(1, 2, 0) * 255).max() <= 2.53


def test_strong_colours_are_shown_in_colour() -> None:
    for colour, number in {(255, 0, 0): 196, (0, 175, 0): 34, (0, 0, 255): 21}.items():
        assert {*map(number_of, palette_names(filled(colour)).flat)} == {number}


def test_little_colour_is_shown_as_the_grey_of_the_same_brightness() -> None:
    """The nearest of the few colours would be far off in hue: photographs would be speckled."""
    skin = (128, 118, 108)
    luma = float(np.dot(skin, (0.299, 0.587, 0.114)))

    (name,) = {*palette_names(filled(skin)).flat}

    grey = PALETTE[number_of(name)]
    assert len({*grey}) == 1
    assert abs(grey[0] - luma) <= 5


def test_brightness_is_that_of_each_pixel_and_colour_that_of_its_surroundings() -> None:
    """Colour noise, which would flip hues, leaves the hue of an area as it is."""
    noise = np.random.default_rng(0).normal(0, 0.06, (3, 40, 40))
    area = filled((215, 135, 0), (40, 40))

    shown = np.array([PALETTE[number_of(name)] for name in palette_names(area + noise).flat])

    assert np.median(shown, axis=0).tolist() == [215, 135, 0]
    red, green, blue = shown.T
    assert (red >= green).all()
    assert (green >= blue).all()


def test_one_pixel_and_one_row_are_images_too() -> None:
    assert palette_names(np.ones((3, 1, 1))).tolist() == [["color(231)"]]
    assert palette_names(np.zeros((3, 1, 4))).tolist() == [["color(16)"] * 4]
    assert truecolor_names(np.zeros((3, 2, 1))).tolist() == [["#000000"], ["#000000"]]
