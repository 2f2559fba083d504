"""`dae sweep`: `dae train` with every combination of some options, as one group of runs."""

import secrets
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import GroupedCommand
from dae_tui.commands.options import JsonOption, QuietOption, RunsDirOption
from dae_tui.commands.output.streams import say
from dae_tui.commands.sweeping.combinations import (
    Parameter,
    combine,
    parse_parameters,
)
from dae_tui.commands.sweeping.plan import Planned, plan, summary_of
from dae_tui.commands.sweeping.running import alone, run_planned
from dae_tui.errors import DaeError, UsageError
from dae_tui.runs.layout import State
from dae_tui.runs.stop_signals import Signals, exit_code_of
from dae_tui.runs.tags import LONGEST_TAG, check_group
from dae_tui.system.ranks import ranks

app = options.subcommand()

LEFT_THEM = b"left at once; the trainings save their state and end by themselves\n"


class SweepCommand(GroupedCommand):
    """`dae sweep`, with examples."""

    groups: ClassVar = {
        "Sweep": ("setting", "seed", "jobs", "group", "dry_run"),
        "Output": ("runs_dir", "json", "quiet", "help"),
    }
    examples: ClassVar = (
        (
            "dae sweep --set lr=1e-3,3e-3,1e-2 --seed 0..2 -- train --data digits --epochs 20",
            "Nine trainings, one after the other, and a table of means over seeds.",
        ),
        (
            "dae sweep --set 'widths=16,32;32,64' --set batch-size=50,100 --jobs 4 -- train unet",
            "Four at a time, each on a GPU of its own where there are several.",
        ),
        (
            "dae sweep --group lr-3f2a --set lr=1e-3,3e-3,1e-2 --seed 0..2 -- train …",
            "Go on with a group that was interrupted: what has finished is not trained again.",
        ),
    )


@app.command(cls=SweepCommand, context_settings={"allow_interspersed_args": False})
def sweep(
    command: Annotated[
        list[str],
        typer.Argument(metavar="train", help="After --: train, and its options for all of them."),
    ],
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=V1,V2,…",
            help="Values of an option of dae train, such as lr=1e-3,3e-3; repeatable. With a "
            "semicolon between them they may have commas: widths=16,32;32,64.",
        ),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(
            metavar="0..2|0,1,5", help="Seeds: the table has the mean and the spread over them."
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            metavar="N",
            help="How many train at a time, each on a GPU of its own where there are several.",
        ),
    ] = 1,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The group of the runs; one that exists goes on. [default: a new one]",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands and train nothing.")
    ] = False,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run dae train with every combination of some options, as one group of runs.

    Ctrl-C stops the trainings, which save their state. The same command with --group goes on: what
    has finished is skipped, what was stopped is resumed, and what failed is tried again.
    """
    if ranks().size > 1:
        raise UsageError("torchrun cannot run a sweep", "run it by itself: dae sweep …")
    parameters = parse_parameters(setting or [], seed)
    if not parameters:
        raise UsageError("nothing differs in this sweep", "for example: --set lr=1e-3,3e-3")
    if group is not None:
        check_group(group)
    name = group or _new_group(parameters)
    combinations = combine(parameters, command, runs_dir)
    here = combinations[0].rehearsed.runs_dir.resolve()  # That of the command, where it has one.
    if dry_run:
        _print_commands(plan(combinations, name), parameters, name, here, json)
        return
    with alone(here, name), Signals(LEFT_THEM) as signals:
        planned = plan(combinations, name)
        if not quiet:
            say(f"group {name}: {summary_of(planned)}; watch: dae dashboard, / group={name}")
        run_planned(planned, jobs, signals, quiet)
    finished = _report(plan(combinations, name), parameters, name, here, json)
    if finished < len(combinations):
        again = _again(parameters, jobs, name, command)
        raise _unfinished(finished, len(combinations), signals, again)


def _report(
    planned: Sequence[Planned],
    parameters: Sequence[Parameter],
    group: str,
    runs_dir: Path,
    json: bool,
) -> int:
    """Print what came of it; how many have finished."""
    from dae_tui.commands.output.terminal import print_json
    from dae_tui.commands.sweeping.report import as_json, outcomes_of, print_table

    outcomes = outcomes_of(planned)
    if json:
        print_json(as_json(outcomes, parameters, group, runs_dir))
    else:
        print_table(outcomes, parameters)
    return sum(result.state is State.FINISHED for _, result in outcomes)


def _unfinished(finished: int, count: int, signals: Signals, again: str) -> DaeError:
    """The error that ends a sweep in which not every training has finished."""
    hint = f"go on with: {again}"
    if signals.received is not None:
        received = signal.Signals(signals.received).name
        stopped = DaeError(f"stopped by {received}; {finished} of {count} have finished", hint)
        stopped.exit_code = exit_code_of(signals.received)
        return stopped
    return DaeError(f"{count - finished} of {count} trainings have not finished", hint)


def _print_commands(
    planned: Sequence[Planned],
    parameters: Sequence[Parameter],
    group: str,
    runs_dir: Path,
    json: bool,
) -> None:
    if json:
        _report(planned, parameters, group, runs_dir, json)
        return
    say(f"group {group}: {summary_of(planned)}")
    for each in planned:
        found = "" if each.run is None else f"  # {each.about}: {each.run.name}"
        print(each.combination.command + found)


def _new_group(parameters: Sequence[Parameter]) -> str:
    """A name that says what differs: lr-batch-size-3f2a."""
    names = "-".join(each.name for each in parameters)[: LONGEST_TAG - 5].rstrip("-")
    return f"{names}-{secrets.token_hex(2)}"


def _again(parameters: Sequence[Parameter], jobs: int, group: str, command: Sequence[str]) -> str:
    """The command that goes on with this sweep."""
    words = ["dae", "sweep", "--group", group]
    for each in parameters:
        separator = ";" if any("," in value for value in each.values) else ","
        words += ["--set", f"{each.name}={separator.join(each.values)}"]
    words += ["--jobs", str(jobs)] * (jobs > 1)
    return shlex.join([*words, "--", *command])
