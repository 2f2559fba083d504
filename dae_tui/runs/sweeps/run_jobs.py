"""Running trainings one after the other or some at a time, each in a process of its own."""

import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from dae_tui.errors import DaeError, ExitCode, RunError
from dae_tui.runs.detached_training import DetachedTraining, start
from dae_tui.runs.folder.layout import STATUS, Request, State, new_run_name, read_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import set_group
from dae_tui.runs.folder.writer import RunWriter

POLL_SECONDS = 0.1
_STOPPED = (ExitCode.TERMINATED, ExitCode.INTERRUPTED, -signal.SIGTERM)


@dataclass(frozen=True)
class Job:
    """A training of a group."""

    number: int
    """Its place in the sweep."""
    group: str
    config: Mapping[str, Any]
    label: str
    """What a new run is named after."""
    runs_dir: Path
    run: Run | None = None
    """One that exists: it is resumed, or waited for while another process trains it."""
    options: Sequence[str] = ()


@dataclass(frozen=True)
class Began:
    """A training was started, or another process is found to train it."""

    job: Job
    run: Run
    found: bool = False


@dataclass(frozen=True)
class Ended:
    """A training is over, or could not be started."""

    job: Job
    state: State
    """`FAILED` also for a run whose process ended before it could say so."""
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Stopping:
    """Those that run were asked to save their state and end."""

    count: int


def run_jobs(
    jobs: Sequence[Job],
    at_once: int,
    environments: Sequence[Mapping[str, str]],
    stop: Event,
) -> Iterator[Began | Ended | Stopping]:
    """Run jobs in their order, at most `at_once` of them at a time.

    Args:
        jobs: what to train.
        at_once: how many.
        environments: the variables of each place, which takes one job after the other.
        stop: once it is set, no other job begins, and those that run are asked to save and end.
    """
    waiting = deque(jobs)
    places: dict[int, _Running] = {}
    asked = False
    while waiting or places:
        if stop.is_set() and not asked:
            asked = True
            waiting.clear()
            for running in places.values():
                running.stop()
            yield Stopping(len(places))
        for place in range(at_once):
            if place not in places and waiting and not stop.is_set():
                job = waiting.popleft()
                try:
                    places[place] = _start(job, environments[place % len(environments)])
                except DaeError as failure:
                    yield Ended(job, State.FAILED, failure.message, failure.hint)
                else:
                    yield Began(job, places[place].run, places[place].training is None)
        for place, running in list(places.items()):
            ended = running.ended(asked)
            if ended is not None:
                del places[place]
                yield ended
        if places:
            time.sleep(POLL_SECONDS) if asked else stop.wait(POLL_SECONDS)


@dataclass(frozen=True)
class _Running:
    job: Job
    run: Run
    training: DetachedTraining | None
    """None where another process trains it."""

    def stop(self) -> None:
        """Have it save its state and end."""
        if self.training is not None:
            self.training.process.terminate()
            return
        with suppress(RunError):  # It has just ended.
            self.run.ask(Request.STOP)

    def ended(self, stopping: bool) -> Ended | None:
        """How it ended; None while it goes on."""
        run = self.run
        if self.training is None:
            status = run.status()
            state = State(status["state"])
            return None if state.alive else Ended(self.job, state, status.get("reason") or "")
        code = self.training.process.poll()
        if code is None:
            return None
        if code == 0 or (stopping and code in _STOPPED):
            _note(run, State.STOPPED, "it was stopped before it began to train")
            status = run.status()
            return Ended(self.job, State(status["state"]), status.get("reason") or "")
        failure = self.training.failure(code)
        _note(run, State.FAILED, failure.message)
        return Ended(self.job, State.FAILED, failure.message, failure.hint)


def _start(job: Job, environment: Mapping[str, str]) -> _Running:
    if job.run is not None:
        if job.run.state().alive:
            return _Running(job, job.run, None)
        return _Running(job, job.run, start(job.run, None, job.options, environment))
    run = Run(job.runs_dir / new_run_name(job.label))
    training = start(run, job.config, job.options, environment)
    set_group(run, job.group)
    return _Running(job, run, training)


def _note(run: Run, state: State, reason: str) -> None:
    """Note the end of a process that ended too early to do so itself."""
    status = read_json(run.folder / STATUS) or {}
    if "pid" in status or status.get("state") != State.STARTING:
        return
    with suppress(RunError, OSError), RunWriter(run.folder) as writer:
        writer.status(state, reason=reason)
