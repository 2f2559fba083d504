"""Lines as characters: up to 2 × 4 points of a line in one cell. Does not import Textual.

By hand since (2026-11-26) drawing two lines takes 1.1 ms here, 3.4 ms with plotext 6.1 and 10 to
26 ms with textual-plot 0.10: more than the whole dashboard may take each second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Marks(StrEnum):
    """How points are drawn, from the finest to the one for every terminal."""

    BRAILLE = "braille"
    BLOCKS = "blocks"
    ASCII = "ascii"


# Points per cell (across, down), and the character of each combination of points.
_CELLS = {Marks.BRAILLE: (2, 4), Marks.BLOCKS: (2, 2), Marks.ASCII: (1, 1)}
# The bit of each point in a cell, row by row; of Braille as Unicode numbers the dots.
_BITS = {
    Marks.BRAILLE: np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]),
    Marks.BLOCKS: np.array([[1, 2], [4, 8]]),
}
_BLOCKS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
# Larger values are left out: their sum or range would not be finite.
_LARGEST = 1e300


@dataclass(frozen=True)
class Line:
    """Values over steps. NaN breaks the line."""

    x: Floats
    """Ascending, (N,)."""
    y: Floats
    smooth: bool = True
    """Whether smoothing applies: for many noisy values, not for a few means."""
    dashed: bool = False
    """Whether to leave gaps, through which a line below is visible."""


@dataclass(frozen=True)
class Plot:
    """Characters of a plot, without its labels."""

    rows: list[str]
    owners: NDArray[np.int64]
    """The number of the line in each cell, (height, width); -1 where there is none."""
    ticks: dict[int, str]
    """The labels of the y axis by their row."""
    x_ticks: dict[int, str] = field(default_factory=dict)
    """The labels of the x axis by their column; of points alone."""


def plot(
    lines: Sequence[Line],
    width: int,
    height: int,
    x_range: tuple[float, float],
    *,
    log: bool,
    smoothing: float,
    marks: Marks,
    y_range: tuple[float, float] | None = None,
    symbols: Sequence[str] = "*o+x",
) -> Plot:
    """Draw lines into `width` × `height` cells; a later line lies over an earlier one.

    Args:
        lines: what to draw.
        width: in cells, at least 1.
        height: in cells, at least 1.
        x_range: the steps at the left and the right edge.
        log: a logarithmic y axis; values that are not positive are left out.
        smoothing: the weight of the past in an exponential mean, from 0 to below 1.
        marks: which characters to use.
        symbols: what each line is drawn with in ASCII.
        y_range: the lowest and the highest value; None for those of the lines. Linear axes only.
    """
    across, down = _CELLS[marks]
    columns = [_scaled(line, width * across, x_range, log, smoothing) for line in lines]
    known = np.concatenate([column[np.isfinite(column)] for column in columns] or [np.empty(0)])
    if not len(known):
        return Plot([" " * width] * height, np.full((height, width), -1), {})
    low, high = _range(np.array(y_range) if y_range else known, log)
    codes = np.zeros((height, width), np.int64)
    owners = np.full((height, width), -1)
    for number, (line, column) in enumerate(zip(lines, columns, strict=True)):
        points = _connect((high - column) / (high - low) * (height * down - 1), height * down)
        if line.dashed:
            points[:, np.arange(width * across) // across % 2 == 1] = False
        cells = points.reshape(height, down, width, across)
        hit = cells.any(axis=(1, 3))
        owners[hit] = number
        if marks is not Marks.ASCII:
            codes |= (cells * _BITS[marks][None, :, None, :]).sum(axis=(1, 3))
    ticks = {
        round((high - place) / (high - low) * (height - 1)): label
        for place, label in _ticks(low, high, log, max(2, height // 2))
    }
    return Plot(
        _characters(owners if marks is Marks.ASCII else codes, marks, symbols), owners, ticks
    )


def scatter(
    x: Floats,
    y: Floats,
    width: int,
    height: int,
    *,
    log: tuple[bool, bool] = (False, False),
    symbol: str = "o",
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Plot:
    """Draw points into `width` × `height` cells, one character each; a later one lies on top.

    Args:
        x: (N,).
        y: (N,). Points that are not finite are left out, as on a logarithmic axis are those that
            are not positive.
        width: in cells, at least 1.
        height: in cells, at least 1.
        log: which of the axes, x and y, are logarithmic.
        symbol: what a point is drawn with.
        x_ticks: the values that are labelled on the x axis; None for round numbers.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        across = np.log10(x) if log[0] else x
        up = np.log10(y) if log[1] else y
    # Values beyond `_LARGEST` are left out too: their range would not be finite.
    known = np.flatnonzero((np.abs(across) < _LARGEST) & (np.abs(up) < _LARGEST))
    rows, owners = [[" "] * width for _ in range(height)], np.full((height, width), -1)
    if not len(known):
        return Plot(["".join(row) for row in rows], owners, {})
    left, right = _range(across[known], log[0])
    low, high = _range(up[known], log[1])
    columns = ((across[known] - left) / (right - left) * (width - 1)).round().astype(np.int64)
    lines = ((high - up[known]) / (high - low) * (height - 1)).round().astype(np.int64)
    for number, column, line in zip(known.tolist(), columns.tolist(), lines.tolist(), strict=True):
        rows[line][column] = symbol
        owners[line, column] = number
    if x_ticks is None:
        labels = _ticks(left, right, log[0], max(2, width // 12))
    else:
        labels = [(math.log10(at) if log[0] else at, label) for at, label in x_ticks]
    return Plot(
        ["".join(row) for row in rows],
        owners,
        {
            round((high - place) / (high - low) * (height - 1)): label
            for place, label in _ticks(low, high, log[1], max(2, height // 2))
        },
        {
            round((place - left) / (right - left) * (width - 1)): label
            for place, label in labels
            if left <= place <= right
        },
    )


def polylines(
    heights: Floats,
    columns: Sequence[int],
    width: int,
    height: int,
    *,
    marks: Marks = Marks.BRAILLE,
    symbols: Sequence[str] = "*",
) -> Plot:
    """Draw a line for each row of `heights`, from axis to axis; a later one lies on top.

    Args:
        heights: (N, A): where each line meets each axis, from 0 at the bottom to 1 at the top. NaN
            breaks the line.
        columns: the cell of each of the A axes, ascending.
        width: in cells.
        height: in cells.
        marks: what the lines are made of.
        symbols: in ASCII what the lines are drawn with, in turn.
    """
    across, down = _CELLS[marks]
    codes = np.full((height, width), -1) if marks is Marks.ASCII else np.zeros((height, width), int)
    owners = np.full((height, width), -1)
    places = [column * across + across // 2 for column in columns]
    for number, line in enumerate(heights):
        rows = (1 - line) * (height * down - 1)
        for left, right, start, end in zip(places, places[1:], rows, rows[1:], strict=False):
            if not (np.isfinite(start) and np.isfinite(end)):
                continue
            count = int(max(right - left, abs(end - start))) + 1
            x = np.linspace(left, right, count).round().astype(np.int64)
            y = np.linspace(start, end, count).round().astype(np.int64)
            cells = y // down, x // across
            owners[cells] = number
            if marks is Marks.ASCII:
                codes[cells] = number
            else:
                np.bitwise_or.at(codes, cells, _BITS[marks][y % down, x % across])
    return Plot(_characters(codes, marks, symbols), owners, {})


def _range(values: Floats, log: bool) -> tuple[float, float]:
    """The least and the greatest value, on the scale of the axis; never the same."""
    low, high = float(values.min()), float(values.max())
    # A learning rate may be smaller than any fixed margin: beside one, it would be drawn as 0.
    if high - low <= (1e-9 if log else 1e-6 * max(abs(low), abs(high))):
        margin = 0.05 if log else 0.05 * abs(high) or 0.05
        low, high = low - margin, high + margin
    return low, high


def _characters(codes: NDArray[np.int64], marks: Marks, symbols: Sequence[str]) -> list[str]:
    """The rows of characters for the points, or in ASCII the line, of each cell."""
    drawn = {
        Marks.BRAILLE: lambda code: chr(0x2800 + code) if code else " ",
        Marks.BLOCKS: lambda code: _BLOCKS[code],
        Marks.ASCII: lambda line: symbols[line % len(symbols)] if line >= 0 else " ",
    }[marks]
    return ["".join(map(drawn, row)) for row in codes.tolist()]


def _scaled(
    line: Line, count: int, x_range: tuple[float, float], log: bool, smoothing: float
) -> Floats:
    """A line's means in `count` columns, smoothed, on the y axis; NaN where nothing is drawn."""
    means = _columns(line, count, x_range)
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            means = np.log10(means)
        means[np.isinf(means)] = np.nan  # The logarithm of zero.
    # On the axis that is seen: the first losses, a hundred times as high, would pull a mean of
    # the values themselves up for a third of a chart.
    return _smooth(means, smoothing) if line.smooth else means


def _columns(line: Line, count: int, x_range: tuple[float, float]) -> Floats:
    """The mean of the values in each of `count` columns; NaN where there is no line."""
    first, last = x_range
    start, end = np.searchsorted(line.x, [first, last + 1e-9]).tolist()
    # One more point on either side, to which the line continues beyond the edge.
    near = slice(max(0, start - 1), end + 1)
    x, y = line.x[near], line.y[near]
    places = ((x - first) / max(last - first, 1e-9) * (count - 1)).round()
    finite = np.abs(y) < _LARGEST
    # Column 0 and the last of these are for the points beyond the edges.
    columns = places.clip(-1, count).astype(np.int64) + 1
    counts = np.bincount(columns[finite], minlength=count + 2)
    sums = np.bincount(columns[finite], y[finite], minlength=count + 2)
    known = np.flatnonzero(counts)
    if not len(known):
        return np.full(count, np.nan)
    at = known - 1.0
    at[known == 0] = places[0]
    at[known == count + 1] = places[-1]
    # Columns between two known ones lie on the line between them, unless a NaN lies there too.
    every = np.arange(count)
    values: Floats = np.interp(every, at, sums[known] / counts[known], left=np.nan, right=np.nan)
    # Each column belongs to the known one to its right; a NaN empties all of its columns.
    lost = np.isin(np.searchsorted(at, every), np.searchsorted(at, places[~finite]))
    values[lost & (counts[1:-1] == 0)] = np.nan
    return values


def _smooth(values: Floats, share: float) -> Floats:
    if not share:
        return values
    smooth = values.copy()
    before = math.nan
    for index, value in enumerate(values.tolist()):
        before = (
            value
            if math.isnan(before) or math.isnan(value)
            else (share * before + (1 - share) * value)
        )
        smooth[index] = before
    return smooth


def _connect(rows: Floats, height: int) -> NDArray[np.bool_]:
    """The points (height, N) of a line through one row per column, without holes."""
    before = np.concatenate([rows[:1], rows[:-1]])
    after = np.concatenate([rows[1:], rows[-1:]])
    # Each column reaches half way to its neighbours; fmin and fmax ignore NaN.
    half = np.stack([rows, (rows + before) / 2, (rows + after) / 2])
    with np.errstate(invalid="ignore"):
        low = np.fmin.reduce(half).round()
        high = np.fmax.reduce(half).round()
        row = np.arange(height)[:, None]
        points: NDArray[np.bool_] = (row >= low) & (row <= high) & np.isfinite(rows)
    return points


def _ticks(low: float, high: float, log: bool, most: int) -> list[tuple[float, str]]:
    """At most `most` round numbers in a range of the (scaled) axis, with their labels."""
    if log:
        for digits in ((1, 2, 5), (1, 3), (1,)):
            places = [
                (math.log10(digit) + power, f"{digit * 10.0**power:.3g}")
                for power in range(math.floor(low), math.ceil(high) + 1)
                for digit in digits
            ]
            found = [tick for tick in places if low <= tick[0] <= high]
            if len(found) <= most:
                break
        else:
            found = found[:: math.ceil(len(found) / most)]
        if len(found) < 2:
            found = [(place, f"{10**place:.2g}") for place in (low, high)]
        return found
    step = 10.0 ** math.floor(math.log10(high - low))
    step = next(
        size
        for size in (step / 5, step / 2, step, 2 * step, 5 * step, 10 * step)
        if (high - low) / size <= most
    )
    first = math.ceil(low / step)
    found = [(n * step, f"{n * step:.6g}") for n in range(first, math.floor(high / step) + 1)]
    return found if len(found) > 1 else [(place, f"{place:.3g}") for place in (low, high)]
