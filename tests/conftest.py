"""Fixtures that several folders of tests share."""

import atexit
import os
import tempfile
from pathlib import Path

# Tests share the cores: with threads of their own they would wait for each other. Set before torch
# is imported, and for every process that a test starts.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from command_line import Dae, Outcome

from dae_tui.commands.app import run
from dae_tui.system.cores import usable_cores


def _unsynced(fd: object) -> None:
    """What tests write need not outlive a power failure, and disks take long to promise it."""


os.fsync = _unsynced


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, as many tests wait for a screen or a process."""
    return usable_cores() + 1


# What tests keep in the user's cache folder is theirs alone.
_CACHE = tempfile.TemporaryDirectory()
atexit.register(_CACHE.cleanup)
os.environ["XDG_CACHE_HOME"] = _CACHE.name


@pytest.fixture
def dae(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dae:
    """Run `dae ARGUMENTS` in this process, with its runs under `tmp_path`."""
    monkeypatch.setenv("DAE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder with the real MNIST, for tests that measure."""
    folder = Path(os.environ.get("DAE_DATA", ""))
    if not (folder / "MNIST" / "raw" / "t10k-images-idx3-ubyte").exists():
        pytest.skip("needs the real MNIST: set DAE_DATA to the folder that holds MNIST/raw")
    return folder
