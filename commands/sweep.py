"""`dae sweep`: `dae train` with every combination of some options, as one group of runs."""

import secrets
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import GroupedCommand
from dae_tui.commands.options import JsonOption, QuietOption, RunsDirOption
from dae_tui.commands.output.streams import say
from dae_tui.commands.sweeping.combinations import (
    MOST,
    Parameter,
    combine,
    parse_parameters,
)
from dae_tui.commands.sweeping.plan import Planned, plan, summary_of
from dae_tui.commands.sweeping.running import alone, folder_of, run_planned
from dae_tui.commands.sweeping.search import (
    Search,
    check_optuna,
    check_spaces,
    parse_spaces,
    values_of,
)
from dae_tui.errors import DaeError, UsageError
from dae_tui.runs.layout import State
from dae_tui.runs.stop_signals import Signals, exit_code_of
from dae_tui.runs.tags import LONGEST_TAG, check_group
from dae_tui.system.ranks import ranks

app = options.subcommand()

USUAL_TRIALS = 20
LEFT_THEM = b"left at once; the trainings save their state and end by themselves\n"


class SweepCommand(GroupedCommand):
    """`dae sweep`, with examples."""

    groups: ClassVar = {
        "Sweep": ("setting", "seed", "jobs", "group", "search", "trials", "dry_run"),
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
    search: Annotated[
        str | None,
        typer.Option(
            metavar="optuna",
            help="Choose values by what came of those before, of ranges too: --set lr=1e-4..1e-2.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, metavar="N", help="With --search: how many to try."),
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
    if group is not None:
        check_group(group)
    if search is not None or trials is not None:
        wanted = SearchRequest(search, trials, setting or [], seed, jobs, group, command, runs_dir)
        if dry_run:
            raise UsageError("a search decides while it trains", "leave --dry-run out")
        _search(wanted, json, quiet)
        return
    parameters = parse_parameters(setting or [], seed)
    if not parameters:
        raise UsageError("nothing differs in this sweep", "for example: --set lr=1e-3,3e-3")
    name = group or _new_group([each.name for each in parameters])
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


@dataclass(frozen=True)
class SearchRequest:
    """What a search was asked for, as typed."""

    search: str | None
    trials: int | None
    setting: list[str]
    seed: str | None
    jobs: int
    group: str | None
    command: list[str]
    runs_dir: Path

    def again(self, group: str, trials: int) -> str:
        """The command that goes on with it."""
        words = ["dae", "sweep", "--search", "optuna", "--trials", str(trials), "--group", group]
        words += [word for each in self.setting for word in ("--set", each)]
        words += ["--seed", self.seed] if self.seed is not None else []
        words += ["--jobs", str(self.jobs)] * (self.jobs > 1)
        return shlex.join([*words, "--", *self.command])


def _search(asked: SearchRequest, json: bool, quiet: bool) -> None:
    """Try values until there are as many trials as wanted, and print what came of them."""
    if asked.search != "optuna":
        raise UsageError("--search is by optuna", "write --search optuna --trials N")
    trials = asked.trials or USUAL_TRIALS
    spaces = parse_spaces(asked.setting)
    if not spaces:
        raise UsageError("there is nothing to search", "for example: --set lr=1e-4..1e-2")
    found = [] if asked.seed is None else parse_parameters([], asked.seed)
    seeds = found[0] if found else None
    here = check_spaces(spaces, seeds, asked.command, asked.runs_dir)
    check_optuna()
    name = asked.group or _new_group([space.name for space in spaces])
    search = Search(spaces, folder_of(here, name))

    def planned() -> list[Planned]:
        every = search.combinations(seeds, asked.command, asked.runs_dir)
        return plan(every, name) if every else []

    if not quiet:
        say(f"group {name}: {trials} trials; watch: dae dashboard, / group={name}")
    with alone(here, name), Signals(LEFT_THEM) as signals:
        # Once: a trial that fails again is not tried for ever.
        count = max(trials, len(search.trials)) * (len(seeds.values) if seeds else 1)
        run_planned(planned(), asked.jobs, signals, quiet, count=count)
        while True:
            left = min(asked.jobs, trials - len(search.trials))
            if signals.stop.is_set() or left < 1:
                break
            if not search.propose(left, values_of(planned(), search.parameters(seeds))):
                if not quiet:
                    say("every value was tried")
                break
            run_planned(planned(), asked.jobs, signals, quiet, only_new=True, count=count)
    outcome = planned()
    finished = _report(outcome, search.parameters(seeds), name, here, json)
    if finished < len(outcome) or signals.received is not None:
        raise _unfinished(finished, len(outcome), signals, asked.again(name, trials))


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


def _new_group(parameters: Sequence[str]) -> str:
    """A name that says what differs: lr-batch-size-3f2a."""
    names = "-".join(parameters)[: LONGEST_TAG - 5].rstrip("-")
    return f"{names}-{secrets.token_hex(2)}"


def _again(parameters: Sequence[Parameter], jobs: int, group: str, command: Sequence[str]) -> str:
    """The command that goes on with this sweep."""
    words = ["dae", "sweep", "--group", group]
    for each in parameters:
        separator = ";" if any("," in value for value in each.values) else ","
        words += ["--set", f"{each.name}={separator.join(each.values)}"]
    words += ["--jobs", str(jobs)] * (jobs > 1)
    return shlex.join([*words, "--", *command])
