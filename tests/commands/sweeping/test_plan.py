"""What is left to do in a group."""

from pathlib import Path

from dae_tui.commands.sweeping.combinations import combine, parse_parameters
from dae_tui.commands.sweeping.plan import plan, summary_of
from dae_tui.runs.folder.layout import CONFIG, STATUS, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import set_group


def test_what_has_finished_is_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    parameters = parse_parameters(["lr=1,2,3,4"], None)
    found = combine(parameters, ["train", "--data", "digits"], tmp_path)
    new = plan(found, "lr")
    assert summary_of(new) == "4 trainings"
    assert [each.job.number for each in new if each.job] == [1, 2, 3, 4]
    assert [each.run for each in new] == [None] * 4

    for each, state in zip(found, ("finished", "stopped", "failed"), strict=False):
        folder = tmp_path / f"run-{state}"
        folder.mkdir()
        write_json(folder / CONFIG, each.rehearsed.config.as_json())
        write_json(folder / STATUS, {"state": state})
        set_group(Run(folder), "lr")
    again = plan(found, "lr")
    assert [each.run and each.run.name for each in again] == [
        "run-finished", "run-stopped", "run-failed", None,
    ]  # fmt: skip
    assert [each.job is None for each in again] == [True, False, False, False]
    assert again[1].job is not None and again[1].job.run == again[1].run
    words = "4 trainings (1 finished already, 1 to resume, 1 to try again after it failed)"
    assert summary_of(again) == words
    assert summary_of(plan(found, "another")) == "4 trainings"
