"""A run in one row, whatever its files say."""

import json
import math
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dae_tui.runs.folder.layout import CONFIG, STATUS, State, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import Summary, age, duration, number, summarize, word
from dae_tui.runs.folder.writer import RunWriter

# Whatever JSON can say, and what only Python's says; figures beyond all floats too.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, -(10**400), 10**200, 10**308, 1e308, 1e-320, -1, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
STATUS_KEYS = (
    "pid", "host", "reason", "epoch", "step", "loss", "val_loss", "val_psnr", "val_accuracy",
    "test_accuracy", "images_per_second", "seconds", "steps_per_epoch", "heartbeat",
)  # fmt: skip
STATES = st.sampled_from([str(state) for state in State])
STATUSES = st.fixed_dictionaries(
    {}, optional={"state": STATES | JSON} | dict.fromkeys(STATUS_KEYS, JSON)
)
CONFIGS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("network", "data", "noise", "epochs"), JSON)
)
HUGE = {"step": 1, "seconds": 1.5, "steps_per_epoch": 10**200}


def alive(status: dict[str, Any]) -> dict[str, Any]:
    """A status of a process on another machine that was heard of just now."""
    return {"state": "running", "host": "elsewhere.invalid", "heartbeat": time.time()} | status


def summary_of(run: Run, status: dict[str, Any], config: dict[str, Any]) -> Summary:
    run.folder.mkdir(parents=True, exist_ok=True)
    (run.folder / STATUS).write_text(json.dumps(status))
    (run.folder / CONFIG).write_text(json.dumps(config))
    return summarize(run)


def assert_sound(summary: Summary) -> None:
    for name, value in summary.as_json().items():
        if name == "tags":
            assert all(isinstance(tag, str) and tag for tag in value)
        elif name in ("name", "state", "reason", "network", "data", "noise", "note", "group"):
            assert value is None or (isinstance(value, str) and value)
        else:
            assert value is None or math.isfinite(value)
    assert summary.seconds_left is None or summary.seconds_left >= 0
    age(summary.heartbeat)
    if summary.seconds_left is not None:
        duration(summary.seconds_left)


# What the files say


def test_a_summary_is_what_the_files_say(run: Run) -> None:
    with RunWriter(run.folder) as writer:
        config = {"network": "dense", "data": "digits", "noise": "gaussian:0.5", "epochs": 20}
        writer.describe(config, {})
        writer.status(
            State.RUNNING, epoch=3, step=40, steps_per_epoch=16, seconds=8.0, loss=0.5,
            val_loss=0.25, val_psnr=20.5, val_accuracy=90.5, images_per_second=1000,
        )  # fmt: skip
        summary = summarize(run)

    assert summary.heartbeat == pytest.approx(time.time(), abs=5)
    assert summary.as_json() == {
        "name": "20260131-235959-digits-3f2a",
        "state": "running",
        "reason": None,
        "network": "dense",
        "data": "digits",
        "noise": "gaussian:0.5",
        "epoch": 3,
        "epochs": 20,
        "step": 40,
        "loss": 0.5,
        "val_loss": 0.25,
        "val_psnr": 20.5,
        "val_accuracy": 90.5,
        "test_accuracy": None,
        "images_per_second": 1000,
        "seconds": 8.0,
        "seconds_left": 56.0,  # 20 × 16 − 40 steps at 8 s for 40.
        "heartbeat": summary.heartbeat,
        "tags": (),
        "note": None,
        "group": None,
        "archived": False,
    }


def test_a_run_without_files_says_nothing(run: Run) -> None:
    summary = summarize(run)

    assert summary.state is State.CRASHED
    assert summary.reason == "its status.json is missing or broken"
    assert {
        value
        for name, value in summary.as_json().items()
        if name not in ("name", "state", "reason", "tags", "archived")
    } == {None}


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(status=STATUSES, config=CONFIGS)
@example(status={"state": "running", "host": "elsewhere", "heartbeat": 10**400}, config={})
@example(status=alive(HUGE), config={"epochs": 10**200})
@example(status=alive(HUGE | {"step": 1e-320}), config={"epochs": 1e300})
@example(status=alive({"heartbeat": math.nan}), config={})
@example(status={"state": ["running"], "reason": {}}, config={"network": 3})
def test_no_status_and_config_is_too_strange(
    run: Run, status: dict[str, Any], config: dict[str, Any]
) -> None:
    assert_sound(summary_of(run, status, config))


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    figures=st.fixed_dictionaries(dict.fromkeys(("step", "seconds", "steps_per_epoch"), JSON)),
    epochs=JSON,
)
def test_no_figures_of_a_run_that_is_alive_are_too_strange(
    run: Run, figures: dict[str, Any], epochs: Any
) -> None:
    summary = summary_of(run, alive(figures), {"epochs": epochs})

    assert summary.state is State.RUNNING
    assert_sound(summary)


