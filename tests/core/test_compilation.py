"""When a training is compiled, and that one which is learns as well."""

import dataclasses

import pytest
import torch

from dae_tui.core.compilation import compiled, pays
from dae_tui.core.config import TrainingConfig
from models.registry import build

CONFIG = TrainingConfig(data="digits")
SHAPE = (1, 28, 28)


def test_a_long_training_pays_and_a_short_one_does_not() -> None:
    network = build("autoencoder", {})
    hundred_epochs = 100 * 55_000
    assert pays(CONFIG, network, SHAPE, hundred_epochs)
    assert not pays(CONFIG, network, SHAPE, 3 * 55_000)
    assert not pays(CONFIG, build("dense", {}), SHAPE, hundred_epochs)


@pytest.mark.parametrize(("wish", "found"), [("yes", True), ("no", False)])
def test_what_is_asked_for_is_done(wish: str, found: bool) -> None:
    network = build("autoencoder", {})
    config = dataclasses.replace(CONFIG, compile=wish)
    assert pays(config, network, SHAPE, 1) is found
    assert pays(config, network, SHAPE, 10**12) is found


def test_to_ask_changes_nothing_in_the_network() -> None:
    network = build("autoencoder", {"widths": [4, 6]}).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pays(CONFIG, network, SHAPE, 1)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_without_a_compiler_it_goes_on_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/nowhere/g++",))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    network = build("dense", {"widths": [8]}).eval()
    images = torch.rand(4, *SHAPE)
    assert torch.equal(compiled(network, torch.device("cpu"))(images), network(images))
