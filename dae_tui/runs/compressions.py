"""Tables of `dae compress`, kept in the folder of runs as `compressions/<date>-<time>-….json`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_tui.runs.benchmarks import MOST_TABLE, list_named, objects_in, save_named
from dae_tui.runs.folder.layout import read_json

COMPRESSIONS = "compressions"


@dataclass(frozen=True)
class SavedCompression:
    """What `dae compress --json` printed. The file may hold anything."""

    path: Path
    protocol: dict[str, Any]
    """What was asked for."""
    steps: list[dict[str, Any]]
    """The figures after each removal of a unit."""
    rows: list[dict[str, Any]]
    """The file, and what JPEG and WebP make of as many bytes."""

    @property
    def name(self) -> str:
        return self.path.stem


def save_compression(runs_dir: Path, table: Mapping[str, Any]) -> Path:
    """Save a table, named like its file, and return its path. Raises OSError."""
    return save_named(runs_dir / COMPRESSIONS, Path(str(table["file"])).stem, table)


def list_compressions(runs_dir: Path) -> list[Path]:
    """The files of saved tables, newest first."""
    return list_named(runs_dir / COMPRESSIONS)


def read_compression(path: Path) -> SavedCompression | None:
    """A saved table; None for a file that holds something else."""
    stored = read_json(path, MOST_TABLE) or {}
    protocol, steps, rows = (stored.get(key) for key in ("protocol", "steps", "rows"))
    if not isinstance(protocol, dict) or not isinstance(steps, list):
        return None
    rows = rows if isinstance(rows, list) else []
    return SavedCompression(path, protocol, objects_in(steps), objects_in(rows))
