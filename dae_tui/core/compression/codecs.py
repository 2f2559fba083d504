"""Learned codecs: weights whose name in a `.dae` file stands for the decoder."""

import copy
import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from dae_tui.core.compression.coder import Encoder, encoder_of_codec
from dae_tui.core.compression.entropy import CONTEXTS, SYMBOLS
from dae_tui.core.weights.weights_file import load_weights
from dae_tui.errors import DataError, WeightsError
from dae_tui.models.autoassociative import Network
from dae_tui.spec.model_cards import codecs, weights_name


@dataclass(frozen=True)
class Codec:
    """A learned encoder and decoder."""

    name: str
    fingerprint: bytes
    """Four bytes that tell it from others of its name."""
    encoder: Encoder

    def to(self, device: torch.device) -> "Codec":
        """The codec with its weights on a device."""
        encoder = self.encoder
        coder = replace(
            encoder.coder,
            bias=encoder.coder.bias.to(device),
            columns=encoder.coder.columns.to(device),
        )
        # The cached one stays where it is.
        network = copy.deepcopy(encoder.network).to(device)
        moved = Encoder(network, coder, encoder.rotation.to(device), encoder.means.to(device))
        return replace(self, encoder=moved)


@cache
def load_codec(path: Path) -> Codec:
    """The codec of a weights file. Raises WeightsError for weights that are none."""
    network = load_weights(path, task="compress").network
    assert isinstance(network, Network)
    if network.settings.contexts != (CONTEXTS, SYMBOLS):
        raise WeightsError(f"{path} holds no codec", "make one with dae codec train")
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if not name.startswith("encoder"):
            digest.update(tensor.numpy().tobytes())
    return Codec(weights_name(path), digest.digest()[:4], encoder_of_codec(network))


def find_codec(name: str) -> Codec:
    """The published codec of a name. Raises DataError if there is none."""
    known = codecs()
    if name not in known:
        raise DataError(
            f"it was made with the codec '{name}', which is not published",
            "name the file of its codec with --codec",
        )
    return load_codec(known[name])
