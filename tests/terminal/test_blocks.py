"""An image as characters: every pixel in every mode."""

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dae_tui.terminal.blocks import (
    Segment,
    crop,
    fit_crop,
    image_lines,
    shrink,
    views_that_fit,
)
from dae_tui.terminal.graphics import Graphics

# What a 256-colour terminal shows: the corners of the colour cube and the ramp of 24 greys.
PALETTE = {16: 0, 231: 255} | {232 + step: 8 + 10 * step for step in range(24)}
COLOUR_MODES = [Graphics.TRUECOLOR, Graphics.COLORS_256]
CHARACTER_MODES = [Graphics.SHADES, Graphics.ASCII]
# How much of a cell is light, in percent for the shades.
LIGHT = {
    Graphics.SHADES: {" ": 0, "░": 0.25, "▒": 0.5, "▓": 0.75, "█": 1},
    Graphics.ASCII: {character: step / 9 for step, character in enumerate(" .:-=+*#%@")},
}
HALF_STEP = {Graphics.TRUECOLOR: 2.5 / 255, Graphics.SHADES: 1 / 8, Graphics.ASCII: 1 / 18}


def grey_of(colour: str) -> float:
    """The grey in [0, 1] that a colour's name stands for; NaN for the terminal's background."""
    if not colour:
        return math.nan
    if colour.startswith("#"):
        red, green, blue = bytes.fromhex(colour[1:])
        assert red == green == blue
        return red / 255
    return PALETTE[int(colour.removeprefix("color(").removesuffix(")"))] / 255


def pixels_of(lines: list[list[Segment]]) -> NDArray[np.float64]:
    """The pixels (H, W) that a terminal shows for half blocks."""
    rows = []
    for line in lines:
        assert all(set(segment.text) == {"▀"} for segment in line)
        rows.append([grey_of(part.foreground) for part in line for _ in part.text])
        rows.append([grey_of(part.background) for part in line for _ in part.text])
    return np.array(rows)


def light_of(lines: list[list[Segment]], mode: Graphics) -> NDArray[np.float64]:
    """The light of every cell that is a character without a colour."""
    assert all(part.foreground == part.background == "" for line in lines for part in line)
    return np.array([[LIGHT[mode][character] for character in row] for row in text_of(lines)])


