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
    MOST,
    Parameter,
    combine,
    parse_parameters,
)
from dae_tui.commands.sweeping.plan import Planned, plan, summary_of
from dae_tui.commands.sweeping.request import SweepRequest
from dae_tui.commands.sweeping.search import (
    Search,
    check_optuna,
    check_spaces,
    parse_spaces,
    values_of,
)
from dae_tui.commands.sweeping.start_runs import alone, folder_of, run_planned
from dae_tui.errors import DaeError, UsageError
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.tags import LONGEST_TAG, check_group
from dae_tui.runs.places import runs_dir_option
from dae_tui.runs.stop_signals import Signals, exit_code_of
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
            "Continue a group that was interrupted: what has finished is not trained again.",
        ),
    )


@app.command(cls=SweepCommand, context_settings={"allow_interspersed_args": False})
def sweep(
    command: Annotated[
        list[str],
        typer.Argument(metavar="train", help="After --: train, and options for all trainings."),
    ],
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=V1,V2,…",
            help="Values of an option of dae train, such as lr=1e-3,3e-3; repeatable. Values that "
            "have commas are separated by semicolons: widths=16,32;32,64.",
        ),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(
            metavar="0..2|0,1,5",
            help="Seeds: the table has mean and standard deviation over them.",
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
            help="The group of the runs; an existing one is continued. [default: a new one]",
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="optuna",
            help="Choose values by the results so far, from ranges too: --set lr=1e-4..1e-2.",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST,
            metavar="N",
            help=f"With --search: how many to try. [default: {USUAL_TRIALS}]",
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

    Ctrl-C stops the trainings, which save their state. The same command with --group continues:
    what has finished is skipped, what was stopped is resumed, and what failed is tried again.
    """
    if ranks().size > 1:
        raise UsageError("torchrun cannot run a sweep", "run it by itself: dae sweep …")
    if group is not None:
        check_group(group)
    request = SweepRequest(tuple(setting or ()), tuple(command), seed, jobs, group, runs_dir)
    if search is not None or trials is not None:
        _check_search(search, dry_run)
        _search(request, trials or USUAL_TRIALS, json, quiet)
        return
    parameters = parse_parameters(request.settings, seed)
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
            say(f"group {name}: {summary_of(planned)}; {_how_to_watch(name, here)}")
        run_planned(planned, jobs, signals, quiet)
    finished = _report(plan(combinations, name), parameters, name, here, json)
    if finished < len(combinations):
        raise _unfinished(finished, len(combinations), signals, request.again(name))


def _how_to_watch(group: str, runs_dir: Path) -> str:
    words = shlex.join(["dae", "dashboard", *runs_dir_option(runs_dir)])
    return f"watch: {words}, / group={group}"


def _check_search(search: str | None, dry_run: bool) -> None:
    """Raise UsageError for options that do not go together."""
    if search is None:
        raise UsageError("--trials is for a search", "write --search optuna --trials N")
    if search != "optuna":
        raise UsageError("only optuna can search", "write --search optuna --trials N")
    if dry_run:
        raise UsageError("a search decides while it trains", "leave --dry-run out")


def _search(request: SweepRequest, trials: int, json: bool, quiet: bool) -> None:
    """Try values until there are as many trials as wanted, and print what came of them."""
    spaces = parse_spaces(request.settings)
    if not spaces:
        raise UsageError("there is nothing to search", "for example: --set lr=1e-4..1e-2")
    found = [] if request.seeds is None else parse_parameters([], request.seeds)
    seeds = found[0] if found else None
    here = check_spaces(spaces, seeds, request.command, request.runs_dir)
    check_optuna()
    name = request.group or _new_group([space.name for space in spaces])

    def planned() -> list[Planned]:
        every = search.combinations(seeds, request.command, request.runs_dir)
        return plan(every, name) if every else []

    with alone(here, name), Signals(LEFT_THEM) as signals:
        search = Search(spaces, folder_of(here, name))
        if not quiet:
            wanted = f"{trials} trial{'s' * (trials != 1)}"
            say(f"group {name}: {wanted}; {_how_to_watch(name, here)}")
        # Once: a trial that fails again is not tried for ever.
        count = max(trials, len(search.trials)) * (len(seeds.values) if seeds else 1)
        run_planned(planned(), request.jobs, signals, quiet, count=count)
        while True:
            left = min(request.jobs, trials - len(search.trials))
            if signals.stop.is_set() or left < 1:
                break
            if not search.propose(left, values_of(planned(), search.parameters(seeds))):
                if not quiet:
                    say("every value was tried")
                break
            run_planned(planned(), request.jobs, signals, quiet, only_new=True, count=count)
    outcome = planned()
    finished = _report(outcome, search.parameters(seeds), name, here, json)
    if finished < len(outcome) or signals.received is not None:
        raise _unfinished(finished, len(outcome), signals, request.again(name, trials))


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
