"""Networks without their batch normalisation give what they gave with it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dae_tui.core.data.image_set import unit
from dae_tui.core.data.load_data import load
from dae_tui.core.evaluation.classifiers.classifier import classifier_from_weights
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.folding import fold_batch_norm
from dae_tui.core.weights.weights_file import Weights, count_parameters, load_weights, to_bytes
from dae_tui.models.registry import NETWORKS, build, takes_sigma
from dae_tui.spec.model_cards import published, read_metadata
from dae_tui.spec.noise_spec import parse_noise

SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"widths": (4, 6, 8)},
    "dense": {"widths": (12, 6)},
    "classifier": {"widths": (4, 6, 8)},
    "unet": {"widths": (4, 6)},
}
NORMALISED = ("autoencoder", "dense", "classifier")


def trained(network: nn.Module) -> nn.Module:
    """The network with statistics and scales as no fresh batch normalisation has them."""
    generator = torch.Generator().manual_seed(1)
    for norm in batch_norms(network):
        for values, low, high in [
            (norm.running_mean, -0.5, 0.5),
            (norm.running_var, 0.2, 3.0),
            (norm.weight, -1.5, 1.5),
            (norm.bias, -0.5, 0.5),
        ]:
            assert values is not None
            nn.init.uniform_(values, low, high, generator=generator)
    return network.eval().requires_grad_(False)


def small(name: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(name, SMALL[name])
        if name == "unet":
            nn.init.normal_(network.get_parameter("tail.weight"), std=0.05)
    return trained(network)


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def images(height: int = 28, width: int = 28, channels: int = 1) -> Tensor:
    size = 5, channels, height, width
    return torch.rand(size, generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
def apply(network: nn.Module, noisy: Tensor) -> Tensor:
    told = [torch.full((len(noisy),), 0.3)] if takes_sigma(network) else []
    given: Tensor = network(noisy, *told)
    return given


@pytest.mark.parametrize("name", SMALL)
def test_the_output_is_the_same(name: str) -> None:
    network = small(name)
    before = apply(network, images())
    assert before.std() > 0.01
    assert (apply(fold_batch_norm(network), images()) - before).abs().max() < 1e-5


@pytest.mark.parametrize("name", published())
def test_published_weights_give_the_same(name: str) -> None:
    path = published()[name]
    weights = load_weights(path, task=NETWORKS[read_metadata(path)["network"]].task)
    noisy = images(channels=weights.channels)
    before = apply(weights.network, noisy)
    # Of logits, which reach 20, this is rounding too.
    tolerance = 1e-5 * max(1, float(before.abs().max()))
    assert (apply(weights.folded, noisy) - before).abs().max() < tolerance


@pytest.mark.parametrize("size", [(29, 31), (1, 7), (30, 28)])
def test_sizes_that_the_stride_does_not_divide_go_through(size: tuple[int, int]) -> None:
    network = small("autoencoder")
    before = apply(network, images(*size))
    after = apply(fold_batch_norm(network), images(*size))
    assert after.shape == (5, 1, *size)
    assert (after - before).abs().max() < 1e-5


@pytest.mark.parametrize("name", NORMALISED)
def test_none_is_left_and_the_original_stays(name: str) -> None:
    network = small(name).train()
    count = len(batch_norms(network))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    assert not batch_norms(folded)
    assert not folded.training
    assert network.training
    assert len(batch_norms(network)) == count > 0
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_a_network_without_it_comes_back_as_it_is() -> None:
    network = small("unet")
    assert fold_batch_norm(network) is network


def test_what_is_known_of_the_network_stays() -> None:
    network = small("autoencoder")
    folded: Any = fold_batch_norm(network)
    assert (folded.settings, folded.stride, folded.receptive_field) == (
        network.settings,
        network.stride,
        network.receptive_field,
    )


def test_one_that_follows_no_layer_which_could_take_it_in_stays() -> None:
    network = trained(
        nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.BatchNorm2d(2), nn.BatchNorm2d(2))
    )
    assert fold_batch_norm(network) is network


def test_groups_are_folded_or_left_and_give_the_same() -> None:
    network = trained(
        nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 3, groups=2),
            nn.BatchNorm2d(4),
            nn.ConvTranspose2d(4, 4, 3, groups=2),
            nn.BatchNorm2d(4),
        )
    )
    folded = fold_batch_norm(network)
    assert len(batch_norms(folded)) == 1
    assert (folded(images()) - network(images())).abs().max() < 1e-5


def test_weights_fold_once_and_are_saved_as_they_were() -> None:
    weights = Weights("small", small("autoencoder"), {})
    saved, parameters = to_bytes(weights.network, {}), count_parameters(weights.network)
    assert weights.folded is weights.folded
    assert weights.folded is not weights.network
    assert to_bytes(weights.network, {}) == saved
    assert count_parameters(weights.network) == parameters


def test_the_classifier_predicts_the_same_classes() -> None:
    digits = load("digits", "test", Path())
    classifier = load_weights(published()["digits-classifier"], task="classify")
    ours = classifier_from_weights(classifier, digits, torch.device("cpu"))
    clean = unit(digits.images)
    noisy = add_noise(clean, parse_noise("gaussian:0.5"), torch.Generator().manual_seed(0))
    for views in (clean, noisy):
        assert torch.equal(ours.predict(views), apply(classifier.network, views).argmax(1))
