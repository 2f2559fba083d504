"""What a run notes of the circumstances of a training."""

import subprocess
from pathlib import Path

import pytest

from dae_tui.commands.training.session import _git_commit


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that is a repository with one commit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a")
    author = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
    for arguments in (("init", "-q"), ("add", "file"), (*author, "commit", "-qm", "x")):
        subprocess.run(["git", *arguments], check=True)
    return tmp_path


def test_the_commit_is_noted_and_whether_files_have_changed(repository: Path) -> None:
    commit = _git_commit()
    assert commit is not None and len(commit) >= 7

    (repository / "file").write_text("changed")

    assert _git_commit() == f"{commit}-dirty"


def test_nothing_is_noted_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert _git_commit() is None


def test_no_program_that_the_repository_names_is_run(repository: Path) -> None:
    program = repository / "program"
    program.write_text(f"#!/bin/sh\ntouch {repository}/mark\ncat\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "filter.x.clean", "diff.external"):
        subprocess.run(["git", "config", key, str(program)], check=True)
    (repository / ".gitattributes").write_text("* filter=x\n")
    (repository / "file").write_text("changed")

    assert str(_git_commit()).endswith("-dirty")

    assert not (repository / "mark").exists()
