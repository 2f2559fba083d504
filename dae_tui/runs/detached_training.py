"""Starting a training in a process session of its own, so that it outlives the terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Any

from dae_tui.errors import ExitCode, RunError
from dae_tui.runs.deletion import remove_new_run
from dae_tui.runs.layout import CONFIG, LOG, STATUS, State, make_folder, write_json
from dae_tui.runs.reader import Run
from dae_tui.system.regular_files import open_regular

POLL_SECONDS = 0.1
SAID_BYTES = 64_000


def detach(
    run: Run, config: Mapping[str, Any] | None, options: Sequence[str], patience: float = 120.0
) -> None:
    """Train `run` in a process session of its own, and wait until it has begun.

    Args:
        run: its folder; a new one gets the config, and the process resumes it like any other.
        config: the config of a new run; None for one that exists.
        options: more options of `dae train --resume RUN`.
        patience: seconds to wait.

    Its output goes to the run's log. Raises RunError with its last words if it ends before it has
    begun to train.
    """
    try:
        if config is not None:
            make_folder(run.folder)
            write_json(run.folder / CONFIG, config)
            write_json(run.folder / STATUS, {"state": State.STARTING, "heartbeat": time.time()})
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        log = os.fdopen(open_regular(run.folder / LOG, flags), "ab")
    except OSError as failure:
        raise RunError(
            f"the run folder {run.folder} cannot be written: {failure.strerror}",
            "choose another folder with --runs-dir or DAE_RUNS",
        ) from failure
    # -P: a folder `dae_tui` in the current directory is not ours.
    command = [sys.executable, "-P", "-m", "dae_tui", "train", "--quiet"]
    with log:
        before = log.tell()
        process = subprocess.Popen(
            [*command, "--resume", str(run.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Reaped if it ends while this process lives: a dashboard starts many.
    Thread(target=process.wait, daemon=True).start()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        code = process.poll()
        if code == 0:
            return  # A training so short that it is over.
        if code is not None:
            said = _said(run, before)
            if config is not None and "step" not in run.status():
                remove_new_run(run.folder)  # It never began to train.
            raise _failure(said, code)
        status = run.status()
        if status["state"] == State.RUNNING and status.get("pid") == process.pid:
            return
        time.sleep(POLL_SECONDS)


def _said(run: Run, start: int) -> str:
    """The end of what was added to the log after so many bytes."""
    with os.fdopen(open_regular(run.folder / LOG), "rb") as log:
        end = log.seek(0, os.SEEK_END)
        log.seek(max(start, end - SAID_BYTES))
        return log.read(SAID_BYTES).decode(errors="replace")


def _failure(said: str, code: int) -> RunError:
    """The error that a process printed before it ended with `code`, else its last lines."""
    lines = said.splitlines()
    last = " · ".join(filter(None, map(str.strip, lines[-3:])))
    found = {"error": f"the training ended with exit code {code}", "hint": last}
    for line in lines:
        kind, separator, text = line.partition(": ")
        if separator and kind in found:
            found[kind] = text
    failure = RunError(found["error"], found["hint"])
    if code in list(ExitCode):
        failure.exit_code = ExitCode(code)
    return failure
