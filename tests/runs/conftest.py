"""A run's folder, and real processes that use it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dae_tui.runs.folder.reader import Run

Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose folder does not exist yet."""
    return Run(tmp_path / "runs" / "20260131-235959-digits-3f2a")


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start `python -c SCRIPT ARGUMENTS` and kill it in the end.

    Its output is read as lines; it can wait on its standard input, which nobody writes to.
    """
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: str | Path) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that finds the lock taken gives up at once."""
    monkeypatch.setattr("dae_tui.runs.folder.writer.LOCK_PATIENCE_SECONDS", 0.0)
