"""Adam, AdamW and SGD, each step one fused operation: torch's own, through its functional API.

Measured on two cores with 257 k to 1.07 M parameters: 0.2 to 0.5 ms a step, 0.7 to 1.5 if not
fused. The classes of `torch.optim` import torch's compiler, which takes 3 to 8 s: longer than
training the recipe `fast`; and their steps take 1.2 to 1.5 times as long (torch 2.15, 2026-11-26).
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

BETAS = 0.9, 0.999
EPS = 1e-8
MOMENTUM = 0.9
# The weight decay of AdamW (Loshchilov and Hutter 2019), torch's default.
WEIGHT_DECAY = 1e-2


class FusedOptimizer:
    """Holds the moments of some parameters, each in the memory layout of its parameter."""

    def __init__(self, name: str, parameters: Iterable[nn.Parameter]) -> None:
        """`name` is `adam` (Kingma and Ba 2015), `adamw` or `sgd` (with Nesterov momentum)."""
        self._name = name
        self._parameters = [each for each in parameters if each.requires_grad]
        moments = ("momentum_buffer",) if name == "sgd" else ("exp_avg", "exp_avg_sq")
        # The fused operations walk linearly through memory, so the layouts must agree.
        self._moments = {
            moment: [torch.zeros_like(each, requires_grad=False) for each in self._parameters]
            for moment in moments
        }
        self._steps = [torch.zeros((), device=each.device) for each in self._parameters]

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Update the parameters by their gradients with the learning rate `lr`."""
        changed = [n for n, each in enumerate(self._parameters) if each.grad is not None]
        parameters: list[Tensor] = [self._parameters[n] for n in changed]
        gradients = [each.grad for each in parameters if each.grad is not None]
        moments = [[each[n] for n in changed] for each in self._moments.values()]
        if self._name == "sgd":
            # A momentum buffer of zeros is equivalent to torch's start with the first gradient.
            sgd(
                parameters, gradients, list(moments[0]), fused=True, weight_decay=0,
                momentum=MOMENTUM, lr=lr, dampening=0, nesterov=True, maximize=False,
            )  # fmt: skip
            return
        (adamw if self._name == "adamw" else adam)(
            parameters, gradients, moments[0], moments[1], [], [self._steps[n] for n in changed],
            fused=True, amsgrad=False, beta1=BETAS[0], beta2=BETAS[1], lr=lr, eps=EPS,
            weight_decay=WEIGHT_DECAY if self._name == "adamw" else 0, maximize=False,
        )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Moments and steps by `<number of the parameter>.<name>`."""
        named = self._moments if self._name == "sgd" else self._moments | {"step": self._steps}
        return {
            f"{number}.{name}": value
            for name, values in named.items()
            for number, value in enumerate(values)
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore a result of `state`. Raises ValueError for the state of another network."""
        own = self.state()
        if own.keys() != state.keys():
            raise ValueError("the moments belong to another network or optimiser")
        for name, value in own.items():
            if value.shape != state[name].shape:
                raise ValueError(f"the moment {name} has another shape")
            value.copy_(state[name])
