"""A folder of runs that looks the same on every machine and day, for the snapshots."""

import atexit
import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dae_tui.core.data.digits.embed_digits import EMBEDDED
from dae_tui.core.playground import PlaygroundResult
from dae_tui.devices.gpu_processes import GpuProcess
from dae_tui.devices.machine import Gpu, Machine
from dae_tui.devices.monitor import Monitor
from dae_tui.devices.reading import Reading
from dae_tui.runs.benchmarks import BENCHMARKS
from dae_tui.runs.compressions import COMPRESSIONS
from dae_tui.runs.folder.layout import STATUS, State, read_json, write_json
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.tags import set_group
from dae_tui.runs.folder.writer import RunWriter

GIB = 2.0**30
LIVE = "20260131-235959-mnist-autoencoder-3f2a"
HOUR = 3600
# 2026-01-31 23:59 UTC.
LOST = 1769903940.0
# Name, state, network, epochs, accuracy, and how many hours ago it was heard of.
ENDED = (
    ("20260130-101500-mnist-dense-77c1", State.FINISHED, "dense", 30, 97.28, 2.2),
    ("20260130-120000-digits-autoencoder-a0b1", State.STOPPED, "autoencoder", 12, 94.5, 26.5),
    ("20260131-080000-mnist-unstable-0d0d", State.FAILED, "autoencoder", 3, None, 50.5),
    ("20260131-091500-mnist-killed-9e9e", State.RUNNING, "autoencoder", 7, None, 99.5),
)


EXAMPLE_PROCESSES = (
    GpuProcess(4711, Reading(11.2 * GIB), "user", "python -m dae_tui train --data mnist"),
    GpuProcess(4712, Reading(None, "N/A on this GPU"), "", ""),
)


class FakeMonitor(Monitor):
    """A machine with one GPU that is always as busy."""

    def read(self, *, processes: bool = False) -> Machine:
        gpu = Gpu(
            0,
            "NVIDIA H200",
            "GPU-0",
            Reading(87.0),
            Reading(12.3 * GIB),
            Reading(139.0 * GIB),
            Reading(612.0),
            Reading(700.0),
            Reading(54.0),
            Reading(1980.0),
            EXAMPLE_PROCESSES if processes else (),
        )
        cpu = Reading(45.0)
        used, total = Reading(5.1 * GIB), Reading(128.0 * GIB)
        return Machine(0.0, "box", (gpu,), "", "AMD EPYC", 16, cpu, used, total)


class EightGpus(FakeMonitor):
    """A machine with eight GPUs, of which number 5 is lost from the second reading on."""

    def __init__(self) -> None:
        super().__init__({})
        self._readings = 0

    def read(self, *, processes: bool = False) -> Machine:
        self._readings += 1
        machine = super().read(processes=processes)
        (gpu,) = machine.gpus
        gpus = [
            replace(
                gpu,
                index=n,
                uuid=f"GPU-{n}",
                utilisation=Reading(11.0 * n + 5),
                processes=tuple(
                    replace(each, pid=each.pid + 10 * n, command=f"{each.command} --seed {n}")
                    for each in gpu.processes[:1]
                ),
            )
            for n in range(8)
        ]
        if self._readings > 1:
            lost = Reading(None, "GPU lost")
            gpus[5] = replace(
                gpus[5],
                utilisation=lost,
                memory_used=lost,
                memory_total=lost,
                power=lost,
                power_limit=lost,
                temperature=lost,
                clock=lost,
                processes=(),
                process_reason="GPU lost",
                lost_since=LOST,
            )
        return replace(machine, gpus=tuple(gpus))


@contextmanager
def example_runs(runs_dir: Path) -> Iterator[Path]:
    """Runs in every state, one of them alive; two benchmark tables."""
    shutil.copytree(_ended_runs(), runs_dir, dirs_exist_ok=True)
    for name, _, _, _, _, hours in ENDED:
        status = read_json(runs_dir / name / STATUS) or {}
        write_json(runs_dir / name / STATUS, status | {"heartbeat": time.time() - hours * HOUR})
    with RunWriter(runs_dir / LIVE) as writer:
        _train(writer, "autoencoder", 12, State.RUNNING)
        yield runs_dir


@cache
def _ended_runs() -> Path:
    """A folder with all of it but the run that is alive, written once for all tests."""
    runs_dir = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, runs_dir)
    for name, state, network, epochs, accuracy, _ in ENDED:
        with RunWriter(runs_dir / name) as writer:
            _train(writer, network, epochs, state)
            reason = "the training diverged: the loss of step 1650 is nan"
            writer.status(state, reason if state is State.FAILED else "", test_accuracy=accuracy)
    for n, (noise, accuracy) in enumerate((("gaussian:0.5", 98.05), ("poisson:30", 98.91))):
        folder = runs_dir / BENCHMARKS
        folder.mkdir(exist_ok=True)
        write_json(folder / f"2026013{n}-120000-mnist-00a{n}.json", _table(noise, accuracy))
    return runs_dir


