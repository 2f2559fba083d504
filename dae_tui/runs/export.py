"""A run for other programs: as event files, as a table, or in an MLflow server."""

import csv
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from dae_tui.errors import DaeError, RunError
from dae_tui.runs.event_files.writer import EventWriter, config_text
from dae_tui.runs.folder.figures import NAMES, figures_of, valid_events
from dae_tui.runs.folder.layout import SAMPLES, State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import number
from dae_tui.runs.npz_files import BROKEN, read_archive
from dae_tui.runs.watching.samples import MOST_BYTES, sample_steps

# The most metrics that MLflow takes at once; the longest value of a parameter.
MLFLOW_BATCH, MLFLOW_LONGEST = 1000, 6000


def export_events(run: Run, folder: Path) -> int:
    """Write a run as an event file in `folder`/NAME; returns the number of its figures.

    Raises DaeError where tensorboard is missing, RunError if that folder has event files already or
    cannot be written.
    """
    folder = folder / run.name
    if any(folder.glob("*tfevents*")):
        raise RunError(f"{folder} has event files already", "remove it, or name another folder")
    count, times = 0, dict[float, float]()
    try:
        with EventWriter(folder) as writer:
            for event in valid_events(run):
                writer.record(event)
                count += len(figures_of(event))
                times[number(event.get("step")) or 0] = number(event.get("time")) or 0
            began = min(times.values(), default=0)
            text = config_text(run.config(), run.meta().get("command"))
            writer.text("config", text, when=began or None)
            for step in sample_steps(run):
                try:
                    path = run.folder / SAMPLES / f"{step:08d}.npz"
                    writer.sample(step, read_archive(path, MOST_BYTES), times.get(step) or None)
                except BROKEN:
                    continue  # A broken sample stops no export.
    except OSError as failure:
        raise RunError(f"{folder} cannot be written: {failure.strerror}") from failure
    return count


def export_csv(run: Run, out: TextIO) -> int:
    """Write the figures of a run as a table, one line per event; returns the number of lines."""
    writer = csv.writer(out, lineterminator="\n")
    events = [(event, figures_of(event)) for event in valid_events(run)]
    found = {name for _, figures in events for name in figures}
    names = [*NAMES, *sorted(found - {*NAMES})]
    writer.writerow(["step", "time", *names])
    count = 0
    for event, figures in events:
        if figures:
            when = number(event.get("time"))
            values = ["" if name not in figures else f"{figures[name]:.9g}" for name in names]
            writer.writerow([event.get("step"), "" if when is None else f"{when:.3f}", *values])
            count += 1
    return count


def export_mlflow(run: Run, uri: str, experiment: str) -> str:
    """Log a run to an MLflow server and return its number there.

    Raises DaeError if mlflow is not installed, or the server does not take it.
    """
    # Its seven retries take minutes, where a server is not there.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    try:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as failure:
        raise DaeError(
            "--mlflow needs the package mlflow, which is not installed",
            "pip install 'dae-tui[mlflow]'",
        ) from failure
    events = list(valid_events(run))
    times = [when for event in events if (when := number(event.get("time"))) is not None]
    start, end = (round(1000 * pick(times or [time.time()])) for pick in (min, max))
    command = run.meta().get("command")
    try:
        client = MlflowClient(uri, registry_uri="")
        known = client.get_experiment_by_name(experiment)
        number_of = known.experiment_id if known else client.create_experiment(experiment)
        logged = client.create_run(number_of, start_time=start, run_name=run.name)
        identity = str(logged.info.run_id)
        params = [Param(key, value) for key, value in _params(run.config())]
        tags = [RunTag("dae.folder", str(run.folder)), RunTag("dae.command", str(command or ""))]
        client.log_batch(identity, params=params[:100], tags=tags)
        metrics = [
            Metric(name, value, round(1000 * (number(event.get("time")) or start / 1000)), step)
            for event in events
            if (step := int(number(event.get("step")) or 0)) >= 0
            for name, value in figures_of(event).items()
        ]
        for first in range(0, len(metrics), MLFLOW_BATCH):
            client.log_batch(identity, metrics=metrics[first : first + MLFLOW_BATCH])
        state = run.state()
        if not state.alive:
            ended = {State.FINISHED: "FINISHED", State.STOPPED: "KILLED"}.get(state, "FAILED")
            client.set_terminated(identity, ended, end)
    except MlflowException as failure:
        raise DaeError(
            f"MLflow at {uri} does not take the run: {' '.join(str(failure).split())[:300]}",
            "name a running server, such as http://localhost:5000; for sqlite:///FILE install "
            "mlflow itself",
        ) from failure
    return identity


def _params(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings of a run as MLflow's parameters."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _params({f"{key}.{inner}": each for inner, each in value.items()})
        elif value not in (None, "") and not (isinstance(value, float) and math.isnan(value)):
            yield key, str(value)[:MLFLOW_LONGEST]
