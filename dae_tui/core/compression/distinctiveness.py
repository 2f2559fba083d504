"""Pruning by distinctiveness: hidden units that do the same, the opposite, or nothing.

Gedeon and Harris, "Network Reduction Techniques", AMSE 1991: the activations of a unit over all
patterns, minus 0.5, are a vector. Units whose vectors point the same way are similar, and one can
do the work of both; those that point opposite ways are complementary. A unit whose activation
hardly changes is a part of the bias.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dae_tui.models.autoassociative import Network
from dae_tui.models.registry import build, settings_of

SIMILAR, COMPLEMENTARY = 15.0, 165.0
"""Angles in degrees below and above which a pair of units is pruned (1991)."""
CONSTANT = 0.01
"""A unit whose activation has a smaller standard deviation is constant."""
INSIGNIFICANT = 1e-4
"""A unit that makes less than this share of the variance of the output is insignificant."""


@dataclass(frozen=True)
class Removal:
    """What was done to a unit; units are counted from 0, as in the network before all pruning."""

    unit: int
    reason: str
    """`similar`, `complementary`, `constant` or `insignificant`."""
    into: int | None = None
    """The unit that does its work now; None if that is the bias, or nothing."""
    angle: float | None = None
    """In degrees, of a pair."""


def angles(activations: Tensor, folded: bool = False) -> Tensor:
    """The angles in degrees, (x, x), between the units of activations (patterns, x) in [0, 1].

    Activations are centred at 0.5 (1991). `folded` takes 180° − angle for angles above 90°, so
    that complementary units are as close as similar ones (1992). A unit that is 0.5 everywhere has
    no direction, and is at 90° to all others.
    """
    centred = activations.double() - 0.5
    lengths = centred.norm(dim=0)
    directions = centred / lengths.clamp(min=1e-12)
    cosines = (directions.T @ directions).clamp(-1, 1)
    degrees = torch.rad2deg(torch.arccos(cosines)).fill_diagonal_(0)
    return torch.minimum(degrees, 180 - degrees) if folded else degrees


def closest(degrees: Tensor) -> tuple[int, int, float]:
    """The pair of units (first, second) with the smallest angle, and that angle in degrees."""
    count = len(degrees)
    apart = degrees.clone().fill_diagonal_(torch.inf)
    first, second = divmod(int(apart.argmin()), count)
    return min(first, second), max(first, second), float(apart[first, second])


@torch.no_grad()
def prune(
    network: Network, activations: Tensor, published: bool = False
) -> tuple[Network, list[Removal]]:
    """Prune all units that are not distinct, without any retraining.

    Args:
        network: the trained network.
        activations: of its hidden units over all patterns, (patterns, x).
        published: remove both units of a complementary pair, as in 1991. Else one of them is
            removed, and the other and the bias take over its work exactly.

    First constant and insignificant units become a part of the bias; then, as long as there is a
    pair below 15°, the closest one is merged; then complementary pairs are removed, from the one
    nearest to 180° on. One unit always remains.
    """
    pruner = _Pruner(network, activations, published)
    pruner.fold_still_units()
    pruner.merge_similar()
    pruner.remove_complementary()
    return pruner.network(), pruner.removals


@torch.no_grad()
def without(
    network: Network, unit: int, by: int | None, opposite: bool = False, mean: float = 0.5
) -> Network:
    """A network without a unit, whose work another unit or the bias does.

    Args:
        network: with more than one unit.
        unit: the one to remove.
        by: the unit that does its work: w_by += w_unit; None is the bias alone, for a unit whose
            activation is always `mean`.
        opposite: the activation of `by` is 1 − that of `unit`: w_by −= w_unit, bias += w_unit.
        mean: the activation of a constant unit.
    """
    outgoing, bias = network.decoder.weight.clone(), network.decoder.bias.clone()
    if by is None:
        bias += mean * outgoing[:, unit]
    elif opposite:
        bias += outgoing[:, unit]
        outgoing[:, by] -= outgoing[:, unit]
    else:
        outgoing[:, by] += outgoing[:, unit]
    kept = [each for each in range(network.settings.units) if each != unit]
    return rebuilt(network, network.encoder.weight[kept], network.encoder.bias[kept],
                   outgoing[:, kept], bias)  # fmt: skip


@torch.no_grad()
def rebuilt(
    network: Network, incoming: Tensor, thresholds: Tensor, outgoing: Tensor, bias: Tensor
) -> Network:
    """A network like another one, with the given weights: (x, P), (x,), (P, x) and (P,)."""
    settings = settings_of(network) | {"units": len(incoming), "contexts": ()}
    made = build("autoassociative", settings).to(incoming.device)
    assert isinstance(made, Network)
    made.encoder.weight.copy_(incoming)
    made.encoder.bias.copy_(thresholds)
    made.decoder.weight.copy_(outgoing)
    made.decoder.bias.copy_(bias)
    return made.requires_grad_(False)


class _Pruner:
    """A network that loses units, and what became of each."""

    def __init__(self, network: Network, activations: Tensor, published: bool) -> None:
        self._network, self._published = network, published
        self._activations = activations
        self._names = list(range(activations.shape[1]))
        self.removals: list[Removal] = []

    def network(self) -> Network:
        return self._network

    def fold_still_units(self) -> None:
        """Make constant and insignificant units a part of the bias."""
        while len(self._names) > 1:
            spread = self._activations.std(0, unbiased=False)
            power = (spread * self._network.decoder.weight.norm(dim=0)).square()
            share = power / power.sum().clamp(min=1e-30)
            still = (spread < CONSTANT) | (share < INSIGNIFICANT)
            if not still.any():
                return
            unit = int(torch.where(still, share, torch.inf).argmin())
            reason = "constant" if spread[unit] < CONSTANT else "insignificant"
            mean = float(self._activations[:, unit].mean())
            self.removals.append(Removal(self._names[unit], reason))
            self._drop(without(self._network, unit, None, mean=mean), unit)

    def merge_similar(self) -> None:
        """Merge the closest pair while it is below 15°."""
        while len(self._names) > 1:
            keep, unit, degrees = closest(angles(self._activations))
            if degrees >= SIMILAR:
                return
            self._note(unit, "similar", keep, degrees)
            self._drop(without(self._network, unit, keep), unit)

    def remove_complementary(self) -> None:
        """Remove complementary pairs, or one unit of each."""
        while len(self._names) > 1 + self._published:
            keep, unit, rest = closest(180 - angles(self._activations))
            if 180 - rest <= COMPLEMENTARY:
                return
            self._note(unit, "complementary", None if self._published else keep, 180 - rest)
            if not self._published:
                self._drop(without(self._network, unit, keep, opposite=True), unit)
                continue
            self._note(keep, "complementary", None, 180 - rest)
            self._drop(without(self._network, unit, None, mean=0.0), unit)
            self._drop(without(self._network, keep, None, mean=0.0), keep)

    def _note(self, unit: int, reason: str, into: int | None, degrees: float) -> None:
        name = None if into is None else self._names[into]
        self.removals.append(Removal(self._names[unit], reason, name, degrees))

    def _drop(self, network: Network, unit: int) -> None:
        kept = [each for each in range(len(self._names)) if each != unit]
        self._network = network
        self._activations = self._activations[:, kept]
        del self._names[unit]
