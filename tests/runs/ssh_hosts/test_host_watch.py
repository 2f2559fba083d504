"""A host that is read in a thread: brought here, followed, lost, and found again."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_ssh import REFUSES, WORKS, FakeSsh, until

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import CONFIG, LOG, METRICS, STATUS, write_json
from dae_tui.runs.ssh_hosts import host_watch
from dae_tui.runs.ssh_hosts.host_folder import SMALL_METRICS, HostFolder
from dae_tui.runs.ssh_hosts.host_watch import HostState, HostWatch

RUN = "20260131-235959-mnist-autoencoder-3f2a"


@pytest.fixture
def watch(ssh: FakeSsh, folder: HostFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostWatch]:
    monkeypatch.setattr(host_watch, "FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(host_watch, "LIST_SECONDS", 0.0)
    monkeypatch.setattr(host_watch, "SHARE", 1.0)
    watch = HostWatch([folder], 0.02)
    yield watch
    watch._closed.set()
    watch._asked.set()
    if watch._thread.is_alive():
        watch._thread.join()


def same(folder: HostFolder, there: Path, name: str) -> bool:
    kept = folder.kept / RUN / name
    return kept.exists() and kept.read_bytes() == (there / RUN / name).read_bytes()


def test_a_run_is_brought_here_and_followed(
    watch: HostWatch, folder: HostFolder, there: Path
) -> None:
    watch.start()
    for name in (STATUS, CONFIG, METRICS):
        until(lambda name=name: same(folder, there, name))  # type: ignore[misc]
    assert not (folder.kept / RUN / LOG).exists()
    assert watch.state.words() == ""
    until(lambda: abs(folder.heard - time.time()) < 100)

    write_json(there / RUN / STATUS, {"state": "running", "epoch": 3})
    with (there / RUN / METRICS).open("a") as file:
        file.write("more\n")
    until(lambda: same(folder, there, STATUS) and same(folder, there, METRICS))
    (there / RUN / METRICS).write_text("cut\n")
    until(lambda: same(folder, there, METRICS))


def test_of_a_run_that_is_shown_log_and_newest_images_come_too(
    watch: HostWatch, folder: HostFolder, there: Path
) -> None:
    watch.start()
    until(folder.runs)
    folder.runs()[0].want()
    until(lambda: same(folder, there, LOG) and same(folder, there, "samples/00000008.npz"))
    assert not (folder.kept / RUN / "samples/00000001.npz").exists()


def test_of_a_run_whose_curves_alone_are_shown_nothing_else_comes(
    watch: HostWatch, folder: HostFolder, there: Path
) -> None:
    with (there / RUN / METRICS).open("ab") as file:
        file.write(b"x" * SMALL_METRICS + b"\n")
    watch.start()
    until(folder.runs)
    folder.runs()[0].want(curves_only=True)
    until(lambda: same(folder, there, METRICS))
    later = folder.listed
    until(lambda: folder.listed > later)
    assert {path.name for path in (folder.kept / RUN).iterdir()} == {STATUS, CONFIG, METRICS}


def test_long_metrics_are_cut_to_the_newest(
    watch: HostWatch, folder: HostFolder, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_watch, "MOST_METRICS", 64)
    text = (there / RUN / METRICS).read_bytes()
    watch.start()
    until(lambda: folder.mirror.size((RUN, METRICS)) == 32)
    assert (folder.kept / RUN / METRICS).read_bytes() == text[-32:]


def test_a_lost_host_is_said_to_be_lost_and_its_runs_stay(
    watch: HostWatch, folder: HostFolder, there: Path, ssh: FakeSsh
) -> None:
    ssh.does(REFUSES)
    watch.start()
    until(lambda: "Connection refused; " in watch.state.words())
    assert watch.state.words().startswith("gpu1: lost 0 s ago: ssh: connect to host gpu1")
    ssh.does(WORKS)
    until(lambda: watch.state.connected and folder.runs())
    ssh.does(REFUSES)
    assert watch._connection is not None
    watch._connection._process.terminate()
    until(lambda: not watch.state.connected)
    assert [run.name for run in folder.runs()] == [RUN]


def test_what_dies_in_mid_transfer_is_tried_again(
    watch: HostWatch, folder: HostFolder, there: Path, ssh: FakeSsh
) -> None:
    ssh.dies_after(1500)
    watch.start()
    until(lambda: watch.state.reason)
    ssh.does(WORKS)
    for name in (STATUS, CONFIG, METRICS):
        until(lambda name=name: same(folder, there, name))  # type: ignore[misc]


def test_a_folder_that_is_missing_is_said_to_be(
    watch: HostWatch, folder: HostFolder, there: Path
) -> None:
    there.rename(there.parent / "elsewhere")
    watch.start()
    until(lambda: folder.reason == f"there is no folder {there}")
    assert watch.state.connected
    (there.parent / "elsewhere").rename(there)
    until(lambda: folder.runs() and not folder.reason)


def test_what_cannot_be_read_once_has_a_hint_how_to_try_it(watch: HostWatch, ssh: FakeSsh) -> None:
    ssh.does(REFUSES)
    with pytest.raises(RunError, match=r"gpu1 cannot be read: .* Connection refused") as refused:
        watch.read_now()
    assert refused.value.hint == "this must work without a question: ssh -p 2222 me@gpu1 true"


def test_words_say_who_since_when_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert HostState("gpu1", False, 995).words() == "gpu1: connecting for 5 s"
    lost = HostState("gpu1", False, 700, "no route", 1012)
    assert lost.words() == "gpu1: lost 5 min ago: no route; next try in 12 s"
    assert HostState("gpu1", True, 700, owed_since=999).words() == ""
    slow = HostState("gpu1", True, 700, owed_since=990).words()
    assert slow == "gpu1: slow, no answer for 10 s"
