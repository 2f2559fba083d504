"""A training's event files from the first look to the last."""

import time
from pathlib import Path

import numpy as np
import pytest
from event_examples import NAME, NOW, image, many, scalar, write

from dae_tui.errors import RunError
from dae_tui.runs.event_files.folders import EventRun, find_event_runs
from dae_tui.runs.event_files.glance import SMALL_BYTES, glance_at, some_losses
from dae_tui.runs.event_files.reader import EventLog
from dae_tui.runs.event_files.series import Series
from dae_tui.runs.folder.layout import Request


def log_of(folder: Path) -> EventLog:
    return EventLog(EventRun(folder, folder))


def test_what_is_added_is_read_and_a_half_record_waits(tmp_path: Path) -> None:
    path = write(tmp_path, scalar("loss", 1, 0.5))
    log = log_of(tmp_path)
    assert log.read(1.0)
    assert not log.read(1.0)
    added = scalar("loss", 2, 0.25)
    with path.open("ab") as file:
        file.write(added[:20])
        file.flush()
        assert not log.read(1.0)
        file.write(added[20:])
    assert log.read(1.0)
    assert log.series["loss"].arrays()[0].tolist() == [1, 2]


def test_a_resumed_training_replaces_the_steps_that_it_repeats(tmp_path: Path) -> None:
    write(tmp_path, *(scalar("loss", step, 1.0) for step in range(20)))
    later = NAME.replace("1700000000", "1700000100")
    write(tmp_path, *(scalar("loss", step, 2.0) for step in range(10, 15)), name=later)
    log = log_of(tmp_path)
    log.read(1.0)
    steps, values = log.series["loss"].arrays()
    assert steps.tolist() == list(range(15))
    assert values.tolist() == [1.0] * 10 + [2.0] * 5


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, *(scalar("loss", step, 1.0) for step in range(20)))
    log = log_of(tmp_path)
    log.read(1.0)
    path.unlink()
    write(tmp_path, scalar("loss", 0, 3.0))
    log.read(1.0)
    assert log.series["loss"].arrays()[1].tolist() == [3.0]


def test_what_follows_damage_is_left_out_and_the_log_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, scalar("loss", 1, 0.5))
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"\xff" * 100)
    log = log_of(tmp_path)
    while log.read(1.0):
        pass
    assert len(log.series["loss"]) == 1
    assert list(log.texts) == [f"{NAME} is damaged after {size} bytes: the rest is left out"]


def test_a_record_larger_than_a_piece_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dae_tui.runs.event_files.reader.PIECE_BYTES", 1000)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3))
    write(tmp_path, image("photo", 1, noise), scalar("loss", 2, 0.5))
    log = log_of(tmp_path)
    while log.read(1.0):
        pass
    assert log.image_steps() == [1]
    assert len(log.series["loss"]) == 1


def test_stages_and_settings_in_folders_of_their_own_are_one_training(tmp_path: Path) -> None:
    write(tmp_path / "fit" / "train", scalar("epoch_loss", 1, 0.5))
    write(tmp_path / "fit" / "validation", scalar("epoch_loss", 1, 0.75))
    write(tmp_path / "version_0", scalar("loss", 1, 0.25))
    write(tmp_path / ".hidden", scalar("loss", 1, 0.25))
    runs = find_event_runs(tmp_path)
    assert [run.name for run in runs] == ["fit", "version_0"]
    log = EventLog(runs[0])
    log.read(1.0)
    assert sorted(log.series) == ["train/epoch_loss", "validation/epoch_loss"]
    status = log.status()
    assert (status["loss"], status["val_loss"]) == (0.5, 0.75)


def test_the_age_of_the_last_event_decides_whether_it_runs(tmp_path: Path) -> None:
    now = time.time()
    write(tmp_path / "new", scalar("loss", 1, 0.5, now - 20), scalar("loss", 2, 0.5, now - 10))
    write(tmp_path / "rare", scalar("loss", 1, 0.5, now - 3000), scalar("loss", 2, 0.5, now - 1500))
    write(tmp_path / "old", scalar("loss", 1, 0.5, now - 1010), scalar("loss", 2, 0.5, now - 1000))
    found = {run.name: glance_at(run).status() for run in find_event_runs(tmp_path)}
    assert {name: status["state"] for name, status in found.items()} == {
        "new": "running",
        "rare": "running",
        "old": "silent",
    }


def test_a_glance_at_a_large_file_finds_its_ends_and_some_between(tmp_path: Path) -> None:
    path = write(tmp_path, many(30_000))
    assert path.stat().st_size > SMALL_BYTES
    log = glance_at(EventRun(tmp_path, tmp_path))
    steps, values = log.series["loss/train"].arrays()
    assert (steps[0], steps[-1]) == (0, 29_999)
    assert 2000 < len(steps) < 10_000
    assert np.diff(steps).max() < 1500
    assert values == pytest.approx(1 / (1 + steps), rel=1e-6)
    assert log.status()["heartbeat"] == pytest.approx(NOW + 299.99)
    assert len(some_losses(log, 24)) == 24


def test_nothing_is_asked_of_another_program(tmp_path: Path) -> None:
    write(tmp_path, scalar("loss", 1, 0.5))
    with pytest.raises(RunError, match="another program trains it"):
        EventRun(tmp_path, tmp_path).ask(Request.STOP)


def test_what_was_drawn_does_not_change_when_steps_are_replaced() -> None:
    series = Series()
    series.add(np.arange(5.0), np.zeros(5))
    drawn = series.arrays()
    series.add(np.array([2.0, 3.0]), np.ones(2))
    assert drawn[1].tolist() == [0] * 5
    assert series.arrays()[1].tolist() == [0, 0, 1, 1]


def test_within_one_piece_the_later_of_two_steps_holds() -> None:
    series = Series()
    series.add(np.array([1.0, 2.0, 5.0, 3.0, 3.0, 4.0]), np.arange(6.0))
    assert series.arrays()[0].tolist() == [1, 2, 3, 4]
    assert series.arrays()[1].tolist() == [0, 1, 4, 5]


@pytest.mark.slow
def test_a_million_scalars_are_read_in_under_two_seconds_of_processor_time(tmp_path: Path) -> None:
    write(tmp_path, many(1_000_000))
    log = log_of(tmp_path)
    began = time.process_time()
    while not log.whole:
        log.read(0.25)
    took = time.process_time() - began
    steps, values = log.series["loss/train"].arrays()
    assert len(steps) == 1_000_000
    assert np.array_equal(steps, np.arange(1_000_000))
    assert np.allclose(values, 1 / (1 + steps), rtol=1e-6)
    assert took < 2
