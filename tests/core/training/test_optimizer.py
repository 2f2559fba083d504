"""The fused optimisers, against the classes of torch.optim."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from dae_tui.core.training.optimizer import FusedOptimizer

THEIRS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.01, fused=True),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 0.01, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(
        parameters, 0.01, momentum=0.9, nesterov=True, fused=True
    ),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)


def descend(trained: nn.Module, steps: int, step: Callable[[], Any], seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        trained.zero_grad()
        images = torch.rand(2, 3, 8, 8, generator=generator)
        trained(images).square().mean().backward()
        step()


def assert_equal(first: nn.Module, second: nn.Module) -> None:
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", list(THEIRS))
def test_steps_are_those_of_torch_to_the_bit(name: str) -> None:
    ours, theirs = network(), network()
    own, other = FusedOptimizer(name, ours.parameters()), THEIRS[name](theirs.parameters())
    descend(ours, 5, lambda: own.step(0.01))
    descend(theirs, 5, other.step)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("name", list(THEIRS))
def test_goes_on_from_its_state_to_the_bit(name: str) -> None:
    whole = network()
    optimizer = FusedOptimizer(name, whole.parameters())
    descend(whole, 3, lambda: optimizer.step(0.01))
    resumed = copy.deepcopy(whole)
    again = FusedOptimizer(name, resumed.parameters())
    again.load({key: value.contiguous() for key, value in optimizer.state().items()})
    descend(whole, 3, lambda: optimizer.step(0.01), seed=2)
    descend(resumed, 3, lambda: again.step(0.01), seed=2)
    assert_equal(whole, resumed)


def test_the_state_of_another_network_is_refused() -> None:
    state = FusedOptimizer("adam", network().parameters()).state()
    with pytest.raises(ValueError, match="another network or optimiser"):
        FusedOptimizer("sgd", network().parameters()).load(state)
    with pytest.raises(ValueError, match="another shape"):
        FusedOptimizer("adam", nn.Conv2d(3, 4, 3).parameters()).load(state)
