"""What a network costs, against what one counts by hand."""

import pytest

from dae_tui.core.weights.cost import network_cost
from dae_tui.core.weights.weights_file import load_weights
from dae_tui.models.registry import build
from dae_tui.spec.model_cards import published


def test_a_dense_network_multiplies_each_weight_once() -> None:
    network = build("dense", {"widths": [100, 10]}).eval()
    cost = network_cost(network, 1, 28, 28)
    assert cost.multiply_adds == 784 * 100 + 100 * 10 + 10 * 100 + 100 * 784
    assert cost.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_convolutions_multiply_at_every_pixel_and_channel() -> None:
    network = build("autoencoder", {"widths": [4, 6]}).eval()
    cost = network_cost(network, 1, 28, 28)
    down = 28 * 28 * 9 * 4 + 14 * 14 * 9 * 4 * 6
    # A transposed convolution multiplies at every pixel that it is given.
    up = 14 * 14 * 16 * 6 * 4 + 28 * 28 * 9 * 4
    assert cost.multiply_adds == down + up
    assert network_cost(network, 3, 28, 28).multiply_adds == 3 * (down + up)


@pytest.mark.parametrize("name", ["mnist-unet", "photos-unet", "mnist-autoencoder"])
def test_memory_is_at_least_the_widest_feature_map_and_grows_with_the_image(name: str) -> None:
    network = load_weights(published()[name]).network
    small, large = (network_cost(network, 1, side, side).peak_bytes for side in (32, 128))
    assert small is not None
    assert large is not None
    assert small > 32 * 32 * 4
    assert large == pytest.approx(16 * small, rel=0.01)
