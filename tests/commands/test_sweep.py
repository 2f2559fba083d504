"""`dae sweep`: a group of trainings, interrupted and continued, and its table."""

import json
import shlex
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from command_line import Dae
from fake_nvml import FakeGpu, FakeNvml
from sweep_child import stand_in

from dae_tui.commands.sweeping import start_runs as running
from dae_tui.commands.sweeping.start_runs import folder_of
from dae_tui.devices.monitor import Monitor
from dae_tui.runs.folder.layout import LOG, State
from dae_tui.runs.folder.liveness import HeldLock
from dae_tui.runs.folder.reader import Run, list_runs
from dae_tui.runs.folder.tags import read_tags

PYTHON = sys.executable
TRAIN = ["--", "train", "--data", "digits"]


@pytest.fixture(autouse=True)
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)


def runs(tmp_path: Path) -> list[Run]:
    return list_runs(tmp_path / "runs")


def test_a_table_of_means_over_seeds_the_best_first(dae: Dae, tmp_path: Path) -> None:
    outcome = dae("sweep", "--set", "lr=2,1", "--seed", "0..1", "--group", "g", *TRAIN)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].split() == [
        *("lr", "finished", "last", "loss", "best", "loss"),
        *("PSNR", "val", "acc", "%", "test", "%"),
    ]
    deviation = "± 0.00071"
    assert lines[2].split()[:2] == ["1", "2/2"]
    assert f"1.50050 {deviation}" in lines[2] and f"1.00050 {deviation}" in lines[2]
    assert "20.50 ± 0.71" in lines[2] and "95.00 ± 0.00" in lines[2]
    assert lines[3].split()[:2] == ["2", "2/2"]
    said = outcome.err.splitlines()
    assert said[0] == "group g: 4 trainings; watch: dae dashboard, / group=g"
    assert said[1].startswith("1 of 4  lr=2 seed=0  started 2")
    assert said[2] == "1 of 4  lr=2 seed=0  finished"
    assert {read_tags(run).group for run in runs(tmp_path)} == {"g"}


def test_the_way_to_watch_names_another_folder(dae: Dae, tmp_path: Path) -> None:
    folder = str(tmp_path / "other runs")
    outcome = dae("sweep", "--set", "lr=1", "--group", "g", *TRAIN, "--runs-dir", folder)
    words = f"watch: dae dashboard --runs-dir '{folder}', / group=g"
    assert outcome.err.splitlines()[0] == f"group g: 1 training; {words}"


def test_the_json_has_every_run_and_every_row(dae: Dae, tmp_path: Path) -> None:
    outcome = dae("sweep", "--set", "lr=1,2", "--seed", "0,1", "--json", "-q", *TRAIN)
    assert (outcome.code, outcome.err) == (0, "")
    answer = json.loads(outcome.out)
    assert answer["group"].startswith("lr-seed-")
    assert answer["runs_dir"] == str((tmp_path / "runs").resolve())
    assert answer["parameters"] == {"lr": [1, 2], "seed": [0, 1]}
    first = answer["runs"][0]
    assert first["parameters"] == {"lr": 1, "seed": 0}
    assert first["command"] == "dae train --data digits --lr=1 --seed=0"
    assert (first["state"], first["best_val_loss"], first["val_loss"]) == ("finished", 1.0, 1.5)
    assert {run["run"] for run in answer["runs"]} == {run.name for run in runs(tmp_path)}
    row = answer["rows"][0]
    assert (row["parameters"], row["runs"], row["finished"]) == ({"lr": 1}, 2, 2)
    assert row["best_val_loss"] == {
        "mean": 1.0005, "deviation": pytest.approx(0.000707, abs=1e-6), "count": 2,
    }  # fmt: skip


