"""Where the blocks of a JPEG begin in an image, which may have been cut from a larger one.

Weights that learnt from JPEGs know the artefacts by their place among the blocks: a photograph with
white noise of 10/255, as JPEG of quality 60, came to 32 dB where its blocks begin at a multiple of
8 pixels, and stayed at 29 dB where they begin two pixels further.
"""

import torch
from torch import Tensor

from dae_tui.core.noise.synthetic.jpeg import BLOCK

LEAST_EDGE = 0.2 / 255
"""So much larger is the step between two blocks than those beside it, in the mean."""
DISTINCT = 3.5
"""And so many standard deviations of the other places above their mean."""


def find_grid(planes: Tensor) -> tuple[int, int]:
    """The first row and the first column at which blocks begin, each from 0 to 7.

    Args:
        planes: float32 (C, H, W), where black is 0 and white is 1.

    Returns 0 along an axis where no blocks show.
    """
    grey = planes.mean(0)
    return _first(grey), _first(grey.T)


def starting_on(grid: int, length: int, side: int) -> slice:
    """The middle of an axis, at most `side` pixels, that starts where a block does."""
    start = max(0, (length - side) // 2)
    start -= (start - grid) % BLOCK
    if start < 0:
        start = grid if length > grid else 0
    return slice(start, min(length, start + side))


def before_blocks(grid: tuple[int, int]) -> tuple[int, int]:
    """So many rows and columns more, and the blocks begin at multiples of their side."""
    row, column = grid
    return -row % BLOCK, -column % BLOCK


def _first(rows: Tensor) -> int:
    """The first of the rows (H, W) at which blocks begin."""
    if len(rows) < 4 * BLOCK:
        return 0
    steps = rows.diff(dim=0).abs().mean(1).nan_to_num()
    # Between rows n and n + 1; of the rows themselves and of the noise there is as much beside it.
    edges = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    means = torch.stack([edges[(place - 2) % BLOCK :: BLOCK].mean() for place in range(BLOCK)])
    best = int(means.argmax())
    others = torch.cat([means[:best], means[best + 1 :]])
    least = max(LEAST_EDGE, float(others.mean() + DISTINCT * others.std()))
    return best if float(means[best]) > least else 0
