"""Tables of `dae benchmark`, kept in the folder of runs as `benchmarks/<date>-<time>-….json`.

The measurements of an interrupted benchmark are kept under `benchmarks/unfinished/` until it ends.
"""

import hashlib
import io
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import dump_json, new_run_name, read_json, write_json
from dae_tui.runs.npz_files import BROKEN, read_archive
from dae_tui.system.atomic import remove_leftovers, write_whole

BENCHMARKS = "benchmarks"
# A folder of images can have the longest name there is, and ours adds to it.
LABEL_LENGTH = 40
FORGOTTEN_SECONDS = 30 * 24 * 3600
# The most bytes of a table, and of a piece of a benchmark: ten thousand numbers per data set.
MOST_TABLE = 16 << 20
MOST_PIECE = 256 << 20
_DIGEST = re.compile("[0-9a-f]{16}")


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
    """Save a table and return its path. Raises OSError if it cannot be written."""
    return save_named(runs_dir / BENCHMARKS, Path(str(table["protocol"]["data"])).name, table)


def save_named(folder: Path, name: str, table: Mapping[str, Any]) -> Path:
    """Save a table under the time and as much of a name as a file can have; return its path."""
    label = re.sub(r"[^\w.-]+", "-", name).lstrip(".-")[:LABEL_LENGTH]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{new_run_name(label or 'images')}.json"
    write_json(path, table)
    return path


def list_named(folder: Path) -> list[Path]:
    """The files that `save_named` has written, newest first."""
    try:
        return sorted(folder.glob("*.json"), reverse=True)
    except OSError:
        return []


def find_table(text: str, runs_dir: Path) -> SavedTable:
    """A saved table by path, name, end of its name, or `latest`. Raises RunError."""
    path = Path(text)
    if path.suffix == ".json" and path.is_file():
        table = _read_table(path)
        if table is None:
            raise RunError(f"{path} holds no table", "save one with: dae benchmark quality")
        found = [table]
    else:
        tables = list_tables(runs_dir)
        found = tables[:1] if text == "latest" else []
        found = found or [table for table in tables if table.name == text]
        found = found or [table for table in tables if text and table.name.endswith(text)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(table.name for table in (found or list_tables(runs_dir))[:5])
    raise RunError(
        f"'{text}' means {len(found)} tables" if found else f"there is no table '{text}'",
        f"saved are: {names}" if names else "save one with: dae benchmark quality",
    )


def list_tables(runs_dir: Path) -> list[SavedTable]:
    """The saved tables, newest first; files that hold something else are left out."""
    paths = list_named(runs_dir / BENCHMARKS)
    return [table for table in map(_read_table, paths) if table is not None]


def _read_table(path: Path) -> SavedTable | None:
    stored = read_json(path, MOST_TABLE) or {}
    protocol, rows = stored.get("protocol"), stored.get("rows")
    if not isinstance(protocol, dict) or not isinstance(rows, list):
        return None
    return SavedTable(path, protocol, objects_in(rows))


def objects_in(values: list[Any]) -> list[dict[str, Any]]:
    """Those of the values that are JSON objects, as rows of tables are."""
    return [value for value in values if isinstance(value, dict)]


class UnfinishedBenchmark:
    """The pieces of an unfinished benchmark, as files of arrays.

    Another start with the same `identity` finds them. A piece that cannot be written is lost, and
    one that cannot be read is made again: neither stops the benchmark. Pieces are removed after a
    month without use.
    """

    def __init__(self, runs_dir: Path, identity: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(dump_json(identity).encode()).hexdigest()[:16]
        self._folder = runs_dir / BENCHMARKS / "unfinished" / digest
        with suppress(OSError):
            for other in list(self._folder.parent.iterdir()):
                if time.time() - other.lstat().st_mtime > FORGOTTEN_SECONDS:
                    _remove_pieces(other)

    def read(self, key: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of a piece, if they are there and whole."""
        try:
            return read_archive(self._path(key), MOST_PIECE)
        except BROKEN:
            return None

    def write(self, key: str, arrays: dict[str, Any]) -> None:
        """Keep the arrays of a piece."""
        content = io.BytesIO()
        np.savez(content, **arrays)
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._path(key), content.getvalue())

    def remove(self) -> None:
        """Remove all pieces: the benchmark is done."""
        _remove_pieces(self._folder)
        with suppress(OSError):  # It holds those of others.
            self._folder.parent.rmdir()

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def _remove_pieces(folder: Path) -> None:
    """Remove the pieces of a benchmark and their folder, and nothing else."""
    if not _DIGEST.fullmatch(folder.name) or folder.is_symlink():
        return
    with suppress(OSError):
        for piece in list(folder.iterdir()):
            if _DIGEST.fullmatch(piece.stem) and piece.suffix == ".npz":
                piece.unlink()
        remove_leftovers(folder)
        folder.rmdir()
