"""`dae dashboard`: watch and steer trainings, which go on when it is closed."""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TextIO

import typer

from dae_tui.commands import options
from dae_tui.commands.grouped_help import grouped
from dae_tui.commands.options import (
    DataDirOption,
    RunsDirsOption,
    check_folder,
    resolve_data_dir,
    resolve_places,
)
from dae_tui.dashboard.notifier import STALLED_MINUTES
from dae_tui.dashboard.themes import Theme
from dae_tui.errors import RunError, UsageError
from dae_tui.runs.event_files.folders import find_event_runs, has_events
from dae_tui.runs.folder.reader import Run, find_run, holds_run, list_runs
from dae_tui.runs.places import Place, Places
from dae_tui.system.atomic import write_whole
from dae_tui.system.interpreter import collector_paused
from dae_tui.system.regular_files import is_file, is_folder
from dae_tui.terminal.graphics import Graphics, terminal_graphics

app = options.subcommand()

FINEST = Graphics.TRUECOLOR


@app.command(
    cls=grouped(
        {
            "Runs": ("runs_dirs", "tensorboard", "data_dir"),
            "Screen": ("graphics", "theme", "refresh", "no_mouse"),
            "Being told": ("notify", "stalled"),
            "Output": ("svg", "size", "help"),
        },
        ("dae dashboard latest", "Watch the newest run; q leaves it, and the training goes on."),
        (
            "dae dashboard --runs-dir runs --runs-dir ssh://gpu1/home/me/runs --notify bell",
            "All runs of a folder and of a host in one list; the bell tells what happens to them.",
        ),
        (
            "dae dashboard lightning_logs",
            "Watch the training of another program by TensorBoard's event files.",
        ),
    )
)
def dashboard(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|LOGDIR",
            help="A run to open at once: a name, a part of one, or latest; or a folder with "
            "TensorBoard's event files.",
        ),
    ] = None,
    tensorboard: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Show trainings of other programs too, by their event files; repeatable.",
        ),
    ] = None,
    runs_dirs: RunsDirsOption = None,
    data_dir: DataDirOption = None,
    graphics: Annotated[
        Graphics | None,
        typer.Option(help="How to draw images; else as the terminal allows."),
    ] = None,
    theme: Annotated[
        Theme, typer.Option(help="Colours: dark, light, or the terminal's own (ansi).")
    ] = Theme.DARK,
    refresh: Annotated[
        float, typer.Option(min=0.2, max=60, help="Seconds between updates.", metavar="SECONDS")
    ] = 1.0,
    svg: Annotated[
        Path | None, typer.Option(help="Write one screen as a picture instead; needs no terminal.")
    ] = None,
    size: Annotated[
        str, typer.Option(help="Columns and rows of that picture.", metavar="COLUMNSxROWS")
    ] = "120x40",
    notify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMMAND|URL|bell",
            help="Tell of runs that finish, stop, fail, crash, make no progress, or whose loss "
            "spikes: JSON on the command's stdin, or posted; repeatable.",
        ),
    ] = None,
    stalled: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="MINUTES", help="With --notify: no progress is none for so long."
        ),
    ] = STALLED_MINUTES,
    no_mouse: Annotated[
        bool, typer.Option("--no-mouse", help="Leave the mouse to the terminal.")
    ] = False,
) -> None:
    """Watch runs live: loss, machine and images; pause, stop and compare them, or try images.

    It only reads the folders of runs. If you leave it with q or lose the connection, every
    training goes on, and a new dashboard shows the whole curve.
    """
    check_folder(svg)
    cells = _parse_size(size)
    event_dirs = list(tensorboard or [])
    found: Run | None = None
    given = resolve_places(runs_dirs)
    default = options.RUNS_DIR
    runs_dir = next((place for place in given if isinstance(place, Path)), default)
    if run is not None and _is_logdir(run, runs_dir):
        event_dirs.append(Path(run))
        logged = find_event_runs(Path(run))
        found = logged[0] if len(logged) == 1 else None
    elif run is not None:
        found = _find(run, given)
    if event_dirs:
        from dae_tui.runs.event_files.messages import needs_tensorboard

        needs_tensorboard("reading event files")
        _check_folders(event_dirs)
    if notify:
        from dae_tui.dashboard.notifier import check_targets

        check_targets(notify)
    if svg is None:
        check_terminal()

    with collector_paused():  # Imported here: --help needs none of it.
        from dae_tui.dashboard.app import DashboardApp
        from dae_tui.dashboard.leaving import leaving_on_signals

    places = Places(given, default=default, refresh_seconds=refresh)
    shown = DashboardApp(
        places.runs_dir,
        resolve_data_dir(data_dir),
        graphics or (terminal_graphics(sys.stdout.encoding) if svg is None else FINEST),
        run=None if found is None else places.listed(found),
        refresh_seconds=refresh,
        theme=theme,
        notify=notify or (),
        stalled_minutes=stalled,
        event_dirs=event_dirs,
        places=places,
    )
    with leaving_on_signals(shown.leave):
        if svg is None:
            shown.run(mouse=not no_mouse)
        else:
            drawn = shown.picture(cells)
    if svg is not None and shown.failure is None:
        from dae_tui.commands.output.pictures import standing_alone

        write_whole(svg, standing_alone(drawn).encode())
    if shown.failure is not None:
        raise shown.failure
    raise typer.Exit(shown.return_code or 0)


def _is_logdir(text: str, runs_dir: Path) -> bool:
    """Whether an argument means a folder of event files, and no run.

    Raises RunError for a folder that holds neither, and means no run by its name.
    """
    folder = Path(text)
    if not is_folder(folder) or any(run.name == text for run in list_runs(runs_dir)):
        return False
    if holds_run(folder):
        return False
    if not has_events(folder):
        raise RunError(
            f"the folder {text} holds neither a run nor event files",
            f"to wait for event files: dae dashboard --tensorboard {text}",
        )
    return True


def _find(text: str, places: list[Place]) -> Run:
    """The run that `text` means, in the first folder of this machine that has it.

    Raises RunError if none has, UsageError if it means several runs of one.
    """
    folders = [place for place in places if isinstance(place, Path)]
    if not folders:
        raise RunError(
            f"'{text}' is looked for on this machine, and --runs-dir names other hosts alone",
            "open it in the list: dae dashboard --runs-dir " + str(places[0]),
        )
    found: list[Run] = []
    for folder in folders:
        with suppress(RunError):
            found.append(find_run(text, folder))
    if text == "latest" and found:
        return max(found, key=lambda run: run.name)
    return found[0] if found else find_run(text, folders[0])


def _check_folders(folders: list[Path]) -> None:
    """Refuse what is no folder; one that does not exist yet is waited for."""
    for folder in folders:
        if is_file(folder):
            raise UsageError(f"{folder} is a file", "name the folder that it is in")


def check_terminal() -> None:
    """Refuse a terminal that cannot show the dashboard. Raises UsageError."""
    others = "for scripts: dae runs list --json; for a picture: dae dashboard --svg FILE"
    if not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise UsageError("the dashboard needs a terminal", others)
    # Textual draws on stderr: if that led elsewhere, the screen would stay blank.
    if not _is_terminal(sys.stderr):
        raise UsageError("stderr must be a terminal: the dashboard draws on it", others)
    if os.environ.get("TERM") == "dumb":
        raise UsageError("TERM=dumb: this terminal can place nothing on its screen", others)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None where a shell has closed it.


def _parse_size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,3})x(\d{2,3})", text)
    if found is None:
        raise UsageError(f"cannot read the size '{text}'", "write it as 120x40")
    return int(found[1]), int(found[2])
