"""Networks by name. Looking up a name does not import torch; building a network does.

A network is described by its name and a dataclass of settings, both JSON. Weights files hold both,
so a file is enough to rebuild its network.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetworkEntry:
    """The module of a network and its task."""

    module: str
    task: str
    """`denoise`: image in, image out; `classify`: clean image in, logits out; `classify-noisy`:
    noisy image in, logits out; `compress`: patches in, codes between, patches out."""
    summary: str


NETWORKS = {
    "autoencoder": NetworkEntry(
        "dae_tui.models.autoencoder", "denoise", "the paper's convolutional autoencoder"
    ),
    "unet": NetworkEntry(
        "dae_tui.models.unet", "denoise", "a U-Net for images of any kind and size"
    ),
    "dense": NetworkEntry(
        "dae_tui.models.dense", "denoise", "a fully connected autoencoder, for comparison"
    ),
    "tutorial": NetworkEntry(
        "dae_tui.models.tutorial", "denoise", "the autoencoder of tutorials, for comparison"
    ),
    "classifier": NetworkEntry(
        "dae_tui.models.classifier", "classify", "classifies images, trained on clean ones"
    ),
    "oracle": NetworkEntry(
        "dae_tui.models.classifier",
        "classify-noisy",
        "classifies noisy images: what remains recognisable",
    ),
    "autoassociative": NetworkEntry(
        "dae_tui.models.autoassociative",
        "compress",
        "compresses patches of images with one hidden layer",
    ),
}
TRAINED = tuple(name for name, entry in NETWORKS.items() if entry.task != "compress")
"""What `dae train` trains; `dae codec train` trains the others."""


def check_shape(channels: int, widths: tuple[int, ...]) -> None:
    """Raise ValueError for impossible or harmful channels and widths."""
    if not isinstance(widths, tuple):  # Settings come from JSON.
        raise ValueError(f"widths are a list such as [32, 64, 128], not {widths!r}")
    numbers = (channels, *widths)
    if not all(isinstance(number, int) and 1 <= number <= 4096 for number in numbers):
        raise ValueError(f"channels and widths are whole numbers from 1 to 4096, not {numbers}")
    if not 1 <= len(widths) <= 16:
        raise ValueError(f"a network has 1 to 16 widths, not {len(widths)}")


def build(name: str, settings: Mapping[str, Any]) -> nn.Module:
    """Build the network `name` from its settings as JSON holds them (lists for tuples).

    Raises KeyError for a name that is not in `NETWORKS`, TypeError or ValueError for settings that
    do not fit.
    """
    module = importlib.import_module(NETWORKS[name].module)
    known = [field.name for field in dataclasses.fields(module.Settings)]
    if unknown := sorted(settings.keys() - set(known)):
        raise ValueError(f"it has no setting {unknown[0]!r}, but {', '.join(known)}")
    fields = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    network: nn.Module = module.Network(module.Settings(**fields))
    return network


def channels_of(network: nn.Module) -> int:
    """The number of input channels of a network."""
    return int(network.settings.channels)  # type: ignore[union-attr, arg-type]


def takes_sigma(network: nn.Module) -> bool:
    """Whether a network takes noise levels (N,) as a second input."""
    return getattr(network, "takes_sigma", False)


def settings_of(network: nn.Module) -> dict[str, Any]:
    """The settings that rebuild `network`, in JSON types."""
    return dataclasses.asdict(network.settings)  # type: ignore[call-overload, no-any-return]
