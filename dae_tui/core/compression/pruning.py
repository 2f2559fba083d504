"""Progressive compression: train, remove a unit of the closest pair, train again, and so on.

Gedeon and Harris, "Progressive image compression", IJCNN 1992.

The outputs are linear by default, and the weights of the decoder are the solution of least squares
at every step, so that gradients train the encoder alone. Inputs are the principal components of the
patches, each scaled to the same variance, which is another basis for the same network. From random
weights, pruned from 24 to 16 units, an image of 512×512 pixels ended at 29.81 dB, and the best that
16 components can do is 29.82 dB (Bourlard and Kamp, Biol. Cybernetics 1988); Adam on all weights
and on pixels ended at 28.1 dB after twice as many presentations.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.optim.adam import adam

from dae_tui.core.compression.distinctiveness import angles, closest, rebuilt, without
from dae_tui.models.autoassociative import Network, Settings

MOST_TRAINED = 4096
"""So many patches, drawn at random, are trained on; the decoder is solved for all."""
CHUNK = 8192
"""Patches that are encoded together."""
_RIDGE = 1e-5
_LR = 0.02
_PUBLISHED_LR = 0.01


@dataclass(frozen=True)
class Recipe:
    """How long to train; a presentation shows all patches once."""

    first: int = 200
    """Presentations before the first removal."""
    again: int = 50
    """Presentations after each removal."""
    last: int = 200
    """Presentations at the end."""
    published: bool = False
    """As in 1992: sigmoid outputs, gradients for all weights, and a removed unit's work is not
    taken over by another."""
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """The network after a removal and the training that follows it."""

    network: Network
    smallest_angle: float
    """Between two hidden units, in degrees, folded to 0–90; NaN for one unit."""
    squared_error: float
    """The total sum of squares over all patches, of values in [0, 1]."""
    last: bool = False

    @property
    def units(self) -> int:
        return self.network.settings.units

    @property
    def ratio(self) -> float:
        """The nominal ratio: values of a patch by units."""
        return self.network.settings.values / self.units


def start_units(units: int, settings: Settings, patches: int) -> int:
    """So many units to start with, to end with `units`: half as many more, where there is use."""
    useful = min(settings.values, max(patches, units))
    return min(max(units + 4, math.ceil(1.5 * units)), max(useful, units))


def prune_progressively(
    patches: Tensor, settings: Settings, units: int, recipe: Recipe
) -> Iterator[Step]:
    """Train a network on patches and prune it, one unit after the other.

    Args:
        patches: float32 (M, P) in [0, 1].
        settings: of the first network, with the number of units to start with.
        units: how many shall remain.
        recipe: how long to train.

    Yields a Step after the first training and after each removal; the last one has `last` set.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    order = torch.randperm(len(patches), generator=generator)[:MOST_TRAINED]
    some = patches if len(patches) <= MOST_TRAINED else patches[order]
    trainer: _Published | _LeastSquares
    if recipe.published:
        trainer = _Published(some, settings, generator)
    else:
        trainer = _LeastSquares(some, settings, generator)
    presentations = recipe.first
    while True:
        count = trainer.units
        trainer.train(presentations)
        last = count <= units
        if last:
            trainer.train(recipe.last)
        degrees = angles(trainer.activations(), folded=True)
        keep, unit, smallest = closest(degrees) if count > 1 else (0, 0, math.nan)
        network = trainer.network()
        network = network if recipe.published else solved(network, patches)
        yield Step(network, smallest, squared_error(network, patches), last)
        if last:
            return
        trainer.remove(unit, keep)
        presentations = recipe.again


@torch.no_grad()
def squared_error(network: Network, patches: Tensor) -> float:
    """The sum of squared errors of patches (M, P) that the network encodes and decodes."""
    total = 0.0
    for part in torch.split(patches, CHUNK):
        decoded = network.decode(network.encode(part)).clamp(0, 1)
        total += float((decoded - part).double().square().sum())
    return total


@torch.no_grad()
def solved(network: Network, patches: Tensor) -> Network:
    """The network with the decoder of least squares for all patches (M, P)."""
    units = network.settings.units
    gram = torch.zeros(units + 1, units + 1, dtype=torch.float64)
    cross = torch.zeros(units + 1, patches.shape[1], dtype=torch.float64)
    for part in torch.split(patches, CHUNK):
        # Centred, so that the equations are well conditioned.
        hidden = _with_ones(network.encode(part).double() - 0.5)
        gram += hidden.T @ hidden
        cross += hidden.T @ part.double()
    solution = _solve(gram, cross)
    outgoing = solution[:-1].T.float()
    bias = (solution[-1] - 0.5 * solution[:-1].sum(0)).float()
    return rebuilt(network, network.encoder.weight, network.encoder.bias, outgoing, bias)


