"""`dae runs`: list, show and steer training runs, by their folders alone."""

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import (
    JsonOption,
    QuietOption,
    RunsDirOption,
    RunsPlaceOption,
    check_folder,
)
from dae_tui.commands.output.streams import print_name, say
from dae_tui.errors import DaeError, RunError, UsageError
from dae_tui.runs.folder.deletion import check_deletable, delete_run, deleted_words
from dae_tui.runs.folder.layout import Request, State
from dae_tui.runs.folder.reader import Run, find_run, last_event, list_runs
from dae_tui.runs.folder.summary import Summary, age, number, summarize
from dae_tui.runs.folder.tags import (
    change_tags,
    check_archivable,
    check_group,
    read_tags,
    set_archived,
    set_group,
)
from dae_tui.runs.places import Place, Places, parse_place
from dae_tui.system.atomic import write_whole
from dae_tui.system.printable import printable

if TYPE_CHECKING:
    from rich.text import Text

app = options.subcommand()

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A name, a part of one, a folder, or latest.")
]
RunArguments = Annotated[
    list[str], typer.Argument(metavar="RUN…", help="Names, parts of them, folders, or latest.")
]
STATE_STYLES = {
    State.RUNNING: "green",
    State.FINISHED: "blue",
    State.PAUSED: "yellow",
    State.FAILED: "red",
    State.CRASHED: "red",
}
STOP_POLL_SECONDS = 0.2
WAIT_POLL_SECONDS = 0.5


@app.callback()
def runs() -> None:
    """List, show and steer training runs. A training reacts within a second."""


@app.command(
    "list",
    cls=grouped(
        {},
        ("dae runs list", "All but the archived ones."),
        ("dae runs list state:failed data:mnist", "Those that failed on MNIST."),
        ("dae runs list --group lr-3f2a --json", "Those of a sweep, for scripts."),
    ),
)
def list_command(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILTER…",
            help="Only runs that meet all of these, as / in the dashboard: words, state:failed, "
            "'loss<0.01', lr=0.006, tag:best, group:NAME, is:archived. [default: all]",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only runs of this group (see dae sweep)."),
    ] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Show archived runs too.")] = False,
    runs_dir: RunsPlaceOption = str(options.RUNS_DIR),
    json: JsonOption = False,
) -> None:
    """List the runs, oldest first, without the archived ones."""
    from dae_tui.commands.output.fitted_table import print_fitted
    from dae_tui.commands.output.terminal import print_json, stdout

    place = parse_place(runs_dir)
    if group is not None:
        check_group(group)
    with _reading(place) as places:
        every = [(run, summarize(run)) for run in places.runs()]
        found = _chosen(every, conditions or [], group, archived)
    if json:
        where = str(place.resolve() if isinstance(place, Path) else place)
        print_json({"runs_dir": where, "runs": [summary.as_json() for summary in found]})
        return
    if not every:
        hint = "; start one with: dae train --data digits" if isinstance(place, Path) else ""
        say(f"no runs in {place}{hint}")
    elif not found:
        hidden = len(_chosen(every, conditions or [], group, archived=True))
        also = f"; {hidden} archived: --archived shows them" if hidden else ""
        say(f"no such runs among the {len(every)} in {place}{also}")
    if not found:
        return
    print_fitted(
        stdout(),
        ("run", "state", "epoch", "loss", "test %", "age"),
        [_row(summary) for summary in found],
        left=("run", "state"),
        dropped=("loss", "age", "epoch", "test %", "state"),
    )


def _chosen(
    every: list[tuple[Run, Summary]], words: list[str], group: str | None, archived: bool
) -> list[Summary]:
    """The runs that a filter and the options leave."""
    if group is not None:
        every = [(run, summary) for run, summary in every if summary.group == group]
    if not words:
        return [summary for _, summary in every if archived or not summary.hidden]
    # The filter of the dashboard; its rows take NumPy, which a plain list does without.
    from dae_tui.dashboard.content.runs_filter import Condition, listed, matches, parse_condition
    from dae_tui.runs.watching.runs_watch import RunRow

    parsed: list[Condition] = [parse_condition(word) for word in words]
    rows = [RunRow(run, summary, [], run.config()) for run, summary in every]
    chosen = [row for row in rows if matches(parsed, row)] if archived else listed(parsed, rows)
    return [row.summary for row in chosen]


