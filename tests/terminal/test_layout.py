"""How much of an image is shown, and which part of it."""

import numpy as np
import pytest

from dae_tui.terminal.layout import Window, layout, middle, telling_window

DIGIT, CROP = (28, 28), (128, 128)
# As large as the part of a large image that is shown at 80×24.
BOARD = np.indices((26, 26)).sum(0) % 2


@pytest.mark.parametrize(
    ("columns", "rows", "pixels", "across", "down"),
    [
        (80, 14, 26, 1, 1),
        (86, 15, 28, 1, 1),
        (120, 30, 28, 1, 2),
        (200, 30, 28, 2, 2),
        (80, 5, 26, 1, 1),
    ],
)
def test_digits_are_shown_whole_but_for_their_border(
    columns: int, rows: int, pixels: int, across: int, down: int
) -> None:
    shown = layout(DIGIT, 3, columns, rows)

    assert (shown.height, shown.width, shown.views) == (pixels, pixels, 3)
    assert (shown.across, shown.down) == (across, down)
    assert shown.lines == 1 + pixels // 2


@pytest.mark.parametrize(
    ("columns", "rows", "width", "height"),
    [(80, 14, 26, 26), (200, 32, 66, 62), (50, 14, 50, 26), (400, 100, 128, 128)],
)
def test_of_a_large_image_as_many_pixels_are_shown_as_there_is_room_for(
    columns: int, rows: int, width: int, height: int
) -> None:
    shown = layout(CROP, 3, columns, rows)

    assert (shown.width, shown.height) == (width, height)
    assert shown.lines <= rows
    assert shown.views * (shown.cell + 1) - 1 <= columns


def test_a_large_image_can_be_shown_whole_in_its_own_aspect() -> None:
    shown = layout((100, 200), 3, 80, 14, whole=True)

    assert (shown.width, shown.height) == (26, 13)
    image = np.random.default_rng(0).random((3, 100, 200))
    assert shown.drawn(image, middle((100, 200), shown)).shape == (3, 13, 26)


def test_a_small_image_is_never_shrunk() -> None:
    assert layout(DIGIT, 3, 80, 14, whole=True) == layout(DIGIT, 3, 80, 14)


def test_a_tiny_image_leaves_room_for_its_caption() -> None:
    shown = layout((8, 8), 3, 80, 14)

    assert (shown.width, shown.cell) == (8, 20)


def test_two_views_are_wider_than_three() -> None:
    assert layout(CROP, 2, 80, 14).width == 39


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (33, 33)])
@pytest.mark.parametrize("columns", [1, 20, 80])
@pytest.mark.parametrize("rows", [0, 1, 14])
def test_something_is_shown_of_any_image_on_any_terminal(
    size: tuple[int, int], columns: int, rows: int
) -> None:
    image = np.ones(size)
    for whole in (False, True):
        shown = layout(size, 3, columns, rows, whole=whole)
        drawn = shown.drawn(image, telling_window([image], shown))
        assert 1 <= drawn.shape[0] <= max(28, 2 * max(1, rows - 1))
        assert 1 <= drawn.shape[1] <= columns


def test_the_window_is_where_the_image_has_most_detail() -> None:
    image = np.zeros(CROP)
    image[90:116, 20:46] = BOARD

    assert telling_window([image], layout(CROP, 3, 80, 14)) == Window(90, 20, 26, 26)


def test_with_a_noisy_image_the_window_has_detail_and_noise() -> None:
    image = np.zeros((3, *CROP))
    image[:, 10:36, 10:36] = BOARD
    image[:, 90:116, 90:116] = 0.5 * BOARD
    noisy = image.copy()
    noisy[:, 60:, 60:] += np.random.default_rng(0).normal(0, 0.1, (3, 68, 68))
    shown = layout(CROP, 3, 80, 14)

    assert telling_window([image], shown).top == 10
    window = telling_window([image, noisy], shown)
    assert abs(window.top - 90) <= 4
    assert abs(window.left - 90) <= 4


@pytest.mark.parametrize("noise", [0.0, 0.1], ids=["without noise", "with noise"])
def test_of_an_image_without_detail_the_middle_is_shown(noise: float) -> None:
    flat = np.full((101, 77), 0.3)
    noisy = flat + np.random.default_rng(0).normal(0, noise, flat.shape)
    shown = layout(flat.shape, 3, 80, 14)

    assert telling_window([flat, noisy], shown) == Window(37, 25, 26, 26)


def test_an_image_without_noise_is_shown_where_it_has_detail() -> None:
    image = np.zeros(CROP)
    image[90:116, 20:46] = BOARD

    assert telling_window([image, image], layout(CROP, 3, 80, 14)).top == 90


def test_values_that_are_no_numbers_do_not_matter() -> None:
    image = np.zeros(CROP)
    image[90:116, 20:46] = BOARD
    image[0, 0] = np.nan

    assert telling_window([image], layout(CROP, 3, 80, 14)).top == 90
