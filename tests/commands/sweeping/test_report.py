"""What came of a sweep, as a table and as JSON."""

from pathlib import Path

import pytest

from dae_tui.commands.sweeping.combinations import Parameter, combine, parse_parameters
from dae_tui.commands.sweeping.plan import plan
from dae_tui.commands.sweeping.report import Outcome, as_json, print_table
from dae_tui.runs.folder.layout import State
from dae_tui.runs.sweeps.results import Result

DONE = State.FINISHED


def outcomes(
    folder: Path, texts: list[str], results: list[Result]
) -> tuple[list[Outcome], list[Parameter]]:
    parameters = parse_parameters(texts, None)
    planned = plan(combine(parameters, ["train", "--data", "digits"], folder), "g")
    return list(zip(planned, results, strict=True)), parameters


def test_one_value_of_a_parameter_is_no_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [Result(DONE, best_val_loss=loss) for loss in (0.3, 0.1)]
    print_table(*outcomes(tmp_path, ["lr=1,2", "epochs=5"], results))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["lr", "finished", "best", "loss"]
    assert lines[2].split() == ["2", "1/1", "0.10000"]


def test_seeds_alone_are_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = [Result(DONE, best_val_loss=loss) for loss in (0.1, 0.3)]
    print_table(*outcomes(tmp_path, ["seed=0,1"], results))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "training"
    assert lines[2].split() == ["as", "given", "2/2", "0.20000", "±", "0.14142"]


def test_losses_of_several_kinds_are_sorted_by_psnr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [Result(DONE, best_val_loss=0.1, val_psnr=20), Result(DONE, None, 0.3, 21)]
    print_table(*outcomes(tmp_path, ["loss=mse,l1"], results))
    assert capsys.readouterr().out.splitlines()[2].split()[0] == "l1"


def test_what_has_not_begun_is_a_row_without_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, parameters = outcomes(tmp_path, ["lr=1"], [Result()])
    print_table(found, parameters)
    assert capsys.readouterr().out.splitlines()[2].split() == ["as", "given", "0/1", "–"]
    answer = as_json(found, parameters, "g", tmp_path)
    assert (answer["runs"][0]["run"], answer["runs"][0]["state"]) == (None, None)
    assert answer["rows"][0]["best_val_loss"] is None