def test_a_failure_is_told_and_tried_again(dae: Dae, tmp_path: Path) -> None:
    words = ["sweep", "--set", "lr=9,1", "--group", "g", *TRAIN]
    outcome = dae(*words)
    assert outcome.code == 1
    assert "1 of 2  lr=9  failed: it diverged; slower\n" in outcome.err
    assert outcome.err.splitlines()[-2:] == [
        "error: 1 of 2 trainings have not finished",
        "hint: go on with: dae sweep --group g --set lr=9,1 -- train --data digits",
    ]
    before = runs(tmp_path)
    again = dae(*words)
    assert "group g: 2 trainings (1 to try again after it failed, 1 finished already)" in again.err
    assert "1 of 2  lr=9  failed before, tried again: " in again.err
    assert "lr=1  started" not in again.err
    assert (again.code, runs(tmp_path)) == (1, before)


def test_what_goes_on_with_it_has_seeds_and_folder_as_they_were_typed(
    dae: Dae, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    words = ["--group", "g", "--set", "lr=9", "--seed", "0..1", "--runs-dir", str(other), *TRAIN]
    outcome = dae("sweep", *words)
    assert (
        outcome.err.splitlines()[-1] == f"hint: go on with: {shlex.join(['dae', 'sweep', *words])}"
    )
    assert len(list_runs(other)) == 2


def test_a_dry_run_prints_commands_and_makes_nothing(dae: Dae, tmp_path: Path) -> None:
    outcome = dae("sweep", "--set", "lr=1,2", "--dry-run", *TRAIN)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [f"dae train --data digits --lr={lr}" for lr in (1, 2)]
    answer = json.loads(dae("sweep", "--set", "lr=1,2", "--dry-run", "--json", *TRAIN).out)
    assert [run["run"] for run in answer["runs"]] == [None, None]
    assert not (tmp_path / "runs").exists()
    dae("sweep", "--set", "lr=1", "--group", "g", *TRAIN)
    (run,) = runs(tmp_path)
    dry = dae("sweep", "--set", "lr=1,2", "--group", "g", "--dry-run", *TRAIN)
    assert dry.out.splitlines()[0].endswith(f"--lr=1  # finished already: {run.name}")


@pytest.mark.parametrize(
    "words",
    [
        ["--set", "lr=1,30", *TRAIN],
        ["--set", "lr=1,fast", *TRAIN],
        ["--set", "nothing=1", *TRAIN],
        ["--set", "lr=1"],
        ["--set", "lr=1", "--", "denoise"],
        ["--set", "lr=1", "--group", "a b", *TRAIN],
        ["--set", "lr=1", "--jobs", "0", *TRAIN],
        [*TRAIN],
    ],
)
def test_mistakes_are_one_line_and_a_hint_before_anything_starts(
    dae: Dae, tmp_path: Path, words: list[str]
) -> None:
    outcome = dae("sweep", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert [line.split(":")[0] for line in outcome.err.splitlines()] == ["error", "hint"]
    assert not (tmp_path / "runs").exists()


def test_a_group_is_run_by_one_process(dae: Dae, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "runs", "g")
    folder.mkdir(parents=True)
    lock = HeldLock(folder)
    assert lock.take()
    refused = dae("sweep", "--set", "lr=1", "--group", "g", *TRAIN)
    lock.close()
    assert refused.code == 3
    assert "another process runs the group g" in refused.err
    assert runs(tmp_path) == []  # The lock is no run.


def test_a_group_of_any_name_stays_in_the_folder_of_runs(dae: Dae, tmp_path: Path) -> None:
    assert dae("sweep", "--set", "lr=1", "--group", "..", *TRAIN).code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "python"}
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_several_at_a_time_get_a_gpu_each(
    dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    nvml = FakeNvml(*(FakeGpu(uuid=f"GPU-{n}") for n in range(2)))
    monkeypatch.setattr("dae_tui.devices.monitor.Monitor", lambda: Monitor({}, nvml))
    monkeypatch.setattr(running, "usable_cores", lambda: 6)

    def seen(*words: str) -> set[str]:
        before = runs(tmp_path)
        assert dae("sweep", "--seed", "0..2", *words).code == 0
        new = [run for run in runs(tmp_path) if run not in before]
        return {(run.folder / LOG).read_text().split("environment ")[1].strip() for run in new}

    assert seen("--jobs", "3", *TRAIN) == {"GPU-0 2", "GPU-1 2"}
    assert seen("--jobs", "2", *TRAIN, "--device", "cpu") == {"- 3"}
    assert seen(*TRAIN) == {"- -"}


INTERRUPTED = """
import sys
from dae_tui.commands.app import run

sys.executable = sys.argv[1]
sys.exit(run(sys.argv[2:]))
"""


def test_ctrl_c_stops_the_trainings_and_the_same_command_goes_on(dae: Dae, tmp_path: Path) -> None:
    words = ["sweep", "--set", "lr=7,1", "--group", "g", *TRAIN]
    # Of a real process, which a signal comes to; sys.executable is the stand-in here.
    process = subprocess.Popen(
        [PYTHON, "-c", INTERRUPTED, sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "started" in line:
            break
    wait_for(tmp_path, State.RUNNING)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping 1, state is being saved" in err
    assert "1 of 2  lr=7  stopped: a signal ended it" in err
    assert "stopped by SIGINT; 0 of 2 have finished\nhint: go on with: dae sweep" in err
    assert "0/1" in out
    (stopped,) = runs(tmp_path)

    again = dae(*words)
    assert again.code == 0
    assert f"1 of 2  lr=7  resumed {stopped.name}" in again.err
    assert len(runs(tmp_path)) == 2


def wait_for(tmp_path: Path, state: State) -> None:
    deadline = time.monotonic() + 30
    while [run.state() for run in runs(tmp_path)] != [state]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_real_sweep_of_digits(dae: Dae, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", PYTHON)
    words = ["--widths", "4,8", "--epochs", "1", "--device", "cpu"]
    outcome = dae("sweep", "--set", "lr=1e-3,6e-3", "--json", *TRAIN, *words)
    assert outcome.code == 0, outcome.err
    losses: list[Any] = [row["best_val_loss"]["mean"] for row in json.loads(outcome.out)["rows"]]
    assert losses == sorted(losses)
    assert json.loads(outcome.out)["rows"][0]["parameters"] == {"lr": 0.006}


@pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")
def test_a_search_goes_on_where_it_was(dae: Dae, tmp_path: Path) -> None:
    words = ["sweep", "--search", "optuna", "--set", "lr=1e-3..9.5", "--group", "g", "--json"]
    outcome = dae(*words, "--trials", "3", "--jobs", "2", *TRAIN)
    assert outcome.code == 0, outcome.err
    rows = json.loads(outcome.out)["rows"]
    assert len(rows) == len(runs(tmp_path)) == 3
    losses = [row["best_val_loss"]["mean"] for row in rows]
    assert losses == sorted(losses)
    more = dae(*words, "--trials", "5", "-q", *TRAIN)
    assert (more.code, len(json.loads(more.out)["rows"]), len(runs(tmp_path))) == (0, 5, 5)


@pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")
def test_a_trial_that_fails_is_not_tried_for_ever(dae: Dae, tmp_path: Path) -> None:
    words = ["sweep", "--search", "optuna", "--set", "lr=9,1", "--group", "g", "--trials", "9"]
    outcome = dae(*words, *TRAIN)
    assert outcome.code == 1
    assert outcome.err.count("lr=9  failed") == 1
    assert "every value was tried" in outcome.err
    assert "hint: go on with: dae sweep --search optuna --trials 9 --group g --set" in outcome.err
    assert len(runs(tmp_path)) == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--trials", "3", "--set", "lr=1..2", *TRAIN],
        ["--search", "grid", "--set", "lr=1..2", *TRAIN],
        ["--search", "optuna", *TRAIN],
        ["--search", "optuna", "--set", "lr=1..30", *TRAIN],
        ["--search", "optuna", "--set", "lr=1..2", "--dry-run", *TRAIN],
    ],
)
def test_mistakes_of_a_search_are_told_before_anything_starts(
    dae: Dae, tmp_path: Path, words: list[str]
) -> None:
    outcome = dae("sweep", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert [line.split(":")[0] for line in outcome.err.splitlines()] == ["error", "hint"]
    assert not (tmp_path / "runs").exists()


def test_trials_without_a_search_say_what_they_are_for(dae: Dae) -> None:
    assert "error: --trials is for a search" in dae("sweep", "--trials", "3", *TRAIN).err
