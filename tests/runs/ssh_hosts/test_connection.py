"""The connection to a host, which may be slow, lying, talkative or gone."""

import signal
import tarfile
import time
from pathlib import Path
from threading import Event

import pytest
from fake_ssh import CHATTERS, HANGS, REFUSES, FakeSsh

from dae_tui.runs.folder.layout import CONFIG, LOG, METRICS, STATUS
from dae_tui.runs.ssh_hosts import connection as module
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.ssh_hosts.connection import Connection, LostError, RefusedError, is_run_name

RUN = "20260131-235959-mnist-autoencoder-3f2a"


def test_files_are_listed_and_read(connection: Connection, address: Address, there: Path) -> None:
    listing = connection.look(address.path, recent=False)

    assert abs(listing.time - time.time()) < 100
    assert set(listing.files) == {(RUN, name) for name in (CONFIG, STATUS, METRICS, LOG)}
    assert listing.files[RUN, LOG].size == 11
    assert connection.fetch(address.path, [(RUN, CONFIG), (RUN, "gone.json")], 1000) == {
        f"{RUN}/{CONFIG}": (there / RUN / CONFIG).read_bytes()
    }
    assert connection.part(address.path, RUN, LOG, 6, 3) == b"las"
    sample = connection.newest_sample(address.path, RUN)
    assert sample is not None and sample[0] == "samples/00000008.npz"
    assert connection.owed_since is None


def test_ssh_is_never_to_ask_for_a_password(connection: Connection, ssh: FakeSsh) -> None:
    said = ssh.arguments
    assert "BatchMode=yes" in said and "-T" in said and "-a" in said
    assert said[-5:] == ["-p", "2222", "--", "me@gpu1", "exec sh"]


def test_a_missing_folder_is_no_lost_connection(connection: Connection, there: Path) -> None:
    with pytest.raises(RefusedError, match="there is no folder /none"):
        connection.look("/none", recent=False)
    assert connection.look(str(there), recent=False).files


def test_the_last_words_of_ssh_say_why_it_is_lost(ssh: FakeSsh, address: Address) -> None:
    ssh.does(REFUSES)
    with pytest.raises(LostError, match=r"^ssh: connect to host gpu1 port 22: Connection refused$"):
        Connection(address, Event())


def test_a_machine_without_ssh_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: Address
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LostError, match="ssh cannot be started: No such file"):
        Connection(address, Event())


def test_a_host_that_does_not_answer_is_given_up(
    ssh: FakeSsh, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.3)
    ssh.does(HANGS)
    with pytest.raises(LostError, match="no answer for"):
        Connection(address, Event())


def test_closing_does_not_wait_for_a_host(ssh: FakeSsh, address: Address) -> None:
    ssh.does(HANGS)
    closed = Event()
    closed.set()
    with pytest.raises(LostError, match="closed"):
        Connection(address, closed)


