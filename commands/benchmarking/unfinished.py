"""Measurements of an unfinished benchmark, kept on disk so that an interrupted one can go on."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages
from dae_tui.core.evaluation.measurements import Measurement
from dae_tui.core.evaluation.protocol import Protocol
from dae_tui.core.weights.weights_file import Weights
from dae_tui.runs.benchmarks import UnfinishedBenchmark
from dae_tui.version import __version__


class KeptMeasurements:
    """Measurements by key, in memory and in files; those of an earlier start are found again."""

    def __init__(self, unfinished: UnfinishedBenchmark) -> None:
        self._unfinished = unfinished
        self._measurements: dict[str, Measurement] = {}
        self.found = 0
        """How many came from an earlier start."""

    def get(self, key: str) -> Measurement | None:
        """The measurement, if it has been made."""
        if key not in self._measurements:
            arrays = self._unfinished.read(key)
            measurement = None if arrays is None else _measurement(arrays)
            if measurement is None:
                return None
            self._measurements[key] = measurement
            self.found += 1
        return self._measurements[key]

    def put(self, key: str, measurement: Measurement) -> None:
        """Keep a measurement."""
        self._measurements[key] = measurement
        self._unfinished.write(
            key, {name: np.asarray(value) for name, value in asdict(measurement).items()}
        )


def identity(
    protocol: Protocol,
    weights: Sequence[Weights],
    files: Sequence[Path | None],
    images: EvaluationImages,
) -> dict[str, Any]:
    """What a measurement depends on: protocol, names, and the content of weights and images.

    Noise and seed are part of its key instead, so that another sweep can use it too.
    """
    contents = [None if path is None else _digest(path.read_bytes()) for path in files]
    tensors = [each for group in images.groups for each in (group.images, group.labels)]
    tensors += images.noisy
    if images.tuning is not None:
        tensors += [images.tuning.images, images.tuning.labels, images.tuning.noisy]
    pixels = [None if each is None else _digest(each.numpy().tobytes()) for each in tensors]
    return {
        "version": __version__,
        "clip": protocol.clip,
        "tell_level": protocol.tell_level,
        "edges": protocol.edges,
        "precision": protocol.precision,
        "device": str(protocol.device),
        "names": [each.name for each in weights],
        "files": contents,
        "images": pixels,
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _measurement(arrays: dict[str, Any]) -> Measurement | None:
    """The measurement in stored arrays; None for those of another version."""
    try:
        arrays["seconds"] = float(arrays["seconds"])
        arrays["setting"] = str(arrays["setting"])
        arrays["peak_bytes"] = int(arrays["peak_bytes"])
        return Measurement(**arrays)
    except (KeyError, TypeError, ValueError):
        return None
