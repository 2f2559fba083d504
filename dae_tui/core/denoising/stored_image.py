"""The values of one stored image as a network sees them, and the way back to the file.

They are read band by band: the image may be larger than what fits into memory as float32.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.denoising.block_grid import find_grid, starting_on
from dae_tui.core.denoising.examination import unit_planes
from dae_tui.core.denoising.planes.dynamic_range import Bulk
from dae_tui.core.denoising.risk import SIDE, middle
from dae_tui.core.images.image_file import Stack
from dae_tui.core.images.value_range import ValueRange, fill_unmeasured, from_unit
from dae_tui.core.noise.level.stripes import Stripes

# Pixels that are converted to float32 together, few enough to stay in the cache: storing 10 000
# digits took 0.15 s when all were converted at once, and takes 0.01 s this way.
AT_ONCE = 1_000_000
OVERVIEW = 2**18
"""About so many pixels, spread evenly, tell how the values of an image are distributed."""
# So many rows and columns tell where the blocks of a JPEG begin.
GRID_SIDE = 512


@dataclass(frozen=True)
class StoredImage:
    """One image of a stack, as planes (C, h, w) where black is 0 and white is 1."""

    stack: Stack
    number: int
    range: ValueRange
    stripes: Stripes | None
    """Offsets of rows or columns, which the planes are without."""

    @property
    def rows(self) -> NDArray[Any]:
        """(H, W, C) as stored, with alpha."""
        rows: NDArray[Any] = self.stack.values[self.number]
        return rows

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.rows.shape[:2]
        return height, width

    @property
    def bands(self) -> Iterator[tuple[int, int]]:
        """First row and end of bands of the image."""
        height, width = self.size
        band = max(1, AT_ONCE // width)
        for top in range(0, height, band):
            yield top, min(top + band, height)

    def planes(self, rows: tuple[int, int], columns: tuple[int, int] | None = None) -> Tensor:
        """Some rows, (C, h, w), in [0, 1], without stripes."""
        down, across = slice(*rows), slice(*columns) if columns else slice(None)
        planes = self._as_stored(down, across)
        return planes if self.stripes is None else planes - self.stripes.at(down, across)

    def _as_stored(self, rows: slice, columns: slice) -> Tensor:
        return fill_unmeasured(unit_planes(self.rows[rows, columns], self.stack, self.range))

    def middle(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """First row and end, first column and end of the part that is tried."""
        height, width = self.size
        return middle(height), middle(width)

    @cached_property
    def ends(self) -> tuple[list[float], list[float]]:
        """The lowest and the highest value of each channel, in [0, 1], band by band."""
        ends = []
        for rows in self.bands:
            flat = self.planes(rows).flatten(1)
            ends.append(torch.stack(torch.aminmax(flat, dim=1)))
        lowest, highest = torch.stack(ends).unbind(1)
        return lowest.amin(0).tolist(), highest.amax(0).tolist()

    @cached_property
    def overview(self) -> Tensor:
        """Some of its values, spread evenly, (C, h, w) in [0, 1]."""
        height, width = self.size
        every = slice(None, None, max(1, math.isqrt(height * width // OVERVIEW)))
        return self._as_stored(every, every)

    @cached_property
    def bulk(self) -> Bulk | None:
        """Where most of its values lie; None for several channels."""
        if len(self.overview) > 1:
            return None
        found = Bulk.of(self.overview.flatten())
        lowest, highest = self.ends
        return found and replace(found, lowest=lowest[0], highest=highest[0])

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Where the blocks of a JPEG begin in it."""
        rows, columns = (starting_on(0, length, GRID_SIDE) for length in self.size)
        return find_grid(self.planes((rows.start, rows.stop), (columns.start, columns.stop)))

    @cached_property
    def blocks(self) -> Tensor:
        """The middle, which starts where a block of JPEG does, (C, h, w) in [0, 1]."""
        rows, columns = (
            starting_on(first, length, SIDE)
            for first, length in zip(self.grid, self.size, strict=True)
        )
        return self.planes((rows.start, rows.stop), (columns.start, columns.stop))

    def middle_of(self, out: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """The middle before and after, (C, h, w) each, in [0, 1]."""
        rows, columns = self.middle()
        before = self.planes(rows, columns)
        after = self.after(out, slice(*rows), slice(*columns))
        return before, after.where(after.isfinite(), before)

    def after(self, out: NDArray[Any], rows: slice, columns: slice = slice(None)) -> Tensor:
        """Some of what was stored in `out` (H, W, C), as planes; NaN where nothing was measured."""
        return unit_planes(out[rows, columns], self.stack, self.range)

    def store(self, planes: Tensor, rows: slice, out: NDArray[Any], strength: float = 1.0) -> None:
        """Store rows (C, h, W) in [0, 1] in `out`; what was not measured or seen stays.

        `strength` is their share; that of what was there, stripes included, is the rest.
        """
        stack = self.stack
        if strength < 1:
            planes = torch.lerp(self._as_stored(rows, slice(None)), planes, strength)
        values = self.rows[rows]
        channels = values.shape[-1] - stack.alpha
        stored = from_unit(
            planes.movedim(0, -1),
            values[..., :channels],
            self.range,
            stack.white_is_zero,
            stack.no_data,
        )
        if stack.alpha:
            stored = np.where(values[..., -1:] != 0, stored, values[..., :channels])
        out[rows, ..., :channels] = stored
