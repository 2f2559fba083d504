"""Exported networks give what the network gives, at sizes that nobody has tried before."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from dae_tui.core.weights import export
from dae_tui.core.weights.export import to_onnx, to_torch_export
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.errors import DaeError, WeightsError
from dae_tui.models.registry import NETWORKS as NETWORK_ENTRIES
from dae_tui.models.registry import build, takes_sigma
from dae_tui.spec.model_cards import published, read_metadata

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "autoencoder": ("autoencoder", {"widths": (2, 3, 4)}),
    "unet": ("unet", {"widths": (2, 3)}),
    "colour unet": (
        "unet",
        {"widths": (2, 3), "channels": 3, "gather": 2, "sigma": False, "residual": False},
    ),
    "tutorial": ("tutorial", {"widths": (1, 1, 1, 2, 2)}),
    "dense": ("dense", {"widths": (4, 3), "height": 9, "width": 11}),
    "classifier": ("classifier", {"widths": (2, 3), "classes": 4}),
}

# Each takes seconds: what differs most in a graph is always tried.
FAST = ("autoencoder", "unet")
SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in NETWORKS if kind not in FAST]


def weights(kind: str) -> Weights:
    """A network with random weights and statistics, as no fresh network has them."""
    name, settings = NETWORKS[kind]
    network = build(name, settings)
    generator = torch.Generator().manual_seed(1)
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            low = 0.5 if "var" in key else -0.3
            nn.init.uniform_(tensor, low, low + 0.7, generator=generator)
    metadata = {"network": name, "data": "digits", "noise": "gaussian:0.5"}
    return Weights(kind, network.eval().requires_grad_(False), metadata)


def inputs(of: Weights, images: int, height: int, width: int) -> list[Tensor]:
    settings: Any = of.network.settings
    size = getattr(settings, "height", height), getattr(settings, "width", width)
    generator = torch.Generator().manual_seed(2)
    noisy = torch.rand(images, of.channels, *size, generator=generator)
    return [noisy, torch.rand(images, generator=generator)][: 1 + takes_sigma(of.network)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*FAST, *SLOW])
def test_a_network_is_the_same_as_onnx_and_as_torch_export(kind: str) -> None:
    of = weights(kind)
    session = onnxruntime.InferenceSession(to_onnx(of, "MIT"), providers=["CPUExecutionProvider"])
    program = torch.export.load(io.BytesIO(to_torch_export(of, "MIT"))).module()
    names = [each.name for each in session.get_inputs()]
    (output,) = (each.name for each in session.get_outputs())
    if kind == "classifier":
        assert ([*names, output]) == ["images", "logits"]
    else:
        assert ([*names, output]) == [*["noisy", "sigma"][: len(names)], "denoised"]

    # Odd, long, multiples of every stride, and tiny images; a classifier needs 8 pixels a side.
    least = 8 if kind == "classifier" else 1
    for size in [(1, 33, 47), (2, 8, 120), (4, 64, 64), (1, least, 17), (2, least, least)]:
        given = inputs(of, *size)
        expected = of.network(*given)
        feed = {name: each.numpy() for name, each in zip(names, given, strict=True)}
        np.testing.assert_allclose(session.run(None, feed)[0], expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(program(*given), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path"), published().items())
def test_every_published_network_is_exported_and_codecs_are_refused(name: str, path: Path) -> None:
    task = NETWORK_ENTRIES[read_metadata(path)["network"]].task
    of = load_weights(path, name, task)
    if task == "compress":
        for write in (to_onnx, to_torch_export):
            with pytest.raises(WeightsError, match=f"{name} is a codec"):
                write(of, "MIT")
        return
    assert onnx.load_from_string(to_onnx(of, "MIT")).graph.output
    assert to_torch_export(of, "MIT")


@pytest.mark.slow
def test_the_files_say_what_the_network_is_for_and_nothing_of_this_machine() -> None:
    of = weights("unet")
    content = to_onnx(of, "MIT")
    model = onnx.load_from_string(content)
    described = {each.key: each.value for each in model.metadata_props}
    assert described == {
        "name": "unet",
        "network": "unet",
        "data": "digits",
        "noise": "gaussian:0.5",
        "licence": "MIT",
        "range": "[0, 1]",
        "channels": "1",
    }
    shapes = {
        each.name: [size.dim_param or size.dim_value for size in each.type.tensor_type.shape.dim]
        for each in (*model.graph.input, *model.graph.output)
    }
    image = ["batch", 1, "height", "width"]
    assert shapes == {"noisy": image, "sigma": ["batch"], "denoised": image}
    onnx.checker.check_model(model, full_check=True)

    program = to_torch_export(of, "MIT")
    extra = {"metadata.json": ""}
    torch.export.load(io.BytesIO(program), extra_files=extra)
    assert json.loads(extra["metadata.json"]) == described
    for file in (content, program):
        assert b".py" not in file


@pytest.mark.slow
def test_a_program_that_differs_from_the_network_is_refused() -> None:
    of = weights("unet")
    of.__dict__["folded"] = weights("unet").network
    of.network.get_parameter("tail.weight").mul_(1.001)
    for convert in (to_onnx, to_torch_export):
        with pytest.raises(DaeError, match="differs by"):
            convert(of, "MIT")


def test_what_torch_cannot_export_is_an_error_in_one_line() -> None:
    of = weights("unet")
    of.network.forward = lambda *_: 1 / 0
    with pytest.raises(DaeError, match=r"^unet cannot be exported by torch [\w.+]+: division"):
        export.to_torch_export(of, "MIT")
