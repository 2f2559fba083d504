"""Starting a training in a process session of its own, so that it outlives the terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any

from dae_tui.errors import ExitCode, RunError
from dae_tui.runs.folder.deletion import remove_new_run
from dae_tui.runs.folder.layout import CONFIG, LOG, STATUS, State, make_folder, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.system.regular_files import open_regular

POLL_SECONDS = 0.1
SAID_BYTES = 64_000


@dataclass(frozen=True)
class DetachedTraining:
    """A training in a process session of its own, which this process has started."""

    run: Run
    process: "subprocess.Popen[bytes]"
    _said_from: int
    """The length of the run's log before."""

    def failure(self, code: int) -> RunError:
        """The error that it printed before it ended with this exit code, else its last lines."""
        return _failure(_said(self.run, self._said_from), code)


def start(
    run: Run,
    config: Mapping[str, Any] | None,
    options: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> DetachedTraining:
    """Train `run` in a process session of its own; its output goes to the run's log.

    Args:
        run: its folder; a new one gets the config, and the process resumes it like any other.
        config: the config of a new run; None for one that exists.
        options: more options of `dae train --resume RUN`.
        environment: variables that differ from those of this process.

    Raises RunError if the folder cannot be written.
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
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
        )
    # Reaped if it ends while this process lives: a dashboard starts many.
    Thread(target=process.wait, daemon=True).start()
    return DetachedTraining(run, process, before)


def detach(
    run: Run, config: Mapping[str, Any] | None, options: Sequence[str], patience: float = 120.0
) -> None:
    """Train `run` in a process session of its own, and wait until it has begun.

    Args:
        run: as of `start`.
        config: as of `start`.
        options: as of `start`.
        patience: seconds to wait.

    Raises RunError with its last words if it ends before it has begun to train.
    """
    training = start(run, config, options)
    process = training.process
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        code = process.poll()
        if code == 0:
            return  # A training so short that it is over.
        if code is not None:
            failure = training.failure(code)
            if config is not None and "step" not in run.status():
                remove_new_run(run.folder)  # It never began to train.
            raise failure
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
