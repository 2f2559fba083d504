"""Runs for other programs."""

import csv
import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dae_tui.errors import DaeError, RunError
from dae_tui.runs.event_files.folders import EventRun
from dae_tui.runs.event_files.reader import EventLog
from dae_tui.runs.event_files.writer import EventWriter
from dae_tui.runs.export import export_csv, export_events, export_mlflow
from dae_tui.runs.folder.layout import State
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished run that was killed after step 4, and resumed from step 2."""
    folder = tmp_path / "20260131-235959-digits-dense-3f2a"
    with RunWriter(folder) as writer:
        writer.describe({"network": "dense", "lr": 0.01}, {"command": "dae train dense"})
        for steps, loss in ((range(1, 5), 1.0), (range(3, 7), 0.5)):
            writer.record({"event": "started", "step": steps[0] - 1})
            for step in steps:
                event = {"event": "step", "epoch": 1, "step": step, "loss": loss / step, "lr": 0.01}
                writer.record(event | {"images_per_second": 100.0, "seconds": 0.1 * step})
        validation = {"event": "validation", "epoch": 1, "step": 6, "val_loss": 0.125}
        writer.record(validation | {"val_psnr": None, "val_accuracy": 97.5, "best": True})
        grey = np.full((5, 1, 8, 8), 200, np.uint8)
        writer.sample(6, {"original": grey, "noisy": grey, "denoised": grey})
        writer.status(State.FINISHED)
    return Run(folder)


def test_event_files_hold_what_tensorboard_reads(run: Run, tmp_path: Path) -> None:
    count = export_events(run, tmp_path / "out")
    judge = EventAccumulator(str(tmp_path / "out" / run.name), size_guidance={"scalars": 0})
    judge.Reload()
    loss = judge.Scalars("loss/train")
    assert [each.step for each in loss] == [1, 2, 3, 4, 5, 6]
    expected = [1.0, 0.5, *(0.5 / step for step in range(3, 7))]
    assert [each.value for each in loss] == pytest.approx(expected)
    assert [(each.step, each.value) for each in judge.Scalars("accuracy/val")] == [(6, 97.5)]
    assert "psnr/val" not in judge.Tags()["scalars"]
    assert len(judge.Images("image 4/denoised")) == 1
    assert sum(len(judge.Scalars(tag)) for tag in judge.Tags()["scalars"]) == count
    # The times are those of the training, not of the export.
    recorded = [each.wall_time for each in loss]
    assert max(recorded) < os.stat(run.folder / "status.json").st_mtime + 1  # noqa: PTH116


def test_what_was_exported_is_read_by_the_dashboard(run: Run, tmp_path: Path) -> None:
    export_events(run, tmp_path / "out")
    folder = tmp_path / "out" / run.name
    log = EventLog(EventRun(folder, folder.parent))
    log.read(1.0)
    assert log.series["loss/val"].last == 0.125
    assert log.image_steps() == [6]
    assert any("dae train dense" in line for line in log.texts)


def test_a_resumed_training_voids_the_steps_that_it_repeats_for_tensorboard(tmp_path: Path) -> None:
    for first, value in ((1, 1.0), (3, 0.5)):
        with EventWriter(tmp_path) as writer:
            writer.record({"event": "started", "step": first - 1})
            for step in range(first, first + 4):
                writer.record({"event": "step", "step": step, "loss": value, "time": 1.7e9 + step})
    judge = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    judge.Reload()
    found = [(each.step, each.value) for each in judge.Scalars("loss/train")]
    assert found == [(1, 1.0), (2, 1.0), *((step, 0.5) for step in range(3, 7))]


def test_a_second_export_does_not_mix_with_the_first(run: Run, tmp_path: Path) -> None:
    export_events(run, tmp_path / "out")
    with pytest.raises(RunError, match="has event files already"):
        export_events(run, tmp_path / "out")


def test_a_table_has_a_line_for_each_report(run: Run) -> None:
    out = io.StringIO()
    assert export_csv(run, out) == 7
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6", "6"]
    assert float(rows[2]["loss/train"]) == pytest.approx(0.5 / 3)
    assert rows[-1]["loss/val"] == "0.125"
    assert rows[-1]["loss/train"] == rows[-1]["psnr/val"] == ""


def test_without_mlflow_one_line_says_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    with pytest.raises(DaeError) as failure:
        export_mlflow(run, "http://localhost:1", "dae")
    assert failure.value.hint == "pip install 'dae-tui[mlflow]'"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_gets_settings_and_figures(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    uri = (tmp_path / "mlruns").as_uri()
    identity = export_mlflow(run, uri, "digits")
    client: Any = MlflowClient(uri)
    logged = client.get_run(identity)
    assert logged.info.status == "FINISHED"
    assert logged.data.params == {"network": "dense", "lr": "0.01"}
    history = client.get_metric_history(identity, "loss/train")
    assert sorted(each.step for each in history) == [1, 2, 3, 4, 5, 6]
    assert logged.data.metrics["accuracy/val"] == 97.5


def test_how_busy_the_devices_were_is_exported_too(run: Run, tmp_path: Path) -> None:
    gpu = {"gpu": 1, "use": 90.0, "memory": 3 * 2**30, "power": 612.0}
    with RunWriter(run.folder) as writer:
        writer.record({"event": "devices", "step": 6, "cpu": 40.0, "gpus": [gpu, "broken"]})
    out = io.StringIO()
    export_csv(run, out)
    last = list(csv.DictReader(io.StringIO(out.getvalue())))[-1]
    figures = ("cpu_percent", "gpu_percent/1", "gpu_memory_gib/1", "gpu_watts/1", "loss/train")
    assert [last[name] for name in figures] == ["40", "90", "3", "612", ""]
    export_events(run, tmp_path / "out")
    judge = EventAccumulator(str(tmp_path / "out" / run.name), size_guidance={"scalars": 0})
    judge.Reload()
    assert [(each.step, each.value) for each in judge.Scalars("gpu_watts/1")] == [(6, 612.0)]
