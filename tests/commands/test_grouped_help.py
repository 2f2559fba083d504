"""The help of `dae train`: every option in one group, one style of defaults, three examples."""

import re

from command_line import Dae
from typer.main import get_command

from dae_tui.commands.train import TrainCommand, app

HEADINGS = ("Network", "Data", "Noise", "Optimisation", "Run", "Output")


def test_every_option_is_in_exactly_one_group() -> None:
    grouped = [name for names in TrainCommand.groups.values() for name in names]
    assert len(grouped) == len(set(grouped))
    options = {
        str(each.name) for each in get_command(app).params if each.param_type_name == "option"
    }
    assert options | {"help"} == set(grouped)


def test_the_groups_stand_in_their_order_and_the_examples_last(dae: Dae) -> None:
    outcome = dae("train", "--help")
    headings = re.findall(r"^(\w+):$", outcome.out, re.MULTILINE)
    assert headings == ["Arguments", *HEADINGS, "Examples"]
    assert outcome.out.count("\n  dae train ") == 3


def test_defaults_are_said_in_one_way(dae: Dae) -> None:
    out = " ".join(dae("train", "--help").out.split())
    assert "[default]" not in out
    for bracket in re.findall(r"\[([^\]]*)\]", out):
        assert bracket.startswith(("default: ", "env var: ", "OPTIONS", "network", "0, 1")), bracket
