"""Whether somebody trains in a folder: lock, process, host and heartbeat decide together."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dae_tui.errors import RunError
from dae_tui.runs.folder.deletion import delete_run
from dae_tui.runs.folder.layout import LOCK, LOG, STATUS, State, read_json, write_json
from dae_tui.runs.folder.liveness import FRESH_SECONDS, HeldLock, Lock, look_at_lock
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.folder.writer import RunWriter

Spawn = Callable[..., "subprocess.Popen[str]"]

TRAINING = """
import sys
from pathlib import Path
from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.writer import RunWriter

with RunWriter(Path(sys.argv[1])) as writer:
    writer.status(State.RUNNING, epoch=3)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            writer.record({"event": "step"})
            print("replaced" if writer.lock_replaced else "wrote", flush=True)
        except RunError as failure:
            print(failure.message, flush=True)
"""


@pytest.fixture
def training(run: Run, spawn: Spawn) -> "subprocess.Popen[str]":
    """A process that trains in `run`; it writes an event for each line it is given."""
    process = spawn(TRAINING, run.folder)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def step(training: "subprocess.Popen[str]") -> str:
    """What the training says when it has tried to write an event."""
    assert training.stdin is not None and training.stdout is not None
    training.stdin.write("\n")
    training.stdin.flush()
    return training.stdout.readline().strip()


def age(run: Run, seconds: float) -> None:
    """Make the last heartbeat of a run older."""
    status = read_json(run.folder / STATUS) or {}
    write_json(run.folder / STATUS, status | {"heartbeat": time.time() - seconds})


@pytest.mark.usefixtures("training", "impatient")
@pytest.mark.parametrize("in_its_place", ["nothing", "a file", "a pipe", "a folder", "a link"])
def test_a_training_whose_lock_file_is_gone_is_alive_and_alone(
    run: Run, tmp_path: Path, in_its_place: str
) -> None:
    lock = run.folder / LOCK
    lock.unlink()
    if in_its_place == "a file":
        lock.touch()
    elif in_its_place == "a pipe":
        os.mkfifo(lock)
    elif in_its_place == "a folder":
        lock.mkdir()
    elif in_its_place == "a link":
        (tmp_path / "elsewhere").touch()
        lock.symlink_to(tmp_path / "elsewhere")
    age(run, 3600)  # A step can take an hour.

    assert run.state() is State.RUNNING
    with pytest.raises(RunError):
        RunWriter(run.folder)
    with pytest.raises(RunError, match=r"is being trained|may be in use"):
        delete_run(run, run.folder.parent)
    assert run.state() is State.RUNNING
    # A lock file made by who was refused would stop the training: it looks like a replaced one.
    assert os.path.lexists(lock) == (in_its_place != "nothing")


def test_a_training_puts_its_lock_file_back_and_goes_on(
    run: Run, training: "subprocess.Popen[str]"
) -> None:
    (run.folder / LOCK).unlink()

    assert step(training) == "wrote"

    assert look_at_lock(run.folder) is Lock.HELD
    assert "the lock file was removed; it is locked again" in (run.folder / LOG).read_text()


def test_a_training_notices_that_its_lock_file_was_replaced(
    run: Run, training: "subprocess.Popen[str]"
) -> None:
    (run.folder / LOCK).unlink()
    (run.folder / LOCK).touch()

    assert step(training) == "replaced"

    assert look_at_lock(run.folder) is Lock.HELD
    assert "the lock file was replaced" in (run.folder / LOG).read_text()


def test_a_training_writes_nothing_more_where_another_process_has_the_lock(
    run: Run, training: "subprocess.Popen[str]"
) -> None:
    (run.folder / LOCK).unlink()
    other = HeldLock(run.folder)
    assert other.take()
    before = {path: path.stat().st_size for path in run.folder.rglob("*") if path.is_file()}

    assert step(training) == f"the run {run.name} is being trained by another process"
    assert step(training) == f"the run {run.name} is being trained by another process"

    assert before == {path: path.stat().st_size for path in run.folder.rglob("*") if path.is_file()}
    other.close()


def test_a_training_that_was_killed_without_its_lock_has_crashed_and_can_go_on(
    run: Run, training: "subprocess.Popen[str]"
) -> None:
    (run.folder / LOCK).unlink()
    (run.folder / LOCK).touch()
    training.kill()  # Not waited for: it stays a zombie, which trains no more.
    deadline = time.monotonic() + 10
    while run.state().alive and time.monotonic() < deadline:
        time.sleep(0.01)

    assert run.state() is State.CRASHED
    age(run, FRESH_SECONDS - 0.5)  # So long it is watched for a heartbeat from a container.
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
        assert run.state() is State.RUNNING


@pytest.mark.parametrize(("seconds", "state"), [(0, State.RUNNING), (FRESH_SECONDS + 1, "crashed")])
def test_without_lock_and_process_a_fresh_heartbeat_decides(
    run: Run, training: "subprocess.Popen[str]", seconds: float, state: str
) -> None:
    training.kill()
    training.wait(10)
    (run.folder / LOCK).unlink()
    age(run, seconds)

    assert run.state() == state


def test_the_number_of_a_process_that_is_another_ones_now_means_nothing(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
    (run.folder / LOCK).unlink()
    age(run, 3600)
    assert run.state() is State.RUNNING  # This process lives.

    status = read_json(run.folder / STATUS) or {}
    write_json(run.folder / STATUS, status | {"process_started": status["process_started"] - 60})

    assert run.state() is State.CRASHED


@pytest.mark.usefixtures("training")
def test_a_copy_of_a_live_run_is_no_live_run(run: Run, tmp_path: Path) -> None:
    copy = Run(tmp_path / "runs" / "copy")
    shutil.copytree(run.folder, copy.folder)

    assert run.state() is State.RUNNING
    assert copy.state() is State.CRASHED
    with RunWriter(copy.folder) as writer:
        writer.status(State.RUNNING)
        assert copy.state() is State.RUNNING


@pytest.mark.parametrize("pid", [None, 0, -1, 10**30, "1", [], True])
@pytest.mark.parametrize("started", [None, "now", 10**400, 0])
def test_a_status_that_names_no_process_is_survived(run: Run, pid: object, started: object) -> None:
    run.folder.mkdir(parents=True)
    status = {
        "state": "running",
        "host": socket.gethostname(),
        "pid": pid,
        "process_started": started,
        "inodes": [run.folder.stat().st_ino, 1],
    }
    write_json(run.folder / STATUS, status)

    assert run.state() is State.CRASHED


def test_runs_that_have_ended_are_listed_without_a_look_at_processes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.FINISHED)
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)  # Importing it would fail.

    assert [found.state() for found in list_runs(run.folder.parent)] == [State.FINISHED]
