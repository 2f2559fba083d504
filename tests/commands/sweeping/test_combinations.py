"""Every combination of values, checked by `dae train` itself."""

from pathlib import Path

import pytest
import typer

from dae_tui.commands.sweeping.combinations import (
    MOST,
    Parameter,
    as_value,
    combine,
    parse_parameters,
)
from dae_tui.errors import UsageError

TRAIN = ["train", "--data", "digits"]


def test_values_are_separated_by_commas_or_by_semicolons() -> None:
    texts = ["lr=1e-3, 3e-3", "--batch_size=50", "widths=4,8;8,16"]
    assert parse_parameters(texts, "0..2,7") == [
        Parameter("lr", ("1e-3", "3e-3")),
        Parameter("batch-size", ("50",)),
        Parameter("widths", ("4,8", "8,16")),
        Parameter("seed", ("0", "1", "2", "7")),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr", "cannot read 'lr'"),
        ("=1", "cannot read '=1'"),
        ("lr=", "a value of lr is empty"),
        ("lr=1,,2", "a value of lr is empty"),
        ("lr=1,2,1", "lr=1 is there twice"),
        ("nothing=1", "dae train has no option --nothing"),
        ("resume=latest", "--resume cannot differ"),
        ("name=a,b", "--name cannot differ"),
        ("seed=2..0", "the seeds 2..0"),
        ("seed=0..9999999", "the seeds 0..9999999"),
    ],
)
def test_what_is_no_parameter_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        parse_parameters([text], None)
    assert refused.value.hint


def test_a_parameter_has_its_values_once() -> None:
    with pytest.raises(UsageError, match="seed has values twice"):
        parse_parameters(["seed=0,1"], "2")
    with pytest.raises(UsageError) as refused:
        parse_parameters(["lrr=1"], None)
    assert "did you mean lr?" in refused.value.hint


def test_every_combination_is_a_command_and_a_config(tmp_path: Path) -> None:
    parameters = parse_parameters(["lr=1e-3,3e-3", "no-clip=no,yes", "network=dense"], "5")
    found = combine(parameters, [*TRAIN, "--name", "tiny"], tmp_path)
    assert [each.command for each in found] == [
        f"dae train --data digits --name tiny --lr={lr}{clip} dense --seed=5"
        for lr in ("1e-3", "3e-3")
        for clip in ("", " --no-clip")
    ]
    config = found[-1].rehearsed.config
    assert (config.lr, config.clip, config.network, config.seed) == (0.003, False, "dense", 5)
    assert (found[0].rehearsed.label, found[0].rehearsed.runs_dir) == ("tiny", tmp_path)
    assert found[0].words == "lr=1e-3 no-clip=no network=dense seed=5"
    assert not any(tmp_path.iterdir())  # Nothing is begun.


def test_flags_have_two_answers_and_settings_add_up(tmp_path: Path) -> None:
    parameters = parse_parameters(["augment=yes,no", "set=blocks=1,blocks=2"], None)
    words = [*TRAIN, "unet", "--set", "gather=2"]
    found = combine(parameters, words, tmp_path)
    assert [each.rehearsed.config.augment for each in found] == [True, True, False, False]
    assert found[1].rehearsed.config.settings == {"gather": 2, "blocks": 2}
    with pytest.raises(UsageError, match="augment cannot be 'maybe'"):
        combine([Parameter("augment", ("maybe",))], TRAIN, tmp_path)


@pytest.mark.parametrize(
    ("parameter", "command", "message"),
    [
        (Parameter("lr", ("30",)), TRAIN, "the learning rate is 30"),
        (Parameter("noise", ("gaussian:0.5", "fog:1")), TRAIN, "there is no noise 'fog'"),
        (Parameter("lr", ("1e-3", "0.001")), TRAIN, "lr=1e-3 and lr=0.001 are the same training"),
        (Parameter("lr", ("1",)), [*TRAIN, "--lr", "2"], "among the values and in the command"),
        (Parameter("lr", ("1",)), [*TRAIN, "--detach"], "leave --detach out"),
        (Parameter("lr", ("1",)), [*TRAIN, "--resume", "x"], "leave --resume out"),
        (Parameter("lr", ("1",)), ["denoise"], "a sweep runs dae train"),
        (Parameter("lr", ("1",)), [], "a sweep runs dae train"),
        (Parameter("seed", tuple(map(str, range(MOST + 1)))), TRAIN, "trainings are too many"),
    ],
)
def test_a_bad_combination_is_refused_before_anything_starts(
    tmp_path: Path, parameter: Parameter, command: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        combine([parameter], command, tmp_path)
    assert refused.value.hint


def test_what_typer_refuses_is_refused(tmp_path: Path) -> None:
    for parameter, command in (
        (Parameter("lr", ("fast",)), TRAIN),
        (Parameter("lr", ("1",)), [*TRAIN, "--foo"]),
    ):
        with pytest.raises(typer.TyperException):
            combine([parameter], command, tmp_path)


def test_the_folder_of_runs_of_the_command_wins(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    words = [*TRAIN, "--runs-dir", str(elsewhere)]
    (found,) = combine([Parameter("lr", ("1",))], words, tmp_path)
    assert found.rehearsed.runs_dir == elsewhere


def test_numbers_are_numbers_for_scripts() -> None:
    assert [as_value(text) for text in ("1e-3", "5", "adam", "4,8", "[1]")] == [
        0.001, 5, "adam", "4,8", "[1]",
    ]  # fmt: skip
