"""Deleting a run, and nothing else: no folder that only looks like a run, no foreign file.

A run's folder names its run in `meta.json`. The folder is renamed first, so that nobody finds half
of it; then the files of the run are removed one by one, `meta.json` last. No link is followed.
Files that the run did not write stay, and the folder then gets its name back.
"""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from dae_tui.errors import RunError
from dae_tui.runs.folder.layout import (
    CONFIG,
    CONTROL,
    LOCK,
    LOG,
    META,
    METRICS,
    STATUS,
    TAGS,
    State,
    read_json,
)
from dae_tui.runs.folder.liveness import HeldLock, look_at_lock
from dae_tui.runs.folder.reader import Run
from dae_tui.system.atomic import remove_leftovers

# The files of a run in the order of removal; the last one marks the folder as a run.
_FILES = (CONTROL, TAGS, STATUS, METRICS, LOG, CONFIG, LOCK, META)
_FOLDERS = {
    "samples": re.compile(r"\d{8,}\.npz"),
    "checkpoints/best": re.compile(r"weights\.safetensors"),
    "checkpoints/last": re.compile(r"(weights|state)\.safetensors"),
    "checkpoints": None,
}
KEPT_NAMED = 5
_ASIDE = re.compile(r"\.(?P<name>.+)\.deleted")


def delete_run(run: Run, runs_dir: Path) -> list[Path]:
    """Remove a run of `runs_dir`, and return the paths in its folder that it did not write.

    Those stay where they are. Raises RunError for a folder that is no run in `runs_dir`, for a run
    that is being trained, and if the folder cannot be removed.
    """
    _finish_earlier(runs_dir)
    check_deletable(run, runs_dir)
    try:
        lock = HeldLock(run.folder)
    except OSError as failure:
        raise _not_removed(run.folder, failure) from failure
    try:
        # A run that is being resumed holds the lock before its status says so.
        if not lock.take():
            raise _being_trained(run)
        aside = run.folder.with_name(f".{run.name}.deleted")
        run.folder.rename(aside)
        _remove_files(aside)
        return _put_back(aside, run.folder)
    except OSError as failure:
        raise _not_removed(run.folder, failure) from failure
    finally:
        lock.close()


def check_deletable(run: Run, runs_dir: Path) -> None:
    """Raise RunError for what is no run in `runs_dir`, and for one that is being trained."""
    _check_is_run(run, runs_dir)
    if run.state().alive:
        raise _being_trained(run)


def deleted_words(run: Run, kept: list[Path]) -> str:
    """The message about a deleted run."""
    if not kept:
        return f"deleted {run.name}"
    some = ", ".join(str(path.relative_to(run.folder)) for path in kept[:KEPT_NAMED])
    more = f" and {len(kept) - KEPT_NAMED} more" if len(kept) > KEPT_NAMED else ""
    return f"deleted {run.name}; files that it did not write stay in {run.folder}: {some}{more}"


def remove_new_run(folder: Path) -> None:
    """Remove the folder of a run that never began; foreign files stay."""
    with suppress(OSError):
        _remove_files(folder)
        folder.rmdir()


def _check_is_run(run: Run, runs_dir: Path) -> None:
    """Raise RunError for anything that `dae train` did not make in `runs_dir`."""
    folder = run.folder
    try:
        if folder.is_symlink():
            raise RunError(
                f"{folder} is a link, and links are not followed",
                f"remove the link, or delete the run in its own folder: {folder.resolve()}",
            )
        if not folder.is_dir():
            raise RunError(f"{folder} cannot be removed: there is no such folder")
        if not runs_dir.is_dir() or not folder.parent.samefile(runs_dir):
            raise RunError(
                f"{folder} is not directly inside {runs_dir}, the folder of runs",
                f"use --runs-dir {folder.parent} if that is a folder of runs",
            )
    except OSError as failure:
        raise _not_removed(folder, failure) from failure
    marked = run.meta().get("run")
    if marked != folder.name:
        says = f"names the run '{marked}'" if isinstance(marked, str) else "names no run"
        raise RunError(
            f"{folder} is not known to be a run: its {META} {says}",
            "look at what is in it, and remove it by hand",
        )
    status = read_json(folder / STATUS) or {}
    lock = look_at_lock(folder).name
    if status.get("state") not in list(State) or lock in ("MISSING", "UNKNOWN"):
        which = "lock" if status.get("state") in list(State) else STATUS
        raise RunError(
            f"{folder} may be in use: its {which} cannot be read",
            "make sure that nothing trains there, and remove it by hand",
        )


def _remove_files(folder: Path) -> None:
    """Remove the files of a run, the marker last, and the folders that become empty."""
    for below, pattern in _FOLDERS.items():
        inner = folder / below
        # A link among the folders could lead elsewhere.
        if any(part.is_symlink() for part in (inner, inner.parent)) or not inner.is_dir():
            continue
        if pattern is not None:
            for entry in list(inner.iterdir()):
                if pattern.fullmatch(entry.name):
                    _remove_file(entry)
            remove_leftovers(inner, owned=True)
        with suppress(OSError):  # Something else is in it.
            inner.rmdir()
    remove_leftovers(folder, owned=True)
    for name in _FILES:
        _remove_file(folder / name)


def _remove_file(path: Path) -> None:
    """Remove a regular file; a link or a pipe of that name was not written by a run."""
    with suppress(FileNotFoundError):
        if stat.S_ISREG(os.lstat(path).st_mode):
            path.unlink()


def _put_back(aside: Path, folder: Path) -> list[Path]:
    """Remove a folder that is empty, else give it its name back; returns what is in it."""
    try:
        aside.rmdir()
    except OSError:
        aside.rename(folder)
        return sorted(_below(folder))
    return []


def _below(folder: Path) -> list[Path]:
    """Every file below a folder, and every folder that is empty."""
    found = []
    for here, folders, files in os.walk(folder):
        found += [Path(here, name) for name in files]
        found += [Path(here, name) for name in folders if Path(here, name).is_symlink()]
        if not folders and not files:
            found.append(Path(here))
    return found


def _finish_earlier(runs_dir: Path) -> None:
    """Finish deletions that a killed process had begun."""
    with suppress(OSError):
        for aside in list(runs_dir.iterdir()):
            found = _ASIDE.fullmatch(aside.name)
            if found is None or aside.is_symlink() or not aside.is_dir():
                continue
            name = found["name"]
            if (read_json(aside / META) or {}).get("run") != name:
                continue
            with suppress(OSError):
                lock = HeldLock(aside)  # Created again if it was removed already.
                try:
                    if lock.take():  # Else that process still lives.
                        _remove_files(aside)
                        _put_back(aside, runs_dir / name)
                finally:
                    lock.close()


def _being_trained(run: Run) -> RunError:
    return RunError(
        f"the run {run.name} is being trained", f"stop it first: dae runs stop {run.name}"
    )


def _not_removed(folder: Path, failure: OSError) -> RunError:
    return RunError(f"{folder} cannot be removed: {failure.strerror or failure}")
