"""Fine-tuning: which weights start which network, and what it computes then."""

from typing import Any

import pytest
import torch
from torch import nn

from dae_tui.core.training.fine_tuning import start_from
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import WeightsError
from dae_tui.models.registry import build, settings_of


def trained(network: str, settings: dict[str, Any]) -> Weights:
    torch.manual_seed(1)
    made = build(network, settings)
    for parameter in made.parameters():  # Also those that start as zeros.
        nn.init.normal_(parameter, std=0.1)
    return Weights("given", made.eval(), {"network": network, "settings": settings_of(made)})


@pytest.mark.parametrize("network", ["unet", "autoencoder"])
def test_the_same_network_starts_with_the_same_weights(network: str) -> None:
    weights = trained(network, {"widths": [4, 8]})
    started = build(network, {"widths": [4, 8]})
    start_from(started, weights)
    images = torch.rand(2, 1, 16, 16)
    inputs = [images, torch.tensor([0.1, 0.2])] if network == "unet" else [images]
    assert torch.equal(started.eval()(*inputs), weights.network(*inputs))


@pytest.mark.parametrize("gather", [1, 2])
@pytest.mark.parametrize("sigma", [False, True])
def test_grey_weights_see_the_mean_of_colours_and_give_each_the_same(
    gather: int, sigma: bool
) -> None:
    settings = {"widths": [4, 8], "gather": gather, "sigma": sigma, "residual": False}
    weights = trained("unet", settings)
    started = build("unet", settings | {"channels": 3})
    start_from(started, weights)
    colours = torch.rand(2, 3, 16, 16)
    level = [torch.tensor([0.1, 0.2])] if sigma else []
    expected = weights.network(colours.mean(1, keepdim=True), *level)
    assert torch.allclose(started(colours, *level), expected.expand(-1, 3, -1, -1), atol=1e-5)


@pytest.mark.parametrize("gather", [1, 2])
def test_colour_weights_see_grey_as_three_equal_colours(gather: int) -> None:
    settings = {"widths": [4, 8], "gather": gather, "residual": False}
    weights = trained("unet", settings | {"channels": 3})
    started = build("unet", settings)
    start_from(started, weights)
    grey, level = torch.rand(2, 1, 16, 16), torch.tensor([0.1, 0.2])
    expected = weights.network(grey.expand(-1, 3, -1, -1), level).mean(1, keepdim=True)
    assert torch.allclose(started(grey, level), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "settings", "own", "message"),
    [
        ("unet", {"widths": [4, 8]}, {"widths": [4, 16]}, "other layers"),
        ("unet", {"widths": [4, 8], "sigma": False}, {"widths": [4, 8]}, "other layers"),
        ("autoencoder", {"widths": [4]}, {"widths": [4], "channels": 3}, "images of 1 channels"),
    ],
    ids=["other widths", "no level", "channels of an autoencoder"],
)
def test_weights_that_do_not_fit_are_an_error(
    network: str, settings: dict[str, Any], own: dict[str, Any], message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        start_from(build(network, own), trained(network, settings))
