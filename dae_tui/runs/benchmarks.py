"""Tables of `dae benchmark`, kept in the folder of runs as `benchmarks/<date>-<time>-….json`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dae_tui.runs.layout import new_run_name, read_json, write_json

BENCHMARKS = "benchmarks"
# The name of a folder of images can be as long as a file's, and ours has more in it.
LABEL_LENGTH = 40


@dataclass(frozen=True)
class SavedTable:
    """A table as `dae benchmark quality --json` prints it."""

    path: Path
    protocol: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return self.path.stem


def save_table(runs_dir: Path, table: dict[str, Any]) -> Path:
    """Keep a table, and return where. Raises OSError where it cannot be written."""
    data = re.sub(r"[^\w.-]+", "-", Path(str(table["protocol"]["data"])).name).lstrip(".-")
    data = data[:LABEL_LENGTH]
    folder = runs_dir / BENCHMARKS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{new_run_name(data or 'images')}.json"
    write_json(path, table)
    return path


def list_tables(runs_dir: Path) -> list[SavedTable]:
    """The tables that were kept, newest first; files that hold something else are left out."""
    try:
        paths = sorted((runs_dir / BENCHMARKS).glob("*.json"), reverse=True)
    except OSError:
        return []
    tables = []
    for path in paths:
        stored = read_json(path) or {}
        protocol, rows = stored.get("protocol"), stored.get("rows")
        if isinstance(protocol, dict) and isinstance(rows, list):
            tables.append(
                SavedTable(path, protocol, [row for row in rows if isinstance(row, dict)])
            )
    return tables
