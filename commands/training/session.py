"""One training from start to result: each event goes to the run's folder and to the display."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dae_tui.commands.training.device_readings import DeviceReadings
from dae_tui.commands.training.event_copy import EventCopy
from dae_tui.commands.training.other_load import OtherLoad
from dae_tui.commands.training.result import Display, Result
from dae_tui.core.hardware import device_name
from dae_tui.core.training.distributed import Group, joined
from dae_tui.core.training.experiment import Experiment, prepare, versions, with_metrics
from dae_tui.core.weights.weights_file import load_weights, to_bytes
from dae_tui.devices.nvidia import NvidiaGpus
from dae_tui.errors import DataError, ExitCode, RunError, UsageError
from dae_tui.models.registry import NETWORKS
from dae_tui.runs.folder.layout import LAST_STATE, Request, State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter
from dae_tui.runs.stop_signals import Signals, exit_code_of
from dae_tui.spec.events import Checkpoint, Event, Finished, Sample, as_json
from dae_tui.spec.table import Table
from dae_tui.spec.training_config import TrainingConfig
from dae_tui.system.atomic import write_whole
from dae_tui.system.ranks import ranks
from dae_tui.system.regular_files import read_regular

PAUSE_POLL_SECONDS = 0.2
# Weights and the optimiser's state of each; those of published weights take ten megabytes.
MOST_STATE = 64 << 30
ASKED = "it was asked to stop"


def run_training(
    config: TrainingConfig,
    classifier: Path | None,
    command: str,
    writer: RunWriter,
    signals: Signals,
    display: Display,
    copy: EventCopy,
) -> Result | None:
    """Train as `config` says into the folder of `writer`; the result, unless it was stopped.

    Where the folder holds a checkpoint, the training goes on from there.
    """
    run = Run(writer.folder)
    with joined() as group:
        experiment = prepare(config, classifier, command)
        for line in [*_moved(experiment, run), *experiment.remarks]:
            display.say(line)
            writer.log(line)
        events = _ready(experiment, run, signals, group)
        writer.describe(config.as_json(), _meta(experiment, group, run))
        copy.describe(config.as_json(), experiment.command)
        with _device_readings(experiment) as readings:
            finished = _train(events, writer, display, signals, copy, readings)
    if writer.lock_replaced:
        raise RunError(
            "its lock file was replaced, so that another process may train in its folder; it "
            "stopped, and its state is saved",
            f"see dae runs list; go on with: dae train --resume {run.folder}",
        )
    if signals.stopping() or not run.weights.is_file():
        result = None
    else:
        result = _benchmark(experiment, run, writer, display, signals, finished)
    if result is not None and finished.complete:
        writer.status(State.FINISHED)
    else:
        writer.status(State.STOPPED, reason="a signal ended it" if signals.stopping() else ASKED)
    return result


def join_training() -> ExitCode:
    """Train as one of several processes, of which rank 0 validates, writes and prints.

    Until all have joined, signals end it at once. Raises LostProcessError where another process
    ends too early.
    """
    with joined() as group, Signals() as signals:
        config, command, stored = group.broadcast(None)
        # One process of each machine downloads what is missing there, before the others look.
        if ranks().local > 0:
            group.barrier()
        experiment = prepare(TrainingConfig.from_json(config), None, command)
        if ranks().local == 0:
            group.barrier()
        try:
            events = experiment.train(stored, signals.stop, group)
        except (DataError, RunError, UsageError) as failure:
            return failure.exit_code  # Rank 0 meets the same error, and prints it.
        for _ in events:
            pass
    return ExitCode.OK if signals.received is None else exit_code_of(signals.received)


def _moved(experiment: Experiment, run: Run) -> list[str]:
    """Lines about images of a resumed run that are in another place now.

    Raises RunError if they are not the images that it was trained on.
    """
    config, known = experiment.config, run.data_checksum()
    if known is not None and experiment.checksum is not None and known != experiment.checksum:
        raise RunError(
            f"the images in {config.data} are not those that the run was trained on",
            "name the folder that holds those with --data, or start a new training",
        )
    before = run.config().get("data", config.data)
    if before == config.data:
        return []
    lines = [f"the images are in {config.data} now; they were in {before}"]
    if known is None:
        lines.append("the run has no checksum of its images: only their number is compared")
    return lines


def _ready(experiment: Experiment, run: Run, signals: Signals, group: Group) -> Iterator[Event]:
    """The training, ready to begin or to resume; the other ranks have been sent what they need."""
    try:
        stored = read_regular(run.folder / LAST_STATE, MOST_STATE)
    except FileNotFoundError:
        stored = None
    except OSError as failure:
        raise RunError(
            f"{failure.filename} cannot be read: {str(failure.strerror).lower()}",
            "put the checkpoint back, or start a new training",
        ) from failure
    config = dataclasses.replace(experiment.config, classifier="")  # Rank 0 alone validates.
    group.broadcast((config.as_json(), experiment.command, stored))
    group.barrier()
    return experiment.train(stored, signals.stop, group)


def _train(
    events: Iterator[Event],
    writer: RunWriter,
    display: Display,
    signals: Signals,
    copy: EventCopy,
    readings: DeviceReadings,
) -> Finished:
    writer.status(State.RUNNING, test_accuracy=None)
    other_load = OtherLoad(writer, display)
    for event in events:
        _store(event, writer, copy)
        measured = readings.take(event.step)
        if measured is not None:
            writer.record(measured)
            copy.record(measured)
        display.show(event)
        other_load.notice(event)
        _obey(writer, display, signals)
    assert isinstance(event, Finished)
    return event


def _device_readings(experiment: Experiment) -> DeviceReadings:
    """Of the GPUs of this machine that the processes train on, and of the processor."""
    device, together = experiment.device, ranks()
    if device.type != "cuda":
        return DeviceReadings([])
    used = range(together.here) if together.size > 1 else [device.index or 0]
    from dae_tui.core.hardware import gpu_uuids

    return DeviceReadings(used, NvidiaGpus(os.environ), uuids=gpu_uuids(used))


def _store(event: Event, writer: RunWriter, copy: EventCopy) -> None:
    """Write an event to the run's folder while the training waits.

    A second thread would gain little: lines and samples of the recipe `fast` take 0.09 s of 2 s,
    those of an epoch of the paper's network 0.3 s of 26 s.
    """
    if isinstance(event, Checkpoint):
        writer.checkpoint(event.kind, event.files)
        writer.log(f"checkpoint {event.kind} after epoch {event.epoch}, step {event.step}")
    elif isinstance(event, Sample):
        arrays = _sample_arrays(event)
        writer.sample(event.step, arrays)
        copy.sample(event.step, arrays)
    else:
        stored = as_json(event)
        writer.record(stored)
        copy.record(stored)
        kind = stored.pop("event")
        writer.heartbeat(**stored)
        if kind != "step":
            writer.log(f"{kind}: " + ", ".join(f"{key} {value}" for key, value in stored.items()))


def _obey(writer: RunWriter, display: Display, signals: Signals) -> None:
    """Do what others asked of the run; while it is paused, wait here."""
    if writer.request() is Request.PAUSE:
        writer.status(State.PAUSED)
        writer.log("paused")
        display.say(f"paused; go on with: dae runs resume {writer.folder.name}")
        while writer.request() is Request.PAUSE and not _is_to_stop(writer, signals):
            writer.heartbeat()
            time.sleep(PAUSE_POLL_SECONDS)
        if not _is_to_stop(writer, signals):
            writer.status(State.RUNNING)
            writer.log("resumed")
            display.say("resumed")
    if _is_to_stop(writer, signals):
        signals.stop.set()


def _is_to_stop(writer: RunWriter, signals: Signals) -> bool:
    return writer.request() is Request.STOP or writer.lock_replaced or signals.stop.is_set()


def _benchmark(
    experiment: Experiment,
    run: Run,
    writer: RunWriter,
    display: Display,
    signals: Signals,
    finished: Finished,
) -> Result | None:
    """Evaluate the best weights on the test images and write the metrics into their file.

    None if a signal comes meanwhile: the evaluation is made when the run is resumed.
    """
    writer.status(State.EVALUATING)
    name = experiment.config.network
    weights = load_weights(run.weights, name, NETWORKS[name].task)
    for progress in experiment.benchmark(weights):
        if isinstance(progress, Table):
            table = progress
        else:
            writer.heartbeat()
            display.show_evaluation(progress)
            if signals.stopping():
                return None
    measured = with_metrics(weights, table)
    write_whole(run.weights, to_bytes(weights.network, measured))
    done = {
        "event": "done",
        "run": str(run.folder.resolve()),
        "weights": str(run.weights.resolve()),
        "seconds": round(finished.seconds, 3),
        "benchmark": table.as_json(),
    }
    writer.record(done)
    writer.log("done")
    writer.heartbeat(test_accuracy=table.rows[0 if name == "classifier" else -1].accuracy)
    return Result(experiment, dataclasses.replace(weights, metadata=measured), table, done)


def _meta(experiment: Experiment, group: Group, run: Run) -> dict[str, Any]:
    return {
        "folder": str(run.folder.resolve()),
        "data_checksum": experiment.checksum,
        "argv": sys.argv,
        "command": experiment.command,
        "versions": versions(),
        "git": _git_commit(),
        "device": device_name(experiment.device),
        "processes": group.size,
        "classifier": None if experiment.classifier is None else experiment.classifier.name,
        "started": round(time.time(), 3),
    }


def _git_commit() -> str | None:
    """The commit of the working directory, if it is a repository and git is there.

    It ends in `-dirty` where files have changed since, like that of `git describe --dirty`. That
    command itself would run the filters that the repository's config names: a folder from somebody
    else could run any program.
    """
    commit = _git("describe", "--always")
    changed = commit and _git("diff-index", "--name-only", "HEAD", "--")
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _sample_arrays(sample: Sample) -> Mapping[str, NDArray[Any]]:
    """A sample as a run keeps it: views as uint8, and the predicted classes of each."""
    arrays: dict[str, NDArray[Any]] = {
        view: (getattr(sample, view) * 255).round().astype(np.uint8)
        for view in ("original", "noisy", "denoised")
    }
    if sample.labels is not None:
        arrays["labels"] = sample.labels
    for view, predictions in (sample.predictions or {}).items():
        arrays[f"reads_{view}"] = predictions
    return arrays
