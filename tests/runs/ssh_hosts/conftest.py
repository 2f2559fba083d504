"""A host, which is this machine, and a folder of runs on it."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from fake_ssh import FakeSsh

from dae_tui.runs.folder.layout import CONFIG, LOG, METRICS, SAMPLES, STATUS, write_json
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.ssh_hosts.connection import Connection
from dae_tui.runs.ssh_hosts.host_folder import HostFolder
from dae_tui.runs.ssh_hosts.mirror import Mirror

RUN = "20260131-235959-mnist-autoencoder-3f2a"


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSsh:
    return FakeSsh(tmp_path / "bin", monkeypatch)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The folder of runs on the host, with one finished run."""
    folder = tmp_path / "there's a folder" / RUN
    (folder / SAMPLES).mkdir(parents=True)
    write_json(folder / CONFIG, {"network": "autoencoder", "epochs": 2})
    write_json(folder / STATUS, {"state": "finished", "epoch": 2, "heartbeat": 5.0})
    lines = [json.dumps({"event": "step", "step": n, "loss": 1 / n}) for n in range(1, 9)]
    (folder / METRICS).write_text("\n".join(lines) + "\n")
    (folder / LOG).write_text("first\nlast\n")
    (folder / SAMPLES / "00000001.npz").write_bytes(b"old")
    (folder / SAMPLES / "00000008.npz").write_bytes(b"new")
    return folder.parent


@pytest.fixture
def address(there: Path) -> Address:
    return Address("gpu1", str(there), "me", 2222)


@pytest.fixture
def connection(ssh: FakeSsh, address: Address) -> Iterator[Connection]:
    connection = Connection(address, Event())
    yield connection
    connection.close()


@pytest.fixture
def folder(address: Address, tmp_path: Path) -> Iterator[HostFolder]:
    folder = HostFolder(address, Mirror(address, tmp_path / "cache"), "gpu1")
    yield folder
    folder.mirror.close()
