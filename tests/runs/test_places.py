"""Several folders of runs, here and on other hosts, as one."""

from pathlib import Path

import pytest

from dae_tui.errors import RunError, UsageError
from dae_tui.runs.folder.layout import STATUS, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.places import Places, parse_place
from dae_tui.runs.ssh_hosts.address import Address


def make_run(runs_dir: Path, name: str) -> Run:
    (runs_dir / name).mkdir(parents=True)
    write_json(runs_dir / name / STATUS, {"state": "finished"})
    return Run(runs_dir / name)


def names(places: Places) -> list[str]:
    return [folder.place for folder in places.folders]


def test_a_place_is_a_folder_or_an_address() -> None:
    assert parse_place("a/b") == Path("a/b")
    assert parse_place("ssh://gpu1/r") == Address("gpu1", "/r")
    with pytest.raises(UsageError):
        parse_place("SSH://-x/r")


def test_a_folder_alone_has_no_name_and_keys_are_names(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    places = Places([tmp_path])
    assert names(places) == [""]
    assert [run.key for run in places.runs()] == ["a"]


def test_names_of_folders_are_short_and_differ(tmp_path: Path) -> None:
    one, two, three = tmp_path / "one", tmp_path / "x" / "runs", tmp_path / "y" / "runs"
    assert names(Places([one, two, three])) == ["one", "x/runs", "y/runs"]
    hosts = [Address("gpu1", "/a/runs"), Address("gpu1", "/a/old"), Address("gpu2", "/a/runs")]
    places = Places([one, *hosts], cache=tmp_path / "cache")
    assert names(places) == ["one", "gpu1/runs", "gpu1/old", "gpu2"]
    # A connection for each host.
    assert [len(host.folders) for host in places.hosts] == [2, 1]
    places.close()


def test_a_folder_that_is_named_twice_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    places = Places([tmp_path, tmp_path / "link", tmp_path / "x" / ".."])
    assert names(places) == [""]


def test_runs_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        make_run(tmp_path / folder, "a")
    make_run(tmp_path / "one", "b")
    places = Places([tmp_path / "one", tmp_path / "two"])
    runs = places.runs()
    assert [run.key for run in runs] == ["one:a", "two:a", "one:b"]
    assert runs[0] != runs[1]
    assert [places.folder_of(run).name for run in runs] == ["one", "two", "one"]


def test_a_run_that_was_found_by_its_name_is_that_of_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("one", "two"):
        make_run(tmp_path / folder, "a")
    monkeypatch.chdir(tmp_path)
    places = Places([Path("one"), tmp_path / "two"])
    assert places.listed(Run(Path("two", "a"))).key == "two:a"
    assert places.listed(Run(tmp_path / "one" / "a")).key == "one:a"
    assert places.listed(Run(tmp_path / "three" / "a")).key == "a"


def test_hosts_are_left_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places([Address("gpu1", "/r"), Address("gpu2", "/r")], cache=tmp_path / "cache")
    one, two = places.hosts
    ended: list[bool] = []
    monkeypatch.setattr(one, "close", lambda: ended.append(two._closed.is_set()))
    places.close()
    monkeypatch.undo()
    one.close()
    assert ended == [True]


def test_new_runs_go_to_the_first_folder_of_this_machine(tmp_path: Path) -> None:
    places = Places([Address("gpu1", "/r"), tmp_path / "a", tmp_path / "b"], cache=tmp_path / "c")
    assert places.runs_dir == tmp_path / "a"
    places.check_new_run()
    places.close()


def test_a_new_run_that_would_not_be_seen_is_refused(tmp_path: Path) -> None:
    places = Places([Address("gpu1", "/r")], default=tmp_path, cache=tmp_path / "c")
    assert places.runs_dir == tmp_path
    with pytest.raises(RunError) as refused:
        places.check_new_run()
    assert "ssh gpu1 'dae train --runs-dir /r'" in refused.value.hint
    places.close()
