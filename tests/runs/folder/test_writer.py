"""What a training leaves in its folder, and that only one process at a time writes there."""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import CONTROL, LOCK, LOG, METRICS, SAMPLES, STATUS, Request, State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter

TRAINING = """
import sys
from pathlib import Path
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.writer import RunWriter

with RunWriter(Path(sys.argv[1])) as writer:
    writer.status(State.RUNNING, epoch=3)
    print("ready", flush=True)
    sys.stdin.read()
"""

TRIES_TO_WRITE = """
import sys
from pathlib import Path
from dae_tui.runs.folder.writer import RunWriter

try:
    RunWriter(Path(sys.argv[1])).close()
except Exception as failure:
    print(type(failure).__name__, flush=True)
"""


def stored_status(run: Run) -> dict[str, object]:
    return dict(json.loads((run.folder / STATUS).read_text()))


def metrics_lines(run: Run) -> list[bytes]:
    return (run.folder / METRICS).read_bytes().splitlines(keepends=True)


def refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


@pytest.mark.usefixtures("impatient")
def test_a_second_writer_is_refused_with_exit_code_3(run: Run) -> None:
    with RunWriter(run.folder) as first:
        first.status(State.RUNNING)

        with pytest.raises(RunError, match=f"{run.name} is being trained by another") as refusal:
            RunWriter(run.folder)

        assert refusal.value.exit_code == 3
        assert refusal.value.hint == f"stop it with: dae runs stop {run.name}"
        assert run.state() is State.RUNNING


@pytest.mark.usefixtures("impatient")
def test_the_next_writer_may_come_when_the_first_has_closed(run: Run) -> None:
    RunWriter(run.folder).close()

    with RunWriter(run.folder) as second:
        second.status(State.RUNNING)

        assert run.state() is State.RUNNING


@pytest.mark.usefixtures("impatient")
def test_a_writer_in_another_process_holds_the_lock_until_it_is_killed(
    run: Run, spawn: Callable[..., "subprocess.Popen[str]"]
) -> None:
    training = spawn(TRAINING, run.folder)
    assert training.stdout is not None and training.stdout.readline() == "ready\n"
    with pytest.raises(RunError, match="another process"):
        RunWriter(run.folder)

    training.kill()
    assert training.wait(10) == -signal.SIGKILL

    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)


def test_a_reader_that_looks_at_the_lock_only_delays_a_writer(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.folder.mkdir(parents=True)
    reader = os.open(run.folder / LOCK, os.O_RDONLY | os.O_CREAT)
    fcntl.flock(reader, fcntl.LOCK_SH)
    waits = []

    def look_away(seconds: float) -> None:
        waits.append(seconds)
        os.close(reader)

    monkeypatch.setattr(time, "sleep", look_away)
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)

    assert len(waits) == 1


@pytest.mark.parametrize("in_the_way", ["runs", "runs/20260131-235959-digits-3f2a"])
def test_a_folder_that_cannot_be_made_is_a_run_error(
    run: Run, tmp_path: Path, in_the_way: str
) -> None:
    (tmp_path / in_the_way).parent.mkdir(exist_ok=True)
    (tmp_path / in_the_way).write_text("a file, not a folder")

    with pytest.raises(RunError, match="cannot be written") as refusal:
        RunWriter(run.folder)

    assert refusal.value.exit_code == 3
    assert "--runs-dir" in refusal.value.hint


@pytest.mark.parametrize("name", [LOCK, METRICS, LOG])
def test_a_file_that_cannot_be_written_is_a_run_error(run: Run, name: str) -> None:
    (run.folder / name).mkdir(parents=True)

    with pytest.raises(RunError, match="cannot be written"):
        RunWriter(run.folder)


def test_an_old_request_that_cannot_be_removed_is_a_run_error(
    run: Run, spawn: Callable[..., "subprocess.Popen[str]"]
) -> None:
    (run.folder / CONTROL).mkdir(parents=True)

    process = spawn(TRIES_TO_WRITE, run.folder)

    assert process.stdout is not None
    assert process.stdout.readline() == "RunError\n"


@pytest.mark.usefixtures("impatient")
def test_a_writer_that_could_not_open_its_files_lets_go_of_the_lock(run: Run) -> None:
    (run.folder / METRICS).mkdir(parents=True)
    with pytest.raises(RunError, match="cannot be written"):
        RunWriter(run.folder)
    (run.folder / METRICS).rmdir()

    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)

    assert run.state() is State.CRASHED  # Closed without a last word.


