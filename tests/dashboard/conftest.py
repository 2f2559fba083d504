"""The example runs, for every test of the dashboard that wants them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_example import example_runs


@pytest.fixture
def runs_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Runs in every state, under a path that is the same everywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    with example_runs(Path("runs")) as folder:
        yield folder
