"""A search: spaces, and trials that follow from what came of others."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from dae_tui.commands.sweeping.combinations import Parameter
from dae_tui.commands.sweeping.search import (
    TRIALS,
    Search,
    Space,
    Trial,
    check_optuna,
    check_spaces,
    parse_spaces,
)
from dae_tui.errors import DaeError, UsageError
from dae_tui.runs.folder.layout import read_json, write_json

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")
TRAIN = ["train", "--data", "digits"]
LR = Space("lr", (), 1e-4, 1e-2)


def test_ranges_and_lists() -> None:
    spaces = parse_spaces(["lr=1e-4..1e-2", "batch_size=50..200", "ema=0..0.9", "network=unet"])
    assert spaces == [
        LR,
        Space("batch-size", (), 50, 200, whole=True),
        Space("ema", (), 0, 0.9),
        Space("network", ("unet",)),
    ]
    assert [space.log for space in spaces] == [True, False, False, False]
    assert [space.ends for space in spaces] == [
        ("0.0001", "0.01"), ("50", "200"), ("0", "0.9"), ("unet",),
    ]  # fmt: skip
    assert LR.text(0.00123456) == "0.001235"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["lr=1e-2..1e-4"], "not from low to high"),
        (["lr=1..1"], "not from low to high"),
        (["lr=1..1e999"], "not from low to high"),
        (["nothing=1..2"], "dae train has no option --nothing"),
        (["seed=0..9"], "a seed is not searched for"),
        (["lr=1..2", "lr=3"], "lr has values twice"),
        (["lr"], "cannot read 'lr'"),
    ],
)
def test_what_is_no_space_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        parse_spaces(texts)
    assert refused.value.hint


def test_the_ends_of_each_range_are_checked_by_dae_train(tmp_path: Path) -> None:
    spaces = parse_spaces(["lr=1e-4..1e-2", "epochs=1..5"])
    assert check_spaces(spaces, Parameter("seed", ("0", "1")), TRAIN, tmp_path) == tmp_path
    with pytest.raises(UsageError, match="the learning rate is 30"):
        check_spaces(parse_spaces(["epochs=1..5", "lr=1..30"]), None, TRAIN, tmp_path)
    with pytest.raises(UsageError, match="epochs 0 cannot be"):
        check_spaces(parse_spaces(["epochs=0..5"]), None, TRAIN, tmp_path)


def test_trials_of_other_options_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / TRIALS, {"trials": [{"lr": "1e-3"}]})
    assert Search([LR], tmp_path).trials == [(("lr", "1e-3"),)]
    with pytest.raises(UsageError, match="searched over other options than ema"):
        Search([Space("ema", ("0",))], tmp_path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dae_tui.commands.sweeping.search.find_spec", lambda _: None)
    with pytest.raises(DaeError, match="optuna") as missing:
        check_optuna()
    assert missing.value.hint == "pip install 'dae-tui[optuna]'"


@needs_optuna
def test_new_trials_come_close_to_the_best_and_are_kept(tmp_path: Path) -> None:
    search = Search([LR, Space("optimizer", ("adam", "sgd"))], tmp_path / "group")
    values: dict[Trial, float] = {}
    for _ in range(12):
        for trial in search.propose(3, values):
            known = dict(trial)
            far = abs(float(known["lr"]) - 0.002) + (known["optimizer"] == "sgd")
            values[trial] = far
    assert len(search.trials) == len(set(search.trials)) == 36
    early, late = search.trials[:10], search.trials[-10:]
    assert sum(values[trial] for trial in late) < sum(values[trial] for trial in early)
    assert Search([LR, Space("optimizer", ("adam", "sgd"))], tmp_path / "group").trials == (
        search.trials
    )
    assert (read_json(tmp_path / "group" / TRIALS) or {}).keys() == {"trials"}


@needs_optuna
def test_the_search_ends_where_every_value_was_tried(tmp_path: Path) -> None:
    search = Search([Space("optimizer", ("adam", "sgd"))], tmp_path)
    assert len(search.propose(5, {})) == 2
    assert search.propose(1, {}) == []


@needs_optuna
def test_trials_beyond_the_range_of_now_do_not_count(tmp_path: Path) -> None:
    write_json(tmp_path / TRIALS, {"trials": [{"lr": "5"}]})
    search = Search([LR], tmp_path)
    (trial,) = search.propose(1, {search.trials[0]: 0.1})
    assert 1e-4 <= float(trial[0][1]) <= 1e-2