def test_a_login_that_never_ends_to_speak_is_given_up(
    ssh: FakeSsh, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BANNER", 1 << 16)
    ssh.does(CHATTERS)
    with pytest.raises(LostError, match="says more than it was asked"):
        Connection(address, Event())


def test_a_line_that_never_ends_is_given_up(
    ssh: FakeSsh, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BANNER", 1 << 16)
    ssh.does("exec cat /dev/zero")
    with pytest.raises(LostError, match="says more than it was asked"):
        Connection(address, Event())


def test_complaints_that_never_end_are_given_up(
    ssh: FakeSsh, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_SECONDS", 0.1)
    ssh.does(f"{CHATTERS} no >&2")
    with pytest.raises(LostError, match="no"):
        Connection(address, Event())


def test_closing_does_not_wait_for_a_host_that_never_ceases_to_send(
    ssh: FakeSsh, address: Address
) -> None:
    ssh.does(CHATTERS)
    closed = Event()
    closed.set()
    with pytest.raises(LostError, match="closed"):
        Connection(address, closed)


def test_a_host_that_takes_no_request_is_given_up(ssh: FakeSsh, address: Address) -> None:
    closed = Event()
    connection = Connection(address, closed)
    connection._process.send_signal(signal.SIGSTOP)
    closed.set()
    try:
        with pytest.raises(LostError, match="closed"):  # More than a pipe takes.
            connection.fetch(address.path, [(f"{n:0200}", CONFIG) for n in range(1000)], 1000)
    finally:
        connection.close()


@pytest.mark.parametrize("count", [200, 1200])
def test_a_connection_that_dies_in_the_middle_of_an_answer_is_lost(
    ssh: FakeSsh, address: Address, count: int
) -> None:
    ssh.dies_after(count)

    def talk() -> None:
        connection = Connection(address, Event())
        try:
            connection.look(address.path, recent=False)
            connection.fetch(address.path, [(RUN, CONFIG), (RUN, STATUS)], 4096)
        finally:
            connection.close()

    with pytest.raises(LostError):
        talk()


def test_names_that_could_harm_and_links_are_not_listed(
    connection: Connection, address: Address, there: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    for name in (STATUS, CONFIG):
        (secret / name).write_text("{}")
    for name in ("-rf", ".hidden", "a\nF 1 2 3 .", "\x1b[2J", "a\\b"):
        (there / name).mkdir()
        (there / name / STATUS).write_text("{}")
    (there / "linked").symlink_to(secret)
    (there / RUN / "tags.json").symlink_to(secret / STATUS)
    listing = connection.look(address.path, recent=False)

    assert {run for run, _ in listing.files} == {RUN, "a\\b"}
    assert (RUN, "tags.json") not in listing.files
    # Nor are they sent.
    assert connection.part(address.path, "linked", STATUS, 0, 2) == b""
    assert connection.part(address.path, RUN, "tags.json", 0, 2) == b""
    assert connection.fetch(address.path, [(RUN, "tags.json")], 100) == {}


def test_more_bytes_than_were_listed_are_not_taken(
    connection: Connection, address: Address, there: Path
) -> None:
    (there / RUN / LOG).write_bytes(b"x" * 100_000)
    with pytest.raises(LostError, match="more than it has listed"):
        connection.fetch(address.path, [(RUN, LOG)], 1000)


def archive_of(*members: tuple[str, bytes, bytes, int]) -> bytes:
    """The start of a tar archive: name, kind, content and size of each member."""
    made = b""
    for name, kind, content, size in members:
        member = tarfile.TarInfo(name)
        member.type, member.size = kind, len(content)
        head = bytearray(member.tobuf(tarfile.GNU_FORMAT))
        head[483:495] = f"{size:011o}\0".encode()  # Where GNU tar says how large a sparse file is.
        head[148:156] = b" " * 8
        head[148:156] = f"{sum(head[:512]):06o}\0 ".encode()
        made += head + content.ljust(-(-len(content) // 512) * 512, b"\0")
    return made


@pytest.fixture
def packs(ssh: FakeSsh, tmp_path: Path) -> Path:
    """What `tar` on the host answers, whatever it is asked for."""
    program = tmp_path / "bin" / "tar"
    program.write_text(f"#!/bin/sh\nexec cat '{tmp_path / 'packed'}'\n")
    program.chmod(0o755)
    return tmp_path / "packed"


def test_a_file_that_claims_more_than_is_sent_is_not_taken(
    packs: Path, connection: Connection, address: Address
) -> None:
    sparse = (f"./{RUN}/{CONFIG}", tarfile.GNUTYPE_SPARSE, b"", 1 << 28)
    honest = (f"./{RUN}/{STATUS}", tarfile.REGTYPE, b"{}", 0)
    packs.write_bytes(archive_of(sparse, honest) + bytes(1024))
    files = [(RUN, CONFIG), (RUN, STATUS)]
    assert connection.fetch(address.path, files, 1000) == {f"{RUN}/{STATUS}": b"{}"}


def test_names_within_names_end_the_connection_and_nothing_else(
    packs: Path, connection: Connection, address: Address
) -> None:
    packs.write_bytes(archive_of(*[("x", tarfile.GNUTYPE_LONGNAME, b"name\0", 0)] * 1000))
    with pytest.raises(LostError, match="damaged"):
        connection.fetch(address.path, [(RUN, CONFIG)], 4 << 20)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", ".a", "a\n", "a\x1b", "x" * 256])
def test_names_that_no_folder_here_can_have(name: str) -> None:
    assert not is_run_name(name)
