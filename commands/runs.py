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
from dae_tui.commands.options import (
    JsonOption,
    QuietOption,
    RunsDirOption,
    RunsPlaceOption,
    check_folder,
)
from dae_tui.commands.output.streams import print_name, say
from dae_tui.errors import DaeError, RunError, UsageError
from dae_tui.runs.deletion import check_deletable, delete_run, deleted_words
from dae_tui.runs.layout import Request, State
from dae_tui.runs.places import Place, Places, parse_place
from dae_tui.runs.reader import Run, find_run, last_event
from dae_tui.runs.summary import Summary, age, number, summarize
from dae_tui.runs.tags import change_tags, read_tags
from dae_tui.system.atomic import write_whole
from dae_tui.system.printable import printable

if TYPE_CHECKING:
    from rich.text import Text

app = options.subcommand()

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A name, a part of one, a folder, or latest.")
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


@app.command("list")
def list_command(
    runs_dir: RunsPlaceOption = str(options.RUNS_DIR), json: JsonOption = False
) -> None:
    """List the runs, oldest first."""
    from dae_tui.commands.output.fitted_table import print_fitted
    from dae_tui.commands.output.terminal import print_json, stdout

    place = parse_place(runs_dir)
    with _reading(place) as places:
        found = places.runs()
        summaries = [summarize(run) for run in found]
    if json:
        where = str(place.resolve() if isinstance(place, Path) else place)
        print_json({"runs_dir": where, "runs": [each.as_json() for each in summaries]})
        return
    if not found:
        hint = "; start one with: dae train --data digits" if isinstance(place, Path) else ""
        say(f"no runs in {place}{hint}")
        return
    print_fitted(
        stdout(),
        ("run", "state", "epoch", "loss", "test %", "age"),
        [_row(summary) for summary in summaries],
        left=("run", "state"),
        dropped=("loss", "age", "epoch", "test %", "state"),
    )


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


@app.command()
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
