"""The list of all runs, looked at again and again."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dae_tui.runs.folder.layout import CONFIG, METRICS, STATUS, State, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.watching import runs_watch as listing
from dae_tui.runs.watching.runs_watch import RunsWatch

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


def make_run(runs_dir: Path, number: int, losses: tuple[float, ...] = ()) -> Run:
    """A finished run, the newer the higher its number."""
    run = Run(runs_dir / f"20260101-{number:06d}-digits-dense-{number:04x}")
    run.folder.mkdir(parents=True)
    write_json(run.folder / CONFIG, {"network": "dense", "epochs": 2})
    write_json(run.folder / STATUS, {"state": "finished", "epoch": 2})
    if losses:
        lines = [
            json.dumps({"event": "step", "step": step, "loss": loss}) + "\n"
            for step, loss in enumerate(losses, 1)
        ]
        (run.folder / METRICS).write_text("".join(lines))
    return run


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Three finished runs."""
    for number in (1, 2, 3):
        make_run(tmp_path / "runs", number, (float(number), 0.5))
    return tmp_path / "runs"


def test_runs_are_listed_from_the_newest_to_the_oldest(runs_dir: Path) -> None:
    rows = RunsWatch(runs_dir).look()

    assert [row.run.name[-4:] for row in rows] == ["0003", "0002", "0001"]
    assert [row.losses for row in rows] == [[3, 0.5], [2, 0.5], [1, 0.5]]
    assert {row.summary.state for row in rows} == {State.FINISHED}
    assert {row.summary.network for row in rows} == {"dense"}


def test_a_run_that_has_not_changed_is_the_same_row(runs_dir: Path) -> None:
    watch = RunsWatch(runs_dir)
    first = watch.look()

    second = watch.look()

    assert all(one is other for one, other in zip(first, second, strict=True))