def _row(summary: Summary) -> "tuple[str | Text, ...]":
    from rich.text import Text

    return (
        summary.name,
        Text(summary.state, STATE_STYLES.get(summary.state, "")),
        f"{summary.epoch or 0}/{summary.epochs or '?'}",
        _with_unit(summary.val_loss, "", 5) or "–",
        _with_unit(summary.test_accuracy, "") or "–",
        age(summary.heartbeat),
    )


@app.command()
def show(
    run: RunArgument,
    runs_dir: RunsPlaceOption = str(options.RUNS_DIR),
    json: JsonOption = False,
) -> None:
    """Show the command, the state, the metrics and the folder of a run."""
    with _reading(parse_place(runs_dir)) as places:
        _show(_found(run, places), json)


@contextmanager
def _reading(place: Place) -> Iterator[Places]:
    """A folder of this machine, or of a host that has been read once."""
    places = Places([place])
    try:
        places.read_now()
        yield places
    finally:
        places.close()


def _found(text: str, places: Places) -> Run:
    """The run that `text` means; of a host, with its metrics."""
    if not places.remote:
        return find_run(text, places.runs_dir)
    (folder,) = places.remote
    names = {run.name for run in folder.runs()}
    try:
        name = find_run(text, folder.kept).name
    except RunError:
        name = ""
    if name not in names:
        raise RunError(
            f"there is no run '{text}' in {folder.address}",
            f"see dae runs list --runs-dir {folder.address}",
        )
    places.read_now(name)
    return next(run for run in folder.runs() if run.name == name)


def _show(found: Run, json: bool) -> None:
    from dae_tui.commands.output.terminal import print_json, stdout

    where = found.where
    status, config, meta = found.status(), found.config(), found.meta()
    done = last_event(found, "done")
    if json:
        print_json(
            {
                "run": where or str(found.folder.resolve()),
                "status": status,
                "config": config,
                "meta": meta,
                "done": done,
            }
        )
        return
    tags = read_tags(found)
    shown = {
        "run": where or found.folder,
        "tags": " ".join(tags.words) or None,
        "note": tags.note or None,
        "group": tags.group or None,
        "archived": "yes" if tags.archived else None,
        "state": f"{status['state']}  {status.get('reason') or ''}".strip(),
        "command": meta.get("command"),
        "device": meta.get("device"),
        "epoch": f"{status.get('epoch', 0)}/{config.get('epochs', '?')}",
        "step": status.get("step"),
        "training time": _with_unit(status.get("seconds"), "s", 1),
        "validation loss": status.get("val_loss"),
        "validation PSNR": _with_unit(status.get("val_psnr"), "dB"),
        "validation accuracy": _with_unit(status.get("val_accuracy"), "%"),
        "test accuracy": _with_unit(status.get("test_accuracy"), "%"),
        "weights": found.weights if found.weights.exists() else None,
    }
    for key, value in shown.items():
        if value is not None:
            # Not wrapped, so that a path or a command can be copied.
            stdout().print(f"{key:20} {printable(value)}", soft_wrap=True)


