"""The greys and colours that a terminal has, by name, and the nearest one to each pixel.

A name is `#rrggbb` in true colour, `color(N)` for one of the 256. Imports neither Rich nor Textual.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# 64 greys: a noisy 28×28 image takes 13.7 kB (13.6 with 26 greys), and the styles of all 4 096
# pairs are soon cached. 256 greys have 65 536 pairs, and Rich took a fifth longer to draw them.
TRUECOLOR_STEPS = 64
TRUECOLOR_GREYS = [round(step * 255 / (TRUECOLOR_STEPS - 1)) for step in range(TRUECOLOR_STEPS)]
# The greys of the 256-colour palette: black, the ramp 232 to 255 (8, 18, … 238), and white.
PALETTE_GREYS = [0, *range(8, 239, 10), 255]
PALETTE_GREY_NAMES = [f"color({number})" for number in (16, *range(232, 256), 231)]
# The red, green and blue values in the cube of the 256-colour palette: 16 + 36 r + 6 g + b.
_CUBE = (0, 95, 135, 175, 215, 255)
# Brightness, and how far red and blue are from it, as in YCbCr.
_LUMA = np.array([0.299, 0.587, 0.114])
_CHROMA = np.array([0.713, 0.564])
# A colour of the cube is far from most of a photograph's, which would be speckled with wrong hues
# or change its brightness in large steps. So the mean colour of so many pixels a side counts, half
# as much as brightness, and a grey is taken unless it is so much farther away (squared, of 255²).
_COLOUR_SIDE = 5
_COLOUR_WEIGHT = 0.5
_GREY_BONUS = 400.0


def hex_name(red: int, green: int, blue: int) -> str:
    """The name of a true colour; values 0 to 255."""
    return f"#{red:02x}{green:02x}{blue:02x}"


# Halfway between two of them.
_TRUECOLOR_LIMITS = np.convolve(np.array(TRUECOLOR_GREYS) / 255, [0.5, 0.5], "valid")
TRUECOLOR_GREY_NAMES = [hex_name(grey, grey, grey) for grey in TRUECOLOR_GREYS]
# Without its greys: the ramp has nearly the same ones.
_CUBE_COLOURS = {
    f"color({16 + 36 * r + 6 * g + b})": (_CUBE[r], _CUBE[g], _CUBE[b])
    for r in range(6)
    for g in range(6)
    for b in range(6)
    if not r == g == b
}
# Rich spaces the 26 greys evenly, so that the palette's own #eeeeee is sent as 254. It sends the
# colours of the cube as they are.
_RICH_HEX = {
    **{name: hex_name(*(round(step * 10.2),) * 3) for step, name in enumerate(PALETTE_GREY_NAMES)},
    **{name: hex_name(*colour) for name, colour in _CUBE_COLOURS.items()},
}


def rich_hex(colour: str) -> str:
    """The `#rrggbb` that Rich sends to a 256-colour terminal as this `color(N)`.

    For Textual, which turns `color(N)` into the palette's own true colour before Rich looks for the
    nearest of the 256: 247 to 255 would come out one step too dark. Other colours are unchanged.
    """
    return _RICH_HEX.get(colour, colour)


def truecolor_names(image: NDArray[np.floating]) -> NDArray[np.object_]:
    """The names (H, W) of the colours of an image (3, H, W) in [0, 1], 64 steps to a channel."""
    steps = np.searchsorted(_TRUECOLOR_LIMITS, image)
    codes = (steps[0] * TRUECOLOR_STEPS + steps[1]) * TRUECOLOR_STEPS + steps[2]
    found, places = np.unique(codes, return_inverse=True)
    channels = np.stack([found // TRUECOLOR_STEPS**2, found // TRUECOLOR_STEPS, found])
    values = np.array(TRUECOLOR_GREYS)[channels % TRUECOLOR_STEPS]
    names = np.array([hex_name(*colour) for colour in values.T.tolist()], dtype=object)
    named: NDArray[np.object_] = names[places.reshape(codes.shape)]
    return named


def palette_names(image: NDArray[np.floating]) -> NDArray[np.object_]:
    """The names (H, W) of the 256 colours for an image (3, H, W) in [0, 1].

    The brightness is that of the pixel, in the 26 greys where there is little colour; hues are
    coarse, and averaged over `_COLOUR_SIDE` pixels.
    """
    colours, names, bonus = _palette()
    seen = _seen(np.moveaxis(image.astype(np.float64) * 255, 0, -1))
    seen[..., 1:] = _averaged(seen[..., 1:], _COLOUR_SIDE)
    steps, places = np.unique(np.rint(seen).reshape(-1, 3), axis=0, return_inverse=True)
    # |pixel - colour|², without |pixel|², which is the same for every colour.
    distances = np.square(colours).sum(1) - 2 * steps @ colours.T - bonus
    named: NDArray[np.object_] = names[distances.argmin(1)][places.reshape(image.shape[1:])]
    return named


def _seen(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Brightness and weighted colour (…, 3) of red, green and blue (…, 3), 0 to 255."""
    luma = colours @ _LUMA
    chroma = (colours[..., ::2] - luma[..., None]) * _CHROMA * np.sqrt(_COLOUR_WEIGHT)
    return np.concatenate([luma[..., None], chroma], -1)


def _averaged(planes: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """The mean of the square around each pixel of (H, W, C); edges are repeated."""
    around = side // 2
    padded = np.pad(planes, ((around, around), (around, around), (0, 0)), mode="edge")
    squares = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
    means: NDArray[np.float64] = squares.mean((-2, -1))
    return means


@cache
def _palette() -> tuple[NDArray[np.float64], NDArray[np.object_], NDArray[np.float64]]:
    """The colours as `_seen`, (n, 3), their names (n,), and what brings each nearer (n,)."""
    colours = np.array([*((grey,) * 3 for grey in PALETTE_GREYS), *_CUBE_COLOURS.values()])
    bonus = np.where(np.arange(len(colours)) < len(PALETTE_GREYS), _GREY_BONUS, 0.0)
    names = np.array([*PALETTE_GREY_NAMES, *_CUBE_COLOURS], dtype=object)
    return _seen(colours.astype(np.float64)), names, bonus
