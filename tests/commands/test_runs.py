"""`dae runs`: what is shown of runs, by their folders alone."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from command_line import Dae
from fake_ssh import REFUSES, FakeSsh

from dae_tui.runs.folder.layout import METRICS, STATUS, Request, State, make_folder, write_json
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.spec.model_cards import published


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "20260101-000000-tiny-abcd"
    make_folder(folder)
    write_json(folder / "config.json", {"network": "autoencoder", "data": "digits", "epochs": 2})
    write_json(
        folder / STATUS,
        {"state": "finished", "epoch": 2, "val_loss": 0.01, "test_accuracy": 96.5, "heartbeat": 0},
    )
    return folder


def test_no_runs_say_how_to_start_one(dae: Dae) -> None:
    outcome = dae("runs", "list")
    assert (outcome.code, outcome.out) == (0, "")
    assert "dae train" in outcome.err
    assert json.loads(dae("runs", "list", "--json").out)["runs"] == []


def test_list_shows_state_and_figures(dae: Dae, finished: Path) -> None:
    outcome = dae("runs", "list")
    for word in (finished.name, "finished", "2/2", "0.01000", "96.50"):
        assert word in outcome.out
    (listed,) = json.loads(dae("runs", "list", "--json").out)["runs"]
    assert listed["state"] == "finished"
    assert listed["test_accuracy"] == 96.5


def test_runs_of_a_host_are_listed_and_shown(
    dae: Dae, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = FakeSsh(tmp_path / "bin", monkeypatch)
    (finished / METRICS).write_text('{"event": "done", "seconds": 5}\n')
    there = f"ssh://gpu1{tmp_path / 'runs'}"
    answer = json.loads(dae("runs", "list", "--json", "--runs-dir", there).out)
    assert answer["runs_dir"] == there
    assert [run["name"] for run in answer["runs"]] == [finished.name]
    logins = ssh.arguments.count("gpu1")
    shown = json.loads(dae("runs", "show", "abcd", "--json", "--runs-dir", there).out)
    assert ssh.arguments.count("gpu1") == logins + 1  # A login can take seconds.
    assert shown["run"] == f"{there}/{finished.name}"
    assert shown["done"] == {"event": "done", "seconds": 5}

    missing = dae("runs", "show", "nothing", "--runs-dir", there)
    assert missing.code == 3
    assert missing.err.startswith(f"error: there is no run 'nothing' in {there}\nhint: ")
    nowhere = dae("runs", "list", "--runs-dir", "ssh://gpu1/none")
    assert nowhere.code == 3
    assert nowhere.err.startswith("error: gpu1: there is no folder /none\nhint: write ssh://")
    ssh.does(REFUSES)
    # Wrong input is refused before the host is asked.
    assert dae("runs", "list", "--runs-dir", there, "--group", "two words").code == 2
    lost = dae("runs", "list", "--runs-dir", there)
    assert lost.code == 3
    assert lost.err == (
        "error: gpu1 cannot be read: ssh: connect to host gpu1 port 22: Connection refused\n"
        "hint: this must work without a question: ssh gpu1 true\n"
    )


def test_runs_of_a_host_are_listed_by_group_and_the_archived_ones_when_asked_for(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeSsh(tmp_path / "bin", monkeypatch)
    names = [ended(tmp_path, state) for state in ("finished", "failed", "stopped")]
    assert dae("runs", "group", *names[:2], "best").code == 0
    assert dae("runs", "archive", names[0]).code == 0
    there = "--runs-dir", f"ssh://gpu1{tmp_path / 'runs'}"
    assert listed(dae, *there) == {"failed", "stopped"}
    assert listed(dae, *there, "--group", "best") == {"failed"}
    assert listed(dae, *there, "--group", "best", "--archived") == {"finished", "failed"}
    assert listed(dae, *there, "is:archived") == {"finished"}
    assert dae("runs", "archive", names[1], *there).code == 2


def test_broken_runs_are_listed_and_not_fatal(dae: Dae, finished: Path) -> None:
    (finished / STATUS).write_text("{ half")
    assert json.loads(dae("runs", "list", "--json").out)["runs"][0]["state"] == "crashed"
    assert dae("runs", "list").code == 0
    assert dae("runs", "show", "tiny").code == 0


def test_show_and_path_find_a_run_by_a_part_of_its_name(dae: Dae, finished: Path) -> None:
    assert "96.50 %" in dae("runs", "show", "tiny").out
    assert json.loads(dae("runs", "show", "latest", "--json").out)["config"]["epochs"] == 2
    assert dae("runs", "path", "abcd").out == f"{finished.resolve()}\n"


def test_an_unknown_run_is_unusable(dae: Dae) -> None:
    for command in ("show", "stop", "pause", "resume", "delete", "path"):
        outcome = dae("runs", command, "nothing")
        assert outcome.code == 3
        assert "dae runs list" in outcome.err


def test_what_has_ended_cannot_be_steered(dae: Dae, finished: Path) -> None:
    for command in ("stop", "pause", "resume"):
        assert dae("runs", command, "tiny").code == 3
    again = f"dae train --resume {finished}"
    assert f"hint: train longer with: {again} --epochs N\n" in dae("runs", "resume", "tiny").err
    for state in ("stopped", "failed", "running"):  # Of the last one the process is gone.
        write_json(finished / STATUS, {"state": state})
        assert dae("runs", "resume", "tiny").err.endswith(f"hint: go on with: {again}\n")
    assert "hint" not in dae("runs", "pause", "tiny").err


def test_pausing_twice_says_so(dae: Dae, finished: Path) -> None:
    with RunWriter(finished) as writer:
        writer.status(State.RUNNING)
        assert dae("runs", "pause", "tiny").err == f"asked {finished.name} to pause\n"
        writer.status(State.PAUSED)
        assert dae("runs", "pause", "tiny").err == f"{finished.name} is already paused\n"
        assert writer.request() is Request.PAUSE


def test_deleting_wants_a_yes(finished: Path) -> None:
    runs_dir = str(finished.parent)
    command = [sys.executable, "-m", "dae_tui", "runs", "delete", "tiny", "--runs-dir", runs_dir]
    refused = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert refused.returncode == 2
    assert finished.exists()
    assert subprocess.run([*command, "--yes"], check=False).returncode == 0
    assert not finished.exists()


def test_the_word_a_run_was_given_comes_before_parts_of_other_names(
    dae: Dae, tmp_path: Path
) -> None:
    for name in ("20260101-000000-b2-a893", "20260102-000000-hup-1b21"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        write_json(folder / STATUS, {"state": "finished"})
    assert dae("runs", "path", "b2").out.strip().endswith("-b2-a893")
    assert dae("runs", "path", "1b21").out.strip().endswith("-hup-1b21")
    assert dae("runs", "path", "2026").code == 2


@pytest.mark.parametrize("columns", ["80", "60", "40"])
def test_names_and_figures_are_never_cut(
    dae: Dae, finished: Path, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    piped = dae("runs", "list").out
    assert "0.01000" in piped and "too narrow" not in piped
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    narrow = dae("runs", "list").out
    assert finished.name in narrow
    assert ("too narrow for: " in narrow) == (columns != "80")
    weights = dae("weights", "list").out
    assert all(name in weights for name in published())
    assert "98.21" in weights
    assert "…" not in narrow + weights


def ended(tmp_path: Path, state: str, reason: str = "") -> str:
    name = f"20260101-000000-{state}-0001"
    (tmp_path / "runs" / name).mkdir(parents=True)
    write_json(tmp_path / "runs" / name / "config.json", {"network": "dense"})
    write_json(tmp_path / "runs" / name / "status.json", {"state": state, "reason": reason})
    return name


def test_a_run_is_tagged_and_shows_its_tags(dae: Dae, tmp_path: Path) -> None:
    name = ended(tmp_path, "finished")
    assert dae("runs", "tag", name, "best", "paper", "-m", "a note").out == "best paper  a note\n"
    assert dae("runs", "tag", name, "--remove", "paper").out == "best  a note\n"
    assert dae("runs", "tag", name).out == "best  a note\n"
    answer = json.loads(dae("runs", "tag", name, "--json").out)
    assert answer == {"run": name, "tags": ["best"], "note": "a note"}
    assert "tags                 best" in dae("runs", "show", name).out
    (listed,) = json.loads(dae("runs", "list", "--json").out)["runs"]
    assert listed["tags"] == ["best"]
    refused = dae("runs", "tag", name, "two words")
    assert (refused.code, refused.out) == (2, "")
    assert "a tag cannot be" in refused.err


@pytest.mark.parametrize(
    ("state", "code"), [("finished", 0), ("stopped", 1), ("failed", 3), ("running", 3)]
)
def test_waiting_for_a_run_that_has_ended_says_how(
    dae: Dae, tmp_path: Path, state: str, code: int
) -> None:
    name = ended(tmp_path, state, "a reason")
    outcome = dae("runs", "wait", name)
    assert outcome.code == code
    shown = "crashed" if state == "running" else state
    assert f"{name} is {shown}" in outcome.err


def test_waiting_returns_when_the_run_ends_or_its_time_is_up(dae: Dae, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "20260101-000000-live-0001"
    with RunWriter(folder) as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.RUNNING)
        outcome = dae("runs", "wait", "live", "--timeout", "0.1")
        assert outcome.code == 1
        assert "is still running after 0.1 s" in outcome.err
        later = Timer(0.3, lambda: writer.status(State.FINISHED))
        later.start()
        outcome = dae("runs", "wait", "live", "--json")
        later.join()
    assert outcome.code == 0
    assert json.loads(outcome.out)["state"] == "finished"


def listed(dae: Dae, *arguments: str) -> set[str]:
    """The labels of the runs in the list."""
    answer = json.loads(dae("runs", "list", "--json", *arguments).out)
    return {run["name"].split("-")[2] for run in answer["runs"]}


def test_runs_are_put_into_a_group_and_found_by_it(dae: Dae, tmp_path: Path) -> None:
    names = [ended(tmp_path, state) for state in ("finished", "failed", "stopped")]
    outcome = dae("runs", "group", *names[:2], "lr-3f2a")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.splitlines() == [f"{name} is in the group lr-3f2a" for name in names[:2]]
    assert listed(dae, "--group", "lr-3f2a") == {"finished", "failed"}
    assert listed(dae, "group:lr", "state:failed") == {"failed"}
    assert listed(dae, "--group", "lr") == set()
    assert "group                lr-3f2a" in dae("runs", "show", names[0]).out
    assert dae("runs", "group", names[0], "--remove").code == 0
    assert listed(dae, "--group", "lr-3f2a") == {"failed"}
    forgotten = [[names[0], names[1]], [names[0], names[2].split("-", 2)[2]]]
    for words in ([names[0]], [names[0], "two words"], [names[1], ""], *forgotten):
        refused = dae("runs", "group", *words)
        assert refused.code == 2
        assert [line.split(":")[0] for line in refused.err.splitlines()] == ["error", "hint"]
    assert dae("runs", "list", "--group", "two words").code == 2


def test_archived_runs_are_listed_only_when_asked_for(dae: Dae, tmp_path: Path) -> None:
    names = [ended(tmp_path, state) for state in ("finished", "failed", "stopped")]
    assert dae("runs", "archive", *names[:2]).err == "".join(
        f"archived {name}\n" for name in names[:2]
    )
    assert listed(dae) == {"stopped"}
    assert listed(dae, "--archived") == {"finished", "failed", "stopped"}
    assert listed(dae, "is:archived") == {"finished", "failed"}
    assert listed(dae, "--archived", "state:failed") == {"failed"}
    assert "archived             yes" in dae("runs", "show", names[0]).out
    assert dae("runs", "archive", names[2]).code == 0
    assert dae("runs", "list").err == (
        f"no such runs among the 3 in {tmp_path / 'runs'}; 3 archived: --archived shows them\n"
    )
    other = dae("runs", "list", "--group", "other").err
    assert other == f"no such runs among the 3 in {tmp_path / 'runs'}\n"
    assert dae("runs", "list", "state:failed").err.endswith("; 1 archived: --archived shows them\n")
    assert dae("runs", "unarchive", *names).code == 0
    assert listed(dae) == {"finished", "failed", "stopped"}


def test_a_live_run_cannot_be_archived_nor_any_beside_it(dae: Dae, tmp_path: Path) -> None:
    name = ended(tmp_path, "finished")
    with RunWriter(tmp_path / "runs" / "20260101-000000-live-0001") as writer:
        writer.describe({"network": "dense"}, {})
        writer.status(State.RUNNING)
        refused = dae("runs", "archive", name, "live")
        assert refused.code == 3
        assert "is being trained" in refused.err and "hint: stop it first" in refused.err
    assert listed(dae) == {"finished", "live"}
