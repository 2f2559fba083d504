"""One process runs a group, and what it keeps stays in the folder of runs."""

from pathlib import Path

import pytest

from dae_tui.commands.sweeping.start_runs import alone, folder_of
from dae_tui.errors import RunError
from dae_tui.runs.folder.reader import list_runs


def test_a_group_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    with alone(tmp_path, "g"):
        with (
            pytest.raises(RunError, match="another process runs the group g"),
            alone(tmp_path, "g"),
        ):
            pass
        with alone(tmp_path, "another"):
            pass
    with alone(tmp_path, "g"):
        pass
    assert list_runs(tmp_path) == []


def test_a_group_of_any_name_stays_in_the_folder_of_runs(tmp_path: Path) -> None:
    for name in (".", "..", "lr-3f2a"):
        assert tmp_path in folder_of(tmp_path, name).resolve().parents
        assert folder_of(tmp_path, name).resolve().parent.name == ".sweeps"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with (
        pytest.raises(RunError, match="cannot be written") as refused,
        alone(tmp_path / "runs", "g"),
    ):
        pass
    assert "--runs-dir" in refused.value.hint