def test_what_was_asked_for_can_be_read(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.describe({"network": "dense", "epochs": 2}, {"device": "cpu"})

    assert run.config() == {"network": "dense", "epochs": 2}
    assert run.meta() == {"device": "cpu", "run": run.name}


def test_a_status_says_who_where_what_and_when(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        before = time.time()
        writer.status(State.RUNNING, epoch=1)
        after = time.time()

    status = stored_status(run)
    heartbeat = status.pop("heartbeat")
    assert isinstance(heartbeat, float)
    assert before - 0.001 <= heartbeat <= after + 0.001
    assert status.pop("inodes") == [
        run.folder.stat().st_ino,
        (run.folder / LOCK).stat().st_ino,
    ]
    assert status.pop("process_started") == pytest.approx(psutil.Process().create_time(), abs=0.1)
    assert status == {
        "pid": os.getpid(),
        "host": os.uname().nodename,
        "state": "running",
        "reason": "",
        "epoch": 1,
    }


def test_figures_stay_until_they_are_given_again(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING, epoch=1, loss=0.5)
        writer.status(State.FAILED, reason="it diverged", loss=2.0)

    status = run.status()
    assert (status["state"], status["reason"]) == ("failed", "it diverged")
    assert (status["epoch"], status["loss"]) == (1, 2.0)


def test_a_heartbeat_waits_until_the_last_one_is_old(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING, step=1)

        monkeypatch.setattr("dae_tui.runs.folder.writer.HEARTBEAT_SECONDS", 3600.0)
        writer.heartbeat(step=2, loss=0.5)
        assert stored_status(run)["step"] == 1

        monkeypatch.setattr("dae_tui.runs.folder.writer.HEARTBEAT_SECONDS", 0.0)
        writer.heartbeat(step=3)
        status = stored_status(run)
        assert (status["state"], status["step"], status["loss"]) == ("running", 3, 0.5)


def test_a_diverged_training_can_still_say_that_it_failed(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        with suppress(ValueError):
            writer.status(State.RUNNING, loss=float("nan"))

        writer.status(State.FAILED, reason="the loss is not a number")

    assert run.state() is State.FAILED


def test_metrics_are_whole_lines_of_version_1(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.record({"event": "step", "loss": 0.5})
        writer.record({"event": "step", "loss": 0.25})

    lines = metrics_lines(run)
    events = [json.loads(line) for line in lines]
    assert all(line.endswith(b"\n") for line in lines)
    assert [event["v"] for event in events] == [1, 1]
    assert [event["loss"] for event in events] == [0.5, 0.25]
    assert events[0]["time"] <= events[1]["time"] <= time.time() + 0.001


def test_a_line_is_one_write(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    write = os.write

    def counted(file: int, content: bytes) -> int:
        sizes.append(len(content))
        return write(file, content)

    with RunWriter(run.folder) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", counted)
            writer.record({"event": "step", "loss": 0.5})

        assert sizes == [len(metrics_lines(run)[0])]


def test_a_line_that_the_disk_takes_in_parts_is_whole(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with RunWriter(run.folder) as writer, monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, content: write(file, content[:5]))
        writer.record({"event": "step", "loss": 0.5})

    lines = metrics_lines(run)
    assert [json.loads(line)["loss"] for line in lines] == [0.5]
    assert lines[0].endswith(b"\n")


def test_metrics_never_hold_a_word_that_json_does_not_have(run: Run) -> None:
    with RunWriter(run.folder) as writer, suppress(ValueError):
        writer.record({"event": "step", "loss": float("nan"), "psnr": float("inf")})

    for line in metrics_lines(run):
        json.loads(line, parse_constant=refuse_constant)


def test_a_new_writer_adds_to_the_metrics(run: Run) -> None:
    for epoch in (1, 2):
        with RunWriter(run.folder) as writer:
            writer.record({"epoch": epoch})

    assert [json.loads(line)["epoch"] for line in metrics_lines(run)] == [1, 2]


def test_a_new_writer_closes_off_a_half_written_line(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.record({"epoch": 1})
    with (run.folder / METRICS).open("ab") as metrics:
        metrics.write(b'{"v": 1, "ep')

    with RunWriter(run.folder) as writer:
        writer.record({"epoch": 2})

    first, half, second = metrics_lines(run)
    assert json.loads(first)["epoch"] == 1
    assert half == b'{"v": 1, "ep\n'
    assert json.loads(second)["epoch"] == 2


def test_a_new_writer_forgets_what_was_asked_before(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
        run.ask(Request.STOP)

    with RunWriter(run.folder) as writer:
        assert writer.request() is None
        assert not (run.folder / CONTROL).exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"request": "dance"}', b'{"request": ["stop"]}']
)
def test_a_request_that_makes_no_sense_is_none(run: Run, content: bytes) -> None:
    with RunWriter(run.folder) as writer:
        (run.folder / CONTROL).write_bytes(content)

        assert writer.request() is None


def test_the_log_grows_by_lines_that_begin_with_the_time(run: Run) -> None:
    for message in ("first", "later σ"):
        with RunWriter(run.folder) as writer:
            earliest = time.strftime("%Y-%m-%d %H:%M:%S")
            writer.log(message)
            lines = (run.folder / LOG).read_text(encoding="utf-8").splitlines()
            assert earliest <= lines[-1][:19] <= time.strftime("%Y-%m-%d %H:%M:%S")

    assert [line[19:] for line in lines] == [" first", " later σ"]


def test_samples_are_kept_by_their_step(run: Run) -> None:
    noisy = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    with RunWriter(run.folder) as writer:
        writer.sample(1200, {"noisy": noisy, "labels": np.array([7, 2])})

    with np.load(run.folder / SAMPLES / "00001200.npz", allow_pickle=False) as stored:
        assert sorted(stored) == ["labels", "noisy"]
        assert stored["noisy"].dtype == np.uint8
        np.testing.assert_array_equal(stored["noisy"], noisy)
        assert stored["labels"].tolist() == [7, 2]


def test_a_checkpoint_replaces_the_one_before(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.checkpoint("best", {"weights.safetensors": b"old"})
        writer.checkpoint("best", {"weights.safetensors": b"weights"})
        writer.checkpoint("last", {"state.safetensors": b"state"})

    assert run.weights.read_bytes() == b"weights"
    assert [file.name for file in run.weights.parent.iterdir()] == ["weights.safetensors"]
    assert (run.folder / "checkpoints/last/state.safetensors").read_bytes() == b"state"
