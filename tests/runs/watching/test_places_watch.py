"""The runs of several folders in one list."""

from pathlib import Path

import pytest
from fake_ssh import REFUSES, FakeSsh, until

from dae_tui.runs.folder.layout import CONFIG, STATUS, write_json
from dae_tui.runs.places import Places
from dae_tui.runs.ssh_hosts import host_watch
from dae_tui.runs.ssh_hosts.address import Address
from dae_tui.runs.watching.places_watch import PlacesWatch

OLD, NEW = "20260101-000000-digits-dense-0001", "20260102-000000-digits-dense-0002"


def make_run(runs_dir: Path, name: str) -> None:
    (runs_dir / name).mkdir(parents=True)
    write_json(runs_dir / name / CONFIG, {"network": "dense"})
    write_json(runs_dir / name / STATUS, {"state": "finished"})


def test_the_newest_of_all_folders_come_first(tmp_path: Path) -> None:
    make_run(tmp_path / "a", OLD)
    make_run(tmp_path / "b", OLD)
    make_run(tmp_path / "b", NEW)
    watch = PlacesWatch(Places([tmp_path / "a", tmp_path / "b"]))
    rows = watch.look()
    assert [row.run.key for row in rows] == [f"b:{NEW}", f"a:{OLD}", f"b:{OLD}"]
    assert watch.whole and watch.complete
    assert watch.look() == rows


def test_the_runs_of_a_lost_host_are_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_watch, "FIRST_WAIT_SECONDS", 0.05)
    ssh = FakeSsh(tmp_path / "bin", monkeypatch)
    make_run(tmp_path / "a", OLD)
    make_run(tmp_path / "there", NEW)
    places = Places(
        [tmp_path / "a", Address("gpu1", str(tmp_path / "there"))],
        cache=tmp_path / "cache",
        refresh_seconds=0.05,
    )
    watch = PlacesWatch(places)
    places.start()
    until(lambda: len(watch.look()) == 2)
    assert [(row.run.key, row.stale) for row in watch.look()] == [
        (f"gpu1:{NEW}", False),
        (f"a:{OLD}", False),
    ]
    ssh.does(REFUSES)
    (host,) = places.hosts
    assert host._connection is not None
    host._connection._process.terminate()
    until(lambda: [row.stale for row in watch.look()] == [True, False])
    assert places.is_stale(watch.look()[0].run) and not places.is_stale(watch.look()[1].run)
    places.close()