@given(content=JSON)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_that_hold_something_else_say_nothing(run: Run, content: Any) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    for name in (STATUS, CONFIG):
        (run.folder / name).write_text(json.dumps(content))

    assert_sound(summarize(run))


# Time left


@pytest.mark.parametrize(
    ("step", "seconds", "left"),
    [
        (1, 2.0, 198.0),
        (50, 10.0, 10.0),
        (99, 99.0, 1.0),
        (100, 10.0, 0.0),
        (120, 10.0, 0.0),  # Resumed for fewer epochs.
        (0, 10.0, None),
        (10, 0.0, None),
        (None, 10.0, None),
    ],
)
def test_the_time_left_is_that_of_the_steps_left_at_the_same_speed(
    run: Run, step: int | None, seconds: float, left: float | None
) -> None:
    figures = {"step": step, "seconds": seconds, "steps_per_epoch": 10}

    assert summary_of(run, alive(figures), {"epochs": 10}).seconds_left == left


@pytest.mark.parametrize("missing", ["step", "seconds", "steps_per_epoch", "epochs"])
def test_without_a_figure_the_time_left_is_not_known(run: Run, missing: str) -> None:
    figures = {"step": 1, "seconds": 1.0, "steps_per_epoch": 10}
    figures.pop(missing, None)

    summary = summary_of(run, alive(figures), {} if missing == "epochs" else {"epochs": 10})

    assert summary.seconds_left is None


@pytest.mark.parametrize("state", [State.FINISHED, State.STOPPED, State.FAILED, State.CRASHED])
def test_a_run_that_is_over_has_no_time_left(run: Run, state: State) -> None:
    figures = {"state": str(state), "step": 1, "seconds": 1.0, "steps_per_epoch": 10}

    assert summary_of(run, alive(figures), {"epochs": 10}).seconds_left is None


def test_a_time_left_beyond_all_figures_is_not_known(run: Run) -> None:
    assert summary_of(run, alive(HUGE), {"epochs": 10**200}).seconds_left is None


# Names and figures


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("20260131-235959-mnist-autoencoder-3f2a", "mnist-autoencoder-3f2a"),
        ("copied-by-hand", "copied-by-hand"),
        ("x-20260131-235959-y", "x-20260131-235959-y"),
    ],
)
def test_the_label_is_the_name_without_its_time(run: Run, name: str, label: str) -> None:
    assert summarize(Run(run.folder.parent / name)).label == label


def test_the_accuracy_is_of_the_test_images_as_soon_as_it_is_known(run: Run) -> None:
    during = summary_of(run, {"state": "finished", "val_accuracy": 90.0}, {})
    after = summary_of(run, {"state": "finished", "val_accuracy": 90.0, "test_accuracy": 0.0}, {})

    assert (during.test_accuracy, after.test_accuracy) == (None, 0.0)


@pytest.mark.parametrize("value", [0, -3, 2.5, 10**300])
def test_a_finite_number_is_a_figure(value: float) -> None:
    assert number(value) == value


@pytest.mark.parametrize(
    "value", [None, True, False, "3", [3], {}, math.nan, math.inf, -math.inf, 10**400]
)
def test_everything_else_is_no_figure(value: Any) -> None:
    assert number(value) is None


def test_only_text_that_says_something_is_a_word() -> None:
    assert word("dense") == "dense"
    others: tuple[Any, ...] = ("", None, 3, ["dense"], {})
    assert [word(value) for value in others] == [None] * 5


# Times in words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5.0, "0 s"),  # Clocks of two machines differ.
        (0.0, "0 s"),
        (5.9, "5 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (119.9, "1 min"),
        (3599.9, "59 min"),
        (3600.0, "1 h"),
        (86399.9, "23 h"),
        (86400.0, "1 d"),
        (10 * 86400.0, "10 d"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(
    monkeypatch: pytest.MonkeyPatch, seconds: float, words: str
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e6)

    assert age(1e6 - seconds) == words


def test_a_run_that_was_never_heard_of_has_no_age() -> None:
    assert age(None) == "–"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0s"),
        (8.14, "8.1s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (42.4, "42s"),
        (59.4, "59s"),
        (59.5, "1m00s"),
        (59.9, "1m00s"),
        (60.0, "1m00s"),
        (423.0, "7m03s"),
        (3599.4, "59m59s"),
        (3599.9, "1h00m"),
        (7500.0, "2h05m"),
        (360_000.0, "100h00m"),
    ],
)
def test_a_duration_is_told_as_people_say_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(0, 1e7))
def test_no_duration_has_sixty_seconds_or_sixty_minutes(seconds: float) -> None:
    assert not re.search(r"(?<!\d)60(s|m)", duration(seconds))


def test_json_of_a_summary_can_be_written(run: Run) -> None:
    summary = summary_of(run, alive({"loss": math.nan, "step": 3}), {})

    write_json(run.folder / "summary.json", summary.as_json())

    stored = json.loads((run.folder / "summary.json").read_text())
    assert (stored["state"], stored["loss"], stored["step"]) == ("running", None, 3)
