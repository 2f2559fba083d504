"""Deleting a run removes what a run has written, and nothing else that anybody has."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dae_tui.errors import RunError
from dae_tui.runs.folder.deletion import delete_run, deleted_words, remove_new_run
from dae_tui.runs.folder.layout import CONFIG, LOCK, META, STATUS, State, write_json
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.folder.writer import RunWriter

ALIVE = [state for state in State if state.alive]


@pytest.fixture
def ended(run: Run) -> Run:
    """A run with everything that a run has."""
    with RunWriter(run.folder) as writer:
        writer.describe({"network": "dense"}, {"command": "dae train dense"})
        writer.record({"event": "step", "step": 1})
        writer.log("trained")
        writer.sample(1, {"original": np.zeros((1, 1, 2, 2), np.uint8)})
        writer.checkpoint("best", {"weights.safetensors": b"weights"})
        writer.checkpoint("last", {"weights.safetensors": b"w", "state.safetensors": b"s"})
        writer.status(State.FINISHED)
    return run


def everything(folder: Path) -> dict[str, bytes | str]:
    """Each file below a folder with what is in it, and each link with where it leads."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = str(path.readlink())
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def test_a_run_that_is_over_is_deleted_whole(ended: Run) -> None:
    assert delete_run(ended, ended.folder.parent) == []

    assert list(ended.folder.parent.iterdir()) == []
    assert deleted_words(ended, []) == f"deleted {ended.name}"


def test_a_crashed_run_is_deleted_too(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)

    delete_run(run, run.folder.parent)

    assert not run.folder.exists()


@pytest.mark.parametrize("state", ALIVE)
def test_a_live_run_is_not_deleted(run: Run, state: State) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(state)

        with pytest.raises(RunError, match="is being trained") as refusal:
            delete_run(run, run.folder.parent)

        assert refusal.value.exit_code == 3
        assert refusal.value.hint == f"stop it first: dae runs stop {run.name}"
        assert run.state() is state


def test_a_finished_run_that_trains_on_is_not_deleted_before_it_has_said_so(ended: Run) -> None:
    before = everything(ended.folder)
    with RunWriter(ended.folder):
        with pytest.raises(RunError, match="is being trained"):
            delete_run(ended, ended.folder.parent)

        assert everything(ended.folder) == before


def test_deleting_what_is_gone_is_a_run_error(run: Run) -> None:
    run.folder.parent.mkdir()

    with pytest.raises(RunError, match="cannot be removed"):
        delete_run(run, run.folder.parent)


def test_files_that_the_run_has_not_written_stay_where_they_are_and_are_named(
    ended: Run, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "00000009.npz").write_bytes(b"mine")
    files = {
        "notes.txt": b"important",
        "samples/00000001.txt": b"mine",
        "samples/plot.npz": b"mine",
        "checkpoints/best/weights.pt": b"mine",
        "checkpoints/mine/weights.safetensors": b"mine",
        "src/config.json": b"{}",
    }
    for name, content in files.items():
        (ended.folder / name).parent.mkdir(exist_ok=True)
        (ended.folder / name).write_bytes(content)
    (ended.folder / "samples/00000009.npz").symlink_to(outside / "00000009.npz")
    (ended.folder / "control.json").unlink(missing_ok=True)
    (ended.folder / "control.json").symlink_to(outside / "00000009.npz")
    foreign: dict[str, bytes | str] = {
        **files,
        "samples/00000009.npz": str(outside / "00000009.npz"),
        "control.json": str(outside / "00000009.npz"),
    }

    kept = delete_run(ended, ended.folder.parent)

    assert everything(ended.folder) == dict(sorted(foreign.items()))
    assert sorted(str(path.relative_to(ended.folder)) for path in kept) == sorted(foreign)
    assert (outside / "00000009.npz").read_bytes() == b"mine"
    assert "and 3 more" in deleted_words(ended, kept)
    assert list_runs(ended.folder.parent) == []


@pytest.mark.parametrize("inner", ["samples", "checkpoints", "checkpoints/best"])
def test_a_linked_folder_in_a_run_is_not_followed(ended: Run, tmp_path: Path, inner: str) -> None:
    outside = tmp_path / "outside"
    shutil.move(ended.folder / inner, outside)
    before = everything(outside)
    (ended.folder / inner).symlink_to(outside)

    delete_run(ended, ended.folder.parent)

    assert everything(outside) == before


