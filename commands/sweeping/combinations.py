"""The trainings that `dae sweep` asks for: every combination of values, checked by `dae train`."""

import itertools
import json
import math
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import typer

from dae_tui.commands import train
from dae_tui.commands.training.rehearsal import Rehearsal, Rehearsed
from dae_tui.errors import UsageError
from dae_tui.system.printable import shortened

SEED = "seed"
# More are a typing mistake.
MOST = 1000
# What does not decide what is trained, and what the sweep itself does.
_OF_THE_SWEEP = {
    "resume": "a sweep starts its trainings, and resumes them by --group",
    "detach": "a sweep starts each training in the background",
    "svg": "a training in the background writes no picture",
    "json": "write --json before the --",
    "quiet": "write --quiet before the --",
    "verbose": "dae runs show tells of each run, and its train.log",
}
_FIXED = (*_OF_THE_SWEEP, "help", "name", "runs-dir", "tensorboard", "data-dir")
_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_RANGE = re.compile(r"(\d{1,10})\.\.(\d{1,10})")


@dataclass(frozen=True)
class Parameter:
    """An option of `dae train` and the values that it takes in turn, as they were typed."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Combination:
    """One training of a sweep, checked."""

    values: tuple[tuple[str, str], ...]
    """The value of each parameter by its name."""
    arguments: tuple[str, ...]
    """Of `dae train`."""
    rehearsed: Rehearsed

    @property
    def command(self) -> str:
        """The command that trains it alone."""
        return shlex.join(["dae", "train", *self.arguments])

    @property
    def words(self) -> str:
        """Its values in one line: lr=0.001 seed=2."""
        return " ".join(f"{name}={value}" for name, value in self.values) or "as given"


def parse_parameters(texts: Sequence[str], seeds: str | None) -> list[Parameter]:
    """The parameters of `--set NAME=V1,V2` and `--seed 0..2`, the seed last.

    Values are separated by commas, or by semicolons where there is one: widths=4,8;8,16. Raises
    UsageError for what is no option of `dae train`, and for values that are missing or twice there.
    """
    found: dict[str, Parameter] = {}
    given = [*texts, *([f"{SEED}={seeds}"] if seeds is not None else [])]
    for text in given:
        name, equals, values = text.partition("=")
        name = name.strip().removeprefix("--").replace("_", "-")
        if not equals or not name:
            raise UsageError(
                f"cannot read '{shortened(text)}'", "write it as --set lr=1e-3,3e-3, or --seed 0..2"
            )
        check_name(name)
        if name in found:
            raise UsageError(f"{name} has values twice", "write them into one --set or --seed")
        found[name] = Parameter(name, _values(name, values))
    return sorted(found.values(), key=lambda each: each.name == SEED)


def combine(
    parameters: Sequence[Parameter], command: Sequence[str], runs_dir: Path
) -> list[Combination]:
    """Every combination of values, each checked as `dae train` checks what is typed.

    Args:
        parameters: the last one changes first.
        command: `train` and its options.
        runs_dir: where the runs are kept, unless the command says so.

    Raises UsageError, and whatever `dae train` would raise for one of them.
    """
    if not command or command[0] != "train":
        raise UsageError(
            "a sweep runs dae train", "end with it: dae sweep --set lr=1e-3,3e-3 -- train …"
        )
    count = math.prod(len(each.values) for each in parameters)
    if count > MOST:
        raise UsageError(f"{count} trainings are too many", f"a sweep has at most {MOST}")
    given = list(command[1:])
    _check_given(given, parameters)
    found = []
    for values in itertools.product(*(each.values for each in parameters)):
        named = tuple(zip((each.name for each in parameters), values, strict=True))
        arguments = [*given, *(word for name, value in named for word in _words(name, value))]
        found.append(Combination(named, tuple(arguments), _rehearse(arguments, runs_dir)))
    _check_different(found)
    return found


def as_value(text: str) -> Any:
    """A typed value as JSON has it: a number where it is one."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def _values(name: str, text: str) -> tuple[str, ...]:
    parts = [part.strip() for part in text.split(";" if ";" in text else ",")]
    values: list[str] = []
    for part in parts:
        span = _RANGE.fullmatch(part) if name == SEED else None
        first, last = (int(span[1]), int(span[2])) if span else (0, 0)
        if span and not 0 <= last - first < MOST:
            raise UsageError(f"the seeds {part} are not from low to high", "write them as 0..2")
        values += [str(seed) for seed in range(first, last + 1)] if span else [part]
    if not all(values):
        raise UsageError(f"a value of {name} is empty", f"write {name}=V1,V2")
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise UsageError(f"{name}={shortened(twice)} is there twice", "leave one of them out")
    return tuple(values)


@cache
def _command() -> Any:
    return typer.main.get_command(train.app)


@cache
def _options() -> dict[str, Any]:
    """What can differ within a sweep, by its name: options of `dae train`, and the network."""
    known = {}
    for parameter in _command().params:
        name = parameter.opts[0].removeprefix("--")
        if name not in _FIXED:
            known[name] = parameter
    return known


def check_name(name: str) -> None:
    """Raise UsageError for what is no option of `dae train` that can differ within a sweep."""
    if name in _options():
        return
    if name in _FIXED:
        raise UsageError(f"--{name} cannot differ within a sweep", f"leave {name} out of --set")
    near = get_close_matches(name, _options(), 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"dae train has no option --{shortened(name)}", f"{hint}see dae train --help for all"
    )


def _check_given(given: Sequence[str], parameters: Sequence[Parameter]) -> None:
    """Refuse what is no command line of `dae train`, and what the sweep says as well."""
    context = _command().make_context("dae train", list(given))
    for parameter in _command().params:
        source = context.get_parameter_source(parameter.name)
        if source is None or source.name != "COMMANDLINE":
            continue
        name = parameter.opts[0].removeprefix("--")
        if name in _OF_THE_SWEEP:
            raise UsageError(f"leave --{name} out of the command", _OF_THE_SWEEP[name])
        if name in [each.name for each in parameters] and not parameter.multiple:
            raise UsageError(
                f"{name} is among the values and in the command", "leave one of them out"
            )


def _words(name: str, value: str) -> list[str]:
    """What to type for a value of an option."""
    parameter = _options()[name]
    if parameter.param_type_name == "argument":
        return [value]
    if not parameter.is_flag:
        return [f"--{name}={value}"]
    if value.lower() not in (*_YES, *_NO):
        raise UsageError(f"{name} cannot be '{shortened(value)}'", f"write {name}=yes,no")
    if value.lower() in _YES:
        return [f"--{name}"]
    return list(parameter.secondary_opts)


def _rehearse(arguments: Sequence[str], runs_dir: Path) -> Rehearsed:
    """Have `dae train` check a command line. Raises what it raises."""
    rehearsal = Rehearsal()
    # First, so that one in the command comes after it and wins.
    words = [f"--runs-dir={runs_dir}", *arguments]
    with _command().make_context("dae train", words, obj=rehearsal) as context:
        _command().invoke(context)
    return rehearsal.seen[0]


def _check_different(combinations: Sequence[Combination]) -> None:
    """Refuse two that train the same, such as lr=0.001 and lr=1e-3."""
    seen: dict[str, Combination] = {}
    for each in combinations:
        key = json.dumps(each.rehearsed.config.as_json(), sort_keys=True)
        if key in seen:
            raise UsageError(
                f"{seen[key].words} and {each.words} are the same training",
                "leave one of them out",
            )
        seen[key] = each