def sweep_runs(runs_dir: Path) -> None:
    """A group of six runs, which differ in learning rate and seed; one of them has failed."""
    for n, (lr, seed) in enumerate((lr, seed) for lr in (1e-3, 3e-3, 1e-2) for seed in (0, 1)):
        with RunWriter(runs_dir / f"20260131-00000{n}-digits-lr{lr:g}-s{seed}-00a{n}") as writer:
            config = {"network": "dense", "data": "digits", "noise": "gaussian:0.5", "epochs": 2}
            writer.describe(config | {"lr": lr, "seed": seed}, {})
            failed = (lr, seed) == (3e-3, 1)
            figures: dict[str, Any] = {"epoch": 1, "step": 10, "val_loss": 0.05 + 5e-5 / lr}
            figures["val_loss"] += seed / 100
            figures |= {"val_psnr": 20.5 - 100 * figures["val_loss"], "best": True}
            if not failed:
                writer.record({"event": "validation", **figures})
                later = {"epoch": 2, "step": 20, "val_loss": figures["val_loss"] + 0.002}
                writer.record({"event": "validation", **figures | later | {"best": False}})
                figures |= later
            state = State.FAILED if failed else State.FINISHED
            writer.status(state, **({} if failed else figures))
        set_group(Run(writer.folder), "lr-3f2a")


def compressions(runs_dir: Path) -> None:
    """Three kept tables: of one image as published and by least squares, and of a larger one."""
    for n, (name, first, last, values, published) in enumerate(
        (
            ("camera", 16, 6, 4096, False),
            ("camera-published", 16, 6, 4096, True),
            ("peppers", 24, 10, 65536, False),
        )
    ):
        table = compression(first, last, values, published=published)
        table["protocol"]["inputs"] = [f"{name.partition('-')[0]}.png"]
        folder = runs_dir / COMPRESSIONS
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / f"2026013{n}-120000-{name}-00c{n}.json", table)


def compression(
    first: int, last: int, values: int = 4096, *, published: bool = False
) -> dict[str, Any]:
    """The table of an image that was pruned from `first` to `last` units."""
    steps: list[dict[str, Any]] = []
    for units in range(first, last - 1, -1):
        error = (0.03 if published else 0.02) / units
        steps.append(
            {
                "units": units,
                "ratio": 256 / units,
                "smallest_angle": 20.0 + units,
                "squared_error": error * values,
                "psnr": -10 * math.log10(error),
                "ssim": 1 - 20 * error,
            }
        )
    protocol = {"inputs": ["a.png"], "patch": 16, "values": values, "published": published}
    file = {"method": "dae", "bytes": 40 * last, "ratio": 1000 / last, "psnr": 21.5, "ssim": 0.6}
    return {"file": "a.dae", "protocol": protocol, "steps": steps, "rows": [file]}


def _train(writer: RunWriter, network: str, epochs: int, state: State) -> None:
    """The events of a training of `epochs` of 30 epochs."""
    config = {"network": network, "data": "mnist", "noise": "gaussian:0.5", "epochs": 30}
    writer.describe(config, {"device": "NVIDIA H200"})
    started = {"epochs": 30, "steps_per_epoch": 550, "step": 0, "precision": "bf16"}
    writer.record({"event": "started", **started})
    rng = np.random.default_rng(0)
    figures: dict[str, Any] = dict(started)
    for epoch in range(1, epochs + 1):
        for step in range(550 * (epoch - 1) + 50, 550 * epoch + 1, 50):
            loss = 0.008 + 0.2 / (1 + step / 40) + 0.002 * float(rng.random())
            event = {"epoch": epoch, "step": step, "loss": round(loss, 6), "lr": 8e-4}
            event |= {"images_per_second": 9100.0, "seconds": step / 91}
            writer.record({"event": "step", **event})
            figures |= event
        writer.record(_devices(epoch))
        validation = {
            "epoch": epoch,
            "step": 550 * epoch,
            "val_loss": round(0.0085 + 0.1 / (1 + 14 * epoch), 6),
            "val_psnr": 20.9 - 2 / epoch,
            "val_accuracy": 97.5 - 2 / epoch,
            "best": True,
        }
        writer.record({"event": "validation", **validation})
        figures |= validation
        if epoch % 4 == 0:
            writer.sample(550 * epoch, _digits(epoch))
    writer.status(state, **figures)
    log = writer.folder / "train.log"
    log.write_text("".join(f"2026-01-31 23:59:{n:02d} epoch {n} is over\n" for n in range(9)))


