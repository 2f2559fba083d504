"""A run of a host: its state by the clock of the host, and what is refused."""

import time
from pathlib import Path

import pytest

from dae_tui.errors import RunError, WeightsError
from dae_tui.runs.folder.layout import CONFIG, STATUS, Request, State, write_json
from dae_tui.runs.folder.tags import change_tags
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.ssh_hosts.remote_run import RemoteRun

NAME = "20260131-235959-mnist-autoencoder-3f2a"


class Source:
    """A host whose clock is an hour behind."""

    def __init__(self) -> None:
        self.ahead = 3600.0
        self.heard = time.time() - self.ahead
        self.wanted: list[str] = []

    def want(self, run: str, *, curves_only: bool = False) -> None:
        self.wanted.append(run)


def make(tmp_path: Path, heartbeat: float) -> RemoteRun:
    folder = tmp_path / NAME
    folder.mkdir()
    write_json(folder / CONFIG, {"network": "autoencoder"})
    write_json(folder / STATUS, {"state": "running", "heartbeat": heartbeat})
    return RemoteRun(folder, address=Address("gpu1", "/r", "me"), source=Source())


def test_a_run_is_alive_by_the_clock_of_its_host(tmp_path: Path) -> None:
    run = make(tmp_path, time.time() - 3605)
    assert run.state() is State.RUNNING
    assert abs(time.time() - run.status()["heartbeat"] - 5) < 2


def test_a_run_without_a_heartbeat_before_the_last_answer_is_gone(tmp_path: Path) -> None:
    assert make(tmp_path, time.time() - 3700).state() is State.CRASHED


def test_a_run_does_not_crash_because_its_host_is_lost(tmp_path: Path) -> None:
    run = make(tmp_path, time.time() - 3605)
    object.__setattr__(run.source, "heard", time.time() - 7200)  # The last answer is old.
    assert run.state() is State.RUNNING


def test_what_is_shown_is_asked_for(tmp_path: Path) -> None:
    run = make(tmp_path, 0)
    run.want()
    assert isinstance(run.source, Source) and run.source.wanted == [NAME]


def test_what_would_write_is_refused_with_the_command_that_does_it_there(tmp_path: Path) -> None:
    run = make(tmp_path, time.time())
    before = sorted(run.folder.iterdir())
    with pytest.raises(RunError) as refused:
        run.ask(Request.PAUSE)
    assert refused.value.message == f"{NAME} cannot be asked to pause from here: it is on gpu1"
    expected = f"run there: ssh me@gpu1 'dae runs pause {NAME} --runs-dir /r'"
    assert refused.value.hint == expected
    with pytest.raises(RunError) as refused:
        change_tags(run, ["best"], ["old"])
    expected = f"run there: ssh me@gpu1 'dae runs tag {NAME} best --remove old --runs-dir /r'"
    assert refused.value.hint == expected
    with pytest.raises(WeightsError) as missing:
        run.best_weights()
    assert missing.value.hint.startswith(f"copy them: scp me@gpu1:/r/{NAME}/checkpoints/best/")
    assert sorted(run.folder.iterdir()) == before
