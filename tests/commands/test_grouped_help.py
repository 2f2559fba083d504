"""The help of commands: every option in one group, one style of defaults, three examples."""

import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from command_line import Dae
from typer.main import get_command

from dae_tui.commands.app import SUBCOMMANDS
from dae_tui.commands.grouped_help import GroupedCommand

HEADINGS = ("Network", "Data", "Noise", "Optimisation", "Run", "Output")
# A command with so many options has them in groups.
MANY = 11


def commands_below(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command by the words that call it."""
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path), command
    else:
        for name, each in below.items():
            yield from commands_below(each, *path, name)


EVERY = {
    words: command
    for name in SUBCOMMANDS
    for words, command in commands_below(
        get_command(importlib.import_module(f"dae_tui.commands.{name}").app), name
    )
}
WITH_EXAMPLES = [words for words, each in EVERY.items() if isinstance(each, GroupedCommand)]


def options_of(command: Any) -> dict[str, set[str]]:
    """The spellings of every option by the name of its parameter."""
    return {
        str(each.name): {*each.opts, *each.secondary_opts}
        for each in command.params
        if each.param_type_name == "option"
    }


def test_commands_with_many_options_have_them_in_groups() -> None:
    many = {words for words, command in EVERY.items() if len(options_of(command)) >= MANY}
    assert {"train", "denoise", "benchmark quality", "compress", "dashboard"} <= many
    assert many <= {words for words in WITH_EXAMPLES if EVERY[words].groups}
    few = {"devices", "runs list", "runs wait", "runs export", "weights show", "weights export"}
    few |= {f"noise {each}" for each in ("estimate", "add", "show")}
    few |= {f"benchmark {each}" for each in ("speed", "show", "compare")}
    assert few <= {*WITH_EXAMPLES}


@pytest.mark.parametrize("words", WITH_EXAMPLES)
def test_every_option_is_in_exactly_one_group(words: str) -> None:
    command = EVERY[words]
    grouped = [name for names in command.groups.values() for name in names]
    assert len(grouped) == len(set(grouped))
    if grouped:
        assert {*options_of(command), "help"} == set(grouped)


@pytest.mark.parametrize("words", WITH_EXAMPLES)
def test_the_three_examples_are_of_this_command_and_its_options(words: str, dae: Dae) -> None:
    known = {"--help", *(each for every in options_of(EVERY[words]).values() for each in every)}
    said = dae(*words.split(), "--help").out.partition("\nExamples:\n")[2]
    examples = [line for line in said.splitlines() if line.startswith(f"  dae {words}")]
    assert len(examples) == len(EVERY[words].examples) == 3
    for example in examples:
        own = shlex.split(example.partition(" && ")[0].partition(" -- ")[0])
        assert {word for word in own if word.startswith("--")} <= known


def test_the_groups_stand_in_their_order_and_the_examples_last(dae: Dae) -> None:
    outcome = dae("train", "--help")
    headings = re.findall(r"^(\w+):$", outcome.out, re.MULTILINE)
    assert headings == ["Arguments", *HEADINGS, "Examples"]


def test_defaults_are_said_in_one_way(dae: Dae) -> None:
    out = " ".join(dae("train", "--help").out.split())
    assert "[default]" not in out
    for bracket in re.findall(r"\[([^\]]*)\]", out):
        assert bracket.startswith(("default: ", "env var: ", "OPTIONS", "network", "0, 1")), bracket


@pytest.mark.parametrize("words", EVERY)
def test_a_default_is_said_once(words: str, dae: Dae) -> None:
    out = " ".join(dae(*words.split(), "--help").out.split())
    assert not re.search(r"\[default: ([^\]]*)\]\s*\[default: ", out)
