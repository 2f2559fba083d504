"""All of `dae benchmark speed` in one run, part by part."""

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.evaluation.protocol import evaluation_generator
from dae_tui.core.hardware import device_name, resolve_device, resolve_precision
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.speed.denoising.denoising_speed import Throughput, measure_inference
from dae_tui.core.speed.denoising.photograph_denoising import (
    PhotographThroughput,
    photograph_throughput,
)
from dae_tui.core.speed.roofline import Peaks, Share, measure_peaks, measure_shares
from dae_tui.core.speed.startup import Startup, measure_startup
from dae_tui.core.speed.training.data_size import COUNTS, Scale, measure_scale
from dae_tui.core.speed.training.photograph_training import PhotographSpeed, photograph_speed
from dae_tui.core.speed.training.time_to_accuracy import (
    Agreement,
    Target,
    measure_agreement,
    measure_targets,
)
from dae_tui.core.speed.training.training_loops import BATCH, Task
from dae_tui.core.speed.training.training_speed import LoopSpeed, training_speed
from dae_tui.core.weights.weights_file import Weights
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import OPERATING_POINT
from dae_tui.system.cores import usable_cores
from dae_tui.version import __version__

TUTORIAL = "tutorial"
PAPER = "autoencoder"
# MNIST has so many training images: what a tutorial calls an epoch.
EPOCH_IMAGES = 60_000
# Steps per round: some seconds of the textbook's loop on two cores.
STEPS = 20


@dataclass(frozen=True)
class SpeedOptions:
    """What to measure, and how often."""

    parts: Sequence[str]
    data: str
    data_dir: Path
    device: str
    rounds: int
    seeds: int
    epochs: int
    counts: tuple[int, ...] = COUNTS


@dataclass
class SpeedReport:
    """What was measured; parts that were not requested are empty."""

    protocol: dict[str, Any]
    training: list[LoopSpeed] = field(default_factory=list)
    epoch_seconds: float | None = None
    """Of the tutorial's network in the textbook's loop, 60 000 images."""
    targets: list[Target] = field(default_factory=list)
    inference: list[Throughput] = field(default_factory=list)
    peaks: Peaks | None = None
    shares: list[Share] = field(default_factory=list)
    photographs: list[PhotographSpeed] = field(default_factory=list)
    megapixels: list[PhotographThroughput] = field(default_factory=list)
    startup: list[Startup] = field(default_factory=list)
    scale: list[Scale] = field(default_factory=list)
    agreement: list[Agreement] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_speed(options: SpeedOptions, networks: list[Weights]) -> Generator[str | SpeedReport]:
    """Measure the requested parts; yields its progress, and the SpeedReport last."""
    device = resolve_device(options.device)
    precision = resolve_precision("auto", device)
    precisions = ["fp32", precision] if precision != "fp32" else ["fp32"]
    task = Task(TUTORIAL, options.data, str(options.data_dir), options.device, STEPS)
    report = SpeedReport(_protocol(options, device, precision))
    if {"training", "targets"} & set(options.parts):
        # The targets alone need only the textbook's epoch.
        wanted = precisions if "training" in options.parts else []
        tutorial = yield from training_speed(task, wanted, options.rounds)
        report.epoch_seconds = EPOCH_IMAGES / tutorial[0].images_per_second.median
    if "training" in options.parts:
        paper = replace(task, network=PAPER)
        report.training = tutorial + (yield from training_speed(paper, precisions, options.rounds))
    if "targets" in options.parts:
        report.targets = yield from measure_targets(task, options.seeds, report.epoch_seconds)
    if {"inference", "peak"} & set(options.parts):
        yield "making noisy digits"
        noisy = _noisy(options)
    if "inference" in options.parts:
        report.inference = yield from measure_inference(
            networks, noisy, device, precision, options.rounds
        )
    if "peak" in options.parts:
        yield "measuring peaks"
        report.peaks = measure_peaks(device, precisions)
        report.shares = yield from measure_shares(networks, noisy, device, report.peaks)
    if "photographs" in options.parts:
        report.photographs = yield from photograph_speed(options.device, options.rounds)
    if "megapixels" in options.parts:
        report.megapixels = yield from photograph_throughput(options.device, options.rounds)
    if "startup" in options.parts:
        report.startup = yield from measure_startup(options.rounds, options.data, options.data_dir)
    if "scale" in options.parts:
        report.scale = yield from measure_scale(task, options.counts)
    if "agreement" in options.parts:
        report.agreement = yield from measure_agreement(task, options.seeds, options.epochs)
    yield report


def _protocol(options: SpeedOptions, device: torch.device, precision: str) -> dict[str, Any]:
    return {
        "device": device_name(device),
        "cores": usable_cores(),
        "precision": precision,
        "data": options.data,
        "noise": OPERATING_POINT,
        "batch": BATCH,
        "rounds": options.rounds,
        "seeds": options.seeds,
        "versions": {"dae-tui": __version__, "torch": torch.__version__},
    }


def _noisy(options: SpeedOptions) -> torch.Tensor:
    images = unit(load(options.data, "test", options.data_dir).images)
    return add_noise(images, parse_noise(OPERATING_POINT), evaluation_generator(0))
