"""The eight symmetries of a square: quarter turns, with and without a flip."""

from torch import Tensor

SYMMETRIES = 8


def turned(image: Tensor, turn: int) -> Tensor:
    """An image (…, H, W) after one of the `SYMMETRIES`: quarter turns, from 4 on with a flip."""
    rotated = image.rot90(turn % 4, (-2, -1)) if turn % 4 else image
    return rotated.flip(-1) if turn >= 4 else rotated


def turned_back(image: Tensor, turn: int) -> Tensor:
    """The image of which `turned` made this one."""
    unflipped = image.flip(-1) if turn >= 4 else image
    return unflipped.rot90(-turn % 4, (-2, -1)) if turn % 4 else unflipped