def _devices(epoch: int) -> dict[str, Any]:
    """What is recorded of the devices, towards the end of an epoch."""
    gpu = {"gpu": 0, "use": 80.0 + epoch % 5, "memory": (10 + epoch / 6) * GIB}
    gpu["power"] = 580.0 + 9 * (epoch % 4)
    step = 550 * epoch
    return {"event": "devices", "step": step, "cpu": 30.0 + 5 * (epoch % 3), "gpus": [gpu]}


@cache
def _digits(epoch: int) -> dict[str, np.ndarray]:
    """Sixteen embedded digits, with noise, and less and less of it left over."""
    with np.load(EMBEDDED) as stored:
        small, labels = stored["images"][:16], stored["labels"][:16]
    original = np.zeros((16, 1, 28, 28))
    original[:, 0, 2:26, 2:26] = np.kron(small, np.ones((1, 3, 3))) / 16
    noise = np.random.default_rng(1).normal(size=original.shape)
    views = {
        "original": original,
        "noisy": original + 0.5 * noise,
        "denoised": original + 0.5 / math.sqrt(4 + epoch**2) * noise,
    }
    arrays = {view: (images.clip(0, 1) * 255).astype(np.uint8) for view, images in views.items()}
    wrong = np.where(np.arange(16) % 3, labels, 8)
    return arrays | {
        "labels": labels.astype(np.int64),
        "reads_original": labels.astype(np.int64),
        "reads_noisy": np.full(16, 8),
        "reads_denoised": wrong.astype(np.int64),
    }


def example_result() -> PlaygroundResult:
    """The first digit, which the classifier predicts rightly except for the noisy view."""
    arrays = _digits(8)
    probabilities = {
        view: np.full(10, 0.02, np.float32) for view in ("original", "noisy", "denoised")
    }
    for view, read in (("original", 0), ("noisy", 8), ("denoised", 0)):
        probabilities[view][read] = 0.82
    return PlaygroundResult(
        number=0,
        count=1797,
        label=0,
        views={view: arrays[view][0].astype(np.float32) / 255 for view in probabilities},
        psnr={"noisy": 9.7, "denoised": 20.7},
        probabilities=probabilities,
        trained="mnist with gaussian:0.5",
    )


def _table(noise: str, accuracy: float) -> dict[str, object]:
    def row(view: str, method: str | None, correct: float, psnr: float | None) -> dict[str, object]:
        return {
            "view": view,
            "method": method,
            "noise": None if view == "original" else noise,
            "accuracy": correct,
            "accuracy_low": correct - 0.3,
            "accuracy_high": correct + 0.3,
            "psnr": psnr,
            "ssim": 0.9,
            "images_per_second": 3766.0 if method else None,
        }

    return {
        "protocol": {"data": "mnist", "images": 10000, "noise": noise, "clip": True, "seed": 0},
        "rows": [
            row("original", None, 99.52, None),
            row("noisy", None, 9.74, 9.38),
            row("denoised", "mnist-autoencoder", accuracy, 21.07),
            row("denoised", "mnist-dense", accuracy - 0.8, 20.05),
        ],
    }


def photographs_run(runs_dir: Path, name: str, residue: float = 0.02, **config: Any) -> Run:
    """A finished run with samples of three colour photographs of 128×128 pixels.

    Args:
        runs_dir: the folder of runs.
        name: of the run.
        residue: the standard deviation of the noise that is left in what it denoised.
        config: what its config has beside the network, data and noise.
    """
    with RunWriter(runs_dir / name) as writer:
        known = {"network": "unet", "data": "camera", "noise": "none", "epochs": 1}
        writer.describe(known | config, {})
        writer.record({"event": "step", "step": 10, "loss": 0.004})
        writer.record({"event": "validation", "epoch": 1, "step": 10, "val_loss": 0.003})
        for step in (5, 10):
            writer.sample(step, photographs(residue * 10 / step))
        figures: dict[str, Any] = {
            "epoch": 1,
            "step": 10,
            "loss": 0.004,
            "val_loss": 0.003,
            "val_psnr": 33.7,
        }
        writer.status(State.FINISHED, **figures)
    return Run(runs_dir / name)


def photographs(residue: float) -> dict[str, np.ndarray]:
    """Three dark red images with stripes in one corner, noisy, and with less noise."""
    original = np.zeros((3, 3, 128, 128))
    original[:, 0] = 0.5
    original[:, 0, 96:, 96::2] = 0.9
    noise = np.random.default_rng(1).normal(size=original.shape)
    views = {
        "original": original,
        "noisy": original + 0.05 * noise,
        "denoised": original + residue * noise,
    }
    return {view: (images.clip(0, 1) * 255).astype(np.uint8) for view, images in views.items()}
