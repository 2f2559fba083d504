"""Trainings that outlive the process that started them."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dae_tui.errors import RunError
from dae_tui.runs.detached_training import detach
from dae_tui.runs.folder.layout import CONFIG, LOG, STATUS, Request, State, write_json
from dae_tui.runs.folder.reader import Run

DEADLINE_SECONDS = 20.0

# A training that begins at once and goes on until it is asked to stop.
TRAINING = """
import sys, time
from pathlib import Path
from dae_tui.runs.folder.layout import Request, State
from dae_tui.runs.folder.writer import RunWriter

with RunWriter(Path(sys.argv[-1])) as writer:
    writer.status(State.RUNNING)
    deadline = time.monotonic() + 20
    while writer.request() is not Request.STOP and time.monotonic() < deadline:
        time.sleep(0.02)
    writer.status(State.STOPPED)
"""

# Has the lock for a while, fails, and never gets to a status.
FAILS_WITH_THE_LOCK = """
import sys, time
from pathlib import Path
from dae_tui.runs.folder.writer import RunWriter

with RunWriter(Path(sys.argv[-1])):
    time.sleep(0.5)
    print("error: out of memory")
sys.exit(1)
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let `detach` start a Python script in the place of `dae`."""

    def use(script: str) -> None:
        program = tmp_path / "python"
        program.write_text(f"#!{sys.executable}\n{script}")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return use


@pytest.fixture
def typed() -> Iterator[None]:
    """Let this process have something to read on its standard input."""
    reading, writing = os.pipe()
    os.write(writing, b"typed")
    os.close(writing)
    found = os.dup(0)
    os.dup2(reading, 0)
    os.close(reading)
    yield
    os.dup2(found, 0)
    os.close(found)


def test_detaching_returns_while_the_training_goes_on(
    run: Run, child: Callable[[str], None]
) -> None:
    child(TRAINING)

    detach(run, {}, [])

    assert run.state() is State.RUNNING
    assert run.status()["pid"] != os.getpid()
    run.ask(Request.STOP)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while run.state().alive and time.monotonic() < deadline:
        time.sleep(0.02)
    assert run.state() is State.STOPPED


def test_a_detached_training_is_the_leader_of_a_session_of_its_own(
    run: Run, child: Callable[[str], None]
) -> None:
    child('import os\nprint("error:", os.getpid(), os.getsid(0))\nraise SystemExit(3)')

    with pytest.raises(RunError) as failure:
        detach(run, {"network": "dense"}, [])

    process, session = map(int, failure.value.message.split())
    assert session == process
    assert session != os.getsid(0)


@pytest.mark.usefixtures("typed")
def test_a_detached_training_gets_its_run_and_nothing_to_read(
    run: Run, child: Callable[[str], None]
) -> None:
    child('import sys\nprint("error:", *sys.argv[1:], repr(sys.stdin.read()))\nsys.exit(1)')

    with pytest.raises(RunError) as failure:
        detach(run, {"network": "dense"}, [])

    assert failure.value.message == f"-P -m dae_tui train --quiet --resume {run.folder} ''"


def test_what_a_detached_training_prints_goes_to_its_log(
    run: Run, child: Callable[[str], None]
) -> None:
    child('import sys\nprint("to stdout", flush=True)\nprint("to stderr", file=sys.stderr)')

    detach(run, {"network": "dense"}, [])

    assert (run.folder / LOG).read_text() == "to stdout\nto stderr\n"


def test_a_mistake_in_the_options_comes_back_as_the_child_said_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAE_DEBUG", raising=False)
    with pytest.raises(RunError, match=r"^there is no network 'nothing'$") as failure:
        detach(run, {"network": "nothing"}, [])

    assert "autoencoder" in failure.value.hint
    assert failure.value.exit_code == 2
    assert not run.folder.exists()  # It never became a run.


def test_a_child_that_says_nothing_is_known_by_its_exit_code(
    run: Run, child: Callable[[str], None]
) -> None:
    child('import os\nprint("loading", flush=True)\nos.kill(os.getpid(), 9)')

    with pytest.raises(RunError, match="ended with exit code -9") as failure:
        detach(run, {"network": "dense"}, [])

    assert failure.value.exit_code == 3


def test_what_a_child_said_before_it_was_killed_is_the_hint(
    run: Run, child: Callable[[str], None]
) -> None:
    child('import os\nprint("loading\\n\\nmnist", flush=True)\nos.kill(os.getpid(), 9)')

    with pytest.raises(RunError) as failure:
        detach(run, {"network": "dense"}, [])

    assert failure.value.hint == "loading · mnist"


def test_a_run_that_went_before_keeps_its_figures_when_it_cannot_go_on(
    run: Run, child: Callable[[str], None]
) -> None:
    run.folder.mkdir(parents=True)
    write_json(run.folder / STATUS, {"state": "stopped", "step": 7})
    child("raise SystemExit(1)")

    with pytest.raises(RunError):
        detach(run, None, [])

    assert run.status()["step"] == 7


def test_an_old_error_in_the_log_is_not_taken_for_the_new_one(
    run: Run, child: Callable[[str], None]
) -> None:
    run.folder.mkdir(parents=True)
    write_json(run.folder / CONFIG, {"network": "dense"})
    (run.folder / LOG).write_text("error: the disk was full\nhint: free some space\n")
    child("import os\nos.kill(os.getpid(), 9)")

    with pytest.raises(RunError, match="ended with exit code -9") as failure:
        detach(run, None, [])

    assert "free some space" not in failure.value.hint
    assert run.config() == {"network": "dense"}


def test_a_crashed_run_that_is_resumed_is_under_way_only_when_it_says_so(
    run: Run, child: Callable[[str], None]
) -> None:
    run.folder.mkdir(parents=True)
    write_json(run.folder / CONFIG, {"network": "dense"})
    write_json(run.folder / STATUS, {"state": "running", "pid": 1})
    child(FAILS_WITH_THE_LOCK)

    with pytest.raises(RunError, match=r"^out of memory$"):
        detach(run, None, [])


def test_a_folder_that_cannot_be_made_is_a_run_error(run: Run) -> None:
    run.folder.parent.write_text("a file, not a folder")

    with pytest.raises(RunError, match="cannot be written") as failure:
        detach(run, {}, [])

    assert failure.value.exit_code == 3
    assert "--runs-dir" in failure.value.hint
