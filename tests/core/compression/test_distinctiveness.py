"""Pruning by distinctiveness: the published angles, and outputs that stay as they were."""

import json
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dae_tui.core.compression.distinctiveness import Removal, angles, closest, prune
from dae_tui.models.autoassociative import Network, Settings

# Gedeon and Harris 1991: activations of six hidden units over 16 patterns.
ACTIVATIONS = [
    [0.33, 1.0, 0.91, 0.582, 0.593, 0.381],
    [0.091, 0.994, 0.339, 0.101, 0.834, 0.839],
    [0.098, 0.994, 0.348, 0.13, 0.874, 0.868],
    [0.022, 0.488, 0.026, 0.012, 0.96, 0.982],
    [0.094, 0.994, 0.325, 0.128, 0.853, 0.849],
    [0.021, 0.489, 0.024, 0.012, 0.952, 0.979],
    [0.023, 0.488, 0.025, 0.016, 0.965, 0.984],
    [0.005, 0.006, 0.001, 0.001, 0.99, 0.998],
    [0.117, 0.994, 0.339, 0.132, 0.875, 0.87],
    [0.026, 0.488, 0.025, 0.012, 0.96, 0.983],
    [0.029, 0.488, 0.026, 0.016, 0.971, 0.986],
    [0.006, 0.006, 0.001, 0.001, 0.991, 0.998],
    [0.027, 0.489, 0.024, 0.016, 0.965, 0.984],
    [0.006, 0.006, 0.001, 0.001, 0.99, 0.998],
    [0.006, 0.006, 0.001, 0.002, 0.992, 0.998],
    [0.001, 0.0, 0.0, 0.0, 0.998, 1.0],
]
# The angles as published, in degrees.
PUBLISHED = {
    "1-2": 81.8, "1-3": 25.2, "1-4": 8.4, "1-5": 176.5, "1-6": 169.9,
    "2-3": 63.0, "2-4": 77.8, "2-5": 100.8, "2-6": 103.7,
    "3-4": 18.0, "3-5": 157.7, "3-6": 163.7,
    "4-5": 173.7, "4-6": 177.5, "5-6": 7.3,
}  # fmt: skip


def table() -> Tensor:
    return torch.tensor(ACTIVATIONS, dtype=torch.float64)


def network(units: int, seed: int = 0, output: str = "linear") -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Network(Settings(side=4, units=units, output=output)).requires_grad_(False)


def patches(count: int = 40) -> Tensor:
    return torch.rand(count, 16, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def with_twin(output: str, opposite: bool) -> Network:
    """A network of five units, the last of which does the same as the second, or the opposite."""
    made = network(5, output=output)
    sign = -1 if opposite else 1
    made.encoder.weight[4] = sign * made.encoder.weight[1]
    made.encoder.bias[4] = sign * made.encoder.bias[1]
    return made


@pytest.mark.parametrize("pair", PUBLISHED)
def test_the_published_angles_come_out(pair: str) -> None:
    first, second = (int(number) - 1 for number in pair.split("-"))
    # The activations are published with three digits. The worst pair, 1-6, misses by 1.24.
    assert float(angles(table())[first, second]) == pytest.approx(PUBLISHED[pair], abs=1.25)


def test_the_reference_file_holds_the_same_table() -> None:
    path = Path(os.environ.get("DAE_DATA", "")).parent / "reference" / "distinctiveness.json"
    if not path.is_file():
        pytest.skip("needs reference/distinctiveness.json beside the folder of DAE_DATA")
    reference = json.loads(path.read_text())
    assert reference["activations"] == ACTIVATIONS
    assert reference["angles_degrees"] == PUBLISHED


def test_folded_angles_take_opposite_units_for_close_ones() -> None:
    degrees = angles(table(), folded=True)
    assert float(degrees.max()) <= 90
    assert float(degrees[0, 4]) == pytest.approx(180 - 176.5, abs=0.3)
    assert closest(degrees)[:2] == (3, 5)


def test_a_unit_without_a_direction_is_at_a_right_angle_to_all() -> None:
    degrees = angles(torch.tensor([[0.5, 0.9], [0.5, 0.2]]))
    assert float(degrees[0, 1]) == pytest.approx(90)


def test_the_table_implies_two_merges_and_a_complementary_pair() -> None:
    pruned, removals = prune(network(6), table().float())
    assert [(each.unit, each.reason, each.into) for each in removals] == [
        (5, "similar", 4),
        (3, "similar", 0),
        (4, "complementary", 0),
    ]
    assert pruned.settings.units == 3


def test_as_published_both_units_of_a_complementary_pair_go() -> None:
    pruned, removals = prune(network(6), table().float(), published=True)
    assert [(each.unit, each.reason, each.into) for each in removals] == [
        (5, "similar", 4),
        (3, "similar", 0),
        (4, "complementary", None),
        (0, "complementary", None),
    ]
    assert pruned.settings.units == 2


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
@pytest.mark.parametrize("opposite", [False, True])
def test_pruning_a_duplicate_or_its_opposite_leaves_the_output_as_it_was(
    output: str, opposite: bool
) -> None:
    whole, inputs = with_twin(output, opposite), patches()
    hidden = whole.encode(inputs)
    pruned, removals = prune(whole, hidden)
    # Random units of one layer are never nearer than that to each other.
    assert removals[0].reason == ("complementary" if opposite else "similar")
    assert {removals[0].unit, removals[0].into} == {1, 4}
    assert len(removals) == 1
    difference = pruned.decode(pruned.encode(inputs)) - whole.decode(hidden)
    assert float(difference.abs().max()) < 1e-5


def test_as_published_a_complementary_pair_changes_the_output() -> None:
    whole, inputs = with_twin("linear", opposite=True), patches()
    hidden = whole.encode(inputs)
    pruned, _ = prune(whole, hidden, published=True)
    difference = pruned.decode(pruned.encode(inputs)) - whole.decode(hidden)
    assert float(difference.abs().max()) > 0.01


@torch.no_grad()
def test_a_constant_unit_becomes_a_part_of_the_bias() -> None:
    whole, inputs = network(4), patches()
    whole.encoder.weight[2] = 0
    whole.encoder.bias[2] = 1.5
    hidden = whole.encode(inputs)
    pruned, removals = prune(whole, hidden)
    assert removals == [Removal(2, "constant")]
    difference = pruned.decode(pruned.encode(inputs)) - whole.decode(hidden)
    assert float(difference.abs().max()) < 1e-5


@torch.no_grad()
def test_a_unit_that_hardly_reaches_the_output_is_insignificant() -> None:
    whole = network(4)
    whole.decoder.weight[:, 3] *= 1e-3
    _, removals = prune(whole, whole.encode(patches()))
    assert removals == [Removal(3, "insignificant")]


@torch.no_grad()
def test_one_unit_remains_of_units_that_are_all_alike() -> None:
    whole = network(3)
    whole.encoder.weight.copy_(whole.encoder.weight[:1].expand(3, -1))
    whole.encoder.bias.fill_(0.1)
    pruned, _ = prune(whole, whole.encode(patches()))
    assert pruned.settings.units == 1