def test_files_that_have_not_changed_are_not_read_again(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noting(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            read.append(name)
            return real(*arguments, **options)

        return call

    for name in ("summarize", "glance"):
        monkeypatch.setattr(listing, name, noting(name, getattr(listing, name)))
    watch = RunsWatch(runs_dir)
    watch.look()
    assert sorted(read) == ["glance"] * 3 + ["summarize"] * 3
    read.clear()

    watch.look()

    assert read == []


def test_a_changed_status_gives_a_new_row_and_leaves_the_others(runs_dir: Path) -> None:
    watch = RunsWatch(runs_dir)
    newest, middle, oldest = watch.look()

    write_json(middle.run.folder / STATUS, {"state": "failed", "reason": "it diverged"})
    rows = watch.look()

    assert rows[0] is newest and rows[2] is oldest
    assert rows[1] is not middle
    assert (rows[1].summary.state, rows[1].summary.reason) == (State.FAILED, "it diverged")
    assert rows[1].losses == [2, 0.5]


def test_a_changed_config_gives_a_new_row(runs_dir: Path) -> None:
    watch = RunsWatch(runs_dir)
    row = watch.look()[0]

    write_json(row.run.folder / CONFIG, {"network": "dense", "epochs": 200})

    assert watch.look()[0].summary.epochs == 200


def test_a_status_written_again_with_the_same_words_is_the_same_row(runs_dir: Path) -> None:
    watch = RunsWatch(runs_dir)
    row = watch.look()[0]

    write_json(row.run.folder / STATUS, {"state": "finished", "epoch": 2})

    assert watch.look()[0] is row


def test_a_run_that_is_alive_is_the_same_row_until_it_says_something_new(runs_dir: Path) -> None:
    with RunWriter(runs_dir / "20260202-000000-digits-unet-ffff") as writer:
        writer.status(State.RUNNING, epoch=1)
        watch = RunsWatch(runs_dir)
        row = watch.look()[0]
        assert row.summary.state is State.RUNNING
        assert watch.look()[0] is row

        writer.status(State.RUNNING, epoch=2)

        assert watch.look()[0].summary.epoch == 2


def test_a_crash_is_noticed_though_no_file_has_changed(
    runs_dir: Path, spawn: Callable[..., "subprocess.Popen[str]"]
) -> None:
    folder = runs_dir / "20260202-000000-digits-unet-ffff"
    training = spawn(TRAINING, folder)
    assert training.stdout is not None and training.stdout.readline() == "ready\n"
    watch = RunsWatch(runs_dir)
    before, *others = watch.look()
    assert (before.run.folder, before.summary.state) == (folder, State.RUNNING)
    written = (folder / STATUS).stat().st_mtime_ns

    training.kill()
    training.wait(10)
    after, *unchanged = watch.look()

    assert (folder / STATUS).stat().st_mtime_ns == written
    assert (after.summary.state, after.summary.reason) == (State.CRASHED, "its process is gone")
    assert after.summary.epoch == 3
    assert all(one is other for one, other in zip(others, unchanged, strict=True))


def test_a_crashed_run_that_goes_on_is_noticed(runs_dir: Path) -> None:
    folder = runs_dir / "20260202-000000-digits-unet-ffff"
    with RunWriter(folder) as writer:
        writer.status(State.RUNNING)
    watch = RunsWatch(runs_dir)
    assert watch.look()[0].summary.state is State.CRASHED

    with RunWriter(folder) as writer:
        writer.status(State.RUNNING)

        assert watch.look()[0].summary.state is State.RUNNING


def test_deleted_runs_vanish_and_new_ones_appear(runs_dir: Path) -> None:
    watch = RunsWatch(runs_dir)
    newest, middle, oldest = watch.look()

    shutil.rmtree(middle.run.folder)
    added = make_run(runs_dir, 4)
    rows = watch.look()

    assert [row.run.name for row in rows] == [added.name, newest.run.name, oldest.run.name]
    assert rows[1] is newest and rows[2] is oldest


def test_a_run_that_is_deleted_and_made_anew_is_read_anew(runs_dir: Path) -> None:
    watch = RunsWatch(runs_dir)
    watch.look()
    shutil.rmtree(runs_dir)
    assert watch.look() == []

    make_run(runs_dir, 3, (0.125,))

    (row,) = watch.look()
    assert row.losses == [0.125]


def test_a_missing_folder_has_no_rows(tmp_path: Path) -> None:
    watch = RunsWatch(tmp_path / "missing")

    assert watch.look() == []
    assert watch.complete


# Sparklines


def test_the_first_look_gives_the_newest_of_many_runs_and_the_next_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FIRST_RUNS", 2)
    for number in (1, 2, 3):
        make_run(tmp_path, number, (1.0,))
    watch = RunsWatch(tmp_path)

    assert [(row.run.name[-4:], row.losses) for row in watch.look()] == [("0003", []), ("0002", [])]
    assert (watch.whole, watch.complete) == (False, False)
    assert [(row.run.name[-4:], row.losses) for row in watch.look()] == [
        (f"000{number}", [1.0]) for number in (3, 2, 1)
    ]
    assert (watch.whole, watch.complete) == (True, True)


def test_sparklines_are_filled_in_portions_from_the_newest_run(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SPARKLINES_PER_LOOK", 2)
    watch = RunsWatch(runs_dir)
    complete = [watch.complete]

    first = watch.look()
    complete.append(watch.complete)
    assert [row.losses for row in first] == [[3, 0.5], [2, 0.5], []]

    second = watch.look()
    complete.append(watch.complete)
    assert [row.losses for row in second] == [[3, 0.5], [2, 0.5], [1, 0.5]]
    assert complete == [False, False, True]
    assert second[0] is first[0] and second[1] is first[1]


def test_a_portion_that_holds_all_is_complete(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SPARKLINES_PER_LOOK", 3)
    watch = RunsWatch(runs_dir)

    watch.look()

    assert watch.complete is True


def test_a_sparkline_grows_with_its_metrics(runs_dir: Path) -> None:
    watch = RunsWatch(runs_dir)
    newest, *others = watch.look()

    with (newest.run.folder / METRICS).open("a") as metrics:
        metrics.write('{"event": "step", "step": 3, "loss": 0.25}\n')
    row, *unchanged = watch.look()

    assert row.losses == [3, 0.5, 0.25]
    assert row.summary == newest.summary
    assert all(one is other for one, other in zip(others, unchanged, strict=True))


def test_a_run_without_metrics_has_no_sparkline_and_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path, 1)
    watch = RunsWatch(tmp_path)
    (row,) = watch.look()
    assert (row.losses, watch.complete) == ([], True)
    monkeypatch.setattr(listing, "glance", None)

    assert watch.look()[0] is row


def test_a_long_run_has_a_sparkline_of_few_losses(tmp_path: Path) -> None:
    make_run(tmp_path, 1, tuple(float(number) for number in range(1000)))

    (row,) = RunsWatch(tmp_path).look()

    assert 20 <= len(row.losses) <= listing.SPARKLINE_LOSSES
    assert row.losses[-1] == 999
