"""Networks by name. Looking a name up costs no torch import; building a network does.

A network is described by its name and a dataclass of settings, both JSON: weights carry the
two, so a file alone is enough to rebuild what it holds.
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
    """Where a network lives and what it is for."""

    module: str
    task: str
    """`denoise`: image in, image out; `classify`: clean image in, logits out; `classify-noisy`:
    noisy image in, logits out."""
    summary: str


NETWORKS = {
    "autoencoder": NetworkEntry(
        "dae_tui.models.autoencoder", "denoise", "the paper's convolutional autoencoder"
    ),
    "unet": NetworkEntry(
        "dae_tui.models.unet", "denoise", "a U-Net for images of any kind and size"
    ),
    "dense": NetworkEntry(
        "dae_tui.models.dense", "denoise", "a fully connected autoencoder, to compare"
    ),
    "tutorial": NetworkEntry(
        "dae_tui.models.tutorial", "denoise", "what tutorials train, to compare"
    ),
    "classifier": NetworkEntry(
        "dae_tui.models.classifier", "classify", "reads clean images, judges views"
    ),
    "oracle": NetworkEntry(
        "dae_tui.models.classifier",
        "classify-noisy",
        "reads noisy images: what the noise leaves knowable",
    ),
}


def check_shape(channels: int, widths: tuple[int, ...]) -> None:
    """Raise ValueError for what no network can have, or only one that means harm."""
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
    """Channels of the images that a network takes."""
    return int(network.settings.channels)  # type: ignore[union-attr, arg-type]


def takes_sigma(network: nn.Module) -> bool:
    """Whether a network takes the noise levels (N,) beside the images."""
    return getattr(network, "takes_sigma", False)


def settings_of(network: nn.Module) -> dict[str, Any]:
    """The settings that rebuild `network`, as JSON can hold them."""
    return dataclasses.asdict(network.settings)  # type: ignore[call-overload, no-any-return]