@app.command()
def stop(
    run: RunArgument,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it has stopped.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Ask a run to stop: it saves its state, evaluates its best weights, and ends."""
    found = find_run(run, runs_dir)
    _ask(found, Request.STOP, quiet)
    while wait and found.state().alive:
        time.sleep(STOP_POLL_SECONDS)


@app.command()
def pause(
    run: RunArgument, runs_dir: RunsDirOption = options.RUNS_DIR, quiet: QuietOption = False
) -> None:
    """Ask a run to pause; its process stays, with all that it has in memory."""
    _ask(find_run(run, runs_dir), Request.PAUSE, quiet)


@app.command()
def resume(
    run: RunArgument, runs_dir: RunsDirOption = options.RUNS_DIR, quiet: QuietOption = False
) -> None:
    """Let a paused run go on. (A run that has ended goes on with dae train --resume.)"""
    _ask(find_run(run, runs_dir), Request.RESUME, quiet)


@app.command()
def delete(
    run: RunArgument,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Delete a run of --runs-dir and its weights. Files that it did not write stay."""
    found = find_run(run, runs_dir)
    check_deletable(found, runs_dir)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"deleting {found.name} cannot be undone", "confirm with --yes")
        typer.confirm(f"delete {printable(found.name)} for good?", abort=True, err=True)
    kept = delete_run(found, runs_dir)
    if kept or not quiet:
        say(deleted_words(found, kept))


@app.command()
def tag(
    run: RunArgument,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORD…", help="Tags to add. [default: print the tags]"),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", "-r", metavar="WORD", help="Take this tag away; repeatable."),
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", "-m", metavar="TEXT", help="Replace the note.")
    ] = None,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    json: JsonOption = False,
) -> None:
    """Tag a run with words and a note, and print what it has then.

    The dashboard finds it by its tags: / tag:best
    """
    found = find_run(run, runs_dir)
    if words or remove or note is not None:
        tags = change_tags(found, words or [], remove or [], note)
    else:
        tags = read_tags(found)
    if json:
        from dae_tui.commands.output.terminal import print_json

        print_json({"run": found.name, "tags": list(tags.words), "note": tags.note})
        return
    print("  ".join(filter(None, (" ".join(tags.words), printable(tags.note)))))


@app.command()
def group(
    words: Annotated[
        list[str],
        typer.Argument(metavar="RUN… NAME", help="The runs, and the group to put them into."),
    ],
    remove: Annotated[
        bool, typer.Option("--remove", "-r", help="Take the runs out of their group; no NAME.")
    ] = False,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    quiet: QuietOption = False,
) -> None:
    """Put runs into a group, as dae sweep does, or take them out of it.

    S on such a run in the dashboard shows the whole group, and / group:NAME finds it.
    """
    if not remove and len(words) < 2:
        raise UsageError(
            "a group needs runs and a name",
            f"for example: dae runs group {words[0]} best-3; or --remove",
        )
    *names, name = [*words, ""] if remove else words
    if not remove:
        check_group(name)
        # Else the last of some runs, after which the name was forgotten, became the name.
        if any(name in (run.name, summarize(run).label) for run in list_runs(runs_dir)):
            raise UsageError(
                f"{name} is a run: the name of the group comes last",
                f"for example: dae runs group {' '.join(words)} best-3",
            )
    found = [find_run(each, runs_dir) for each in names]
    for run in found:
        set_group(run, name)
        if not quiet:
            say(f"{run.name} is in the group {name}" if name else f"{run.name} is in no group")


@app.command()
def archive(
    runs: RunArguments, runs_dir: RunsDirOption = options.RUNS_DIR, quiet: QuietOption = False
) -> None:
    """Leave runs out of lists; nothing else changes. dae runs list --archived shows them."""
    found = [find_run(each, runs_dir) for each in runs]
    for run in found:
        check_archivable(run)
    _archive(found, True, quiet)


@app.command()
def unarchive(
    runs: RunArguments, runs_dir: RunsDirOption = options.RUNS_DIR, quiet: QuietOption = False
) -> None:
    """Show archived runs in lists again."""
    _archive([find_run(each, runs_dir) for each in runs], False, quiet)


def _archive(runs: list[Run], archived: bool, quiet: bool) -> None:
    for run in runs:
        set_archived(run, archived)
        if not quiet:
            say(f"archived {run.name}" if archived else f"{run.name} is in the list again")


