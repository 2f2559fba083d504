"""Measurements of the original and the noisy images, kept from one training to the next.

With the same images, noise, seed and classifier, two of the three views of a table are the same
after every training. Each is kept in the user's cache folder under a checksum of all that it
depends on, and measured again where any of it differs.
"""

import hashlib
import io
import json
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages
from dae_tui.core.evaluation.measurements import Measurement
from dae_tui.core.evaluation.protocol import Protocol
from dae_tui.core.hardware import device_name
from dae_tui.core.weights.weights_file import Weights
from dae_tui.system.cache import Cache
from dae_tui.version import __version__

# Measurements of 10 000 digits take 400 kB.
MOST_BYTES = 64 << 20
# The keys of `benchmark.evaluate` that no trained network has a part in.
_UNCHANGED = ("original", "noisy at ")
# The packages whose code and weights a measurement may depend on, with all their constants.
_PACKAGES = ("core", "models", "spec")


class UnchangedViews:
    """A `benchmark.MeasurementStore` of the views that are the same after every training."""

    def __init__(
        self,
        folder: Path,
        images: EvaluationImages,
        classifier: Weights | None,
        protocol: Protocol,
    ) -> None:
        """Measurements of `images` by `classifier`, in a folder that others may use as well."""
        self._cache = Cache(folder, MOST_BYTES)
        self._images, self._classifier, self._protocol = images, classifier, protocol

    def get(self, key: str) -> Measurement | None:
        """A measurement of the same view from an earlier training."""
        content = self._cache.get(self._identity + key) if key.startswith(_UNCHANGED) else None
        if content is None:
            return None
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                arrays: dict[str, Any] = dict(stored)
            return Measurement(
                **arrays
                | {
                    "seconds": float(arrays["seconds"]),
                    "setting": str(arrays["setting"]),
                    "peak_bytes": int(arrays["peak_bytes"]),
                }
            )
        except (KeyError, TypeError, ValueError):  # Kept by other code with the same checksum.
            return None

    def put(self, key: str, measurement: Measurement) -> None:
        """Keep a measurement, if its view is the same after every training."""
        if not key.startswith(_UNCHANGED):
            return
        content = io.BytesIO()
        arrays = {name: np.asarray(value) for name, value in asdict(measurement).items()}
        np.savez(content, **arrays)  # type: ignore[arg-type]
        self._cache.put(self._identity + key, content.getvalue())

    @cached_property
    def _identity(self) -> str:
        """Everything that a measurement depends on, but for its view and noise."""
        protocol = self._protocol
        tensors = [group.images for group in self._images.groups] + self._images.noisy
        network = None
        if self._classifier is not None:
            state = self._classifier.network.state_dict()
            network = [str(self._classifier.metadata["settings"]), *state]
            network += [_digest(value) for value in state.values()]
        about = {
            "version": __version__,
            "code": _code(),
            "torch": torch.__version__,
            "device": device_name(protocol.device),
            "processor": torch.backends.cpu.get_cpu_capability(),
            "clip": protocol.clip,
            "images": [_digest(each) for each in tensors],
            "classifier": network,
        }
        return json.dumps(about)


def _digest(tensor: Tensor) -> str:
    """A checksum of type, shape and values."""
    values = tensor.detach().cpu().contiguous().numpy()
    found = hashlib.sha256(f"{values.dtype} {values.shape}".encode())
    found.update(values.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


@cache
def _code() -> str:
    """A checksum of names, sizes and times of change of the code and the published weights."""
    found = hashlib.sha256()
    for name in _PACKAGES:
        for file in sorted((Path(__file__).parents[2] / name).rglob("*")):
            if file.suffix in (".py", ".safetensors"):
                about = file.stat()
                found.update(f"{file} {about.st_size} {about.st_mtime_ns}\n".encode())
    return found.hexdigest()
