"""Fine-tuning: a training that starts from the weights of another one."""

import torch
from torch import Tensor, nn

from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import WeightsError
from dae_tui.models.registry import channels_of, settings_of

COLOURS = 3


def start_from(network: nn.Module, weights: Weights) -> None:
    """Give `network` the weights of another training of the same network.

    A U-Net for grey images can start one for colour images, and the other way round: its first
    layer then sees the mean of the colours, and its last one gives each colour the same.

    Raises WeightsError for weights of another network, or of another size.
    """
    given = weights.network.state_dict()
    own = network.state_dict()
    if channels_of(network) != weights.channels:
        _refuse_unless_unet(network, weights)
        given = {
            name: _other_channels(value, own[name], weights) if name in own else value
            for name, value in given.items()
        }
    fits = given.keys() == own.keys() and all(
        value.shape == own[name].shape for name, value in given.items()
    )
    if not fits:
        raise WeightsError(
            f"{weights.name} has other layers than the network to train",
            f"leave --widths and --set out: it has {settings_of(weights.network)}",
        )
    network.load_state_dict(given)


def _refuse_unless_unet(network: nn.Module, weights: Weights) -> None:
    channels = {channels_of(network), weights.channels}
    if weights.metadata["network"] != "unet" or channels != {1, COLOURS}:
        raise WeightsError(
            f"{weights.name} was trained on images of {weights.channels} channels, and these have "
            f"{channels_of(network)}",
            "use other weights, or images like those that it was trained on",
        )


def _other_channels(value: Tensor, own: Tensor, weights: Weights) -> Tensor:
    """A tensor of the first or last layer for another number of channels; others unchanged.

    Gathered pixels lie in the order (channel, place), and the noise level comes last.
    """
    if value.shape == own.shape:
        return value
    places = int(settings_of(weights.network)["gather"]) ** 2
    grey = weights.channels == 1
    if value.shape[0] != own.shape[0]:  # The last layer.
        if grey:
            return torch.cat([value] * COLOURS)
        return value.reshape(-1, places, *value.shape[1:]).mean(0)
    pixels, level = value[:, : places * weights.channels], value[:, places * weights.channels :]
    if grey:
        return torch.cat([pixels / COLOURS] * COLOURS + [level], dim=1)
    by_channel = pixels.reshape(len(value), -1, places, *value.shape[2:])
    return torch.cat([by_channel.sum(1), level], dim=1)
