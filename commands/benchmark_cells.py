"""The cells of a benchmark that is under way, kept on disk: an interrupted one goes on."""

import hashlib
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dae_tui.core.cells import Cell
from dae_tui.runs.benchmarks import UnfinishedBenchmark
from dae_tui.version import __version__


class KeptCells(MutableMapping[str, Cell]):
    """Cells by their key, in memory and in files; those of an earlier start are found again."""

    def __init__(self, unfinished: UnfinishedBenchmark) -> None:
        self._unfinished = unfinished
        self._cells: dict[str, Cell] = {}
        self.found = 0
        """How many an earlier start had left."""

    def __getitem__(self, key: str) -> Cell:
        if key not in self._cells:
            arrays = self._unfinished.read(key)
            cell = None if arrays is None else _cell(arrays)
            if cell is None:
                raise KeyError(key)
            self._cells[key] = cell
            self.found += 1
        return self._cells[key]

    def __setitem__(self, key: str, cell: Cell) -> None:
        self._cells[key] = cell
        self._unfinished.write(
            key, {name: np.asarray(value) for name, value in asdict(cell).items()}
        )

    def __delitem__(self, key: str) -> None:
        del self._cells[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)


def identity(asked: dict[str, Any], files: Sequence[Path | None]) -> dict[str, Any]:
    """What makes a benchmark the same one: what was asked, by which version, of which weights."""
    contents = [
        None if path is None else hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    ]
    return {"version": __version__, **asked, "files": contents}


def _cell(arrays: dict[str, Any]) -> Cell | None:
    """None for arrays that another version has left."""
    try:
        arrays["seconds"] = float(arrays["seconds"])
        arrays["setting"] = str(arrays["setting"])
        arrays["peak_bytes"] = int(arrays["peak_bytes"])
        return Cell(**arrays)
    except (KeyError, TypeError, ValueError):
        return None
