"""A moving average of the weights of a training (Polyak and Juditsky 1992)."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class MovingAverage:
    """A network whose weights are the exponential moving average of those of another.

    At first, when the weights change fast, the average is over fewer steps: over a tenth of those
    that were made.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """`decay` in [0, 1) is the share of the average that a step keeps."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self._averaged: list[Tensor] = list(self.network.parameters())

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Include the weights of `network` after `step` steps, counted from 1."""
        decay = min(self._decay, step / (step + 10))
        current: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(self._averaged, current, 1 - decay)
        for mine, other in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(other)

    def state(self) -> dict[str, Tensor]:
        """The averaged weights by name."""
        return dict(self.network.state_dict())

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore a result of `state`. Raises RuntimeError for that of another network."""
        self.network.load_state_dict(state)
