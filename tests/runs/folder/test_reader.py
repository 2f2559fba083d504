"""Runs as others see them: states, requests, metrics, and finding one by a word."""

import os
import shutil
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from dae_tui.errors import RunError, UsageError
from dae_tui.runs.folder import reader
from dae_tui.runs.folder.layout import (
    CONFIG,
    CONTROL,
    LOG,
    META,
    METRICS,
    STATUS,
    Request,
    State,
    read_json,
    write_json,
)
from dae_tui.runs.folder.liveness import SILENT_SECONDS, Lock, look_at_lock
from dae_tui.runs.folder.reader import (
    LONGEST_LINE,
    MOST_AT_ONCE,
    MetricsFollower,
    Run,
    find_run,
    last_event,
    list_runs,
    parse_events,
)
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
ALIVE = [state for state in State if state.alive]
ENDED = [State.FINISHED, State.STOPPED, State.FAILED]


def append(run: Run, content: bytes) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / METRICS).open("ab") as metrics:
        metrics.write(content)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def make_run(folder: Path) -> Run:
    folder.mkdir(parents=True)
    write_json(folder / CONFIG, {})
    return Run(folder)


def stored(run: Run) -> dict[str, object]:
    """The status as it is on disk."""
    return read_json(run.folder / STATUS) or {}


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Three runs: two of digits, one of MNIST, which is the newest."""
    for name in (
        "20260102-000000-mnist-dense-cccc",
        "20260101-000000-digits-dense-bbbb",
        "20251231-000000-digits-unet-aaaa",
    ):
        make_run(tmp_path / "runs" / name)
    return tmp_path / "runs"


# Where it was, and its images


def test_the_newest_place_and_the_oldest_checksum_count(run: Run) -> None:
    run.folder.mkdir(parents=True)
    assert (run.data_checksum(), run.recorded_folder()) == (None, None)
    resumed = [
        {"folder": "/second", "data_checksum": "b"},
        {"folder": "/third", "data_checksum": None},
    ]
    write_json(run.folder / META, {"folder": "/first", "resumed": resumed})
    assert (run.data_checksum(), run.recorded_folder()) == ("b", Path("/third"))


def test_a_run_that_has_ended_says_where_it_was(run: Run) -> None:
    append(run, b'{"event": "done", "run": "/old/place"}\n')
    assert run.recorded_folder() == Path("/old/place")


@pytest.mark.parametrize("meta", [{"folder": 7, "resumed": 8}, {"resumed": [9]}, {"folder": "x"}])
def test_a_meta_of_another_kind_says_nothing(meta: dict[str, object], run: Run) -> None:
    run.folder.mkdir(parents=True)
    write_json(run.folder / META, meta)
    assert (run.data_checksum(), run.recorded_folder()) == (None, None)


# States


@pytest.mark.parametrize("state", ALIVE)
def test_a_run_is_what_it_says_while_its_lock_is_held(run: Run, state: State) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(state)

        assert run.state() is state
        assert run.status()["reason"] == ""


@pytest.mark.parametrize("state", ALIVE)
def test_a_free_lock_while_the_status_says_alive_means_crashed(run: Run, state: State) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(state, epoch=3)

    status = run.status()
    assert status["state"] == "crashed"
    assert status["reason"] == "its process is gone"
    assert status["epoch"] == 3
    assert stored(run)["state"] == str(state)


@pytest.mark.parametrize("state", ENDED)
def test_a_run_that_has_ended_stays_as_it_ended(run: Run, state: State) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(state, reason="as it ended")
        assert run.state() is state

    assert run.state() is state
    assert run.status()["reason"] == "as it ended"


def test_a_training_killed_with_kill_9_has_crashed(
    run: Run, spawn: Callable[..., "subprocess.Popen[str]"]
) -> None:
    training = spawn(TRAINING, run.folder)
    assert training.stdout is not None and training.stdout.readline() == "ready\n"
    assert run.state() is State.RUNNING
    assert run.status()["pid"] == training.pid

    training.kill()
    training.wait(10)

    status = run.status()
    assert (status["state"], status["epoch"]) == ("crashed", 3)


def test_looking_at_a_run_does_not_keep_its_lock(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
    descriptors = open_files()

    for _ in range(3):
        assert run.state() is State.CRASHED

    assert open_files() == descriptors


def test_without_a_lock_file_a_running_run_has_crashed(run: Run) -> None:
    run.folder.mkdir(parents=True)
    write_json(run.folder / STATUS, {"state": "running", "host": socket.gethostname()})

    assert run.state() is State.CRASHED


@pytest.mark.parametrize(
    ("silent_seconds", "state"),
    [(0.0, State.RUNNING), (SILENT_SECONDS + 10, State.CRASHED)],
)
def test_on_another_machine_the_heartbeat_decides(
    run: Run, silent_seconds: float, state: State
) -> None:
    run.folder.mkdir(parents=True)
    heartbeat = time.time() - silent_seconds
    status = {"state": "running", "host": "elsewhere.invalid", "heartbeat": heartbeat}
    write_json(run.folder / STATUS, status)

    assert run.state() is state


@pytest.mark.parametrize("heartbeat", [None, "now", [], -(10**400)], ids=lambda it: str(it)[:9])
def test_on_another_machine_without_a_heartbeat_it_has_crashed(run: Run, heartbeat: object) -> None:
    run.folder.mkdir(parents=True)
    status = {"state": "running", "host": "elsewhere.invalid", "heartbeat": heartbeat}
    write_json(run.folder / STATUS, status)

    assert run.state() is State.CRASHED


def test_a_heartbeat_beyond_all_floats_is_survived(run: Run) -> None:
    run.folder.mkdir(parents=True)
    status = {"state": "running", "host": "elsewhere.invalid", "heartbeat": 10**400}
    write_json(run.folder / STATUS, status)

    assert run.state() is State.RUNNING  # Heard of in a distant future.


def test_a_run_without_files_is_crashed_and_empty(run: Run) -> None:
    assert run.state() is State.CRASHED
    assert run.status()["reason"] == "its status.json is missing or broken"
    assert (run.config(), run.meta(), last_event(run, "done")) == ({}, {}, None)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"state": "runn', b"[1]", b"\xff", b'{"state": 3}', b'{"state": []}', b'{"state": ""}'],
)
def test_a_broken_status_is_crashed(run: Run, content: bytes) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / STATUS).write_bytes(content)

    status = run.status()
    assert status["state"] == "crashed"
    assert status["reason"] == "its status.json is missing or broken"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_broken_config_and_meta_are_empty(run: Run, content: bytes) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / CONFIG).write_bytes(content)
    (run.folder / META).write_bytes(content)

    assert (run.config(), run.meta()) == ({}, {})


# Requests


@pytest.mark.parametrize("request_", list(Request))
def test_a_training_hears_what_it_is_asked(run: Run, request_: Request) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
        assert writer.request() is None

        run.ask(request_)

        assert writer.request() is request_
        asked = read_json(run.folder / CONTROL)
        assert asked is not None and asked["request"] == str(request_)


def test_the_last_request_counts(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
        for request in (Request.PAUSE, Request.RESUME, Request.STOP):
            run.ask(request)

        assert writer.request() is Request.STOP


@pytest.mark.parametrize("request_", list(Request))
@pytest.mark.parametrize("state", [State.RUNNING, State.FINISHED])
def test_nothing_can_be_asked_of_a_run_that_is_over(
    run: Run, state: State, request_: Request
) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(state)
    now = "crashed" if state is State.RUNNING else "finished"

    with pytest.raises(RunError, match=f"is {now}: there is nothing to {request_}") as refusal:
        run.ask(request_)

    assert refusal.value.exit_code == 3
    assert not (run.folder / CONTROL).exists()


def test_a_request_that_cannot_be_written_is_a_run_error(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        writer.status(State.RUNNING)
        (run.folder / CONTROL).mkdir()

        with pytest.raises(RunError, match="cannot be asked to stop"):
            run.ask(Request.STOP)


# Metrics


def test_a_follower_reads_each_event_once(run: Run) -> None:
    follower = MetricsFollower(run)
    assert follower.read() == []

    append(run, b'{"step": 1}\n{"step": 2}\n')
    assert follower.read() == [{"step": 1}, {"step": 2}]
    assert follower.read() == []

    append(run, b'{"step": 3}\n')
    assert follower.read() == [{"step": 3}]
    assert follower.restarted is False


def test_a_follower_waits_for_the_end_of_a_line(run: Run) -> None:
    follower = MetricsFollower(run)

    append(run, b'{"step": 1}\n{"st')
    assert follower.read() == [{"step": 1}]
    append(run, b'ep": 2')
    assert follower.read() == []
    append(run, b"}\n")
    assert follower.read() == [{"step": 2}]


def test_a_line_that_was_never_finished_is_lost_and_the_next_is_not(run: Run) -> None:
    follower = MetricsFollower(run)
    append(run, b'{"step": 1}\n{"st')
    assert follower.read() == [{"step": 1}]

    with RunWriter(run.folder) as writer:
        assert follower.read() == []
        writer.record({"step": 2})

    assert [event["step"] for event in follower.read()] == [2]


def test_a_follower_leaves_out_lines_that_are_no_events(run: Run) -> None:
    append(run, b'{"step": 1}\nnonsense\n[2]\n3\n\n\xff\xfe\n{"step": 4}{\n{"step": 5}\n')

    assert MetricsFollower(run).read() == [{"step": 1}, {"step": 5}]


def test_a_follower_notices_that_the_file_was_cut(run: Run) -> None:
    follower = MetricsFollower(run)
    append(run, b'{"step": 1}\n{"step": 2}\n')
    follower.read()

    (run.folder / METRICS).write_bytes(b'{"step": 9}\n')
    assert follower.read() == [{"step": 9}]
    assert follower.restarted is True

    append(run, b'{"step": 10}\n')
    assert follower.read() == [{"step": 10}]
    assert follower.restarted is False


def test_a_follower_notices_that_the_file_was_replaced_by_a_longer_one(run: Run) -> None:
    follower = MetricsFollower(run)
    append(run, b'{"step": 1}\n')
    follower.read()

    other = run.folder / "other"
    other.write_bytes(b'{"step": 7}\n{"step": 8}\n')
    other.replace(run.folder / METRICS)

    assert follower.read() == [{"step": 7}, {"step": 8}]
    assert follower.restarted is True


def test_a_follower_survives_that_the_run_is_removed(run: Run) -> None:
    follower = MetricsFollower(run)
    append(run, b'{"step": 1}\n')
    follower.read()

    shutil.rmtree(run.folder)

    assert follower.read() == []


def test_a_follower_reads_in_portions_of_whole_lines(run: Run) -> None:
    append(run, b"".join(b'{"step": %d}\n' % step for step in range(5)))  # 12 bytes each.
    follower = MetricsFollower(run)

    portions = [[event["step"] for event in follower.read(30)] for _ in range(4)]

    assert portions == [[0, 1], [2, 3], [4], []]
    assert follower.offset == 60


@pytest.mark.parametrize("limit", [0, 1, 11, 12, 13])
def test_a_line_longer_than_the_limit_is_read_whole(run: Run, limit: int) -> None:
    append(run, b'{"step": 1}\n{"step": 2}\n')
    follower = MetricsFollower(run)

    assert [follower.read(limit) for _ in range(3)] == [[{"step": 1}], [{"step": 2}], []]


def test_a_half_line_longer_than_the_limit_is_waited_for(run: Run) -> None:
    follower = MetricsFollower(run)
    append(run, b'{"step"')
    assert follower.read(3) == []

    append(run, b": 1}\n")

    assert follower.read(3) == [{"step": 1}]


def test_a_portion_of_a_file_that_was_cut_is_its_first(run: Run) -> None:
    follower = MetricsFollower(run)
    append(run, b'{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    follower.read()

    (run.folder / METRICS).write_bytes(b'{"step": 8}\n{"step": 9}\n')

    assert (follower.read(12), follower.restarted) == ([{"step": 8}], True)
    assert (follower.read(12), follower.restarted) == ([{"step": 9}], False)


def test_a_short_file_that_grows_during_a_look_is_not_taken_for_another(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(run, b'{"step": 1}\n')
    follower = MetricsFollower(run)
    fstat = os.fstat

    def grow(file: int) -> os.stat_result:
        append(run, b'{"step": 2, "loss": 0.125, "seconds": 0.125, "lr": 0.00625}\n')
        return fstat(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", grow)
        assert [event["step"] for event in follower.read()][:2] == [1, 2]

    assert (follower.read(), follower.restarted) == ([], False)


@pytest.mark.parametrize(
    ("lines", "steps"),
    [
        (b"", []),
        (b"\n\n", []),
        (b'{"step": 1}', [1]),
        (b'{"step": 1}\r\n{"step": 2}\r\n', [1, 2]),
        (b'{"step": 1}\n   \n{"step": 2}\n', [1, 2]),
        (b'{"step": 1}, {"step": 2}\n{"step": 3}\n', [3]),  # Two on a line are no event.
        (b'1, 2\n{"step": 3}\n', [3]),
        (b'{"step": 1\n"loss": 2}\n{"step": 3}\n', [3]),  # One with the comma between them.
        (b'[{"step": 1}\n{"step": 2}]\n{"step": 3}\n', [3]),
        (b"]\n[\n" + b'{"step": 3}\n', [3]),
        (b"\0\n" + b'{"step": 3}\n', [3]),
        (b"[" * 5000 + b"\n" + b'{"step": 3}\n', [3]),
        (b"9" * 5000 + b"\n" + b'{"step": 3}\n', [3]),
    ],
)
def test_only_lines_that_are_objects_of_their_own_are_events(
    lines: bytes, steps: list[int]
) -> None:
    assert [event["step"] for event in parse_events(lines)] == steps


def test_the_last_event_of_a_kind_is_found(run: Run) -> None:
    append(run, b'{"event": "step", "step": 1}\n{"event": "step", "step": 2}\n')
    append(run, b'{"event": "done", "seconds": 3}\n{"event": "step", "of": "done"}\n')
    append(run, b'{"event": "done", "seconds": 4')  # Not whole yet.

    assert last_event(run, "step") == {"event": "step", "of": "done"}
    assert last_event(run, "done") == {"event": "done", "seconds": 3}
    assert last_event(run, "started") is None


@pytest.mark.parametrize("later", [0, 1, LONGEST_LINE, MOST_AT_ONCE - 40, 3 * MOST_AT_ONCE])
def test_the_last_event_of_a_kind_is_found_however_far_from_the_end(run: Run, later: int) -> None:
    append(run, b'{"event": "done", "seconds": 3}\n')
    append(run, b'{"event": "step"}\n' * (later // 18))

    assert last_event(run, "done") == {"event": "done", "seconds": 3}


def test_an_event_across_two_pieces_of_the_search_is_found(run: Run) -> None:
    filling = b"x" * 999 + b"\n"
    append(run, b'{"event": "done", "seconds": 3, "words": "%s"}\n' % (b"x" * 900_000))
    append(run, filling * ((MOST_AT_ONCE - 300_000) // 1000))

    event = last_event(run, "done")

    assert event is not None and event["seconds"] == 3


def test_lines_that_only_look_like_an_event_end_the_search(run: Run) -> None:
    append(run, b'{"event": "done", "seconds": 3}\n' + b'"done"\n' * 5000)

    assert last_event(run, "done") is None


def test_a_line_of_any_length_is_passed_over_in_little_memory(run: Run) -> None:
    append(run, b'{"step": 1}\n')
    with (run.folder / METRICS).open("ab") as metrics:
        metrics.truncate(1 << 30)  # Sparse: a gigabyte of zeros.
    append(run, b'\n{"step": 2}\n')
    follower = MetricsFollower(run)
    steps: list[int] = []

    tracemalloc.start()
    before = -1
    while follower.offset != before:
        before = follower.offset
        steps += [event["step"] for event in follower.read()]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert steps == [1, 2]
    assert most < 4 * MOST_AT_ONCE


def test_the_stamp_of_a_file_tells_of_changes(run: Run) -> None:
    assert run.stamp(LOG) is None
    run.folder.mkdir(parents=True)
    (run.folder / LOG).write_text("a")
    before = run.stamp(LOG)
    assert run.stamp(LOG) == before is not None
    (run.folder / LOG).write_text("ab")
    assert run.stamp(LOG) != before


# Finding


def test_runs_are_listed_from_the_oldest_to_the_newest(runs_dir: Path) -> None:
    assert [run.name[-4:] for run in list_runs(runs_dir)] == ["aaaa", "bbbb", "cccc"]


def test_what_is_no_run_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "folder" / "checkpoints").mkdir(parents=True)
    (tmp_path / "file").write_text("{}")
    (tmp_path / "with-status").mkdir()
    write_json(tmp_path / "with-status" / STATUS, {"state": "running"})
    make_run(tmp_path / "with-config")

    assert [run.name for run in list_runs(tmp_path)] == ["with-config", "with-status"]


def test_an_entry_that_cannot_be_looked_at_hides_no_runs(runs_dir: Path) -> None:
    (runs_dir / "broken").symlink_to("x" * 300)

    assert len(list_runs(runs_dir)) == 3


def test_a_missing_folder_and_a_file_hold_no_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert list_runs(tmp_path / "missing") == []
    assert list_runs(tmp_path / "file") == []


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("20260101-000000-digits-dense-bbbb", "bbbb"),
        ("bbbb", "bbbb"),
        ("unet", "aaaa"),
        ("mnist-d", "cccc"),
        ("latest", "cccc"),
    ],
)
def test_a_run_is_found_by_its_name_a_part_or_latest(
    runs_dir: Path, text: str, suffix: str
) -> None:
    found = find_run(text, runs_dir)

    assert found.folder.parent == runs_dir
    assert found.name.endswith(suffix)


def test_a_run_is_found_by_its_folder_wherever_it_is(
    tmp_path: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = make_run(tmp_path / "elsewhere" / "other")
    monkeypatch.chdir(elsewhere.folder)

    assert find_run(str(elsewhere.folder), runs_dir) == elsewhere
    assert find_run("../other", runs_dir) == elsewhere
    assert find_run(".", runs_dir).name == "other"


def test_a_whole_name_is_meant_even_where_it_is_part_of_another(tmp_path: Path) -> None:
    for name in ("digits", "digits-2"):
        make_run(tmp_path / name)

    assert find_run("digits", tmp_path).name == "digits"


def test_a_part_of_several_names_is_a_usage_error(runs_dir: Path) -> None:
    with pytest.raises(UsageError, match=r"'dense' means 2 runs: .*bbbb, .*cccc") as refusal:
        find_run("dense", runs_dir)

    assert refusal.value.exit_code == 2
    assert refusal.value.hint == "type more of the name"


@pytest.mark.parametrize("text", ["nothing", "runs/nothing", "*", "a\0b", "x" * 300])
def test_an_unknown_run_is_a_run_error(runs_dir: Path, text: str) -> None:
    with pytest.raises(RunError, match="there is no run") as refusal:
        find_run(text, runs_dir)

    assert refusal.value.exit_code == 3


def test_without_runs_there_is_no_latest(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run 'latest'"):
        find_run("latest", tmp_path / "runs")


def test_a_run_that_ends_while_it_is_looked_at_has_not_crashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(tmp_path / "run")
    writer.__enter__()
    writer.status(State.RUNNING)
    look = look_at_lock

    def look_late(folder: Path) -> Lock:
        # What was read before says that it runs; now it ends, and lets the lock go.
        if not ended:
            ended.append(True)
            writer.status(State.FINISHED)
            writer.__exit__(None, None, None)
        return look(folder)

    ended: list[bool] = []
    monkeypatch.setattr(reader, "look_at_lock", look_late)
    assert Run(tmp_path / "run").state() is State.FINISHED