def _with_ones(hidden: Tensor) -> Tensor:
    return torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1)


def _solve(gram: Tensor, cross: Tensor) -> Tensor:
    """The weights of least squares, with a little ridge against units that are alike."""
    ridge = _RIDGE * gram.diagonal().mean().clamp(min=1e-12)
    result: Tensor = torch.linalg.solve(gram + ridge * torch.eye(len(gram)).to(gram), cross)
    return result


class _Adam:
    """Adam, through torch's functional API: `torch.optim.Adam` imports a compiler for seconds."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self._parameters = parameters
        self._moments = [[torch.zeros_like(each) for each in parameters] for _ in range(2)]
        self._steps = [torch.zeros(()) for _ in parameters]

    def step(self, loss: Tensor, lr: float) -> None:
        """Change the parameters by the gradients of a loss."""
        gradients = list(torch.autograd.grad(loss, self._parameters))
        with torch.no_grad():
            adam(
                self._parameters, gradients, self._moments[0], self._moments[1], [], self._steps,
                fused=True, amsgrad=False, beta1=0.9, beta2=0.999, lr=lr, eps=1e-8,
                weight_decay=0, maximize=False,
            )  # fmt: skip


class _LeastSquares:
    """An encoder trained by gradients in principal components, under the best decoder."""

    def __init__(self, patches: Tensor, settings: Settings, generator: torch.Generator) -> None:
        self._settings = settings
        self._mean = patches.mean(0)
        centred = patches - self._mean
        covariance = (centred.T @ centred).double() / len(patches)
        power, basis = torch.linalg.eigh(covariance)
        kept = min(len(power), 2 * settings.units + 64)
        self._basis = basis.flip(1)[:, :kept].float()
        deviation = power.flip(0)[:kept].clamp(min=0).sqrt().float()
        self._scale = deviation.clamp(min=max(1e-6, 1e-3 * float(deviation[0])))
        self._targets = centred @ self._basis
        self._inputs = self._targets / self._scale
        weights = torch.randn(settings.units, kept, generator=generator) / math.sqrt(kept)
        self._weights, self._thresholds = weights, torch.zeros(settings.units)

    @property
    def units(self) -> int:
        return len(self._weights)

    def activations(self) -> Tensor:
        return torch.sigmoid(self._inputs @ self._weights.T + self._thresholds).detach()

    def train(self, presentations: int) -> None:
        optimizer = _Adam([self._weights.requires_grad_(), self._thresholds.requires_grad_()])
        for step in range(presentations):
            hidden = _with_ones(
                torch.sigmoid(self._inputs @ self._weights.T + self._thresholds) - 0.5
            )
            with torch.no_grad():
                solution = _solve(hidden.T @ hidden, hidden.T @ self._targets)
            loss = (hidden @ solution - self._targets).square().sum()
            optimizer.step(loss, _LR * (1 - step / presentations))
        self._weights, self._thresholds = self._weights.detach(), self._thresholds.detach()

    def remove(self, unit: int, keep: int) -> None:
        """Remove a unit; the decoder that is solved next lets the others take over its work."""
        kept = [each for each in range(self.units) if each != unit]
        self._weights, self._thresholds = self._weights[kept], self._thresholds[kept]

    def network(self) -> Network:
        """The same encoder on pixels, with a decoder that is still to be solved."""
        incoming = (self._weights / self._scale) @ self._basis.T
        thresholds = self._thresholds - incoming @ self._mean
        empty = torch.zeros(self._settings.values, self.units)
        like = Network(replace(self._settings, units=self.units))
        return rebuilt(like, incoming, thresholds, empty, self._mean)


class _Published:
    """All weights trained by gradients, from random ones."""

    def __init__(self, patches: Tensor, settings: Settings, generator: torch.Generator) -> None:
        self._patches = patches
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            self._network = Network(replace(settings, output="sigmoid"))

    @property
    def units(self) -> int:
        return self._network.settings.units

    @torch.no_grad()
    def activations(self) -> Tensor:
        return self._network.encode(self._patches)

    def train(self, presentations: int) -> None:
        optimizer = _Adam(list(self._network.requires_grad_().parameters()))
        for _ in range(presentations):
            decoded = self._network.decode(self._network.encode(self._patches))
            loss = (decoded - self._patches).square().mean()
            optimizer.step(loss, _PUBLISHED_LR)

    def remove(self, unit: int, keep: int) -> None:
        """Remove a unit of the closest pair; its mean alone goes on, in the bias."""
        mean = float(self.activations()[:, unit].mean())
        self._network = without(self._network, unit, None, mean=mean)

    def network(self) -> Network:
        return self._network
