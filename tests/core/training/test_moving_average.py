"""The moving average of the weights: its values, and that it changes nothing else."""

import copy

import pytest
import torch
from torch import nn

from dae_tui.core.training.moving_average import MovingAverage


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout())


def first_weight(found: nn.Module) -> float:
    return next(found.parameters()).flatten()[0].item()


def set_all(changed: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.fill_(value)


def assert_equal(first: nn.Module, second: nn.Module) -> None:
    theirs = second.state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def test_it_begins_with_the_weights_of_the_network() -> None:
    trained = network()
    assert_equal(MovingAverage(trained, 0.99).network, trained)


def test_it_stays_with_weights_that_do_not_change() -> None:
    trained = network()
    average = MovingAverage(trained, 0.9)
    for step in range(1, 50):
        average.update(trained, step)
    assert_equal(average.network, trained)


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_each_step_keeps_its_share_and_fewer_at_first(decay: float) -> None:
    trained = network()
    set_all(trained, 0.0)
    average = MovingAverage(trained, decay)
    expected = 0.0
    for step in range(1, 200):
        set_all(trained, float(step))
        average.update(trained, step)
        share = min(decay, step / (step + 10))
        expected = share * expected + (1 - share) * step
        assert first_weight(average.network) == pytest.approx(expected, rel=1e-5)


def test_all_weights_are_averaged_by_the_same_share() -> None:
    trained, other = network(), network(seed=1)
    average = MovingAverage(trained, 0.9)
    average.update(other, 1)
    for mine, old, new in zip(
        average.network.parameters(), trained.parameters(), other.parameters(), strict=True
    ):
        assert torch.allclose(mine, old / 11 + new * 10 / 11, atol=1e-7)


def test_statistics_of_batch_normalisation_are_those_of_the_network() -> None:
    trained = network()
    average = MovingAverage(trained, 0.9)
    trained(torch.rand(8, 1, 9, 9) + 3)
    average.update(trained, 1)
    for mine, other in zip(average.network.buffers(), trained.buffers(), strict=True):
        assert torch.equal(mine, other)
        assert mine.data_ptr() != other.data_ptr()


def test_the_network_is_trained_as_if_there_were_no_average() -> None:
    trained = network()
    average = MovingAverage(trained, 0.9)
    before = copy.deepcopy(trained)
    set_all(average.network, 7.0)
    assert_equal(trained, before)
    average.update(trained, 1)
    assert_equal(trained, before)
    assert trained.training
    assert all(parameter.requires_grad for parameter in trained.parameters())
    assert not any(module.training for module in average.network.modules())
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


def test_it_goes_on_from_its_state_to_the_bit() -> None:
    trained = network()
    average = MovingAverage(trained, 0.9)
    for step in range(1, 20):
        average.update(network(seed=step), step)
    resumed = MovingAverage(network(seed=99), 0.9)
    resumed.load({name: value.clone() for name, value in average.state().items()})
    for step in range(20, 30):
        average.update(network(seed=step), step)
        resumed.update(network(seed=step), step)
    assert_equal(average.network, resumed.network)


def test_the_state_of_another_network_is_refused() -> None:
    average = MovingAverage(network(), 0.9)
    with pytest.raises(RuntimeError, match="size mismatch"):
        MovingAverage(nn.Sequential(nn.Conv2d(1, 5, 3)), 0.9).load(
            {name: value for name, value in average.state().items() if name.startswith("0.")}
        )
    with pytest.raises(RuntimeError, match="Missing key"):
        average.load({})
