"""Kept tables of `dae compress`: what is read of them, their curves over units, their rows.

Does not import Textual. The files of the tables may hold anything.
"""

import os
import re
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from dae_tui.dashboard.content.comparison import (
    NEWEST,
    NONE,
    ComparisonColumn,
    ComparisonRow,
    text_of,
    with_best,
)
from dae_tui.runs.compressions import (
    COMPRESSIONS,
    SavedCompression,
    list_compressions,
    read_compression,
)
from dae_tui.runs.folder.summary import number, word
from dae_tui.terminal.plot import Line

_TIME = re.compile(r"^\d{8}-\d{6}-")


class Figure(StrEnum):
    """What the y axis has."""

    ERROR = "mean squared error"
    TOTAL = "sum of squares"
    PSNR = "PSNR, dB"
    SSIM = "SSIM"
    ANGLE = "smallest angle, degrees"


LOGARITHMIC = (Figure.ERROR, Figure.TOTAL)
"""Until the axis is made linear."""
_KEYS = {
    Figure.ERROR: "squared_error",
    Figure.TOTAL: "squared_error",
    Figure.PSNR: "psnr",
    Figure.SSIM: "ssim",
    Figure.ANGLE: "smallest_angle",
}
COLUMNS = (
    ComparisonColumn("compression", numeric=False),
    ComparisonColumn("units"),
    ComparisonColumn("ratio"),
    # Of the network with the fewest units.
    ComparisonColumn("squares", best=min),
    ComparisonColumn("PSNR", best=max),
    ComparisonColumn("SSIM", best=max),
    # Of the file, in which codes and weights are rounded.
    ComparisonColumn("file PSNR", best=max),
    ComparisonColumn("true ratio", best=max),
    ComparisonColumn("bytes", best=min),
    ComparisonColumn("training", numeric=False),
    ComparisonColumn("images", numeric=False),
)


@dataclass(frozen=True)
class Compression:
    """A kept table."""

    path: Path
    table: SavedCompression | None
    """None for a file that was deleted, or holds something else."""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def label(self) -> str:
        """The name without its date and time: camera-3f2a."""
        return _TIME.sub("", self.name)

    def curve(self, figure: Figure) -> Line:
        """A figure over the units, whose numbers are negative: pruning goes to the right."""
        steps = self.table.steps if self.table else []
        found: dict[float, float] = {}
        for step in steps:
            units, value = number(step.get("units")), self._value(step, figure)
            if units is not None and 0 < units < 1e6 and value is not None:
                found[-units] = value
        places = sorted(found)
        values = np.array([found[place] for place in places], np.float64)
        return Line(np.array(places, np.float64), values, smooth=False)

    def _value(self, step: dict[str, Any], figure: Figure) -> float | None:
        value = number(step.get(_KEYS[figure]))
        if figure in LOGARITHMIC and step.get("psnr", 0) is None:
            # As they are stored, the images come back as they were: the rest is rounding of
            # floats, 1e-11, and would leave no room for the others on a logarithmic axis.
            value = 0.0
        if figure is not Figure.ERROR or value is None:
            return value
        count = number(self.table.protocol.get("values")) if self.table else None
        return value / count if count and count >= 1 else None


class CompressionsWatch:
    """Looks at kept tables again and again. One thread at a time may look."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._stamp: int | None = None
        self._paths: list[Path] = []
        self._read: dict[Path, SavedCompression | None] = {}

    def look(self, names: Sequence[str] | None) -> list[Compression]:
        """The tables of these names; for None the newest ones."""
        # They are written whole and renamed: a new one changes the time of its folder.
        stamp = None
        with suppress(OSError):
            stamp = os.stat(self._runs_dir / COMPRESSIONS).st_mtime_ns  # noqa: PTH116
        if stamp is None or stamp != self._stamp:
            self._stamp, self._paths, self._read = stamp, list_compressions(self._runs_dir), {}
        if names is None:
            found: list[Compression] = []
            for path in self._paths:
                each = self._compression(path)
                found += [each] if each.table else []
                if len(found) == NEWEST:
                    break
            return found
        folder = self._runs_dir / COMPRESSIONS
        return [self._compression(folder / f"{name}.json") for name in names]

    def another(self, names: Sequence[str]) -> str | None:
        """The name of the newest table that is none of these."""
        found = (self._compression(path) for path in self._paths if path.stem not in names)
        return next((each.name for each in found if each.table), None)

    def _compression(self, path: Path) -> Compression:
        if path not in self._read:
            self._read[path] = read_compression(path)
        return Compression(path, self._read[path])


def figures_in(every: Sequence[Compression]) -> list[Figure]:
    """The figures that any of the tables has; the error always."""
    others = [figure for figure in Figure if figure is not Figure.ERROR]
    known = [figure for figure in others if any(len(each.curve(figure).x) for each in every)]
    return [Figure.ERROR, *known]


def compression_rows(every: Sequence[Compression]) -> list[ComparisonRow]:
    """The rows of tables. Those of the same images, pruned to as many units, compete."""
    rows: list[tuple[str, list[str]]] = []
    values: list[list[float | None]] = []
    groups: list[Hashable] = []
    for each in every:
        table = each.table
        if table is None:
            rows.append((each.name, [each.label, "deleted", *[NONE] * (len(COLUMNS) - 2)]))
            values.append([None] * len(COLUMNS))
            groups.append(None)
            continue
        first, last = ((table.steps or [{}])[place] for place in (0, -1))
        file = next((row for row in table.rows if row.get("method") == "dae"), {})
        units = number(last.get("units"))
        squares, psnr, ssim = (number(last.get(k)) for k in ("squared_error", "psnr", "ssim"))
        of_file, size, ratio = (number(file.get(key)) for key in ("psnr", "bytes", "ratio"))
        images = table.protocol.get("inputs")
        names = [name for name in images if word(name)] if isinstance(images, list) else []
        texts = [
            each.label,
            f"{text_of(number(first.get('units')))}-{text_of(units)}",
            text_of(number(last.get("ratio")), "{:.1f}"),
            text_of(squares, "{:.3f}"),
            text_of(psnr, "{:.2f}"),
            text_of(ssim, "{:.3f}"),
            text_of(of_file, "{:.2f}"),
            text_of(ratio, "{:.1f}"),
            text_of(size),
            "published" if table.protocol.get("published") is True else "least squares",
            ", ".join(names) or NONE,
        ]
        rows.append((each.name, texts))
        values.append([None, None, None, squares, psnr, ssim, of_file, ratio, size, None, None])
        groups.append((*names, number(table.protocol.get("values")), units))
    return with_best(COLUMNS, rows, values, groups)
