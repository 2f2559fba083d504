"""Pipes, devices and files of a gigabyte in the place of a run's files: nobody waits or drowns."""

import os
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from dae_tui.errors import RunError
from dae_tui.runs.benchmarks import find_table, list_tables
from dae_tui.runs.folder.layout import (
    CONFIG,
    CONTROL,
    LOCK,
    LOG,
    META,
    METRICS,
    SAMPLES,
    STATUS,
    State,
)
from dae_tui.runs.folder.reader import Run, last_event
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.watching.curves import glance, overview
from dae_tui.runs.watching.run_watch import RunWatch
from dae_tui.runs.watching.runs_watch import RunsWatch
from dae_tui.runs.watching.samples import BrokenSample, load_sample

FILES = [CONFIG, META, STATUS, LOCK, METRICS, LOG, CONTROL, f"{SAMPLES}/00000001.npz"]
GIGABYTE = 1 << 30
MOST_MEMORY = 64 << 20


def put_pipe(path: Path) -> None:
    os.mkfifo(path)


def put_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def put_gigabyte(path: Path) -> None:
    with path.open("wb") as sparse:
        sparse.truncate(GIGABYTE)


PUT = [put_pipe, put_device, put_gigabyte]


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Whatever waits for a pipe, or reads a device to its end, fails the test."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("it waits, or never ends")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MOST_MEMORY


@pytest.fixture
def ended(run: Run) -> Run:
    with RunWriter(run.folder) as writer:
        writer.describe({"network": "dense"}, {"device": "cpu"})
        writer.record({"event": "step", "step": 1, "loss": 0.5})
        writer.sample(1, {view: np.zeros((1, 1, 2, 2), np.uint8) for view in ("original", "noisy")})
        writer.status(State.FINISHED)
    return run


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("put", PUT)
@pytest.mark.parametrize("name", FILES)
def test_a_run_with_something_else_in_the_place_of_a_file_is_read(
    ended: Run, name: str, put: Callable[[Path], None]
) -> None:
    (ended.folder / name).unlink(missing_ok=True)
    put(ended.folder / name)

    (row,) = RunsWatch(ended.folder.parent).look()
    view = RunWatch(ended).look()

    expected = State.CRASHED if name == STATUS else State.FINISHED
    assert row.summary.state is view.summary.state is ended.state() is expected
    assert row.summary.network == (None if name == CONFIG else "dense")
    assert ended.meta().get("device") == (None if name == META else "cpu")
    assert isinstance(load_sample(ended, 1), BrokenSample)
    assert last_event(ended, "done") is None
    assert len(glance(ended, 8)) == (0 if name == METRICS else 1)
    assert len(overview(ended).train) == (0 if name == METRICS else 1)


@pytest.mark.parametrize("put", [put_pipe, put_device])
@pytest.mark.parametrize("name", [LOCK, METRICS, LOG])
def test_a_training_does_not_go_on_into_what_is_no_file(
    ended: Run, name: str, put: Callable[[Path], None]
) -> None:
    (ended.folder / name).unlink()
    put(ended.folder / name)

    with pytest.raises(RunError, match="cannot be written"):
        RunWriter(ended.folder)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("put", PUT)
def test_a_table_that_is_none_hides_no_other(tmp_path: Path, put: Callable[[Path], None]) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    put(folder / "20260101-000000-b.json")
    (folder / "20260101-000001-a.json").write_text('{"protocol": {}, "rows": []}')

    assert [table.name[-1] for table in list_tables(tmp_path)] == ["a"]
    with pytest.raises(RunError):
        find_table(str(folder / "20260101-000000-b.json"), tmp_path)
