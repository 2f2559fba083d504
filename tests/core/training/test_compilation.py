"""When a training is compiled, and that one which is learns as well."""

import dataclasses

import pytest
import torch

from dae_tui.core.training.compilation import compiled, pays
from dae_tui.errors import DaeError
from dae_tui.models.registry import build
from dae_tui.spec.training_config import TrainingConfig

CONFIG = TrainingConfig(data="digits")
SHAPE = (1, 28, 28)
CPU = torch.device("cpu")


def test_a_long_training_pays_and_a_short_one_does_not() -> None:
    network = build("autoencoder", {})
    hundred_epochs = 100 * 55_000
    assert pays(CONFIG, network, SHAPE, hundred_epochs)
    assert not pays(CONFIG, network, SHAPE, 3 * 55_000)
    assert not pays(CONFIG, build("dense", {}), SHAPE, hundred_epochs)
    assert not pays(CONFIG, network, SHAPE, hundred_epochs, processes=2)


@pytest.mark.parametrize(("choice", "found"), [("yes", True), ("no", False)])
def test_what_is_asked_for_is_done(choice: str, found: bool) -> None:
    network = build("autoencoder", {})
    config = dataclasses.replace(CONFIG, compile=choice)
    assert pays(config, network, SHAPE, 1) is found
    assert pays(config, network, SHAPE, 10**12) is found


def test_to_ask_changes_nothing_in_the_network() -> None:
    network = build("autoencoder", {"widths": [4, 6]}).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pays(CONFIG, network, SHAPE, 1)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.slow
def test_without_a_compiler_it_goes_on_as_it_was_but_not_where_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch._dynamo
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/nowhere/g++",))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    # `compiled` sets these for the process, which has other tests to run.
    monkeypatch.setattr(torch._inductor.config, "compile_threads", 1)
    monkeypatch.setattr(torch._dynamo.config, "suppress_errors", False)
    network = build("dense", {"widths": [8]}).eval()
    images = torch.rand(4, *SHAPE)
    with pytest.raises(DaeError, match="does not work here") as raised:
        compiled(network, CPU, asked_for=True)
    assert "--compile" in raised.value.hint
    assert torch.equal(compiled(network, CPU)(images), network(images))