@app.command(
    cls=grouped(
        {},
        ("dae runs wait latest && ./next", "Go on with a script once the newest run has finished."),
        ("dae runs wait latest --timeout 3600", "For an hour at most: then the exit code is 1."),
        ("dae runs wait mnist-unet-3f2a --json", "What came of it, for scripts."),
    )
)
def wait(
    run: RunArgument,
    runs_dir: RunsDirOption = options.RUNS_DIR,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0, help="Wait at most so long. [default: for ever]"),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Wait until a run has ended, for scripts: dae runs wait latest && ./next.

    The exit code is 0 if it has finished, 3 if it failed, crashed or was deleted, and 1 if it was
    stopped or is still going on after --timeout.
    """
    found = find_run(run, runs_dir)
    deadline = None if timeout is None else time.monotonic() + timeout
    while (summary := summarize(found)).state.alive:
        left = WAIT_POLL_SECONDS if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise DaeError(
                f"{found.name} is still {summary.state} after {timeout:g} s",
                "wait longer with --timeout, or stop it with dae runs stop",
            )
        time.sleep(min(WAIT_POLL_SECONDS, left))
    if json:
        from dae_tui.commands.output.terminal import print_json

        print_json(summary.as_json())
    words = f"{found.name} is {summary.state}" + (f": {summary.reason}" if summary.reason else "")
    if not found.folder.is_dir():
        raise RunError(f"{found.name} was deleted")
    if summary.state in (State.FAILED, State.CRASHED):
        raise RunError(words, found.how_to_go_on())
    if summary.state is State.STOPPED:
        raise DaeError(words, found.how_to_go_on())
    if not quiet:
        say(words)


@app.command(
    cls=grouped(
        {},
        ("dae runs export latest --csv -", "Print the figures of every step of the newest run."),
        ("dae runs export latest --tensorboard logs", "Then: tensorboard --logdir logs"),
        ("dae runs export latest --mlflow http://localhost:5000", "Log it to an MLflow server."),
    )
)
def export(
    run: RunArgument,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Event files for TensorBoard, in a folder below DIR."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The figures of every step as a table; - prints it."),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Log it to an MLflow server, http://localhost:5000."),
    ] = None,
    experiment: Annotated[
        str, typer.Option(metavar="NAME", help="With --mlflow: the experiment.")
    ] = "dae-tui",
    runs_dir: RunsDirOption = options.RUNS_DIR,
    quiet: QuietOption = False,
) -> None:
    """Write a run for TensorBoard, as a table, or to MLflow; one or more of them."""
    from dae_tui.runs.export import export_csv, export_events, export_mlflow

    if tensorboard is None and csv is None and mlflow is None:
        raise UsageError("nothing is said to export to", "use --tensorboard, --csv or --mlflow")
    found = find_run(run, runs_dir)
    said: list[str] = []
    if csv is not None and str(csv) == "-":
        export_csv(found, sys.stdout)
    elif csv is not None:
        check_folder(csv)
        table = io.StringIO()
        count = export_csv(found, table)
        write_whole(csv, table.getvalue().encode())
        said.append(f"{csv}: {count:,} lines")
    if tensorboard is not None:
        count = export_events(found, tensorboard)
        said.append(f"{tensorboard / found.name}: {count:,} figures")
    if mlflow is not None:
        said.append(f"{mlflow}: run {export_mlflow(found, mlflow, experiment)}")
    for line in said if not quiet else ():
        say(line)


@app.command()
def path(run: RunArgument, runs_dir: RunsDirOption = options.RUNS_DIR) -> None:
    """Print a run's folder, for scripts: cd "$(dae runs path latest)"."""
    print_name(find_run(run, runs_dir).folder.resolve())


def _ask(run: Run, request: Request, quiet: bool) -> None:
    # A paused run is asked all the same: it may just have been asked to resume.
    already = request is Request.PAUSE and run.state() is State.PAUSED
    run.ask(request)
    if not quiet:
        said = f"{run.name} is already paused" if already else f"asked {run.name} to {request}"
        say(said)


def _with_unit(value: Any, unit: str, digits: int = 2) -> str | None:
    known = number(value)
    return None if known is None else f"{known:.{digits}f} {unit}".strip()
