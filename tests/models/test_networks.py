"""The networks, built by name from JSON settings, and what the paper says they are made of."""

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn

from dae_tui.models.registry import NETWORKS, build, settings_of, takes_sigma

DENOISERS = [name for name, entry in NETWORKS.items() if entry.task == "denoise"]

# Settings as JSON holds them, small enough to build and run at once.
SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"widths": [4, 6, 8]},
    "dense": {"widths": [12, 5]},
    "unet": {"widths": [4, 6, 8]},
    "tutorial": {"widths": [4, 4, 6, 6, 8]},
    "classifier": {"widths": [4, 6, 8], "classes": 7},
    "oracle": {"widths": [4, 6, 8], "classes": 7},
    "autoassociative": {"side": 8, "units": 5},
}


def images(count: int = 2, channels: int = 1, height: int = 28, width: int = 28) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand((count, channels, height, width), generator=generator)


def built(name: str, **settings: Any) -> nn.Module:
    """The network `name` with small settings that have been JSON, and weights from one seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(name, json.loads(json.dumps({**SMALL[name], **settings})))
        if isinstance(tail := getattr(network, "tail", None), nn.Conv2d):
            nn.init.normal_(tail.weight, std=0.1)  # Untrained, it takes nothing away.
        return network


def applied(network: nn.Module, noisy: torch.Tensor, sigma: float = 0.1) -> torch.Tensor:
    """What a network gives, told the noise level if it asks for it."""
    told = [torch.full((len(noisy),), sigma)] if takes_sigma(network) else []
    output: torch.Tensor = network(noisy, *told)
    return output


def layers(network: nn.Module) -> Counter[type[nn.Module]]:
    return Counter(type(module) for module in network.modules())


def output_layer(network: nn.Module) -> nn.Module:
    return [module for module in network.modules() if not list(module.children())][-1]


def test_every_network_of_the_registry_is_tested_here() -> None:
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_registry_entry_says_what_the_network_is_for(name: str) -> None:
    assert NETWORKS[name].task in ("denoise", "classify", "classify-noisy", "compress")
    assert NETWORKS[name].summary


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_built_with_its_defaults_from_no_settings(name: str) -> None:
    network = build(name, {})
    assert applied(network.eval(), images()).shape[0] == 2
    assert settings_of(network)["channels"] == 1


@pytest.mark.parametrize("name", DENOISERS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("training", [True, False])
def test_a_denoiser_gives_images_of_the_shape_it_takes(
    name: str, channels: int, training: bool
) -> None:
    network = built(name, channels=channels).train(training)
    noisy = images(3, channels)
    assert applied(network, noisy).shape == noisy.shape


@pytest.mark.parametrize("name", ["autoencoder", "unet", "tutorial"])
@pytest.mark.parametrize("size", [(29, 31), (28, 30), (5, 64), (1, 1), (3, 2)])
def test_a_convolutional_network_takes_images_of_any_size(name: str, size: tuple[int, int]) -> None:
    network = built(name).eval()
    noisy = images(2, 1, *size)
    assert applied(network, noisy).shape == noisy.shape


@pytest.mark.parametrize("name", ["autoencoder", "unet"])
def test_it_pads_by_repeating_the_edge(name: str) -> None:
    network = built(name).eval()
    noisy = images(1, 1, 10, 11)
    padded = nn.functional.pad(noisy, (0, 1, 0, 2), mode="replicate")
    assert torch.allclose(applied(network, noisy), applied(network, padded)[..., :10, :11])


def test_the_unet_takes_away_what_it_is_told_there_is() -> None:
    network = built("unet").eval()
    noisy = images(2)
    little, much = applied(network, noisy, 0.01), applied(network, noisy, 0.5)
    assert not torch.allclose(little, much)
    # Without biases twice the image with twice the noise gives twice the result.
    assert torch.allclose(applied(network, 2 * noisy, 0.02), 2 * little, atol=1e-5)


def test_the_tutorials_network_has_the_parameters_that_it_is_known_for() -> None:
    network = build("tutorial", {})
    assert sum(parameter.numel() for parameter in network.parameters()) == 771_425
    with pytest.raises(ValueError, match="5 widths, not 3"):
        build("tutorial", {"widths": [4, 6, 8]})


def test_an_untrained_unet_changes_nothing() -> None:
    network = build("unet", {"widths": [4, 6]})
    assert torch.equal(applied(network, images()), images())


@pytest.mark.parametrize("blocks", [0, 17])
def test_a_unet_has_blocks(blocks: int) -> None:
    with pytest.raises(ValueError, match="blocks"):
        build("unet", {"blocks": blocks})


@pytest.mark.parametrize("widths", [[4], [4, 6], [4, 6, 8, 10]])
def test_the_autoencoder_may_have_any_number_of_stages(widths: list[int]) -> None:
    network = built("autoencoder", widths=widths).eval()
    assert network(images()).shape == (2, 1, 28, 28)
    assert layers(network)[nn.Conv2d] == len(widths)
    assert layers(network)[nn.MaxPool2d] == len(widths) - 1


@pytest.mark.parametrize("size", [(12, 7), (1, 5)])
def test_the_dense_autoencoder_takes_images_of_the_size_of_its_settings(
    size: tuple[int, int],
) -> None:
    network = built("dense", height=size[0], width=size[1], channels=3).eval()
    noisy = images(2, 3, *size)
    assert network(noisy).shape == noisy.shape


@pytest.mark.parametrize("name", ["autoencoder", "dense"])
def test_a_relu_at_the_end_never_gives_negative_values(name: str) -> None:
    network = built(name)
    noisy = 4 * images(8) - 2
    for training in (True, False):
        denoised = network.train(training)(noisy)
        assert denoised.min() >= 0
        assert denoised.max() > 0  # Not because all of it is dead.


@pytest.mark.parametrize(("classes", "channels"), [(10, 1), (7, 3), (47, 1)])
def test_the_classifier_gives_a_logit_for_each_class(classes: int, channels: int) -> None:
    network = built("classifier", classes=classes, channels=channels).eval()
    logits = network(images(5, channels))
    assert logits.shape == (5, classes)
    assert logits.min() < 0 < logits.max()  # Logits, not probabilities.


@pytest.mark.parametrize("size", [(8, 8), (40, 40), (29, 31)])
def test_the_classifier_takes_images_of_other_sizes(size: tuple[int, int]) -> None:
    assert built("classifier").eval()(images(2, 1, *size)).shape == (2, 7)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_answer_for_an_image_does_not_depend_on_its_batch(name: str) -> None:
    network = built(name).eval()
    batch = images(4)
    assert torch.allclose(applied(network, batch)[2:3], applied(network, batch[2:3]), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = built(name, dropout=0.0) if name == "classifier" else built(name)
    output = applied(network, images(16))
    # Torch gives `backward` no types.
    (output - torch.rand_like(output)).square().mean().backward()  # type: ignore[no-untyped-call]
    for parameter, tensor in network.named_parameters():
        assert tensor.grad is not None, parameter
        assert tensor.grad.abs().max() > 0, parameter


def test_the_autoencoder_has_the_layers_of_the_paper() -> None:
    network = build("autoencoder", {})
    counts = layers(network)
    assert counts[nn.Conv2d] == 3
    assert counts[nn.MaxPool2d] == 2
    assert counts[nn.ConvTranspose2d] == 3
    # One batch normalisation and one ReLU after every (transposed) convolution.
    assert counts[nn.BatchNorm2d] == counts[nn.ReLU] == 6
    assert isinstance(output_layer(network), nn.ReLU)


def test_relu_and_pooling_may_change_places() -> None:
    """The paper has the ReLU first: outputs and gradients are the same, to the bit."""
    network = build("autoencoder", {"widths": [4, 8]})
    encoder, decoder = network.encoder, network.decoder
    assert isinstance(encoder, nn.Sequential)
    assert isinstance(decoder, nn.Sequential)
    assert [type(layer) for layer in encoder[:4]] == [
        *(nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.ReLU),
    ]
    images = torch.rand(20, 1, 28, 28)
    found = []
    for order in (encoder, nn.Sequential(*(encoder[at] for at in (0, 1, 3, 2, *range(4, 7))))):
        network.zero_grad()
        denoised = decoder(order(images))
        denoised.square().mean().backward()
        found.append([denoised, *(each.grad for each in network.parameters())])
    for ours, the_papers in zip(*found, strict=True):
        assert torch.equal(ours, the_papers)


def test_the_autoencoder_is_as_wide_as_its_settings_say() -> None:
    network = built("autoencoder", widths=[3, 5, 7], channels=2)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    transposed = [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)]
    assert [module.out_channels for module in convolutions] == [3, 5, 7]
    assert [module.out_channels for module in transposed] == [5, 3, 2]


def test_the_dense_autoencoder_is_fully_connected_and_mirrored() -> None:
    network = build("dense", {})
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [module.out_features for module in linear] == [512, 256, 512, 784]
    assert not any(isinstance(module, nn.Conv2d) for module in network.modules())
    assert isinstance(output_layer(network), nn.ReLU)


@pytest.mark.parametrize("name", NETWORKS)
def test_settings_rebuild_the_network_through_json(name: str) -> None:
    network = built(name).eval()
    settings = json.loads(json.dumps(settings_of(network)))
    assert {key: settings[key] for key in SMALL[name]} == SMALL[name]
    again = build(name, settings).eval()
    assert settings_of(again) == settings_of(network)
    again.load_state_dict(network.state_dict())
    assert torch.equal(applied(again, images()), applied(network, images()))


def test_an_unknown_network_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        build("transformer", {})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_setting_that_does_not_exist_is_an_error_that_names_those_that_do(name: str) -> None:
    with pytest.raises(ValueError, match="no setting 'depth', but channels"):
        build(name, {"depth": 3})


def test_looking_a_network_up_imports_no_torch() -> None:
    script = (
        "import sys; from dae_tui.models.registry import NETWORKS; "
        "print(NETWORKS['autoencoder'].task, 'torch' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split() == ["denoise", "False"]
