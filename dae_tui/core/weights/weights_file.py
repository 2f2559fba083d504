"""Weights files: safetensors with metadata to rebuild the network. Never pickle."""

import errno
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from dae_tui.core.weights.folding import fold_batch_norm
from dae_tui.errors import WeightsError
from dae_tui.models.registry import NETWORKS, build, channels_of, settings_of, takes_sigma
from dae_tui.spec.model_cards import (
    METADATA_KEY,
    MOST_HEADER,
    read_metadata,
    unreadable,
    weights_name,
)
from dae_tui.spec.training_config import DATA_SETS
from dae_tui.system.regular_files import read_regular

_WORDS = {
    "denoise": "denoise",
    "classify": "classify",
    "classify-noisy": "classify noisy images",
    "compress": "compress images",
}
_HINT = "use weights that dae train has written"


@dataclass(frozen=True)
class Weights:
    """A trained network, ready for inference, and the metadata of its file."""

    name: str
    network: nn.Module
    """As trained: the network that files hold and whose cost is counted."""
    metadata: dict[str, Any]

    @cached_property
    def folded(self) -> nn.Module:
        """The network for inference, without batch normalisation; see `fold_batch_norm`.

        It is created once, from the state of `network` at that time.
        """
        return fold_batch_norm(self.network)

    @property
    def channels(self) -> int:
        """Number of input channels of the network."""
        return channels_of(self.network)

    @property
    def takes_sigma(self) -> bool:
        """Whether the noise level is an input of the network."""
        return takes_sigma(self.network)

    @property
    def light_on_dark(self) -> bool:
        """Whether it was trained on light strokes on a dark ground, as in all data sets by name."""
        return self.metadata.get("data") in DATA_SETS


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def to_bytes(network: nn.Module, metadata: dict[str, Any]) -> bytes:
    """The content of a weights file: the tensors of `network`, `metadata`, and its settings."""
    described = metadata | {
        "settings": settings_of(network),
        "parameters": count_parameters(network),
        "normalisation": "[0, 1]",
    }
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    return save(tensors, metadata={METADATA_KEY: json.dumps(described)})


def in_half_precision(path: Path) -> bytes:
    """The content of a weights file with its float32 tensors as float16, half as large.

    Raises WeightsError for a value that float16 does not hold.
    """
    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError) as failure:
        raise WeightsError(f"{path} cannot be read: {failure}", "it may be truncated") from failure
    halved = {
        key: value.half() if value.dtype == torch.float32 else value
        for key, value in tensors.items()
    }
    if not all(value.isfinite().all() for value in halved.values()):
        raise WeightsError(f"{path} holds values beyond half precision", "leave --half out")
    return save(halved, metadata={METADATA_KEY: json.dumps(read_metadata(path))})


def load_weights(path: Path, name: str = "", task: str = "denoise") -> Weights:
    """Rebuild the network of a weights file, in evaluation mode on the CPU.

    Raises WeightsError for a file that is missing, broken or not safetensors, that does not match
    its metadata, or that is not for `task`; see `models.registry`.
    """
    metadata = read_metadata(path)
    made_for = NETWORKS[metadata["network"]].task
    if made_for != task:
        raise WeightsError(
            f"{path} holds a network to {_WORDS[made_for]}, not to {_WORDS[task]}",
            "see dae weights list",
        )
    try:
        # The meta device allocates nothing until the tensors of the file have been compared with
        # the network: settings that ask for a terabyte cause an error, not an allocation.
        with torch.device("meta"):
            network = build(metadata["network"], metadata["settings"])
        needed = sum(tensor.nbytes for tensor in network.state_dict().values())
        stored = load(read_regular(path, MOST_HEADER + needed))
        tensors = {
            key: value.float() if value.dtype == torch.float16 else value
            for key, value in stored.items()
        }
        if any(
            tensor.dtype != tensors[name].dtype for name, tensor in network.state_dict().items()
        ):
            raise WeightsError(
                f"{path} holds tensors of another precision than float32 and float16", _HINT
            )
        network.load_state_dict(tensors, assign=True)
    except SafetensorError as failure:
        raise WeightsError(f"{path} cannot be read: {failure}", "it may be truncated") from failure
    except OSError as failure:
        if failure.errno != errno.EFBIG:
            raise unreadable(path, failure) from failure
        raise _misfit(path, metadata) from failure
    except (KeyError, TypeError, ValueError, RuntimeError) as failure:
        raise _misfit(path, metadata) from failure
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise WeightsError(f"{path} holds values that are not finite", _HINT)
    return Weights(name or weights_name(path), network.eval().requires_grad_(False), metadata)


def _misfit(path: Path, metadata: dict[str, Any]) -> WeightsError:
    return WeightsError(
        f"the tensors in {path} do not fit the network '{metadata['network']}' it names", _HINT
    )
