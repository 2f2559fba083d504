"""Learning a codec from a data set or a folder: its images, its measured figures, its file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dae_tui.core.compression.codecs import Codec
from dae_tui.core.compression.coder import encoder_of_codec
from dae_tui.core.compression.learning import Images, learn
from dae_tui.core.data.image_folder import read_folder
from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.evaluation.classifiers.classifier import (
    classifier_from_weights,
    find_classifier_weights,
)
from dae_tui.core.evaluation.compression.compression_quality import measure_codec
from dae_tui.core.hardware import device_name
from dae_tui.core.training.experiment import versions
from dae_tui.core.weights.weights_file import to_bytes
from dae_tui.errors import DataError, UsageError
from dae_tui.models.autoassociative import Network, Settings, cut
from dae_tui.spec.training_config import DATA_SETS

MOST_PATCHES = 120_000
"""So many patches of photographs, drawn at random, are learnt from."""
MOST_WHOLE = 100
"""So many photographs, or a hundred times as many small images, for the probabilities."""
MEASURED_RATIOS = (8, 16, 32, 64, 128, 256)
VALIDATION = 5000
STEP_OF_SMALL, STEP_OF_PHOTOGRAPHS = 1.0, 5.0
"""The step of codes: fine, so that the number of units tells the size, or as is best for size."""


@dataclass(frozen=True)
class CodecPlan:
    """What `dae codec train` is asked for."""

    data: str
    data_dir: Path
    units: int
    side: int | None
    """Of patches; None is the side of small images, else 16."""
    step: float | None
    seed: int
    command: str


@dataclass(frozen=True)
class Found:
    """Images to learn from and to measure with."""

    images: Images
    test: Sequence[Tensor]
    """Float images (N, C, H, W) of one size each."""
    labels: Tensor | None
    channels: int
    side: int
    count: int
    name: str


def make_codec(plan: CodecPlan) -> Iterator[str | bytes]:
    """Learn a codec and measure it; yields what is being done, and the file at the end.

    Raises DataError or UsageError for images that cannot be learnt from.
    """
    found = _small_images(plan) if plan.data in DATA_SETS else _photographs(plan)
    step = plan.step or (STEP_OF_SMALL if plan.data in DATA_SETS else STEP_OF_PHOTOGRAPHS)
    values = found.channels * found.side**2
    try:
        settings = Settings(found.channels, found.side, min(plan.units, values), step=step)
    except ValueError as failure:
        raise UsageError(f"there is no such codec: {failure}", "see dae codec train --help") from (
            failure
        )
    if len(found.images.patches) < settings.units:
        raise DataError(
            f"{plan.data} has {len(found.images.patches)} patches, too few for {settings.units} "
            "units",
            "give more images, or ask for fewer --units",
        )
    yield f"learning from {len(found.images.patches):,} patches of {found.count:,} images"
    network = learn(found.images, settings)
    yield "measuring"
    yield to_bytes(network, _metadata(plan, found, network))


def _small_images(plan: CodecPlan) -> Found:
    """Images of a data set by name, each of which is one patch."""
    whole, test = (load(plan.data, part, plan.data_dir) for part in ("train", "test"))
    channels, height, width = whole.shape
    if plan.side not in (None, height) or height != width:
        raise UsageError(
            f"each image of {plan.data} is one patch of {height}×{width}", "leave --patch out"
        )
    # The images that validate other trainings are not learnt from either.
    validating = VALIDATION if len(whole) > 2 * VALIDATION else 0
    learnt = unit(whole.images[: len(whole) - validating])
    patches = cut(learnt, height)[:, 0]
    some = patches[:: max(1, len(patches) // (100 * MOST_WHOLE))]
    images = Images(patches, [some.reshape(len(some), 1, 1, -1)])
    return Found(images, [unit(test.images)], test.labels, channels, height, len(learnt), plan.data)


def _photographs(plan: CodecPlan) -> Found:
    """Patches of the images of a folder, at random places; every tenth scene is for measuring."""
    folder = read_folder(Path(plan.data))
    if not folder.images:
        raise folder.nothing()
    side = plan.side or 16
    channels = 3 if folder.colour else 1
    generator = torch.Generator().manual_seed(plan.seed)
    patches: list[Tensor] = []
    whole: list[Tensor] = []
    for image, _ in folder.whole_images("train"):
        shown = image.expand(channels, -1, -1)
        if min(shown.shape[1:]) < 2 * side:
            continue
        top, left = torch.randint(side, (2,), generator=generator).tolist()
        inner = shown[:, top:, left:]
        rows, columns = inner.shape[1] // side, inner.shape[2] // side
        cells = cut(inner[None, :, : rows * side, : columns * side], side)[0]
        patches.append(cells)
        if len(whole) < MOST_WHOLE:
            whole.append(cells.reshape(1, rows, columns, -1))
    if not patches:
        raise DataError(
            f"no image of {plan.data} is as large as two patches of {side} pixels each way",
            "give larger images, or a smaller --patch",
        )
    every = torch.cat(patches)
    chosen = torch.randperm(len(every), generator=generator)[:MOST_PATCHES]
    test = [image.expand(channels, -1, -1)[None] for image, _ in folder.whole_images("test")]
    return Found(Images(every[chosen], whole), test, None, channels, side, len(patches),
                 Path(plan.data).resolve().name)  # fmt: skip


def _metadata(plan: CodecPlan, found: Found, network: Network) -> dict[str, Any]:
    codec = Codec("learnt", b"    ", encoder_of_codec(network))
    classifier = None
    if plan.data in DATA_SETS:
        test = load(plan.data, "test", plan.data_dir)
        weights = find_classifier_weights(test, None)
        if weights is not None:
            classifier = classifier_from_weights(weights, test, torch.device("cpu"))
    values = found.channels * found.side**2
    # Ratios that two numbers of units share are measured once.
    units = {max(1, round(values / ratio)): ratio for ratio in reversed(MEASURED_RATIOS)}
    units = {count: ratio for count, ratio in units.items() if count <= network.settings.units}
    rows: list[dict[str, Any]] = [
        {
            "view": "compressed",
            "method": None,
            "noise": f"compress:{ratio}",
            **measure_codec(codec, found.test, found.labels, classifier, count),
        }
        for count, ratio in sorted(units.items())
    ]
    images = sum(len(part) for part in found.test)
    protocol = {"data": found.name, "images": images, "seed": None, "clip": True,
                "noise": [row["noise"] for row in rows]}  # fmt: skip
    return {
        "network": "autoassociative",
        "channels": found.channels,
        "classes": 0,
        "data": found.name,
        "noise": "none",
        "clip": True,
        "seed": plan.seed,
        "epochs": 0,
        "training_images": found.count,
        "device": device_name(torch.device("cpu")),
        "command": plan.command.replace(plan.data, found.name),
        "versions": versions(),
        "figures": {"protocol": protocol, "rows": rows if images else []},
    }
