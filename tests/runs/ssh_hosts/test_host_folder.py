"""A folder of runs on a host: what is to be read next."""

import time

import pytest

from dae_tui.runs.folder.layout import CONFIG, METRICS, MOST_JSON, STATUS, State
from dae_tui.runs.ssh_hosts import host_folder
from dae_tui.runs.ssh_hosts.connection import Stamp
from dae_tui.runs.ssh_hosts.host_folder import HostFolder

OLD, NEW = "20260101-000000-digits-dense-0001", "20260102-000000-digits-dense-0002"
NOW = 1_000_000


def files(*runs: str, mtime: int = 5) -> dict[tuple[str, str], Stamp]:
    return {(run, name): Stamp(mtime, 10, 1) for run in runs for name in (CONFIG, STATUS)}


def test_the_newest_runs_are_read_first_and_the_status_before_the_config(
    folder: HostFolder,
) -> None:
    folder.take(files(OLD, NEW), NOW, all_of_them=True)
    expected = [(NEW, STATUS), (NEW, CONFIG), (OLD, STATUS), (OLD, CONFIG)]
    assert folder.outdated() == [expected]


def test_what_has_not_changed_is_not_read_again(folder: HostFolder) -> None:
    folder.take(files(OLD), NOW, all_of_them=True)
    for file in files(OLD):
        folder.keep(file, b"{}")
    assert folder.outdated() == []
    folder.take(files(OLD, mtime=6), NOW, all_of_them=False)
    assert len(folder.outdated()[0]) == 2


def test_a_file_of_this_second_is_read_once_more(folder: HostFolder) -> None:
    folder.take(files(OLD, mtime=NOW - 1), NOW, all_of_them=True)
    for file in files(OLD):
        folder.keep(file, b"{}")
    assert len(folder.outdated()[0]) == 2


def test_files_are_asked_for_in_batches(
    folder: HostFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.take(files(OLD, NEW), NOW, all_of_them=True)
    monkeypatch.setattr(host_folder, "BATCH_FILES", 3)
    assert [len(batch) for batch in folder.outdated()] == [3, 1]
    monkeypatch.setattr(host_folder, "BATCH_BYTES", 19)
    assert [len(batch) for batch in folder.outdated()] == [1, 1, 1, 1]


def test_files_that_are_too_large_are_not_read(folder: HostFolder) -> None:
    folder.take({(OLD, STATUS): Stamp(5, MOST_JSON + 1, 1)}, NOW, all_of_them=True)
    assert folder.outdated() == []


def test_runs_that_are_gone_are_forgotten_and_only_the_newest_kept(
    folder: HostFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.take(files(OLD, NEW), NOW, all_of_them=True)
    for file in files(OLD, NEW):
        folder.keep(file, b"{}")
    assert [run.name for run in folder.runs()] == [OLD, NEW]
    monkeypatch.setattr(host_folder, "MOST_RUNS", 1)
    folder.take(files(OLD, NEW), NOW, all_of_them=True)
    assert [run.name for run in folder.runs()] == [NEW]
    folder.take({}, NOW, all_of_them=True)
    assert folder.runs() == []


def test_long_metrics_are_read_of_runs_that_are_shown_or_alive(folder: HostFolder) -> None:
    known = files(OLD, NEW) | {(OLD, METRICS): Stamp(5, 1 << 20, 1)}
    folder.take(known | {(NEW, METRICS): Stamp(5, 100, 1)}, NOW, all_of_them=True)
    assert folder.needed() == [NEW]
    asked: list[int] = []
    folder.asked = lambda: asked.append(1)
    folder.want(OLD)
    folder.want(OLD)
    assert asked == [1]
    assert folder.needed() == [OLD, NEW]


def test_a_run_that_is_alive_needs_its_metrics(folder: HostFolder) -> None:
    folder.take(files(OLD) | {(OLD, METRICS): Stamp(5, 1 << 20, 1)}, NOW, all_of_them=True)
    folder.keep((OLD, STATUS), b'{"state": "running"}')
    assert folder.needed() == [OLD]
    folder.keep((OLD, STATUS), b'{"state": "finished"}')
    assert folder.needed() == []


def test_clocks_are_compared(folder: HostFolder) -> None:
    folder.take({}, int(time.time()) - 100, all_of_them=True)
    folder.caught_up()
    assert abs(folder.ahead - 100) < 3


def test_a_run_is_not_taken_for_crashed_before_its_new_status_is_here(folder: HostFolder) -> None:
    folder.take(files(OLD), NOW, all_of_them=True)
    for file in files(OLD):
        folder.keep(file, b'{"state": "running", "heartbeat": 1000000}')
    (run,) = folder.runs()
    assert run.state() is State.RUNNING  # The host has not said all yet.
    folder.caught_up()
    assert run.state() is State.RUNNING
    # An hour later, after the connection was lost.
    folder.take(files(OLD, mtime=6), NOW + 3600, all_of_them=True)
    assert run.state() is State.RUNNING
    folder.caught_up()
    assert run.state() is State.CRASHED