def cell_means(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """The mean of the one or two pixels of every cell, one by one."""
    height, width = image.shape
    return np.array(
        [[image[y : y + 2, x].mean() for x in range(width)] for y in range(0, height, 2)]
    )


def text_of(lines: list[list[Segment]]) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


def images() -> dict[str, NDArray[np.floating]]:
    """Images that are easy to get wrong, by name."""
    generator = np.random.default_rng(0)
    wild = generator.normal(0.5, 2, (9, 12))
    wild[generator.random(wild.shape) < 0.3] = math.nan
    wild[0, :2] = math.inf, -math.inf
    return {
        "noise": generator.random((28, 28), dtype=np.float32),
        "noise clipped": generator.normal(0.2, 0.5, (28, 28)).clip(0, 1),
        "ramp across": np.tile(np.linspace(0, 1, 256), (2, 1)),
        "ramp down": np.tile(np.linspace(1, 0, 101)[:, None], (1, 3)),
        "every byte": np.arange(256).reshape(16, 16) / 255,
        "odd height": generator.random((27, 28)),
        "odd sizes": generator.random((5, 7)),
        "one row": generator.random((1, 28)),
        "one column": generator.random((28, 1)),
        "one pixel": np.array([[0.7]]),
        "half precision": generator.random((6, 6)).astype(np.float16),
        "wild": wild,
    }


@pytest.fixture(params=list(images()))
def image(request: pytest.FixtureRequest) -> NDArray[np.floating]:
    return images()[request.param]


def tamed(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """What an image counts as: NaN is black, the rest is clipped."""
    return np.nan_to_num(image.astype(np.float64), posinf=1, neginf=0).clip(0, 1)


@pytest.mark.parametrize("mode", COLOUR_MODES)
def test_every_pixel_is_drawn_in_the_nearest_grey(
    mode: Graphics, image: NDArray[np.floating]
) -> None:
    height = len(image)

    shown = pixels_of(image_lines(image, mode))

    assert shown.shape == (height + height % 2, image.shape[1])
    error = np.abs(shown[:height] - tamed(image))
    if mode is Graphics.COLORS_256:
        greys = np.array(sorted(PALETTE.values())) / 255
        least = np.abs(tamed(image)[..., None] - greys).min(-1)
        np.testing.assert_allclose(error, least, rtol=0, atol=1e-6)
    else:
        assert error.max() <= HALF_STEP[mode] + 1e-6
    # Half a cell with no pixel is the terminal's background.
    assert np.isnan(shown[height:]).all()


@pytest.mark.parametrize("mode", CHARACTER_MODES)
def test_every_character_is_the_mean_of_the_pixels_in_its_cell(
    mode: Graphics, image: NDArray[np.floating]
) -> None:
    shown = light_of(image_lines(image, mode), mode)

    means = cell_means(tamed(image))
    assert shown.shape == means.shape
    assert np.abs(shown - means).max() <= HALF_STEP[mode] + 1e-6


@pytest.mark.parametrize("mode", list(Graphics))
def test_equal_neighbours_are_joined_and_every_line_is_as_wide_as_the_image(
    mode: Graphics, image: NDArray[np.floating]
) -> None:
    lines = image_lines(image, mode)

    assert [len(line) for line in text_of(lines)] == [image.shape[1]] * -(-len(image) // 2)
    for line in lines:
        looks = [(segment.foreground, segment.background) for segment in line]
        assert all(left != right for left, right in pairwise(looks))


@pytest.mark.parametrize("mode", list(Graphics))
def test_28_by_28_pixels_take_28_by_14_cells(mode: Graphics) -> None:
    noise = np.random.default_rng(0).random((28, 28), dtype=np.float32)

    assert [len(line) for line in text_of(image_lines(noise, mode))] == [28] * 14


@pytest.mark.parametrize(
    ("mode", "black", "grey", "white"),
    [
        (Graphics.TRUECOLOR, "#000000", "#828282", "#ffffff"),
        (Graphics.COLORS_256, "color(16)", "color(244)", "color(231)"),
    ],
)
def test_a_half_block_has_the_upper_pixel_in_front_and_the_lower_behind(
    mode: Graphics, black: str, grey: str, white: str
) -> None:
    image = np.array([[0, 1], [1, 129 / 255], [129 / 255, 0], [0, 0]])

    assert image_lines(image, mode) == [
        [Segment("▀", black, white), Segment("▀", white, grey)],
        [Segment("▀", grey, black), Segment("▀", black, black)],
    ]


@pytest.mark.parametrize(("mode", "greys"), [(Graphics.TRUECOLOR, 64), (Graphics.COLORS_256, 26)])
def test_a_ramp_takes_all_the_greys_that_the_mode_has(mode: Graphics, greys: int) -> None:
    ramp = np.linspace(0, 1, 1000).reshape(2, 500)

    shown = np.unique(pixels_of(image_lines(ramp, mode)))

    assert (len(shown), shown[0], shown[-1]) == (greys, 0, 1)


@pytest.mark.parametrize("mode", COLOUR_MODES)
def test_below_an_odd_last_row_is_the_background(mode: Graphics) -> None:
    last = image_lines(np.ones((3, 2)), mode)[-1]

    assert [(part.text, part.background) for part in last] == [("▀▀", "")]
    assert grey_of(last[0].foreground) == 1


@pytest.mark.parametrize(("mode", "full"), [(Graphics.SHADES, "█"), (Graphics.ASCII, "@")])
def test_an_odd_last_row_is_as_light_as_its_pixels(mode: Graphics, full: str) -> None:
    assert text_of(image_lines(np.ones((3, 2)), mode)) == [full * 2] * 2


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


@pytest.mark.parametrize(
    ("mode", "characters"), [(Graphics.SHADES, " ░▒▓█"), (Graphics.ASCII, " .:-=+*#%@")]
)
def test_characters_go_from_blank_to_full(mode: Graphics, characters: str) -> None:
    row = np.linspace(0, 1, len(characters))

    assert image_lines(np.stack([row, row]), mode) == [[Segment(characters)]]


def test_drawing_leaves_the_image_as_it_was() -> None:
    image = np.array([[math.nan, 2.0], [-1.0, 0.5], [0.0, 1.0]])
    before = image.copy()

    image_lines(image, Graphics.TRUECOLOR)

    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(), (28,), (2, 28, 28), (28, 28, 3), (1, 1, 28, 28)])
def test_only_grey_and_three_channels_are_an_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="height, width"):
        image_lines(np.zeros(shape), Graphics.TRUECOLOR)


@pytest.mark.parametrize("mode", list(Graphics))
def test_one_channel_is_a_grey_image(mode: Graphics) -> None:
    image = np.random.default_rng(0).random((9, 6))

    assert image_lines(image[None], mode) == image_lines(image, mode)


@pytest.mark.parametrize("mode", list(Graphics))
def test_three_equal_channels_are_drawn_as_the_grey_image_that_they_are(mode: Graphics) -> None:
    # None is halfway between two greys of the palette.
    grey = np.random.default_rng(0).choice([0, 10, 50, 97, 160, 200, 240, 255], (9, 6)) / 255

    assert image_lines(np.stack([grey] * 3), mode) == image_lines(grey, mode)


def test_a_coloured_half_block_has_the_upper_pixel_in_front() -> None:
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    image = np.array([[red], [blue]]).transpose(2, 0, 1)

    assert image_lines(image, Graphics.TRUECOLOR) == [[Segment("▀", "#ff0000", "#0000ff")]]


@pytest.mark.parametrize("mode", CHARACTER_MODES)
def test_without_colours_the_channels_are_averaged(mode: Graphics) -> None:
    image = np.random.default_rng(0).random((3, 8, 5))

    assert image_lines(image, mode) == image_lines(image.mean(0), mode)


