"""From patches to codes and back: the hidden layer of a network, rounded to whole steps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.compression.entropy import MOST_CODE, Codes, Model, geometric_tables, predictions
from dae_tui.models.autoassociative import Network

ROUNDING = 0.36
"""Sizes are rounded up from this fraction on: zeros are cheaper, and the error grows little."""
SHRINK = 0.04
"""By how much of a step codes other than 0 are taken smaller: smaller values are more frequent."""
PREDICTED = 0.85
"""A unit is predicted from neighbours where that leaves less than this of its size."""
CHUNK = 8192


@dataclass(frozen=True)
class Coder:
    """The decoder of a network, and what is known of its codes.

    A code z is the distance of a hidden unit's activation from its mean, times the length of the
    unit's outgoing weights: an error of z is one of the patch, of the same size.
    """

    channels: int
    side: int
    sigmoid: bool
    bias: Tensor
    """(P,): the output where all codes are 0."""
    columns: Tensor
    """(P, x): the outgoing weights of each unit, of length 1, the most important unit first."""
    spreads: NDArray[np.float64]
    """(2, x): the mean size of each unit's codes, and of what prediction leaves of them."""
    tables: NDArray[np.float32] | None = None
    """Learnt probabilities; None are those of `geometric_tables`."""
    factor: float = 2.0
    """The step of codes in mean sizes of the last unit that is used: by about 5, rounding loses as
    much as another unit would bring (reverse water-filling)."""

    @property
    def values(self) -> int:
        """The number of values of a patch."""
        return len(self.bias)

    @property
    def units(self) -> int:
        """The number of units."""
        return self.columns.shape[1]

    @cached_property
    def predicted(self) -> NDArray[np.bool_]:
        """Which units are predicted from neighbours."""
        smaller: NDArray[np.bool_] = self.spreads[1] < PREDICTED * self.spreads[0]
        return smaller

    def step(self, units: int) -> float:
        """The step of codes that suits the first so many units."""
        return max(1e-6, self.factor * float(self.spreads[0, :units].min()))

    def model(self, units: int, step: float) -> Model:
        """The probabilities of the codes of the first so many units."""
        usual = np.where(self.predicted, self.spreads[1], self.spreads[0])[:units] / step
        tables = geometric_tables() if self.tables is None else self.tables
        return Model(usual, self.predicted[:units], tables)

    def decode(self, codes: Codes, step: float) -> Tensor:
        """Patches (M, P) in [0, 1] of codes (M, x); of fewer units than there are, the first."""
        whole = torch.from_numpy(codes).float()
        return decoded(self, dequantised(whole, step))


def decoded(coder: Coder, sizes: Tensor) -> Tensor:
    """Patches (…, P) in [0, 1] of codes (…, x) in units of the output."""
    output = sizes @ coder.columns[:, : sizes.shape[-1]].T + coder.bias
    return torch.sigmoid(output) if coder.sigmoid else output.clamp(0, 1)


def quantised(sizes: Tensor, step: float | Tensor) -> Tensor:
    """Codes as whole numbers of steps."""
    return (sizes.sign() * (sizes.abs() / step + ROUNDING).floor()).clamp(-MOST_CODE, MOST_CODE)


def dequantised(codes: Tensor, step: float | Tensor) -> Tensor:
    """Whole numbers of steps as codes in units of the output."""
    return codes.sign() * (codes.abs() - SHRINK) * step


@dataclass(frozen=True)
class Encoder:
    """A network and the coder that reads what it wrote."""

    network: Network
    coder: Coder
    rotation: Tensor
    """(x of the network, x of the coder): from activations minus `means` to codes."""
    means: Tensor
    """(x of the network,): the mean activation of each unit."""

    @torch.no_grad()
    def sizes(self, patches: Tensor, units: int | None = None) -> Tensor:
        """The codes (…, units) of patches (…, P), before they are rounded."""
        return (self.network.encode(patches) - self.means) @ self.rotation[:, :units]

    def codes(self, patches: Tensor, units: int, step: float) -> Codes:
        """The codes (M, units) of patches (M, P), as whole numbers of steps."""
        parts = [
            quantised(self.sizes(patches[start : start + CHUNK], units), step).to(torch.int32)
            for start in range(0, len(patches), CHUNK)
        ]
        found: Codes = torch.cat(parts).numpy()
        return found


@torch.no_grad()
def encoder_of_codec(network: Network) -> Encoder:
    """The encoder of a codec: its units in their order, and what was learnt of their codes."""
    settings = network.settings
    lengths = network.decoder.weight.norm(dim=0).clamp(min=1e-12)
    means = network.get_buffer("means")
    coder = Coder(
        settings.channels,
        settings.side,
        settings.output == "sigmoid",
        network.decoder.bias + network.decoder.weight @ means,
        network.decoder.weight / lengths,
        network.get_buffer("spreads").double().numpy(),
        network.get_buffer("tables").numpy(),
        settings.step,
    )
    return Encoder(network, coder, torch.diag(lengths), means)


@torch.no_grad()
def encoder_of(network: Network, patches: Tensor, grids: list[tuple[int, int, int]]) -> Encoder:
    """The encoder of a network that was trained on the patches (M, P) alone.

    Its units are described in another basis of what they can express: in principal components of
    the output over all patches, which makes files smaller and changes nothing else. `grids` are
    pages, rows and columns of the patches of each picture.
    """
    settings = network.settings
    parts = [network.encode(patches[at : at + CHUNK]) for at in range(0, len(patches), CHUNK)]
    hidden = torch.cat(parts).double()
    means = hidden.mean(0)
    centred = hidden - means
    outgoing = network.decoder.weight.double()
    basis, mixing = torch.linalg.qr(outgoing)
    covariance = mixing @ (centred.T @ centred) @ mixing.T
    order = torch.linalg.eigh(covariance).eigenvectors.flip(1)
    rotation = (mixing.T @ order).float()
    sizes = centred.float() @ rotation
    bias = network.decoder.bias + network.decoder.weight @ means.float()
    coder = Coder(
        settings.channels,
        settings.side,
        settings.output == "sigmoid",
        bias,
        (basis @ order).float(),
        spreads(sizes.numpy(), grids),
    )
    return Encoder(network, coder, rotation, means.float())


def spreads(sizes: NDArray[np.float32], grids: list[tuple[int, int, int]]) -> NDArray[np.float64]:
    """The mean sizes of codes (M, x), and of what prediction leaves of them, (2, x)."""
    usual = np.abs(sizes).mean(0)
    rest = np.zeros_like(usual)
    start = 0
    for pages, rows, columns in grids:
        count = pages * rows * columns
        part = sizes[start : start + count].reshape(pages, rows, columns, -1)
        start += count
        for unit in range(sizes.shape[1]):
            # In fine steps, as whole numbers are predicted.
            fine = max(1e-9, float(usual[unit]) / 1024)
            whole = np.clip(part[..., unit] / fine, -(2**24), 2**24).astype(np.int32)
            rest[unit] += fine * float(np.abs(whole - predictions(whole)).sum())
    found: NDArray[np.float64] = np.stack([usual, rest / max(1, len(sizes))]).astype(np.float64)
    return found