def a_foreign_folder(runs_dir: Path) -> Run:
    folder = runs_dir / "p"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "work.py").write_text("months of work")
    (folder / CONFIG).write_text("{}")
    return Run(folder)


def a_link_to_a_run(runs_dir: Path) -> Run:
    (runs_dir / "link").symlink_to(a_run(runs_dir.parent / "others").folder)
    return Run(runs_dir / "link")


def a_run_inside_another_folder(runs_dir: Path) -> Run:
    return a_run(runs_dir / "archive")


def a_renamed_run(runs_dir: Path) -> Run:
    run = a_run(runs_dir)
    run.folder.rename(runs_dir / "renamed")
    return Run(runs_dir / "renamed")


def a_run_without_its_lock(runs_dir: Path) -> Run:
    run = a_run(runs_dir)
    (run.folder / LOCK).unlink()
    return run


def a_run_without_a_status(runs_dir: Path) -> Run:
    run = a_run(runs_dir)
    (run.folder / STATUS).write_text("{")
    return run


def a_run(runs_dir: Path, name: str = "20260131-235959-digits-3f2a") -> Run:
    run = Run(runs_dir / name)
    with RunWriter(run.folder) as writer:
        writer.describe({"network": "dense"}, {})
        writer.checkpoint("best", {"weights.safetensors": b"weights"})
        writer.status(State.FINISHED)
    return run


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_foreign_folder, "is not known to be a run: its meta.json names no run"),
        (a_link_to_a_run, "is a link, and links are not followed"),
        (a_run_inside_another_folder, "is not directly inside"),
        (a_renamed_run, "its meta.json names the run '20260131-235959-digits-3f2a'"),
        (a_run_without_its_lock, "may be in use: its lock cannot be read"),
        (a_run_without_a_status, "may be in use: its status.json cannot be read"),
    ],
)
def test_what_is_no_run_of_the_folder_of_runs_stays_as_it_is(
    tmp_path: Path, make: Callable[[Path], Run], words: str
) -> None:
    runs_dir = tmp_path / "runs"
    runs_dir.mkdir()
    folder = make(runs_dir)
    before = everything(tmp_path)

    with pytest.raises(RunError, match=words) as refusal:
        delete_run(folder, runs_dir)

    assert everything(tmp_path) == before
    assert refusal.value.exit_code == 3
    assert refusal.value.hint


def test_the_folder_of_runs_may_be_a_link(ended: Run, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(ended.folder.parent)

    delete_run(ended, tmp_path / "link")

    assert not ended.folder.exists()


def test_what_a_killed_process_had_begun_to_delete_is_finished(
    ended: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ended.folder / "notes.txt").write_text("important")
    with monkeypatch.context() as patch:
        patch.setattr("dae_tui.runs.folder.deletion._remove_files", lambda folder: os._exit(9))
        child = os.fork()
        if child == 0:
            delete_run(ended, ended.folder.parent)
        os.waitpid(child, 0)
    assert list_runs(ended.folder.parent) == []
    other = a_run(ended.folder.parent, "20260201-000000-digits-4f2a")

    delete_run(other, ended.folder.parent)

    assert everything(ended.folder.parent) == {f"{ended.name}/notes.txt": b"important"}


def test_a_folder_with_the_name_of_a_deletion_that_is_none_stays(ended: Run) -> None:
    mine = ended.folder.parent / ".mine.deleted"
    mine.mkdir()
    write_json(mine / META, {"run": "another"})

    delete_run(ended, ended.folder.parent)

    assert (mine / META).exists()


def test_a_new_run_that_never_began_leaves_nothing_but_what_is_foreign(run: Run) -> None:
    RunWriter(run.folder).close()
    remove_new_run(run.folder)
    assert not run.folder.exists()

    RunWriter(run.folder).close()
    (run.folder / "notes.txt").write_text("important")
    remove_new_run(run.folder)

    assert everything(run.folder) == {"notes.txt": b"important"}