@pytest.mark.parametrize("mode", COLOUR_MODES)
def test_bad_values_of_a_channel_are_clipped(mode: Graphics) -> None:
    image = np.zeros((3, 2, 1))
    image[:, 0, 0] = math.nan, 5.0, -math.inf
    tame = np.nan_to_num(image, neginf=0).clip(0, 1)

    assert image_lines(image, mode) == image_lines(tame, mode)


def test_three_digits_fit_80_columns_with_26_pixels_each() -> None:
    border = fit_crop(80)
    noise = np.random.default_rng(0).random((3, 28, 28))

    digits = crop(noise, border)

    assert digits.shape == (3, 26, 26)
    for mode in Graphics:
        rows = zip(*(text_of(image_lines(digit, mode)) for digit in digits), strict=True)
        assert [len(" ".join(row)) for row in rows] == [80] * 13


@pytest.mark.parametrize(
    ("columns", "gap", "border"),
    [
        (200, 2, 0),
        (88, 2, 0),
        (87, 2, 1),
        (86, 1, 0),
        (85, 1, 1),
        (80, 1, 1),
        (79, 1, 2),
        (74, 1, 2),
    ],
)
def test_the_narrower_the_terminal_the_more_border_is_cut(
    columns: int, gap: int, border: int
) -> None:
    assert fit_crop(columns, 3, gap) == border


@pytest.mark.parametrize("side", [8, 28, 40])
@pytest.mark.parametrize("views", [1, 2, 3])
def test_as_much_border_is_cut_as_must_be_and_no_more(views: int, side: int) -> None:
    for columns in range(20 * views, 130):
        border = fit_crop(columns, views, 1, side)

        assert views * (side - 2 * border) + views - 1 <= columns
        assert border == 0 or views * (side - 2 * (border - 1)) + views - 1 > columns


@pytest.mark.parametrize(
    ("columns", "views", "shown"),
    [(200, 3, 3), (60, 3, 3), (59, 3, 1), (40, 2, 2), (39, 2, 1), (20, 1, 1), (3, 1, 1), (0, 3, 1)],
)
def test_one_view_is_shown_where_three_would_be_too_narrow(
    columns: int, views: int, shown: int
) -> None:
    assert views_that_fit(columns, views) == shown


def test_crop_cuts_the_same_from_every_edge() -> None:
    image = np.arange(30.0).reshape(5, 6)

    assert crop(image, 0).tolist() == image.tolist()
    assert crop(image, 1).tolist() == image[1:4, 1:5].tolist()
    assert crop(np.stack([image, image + 1])[None], 2).tolist() == [[[[14, 15]], [[15, 16]]]]


def test_crop_leaves_the_middle_of_a_small_image() -> None:
    assert crop(np.arange(12.0).reshape(3, 4), 9).tolist() == [[5, 6]]


@pytest.mark.parametrize(
    ("shape", "cells", "expected"),
    [
        ((56, 56), (28, 14), (28, 28)),
        ((100, 50), (28, 14), (28, 14)),
        ((50, 100), (28, 14), (14, 28)),
        ((512, 333), (40, 100), (62, 40)),
        ((7, 7), (3, 10), (3, 3)),
        ((1, 1000), (20, 5), (1, 20)),
        ((28, 28), (28, 14), (28, 28)),
        ((8, 8), (80, 24), (8, 8)),
    ],
)
def test_a_large_image_shrinks_into_the_cells_and_keeps_its_aspect(
    shape: tuple[int, int], cells: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert shrink(np.zeros(shape), *cells).shape == expected


def test_every_pixel_of_a_shrunk_image_is_the_mean_of_the_area_it_covers() -> None:
    image = np.random.default_rng(0).random((12, 20))

    np.testing.assert_allclose(
        shrink(image, 5, 100), image.reshape(3, 4, 5, 4).mean((1, 3)), atol=1e-6
    )
    # Three pixels to two: each takes a whole one and half of the middle one.
    np.testing.assert_allclose(shrink(np.array([[0.0, 0.3, 0.9]]), 2, 9), [[0.1, 0.7]], atol=1e-6)


def test_a_shrunk_image_is_as_light_as_the_image() -> None:
    image = np.random.default_rng(0).random((101, 77), dtype=np.float32)

    small = shrink(image, 23, 15)

    assert small.shape == (30, 23)
    assert small.mean() == pytest.approx(image.mean(), abs=1e-5)


def test_shrinking_clips_first_so_that_one_bad_pixel_spoils_no_other() -> None:
    image = np.array([[math.nan, 1.0, math.inf, -math.inf], [1.0, 1.0, 5.0, -5.0]])

    assert shrink(image, 2, 1).tolist() == [[0.75, 0.5]]


def test_the_channels_of_an_image_shrink_alike() -> None:
    image = np.random.default_rng(0).random((3, 20, 30))

    small = shrink(image, 10, 10)

    assert small.shape == (3, 7, 10)
    np.testing.assert_allclose(small[1], shrink(image[1], 10, 10))


def test_an_image_that_fits_is_not_changed() -> None:
    image = np.random.default_rng(0).random((9, 11))

    np.testing.assert_array_equal(shrink(image, 11, 5), image)
