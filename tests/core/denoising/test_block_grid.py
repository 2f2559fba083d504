"""Where the blocks of a JPEG begin in an image."""

import io

import numpy as np
import pytest
import torch
from noisy_pictures import colour
from PIL import Image
from torch import Tensor

from dae_tui.core.denoising.block_grid import find_grid, starting_on
from dae_tui.core.noise.synthetic.jpeg import BLOCK


def stored(quality: int) -> Tensor:
    """A photograph (3, 256, 256) that was stored as JPEG."""
    file = io.BytesIO()
    values = (colour("coffee", 256) * 255).round().astype(np.uint8)
    Image.fromarray(values).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).movedim(-1, 0) / 255


@pytest.mark.parametrize("quality", [30, 60])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 6), (7, 1)])
def test_the_blocks_of_a_cut_jpeg_are_found(quality: int, row: int, column: int) -> None:
    cut = stored(quality)[:, (-row) % BLOCK :, (-column) % BLOCK :]
    assert find_grid(cut) == (row, column)


def test_where_no_blocks_show_they_begin_at_0() -> None:
    plain = torch.from_numpy(colour("coffee", 256)).float().movedim(-1, 0)
    noise = 0.1 * torch.randn(plain.shape, generator=torch.Generator().manual_seed(0))
    assert find_grid(plain[:, 1:, 2:]) == (0, 0)
    assert find_grid(plain + noise) == (0, 0)
    assert find_grid(plain[:, :20, :20]) == (0, 0)
    assert find_grid(torch.full((1, 100, 100), torch.nan)) == (0, 0)


@pytest.mark.parametrize("length", [10, 192, 193, 200, 1001])
@pytest.mark.parametrize("grid", [0, 3, 7])
def test_the_middle_begins_with_a_block(length: int, grid: int) -> None:
    part = starting_on(grid, length, 192)
    assert part.start % BLOCK == grid
    assert 0 <= part.start < part.stop <= length
    assert part.stop - part.start >= min(192, length) - BLOCK
