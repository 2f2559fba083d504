"""Trained networks as programs for other software: ONNX, and `torch.export`.

Both hold the whole computation, padding to a multiple of the stride included. Their inputs are
`noisy`, float32 (N, C, H, W) with values in [0, 1], and for networks that take the noise level
`sigma`, float32 (N,), on the same scale. Their output `denoised` has the shape of `noisy`; it is
what the network gives, which may lie a little outside [0, 1]. Classifiers take `images` and give
`logits` (N, classes).
"""

import io
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.fx.experimental._config as symbolic
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import DaeError, WeightsError
from dae_tui.models.registry import NETWORKS, takes_sigma
from dae_tui.version import __version__

TOLERANCE = 1e-4
"""How far an exported network may be from the original, on random images in [0, 1].

Relative to the largest value, where that is more than 1: logits have no range.
"""
LARGEST_ONNX = 2**31 - 1
"""Bytes in a file of Protocol Buffers."""
# Images, height, width: the usual, no multiples of a stride, long, and the smallest.
CHECKED_SIZES = ((2, 28, 28), (1, 45, 53), (3, 16, 90), (1, 1, 1))

AXES = ("batch", "channels", "height", "width")

Run = Callable[[Sequence[Tensor]], Tensor]


def to_torch_export(weights: Weights, licence: str) -> bytes:
    """The content of a `.pt2` file, with the description of the network as `metadata.json`.

    Raises DaeError if the program cannot be made or differs from the network.
    """
    program = _program(weights)
    content = io.BytesIO()
    described = json.dumps(description(weights, licence), ensure_ascii=False)
    torch.export.save(program, content, extra_files={"metadata.json": described})
    module = torch.export.load(io.BytesIO(content.getvalue())).module()
    _check(weights, lambda inputs: module(*inputs))
    return content.getvalue()


def to_onnx(weights: Weights, licence: str) -> bytes:
    """The content of an `.onnx` file, with the description of the network in its metadata.

    Needs onnx, onnxscript and onnxruntime. Raises DaeError if the model cannot be made or differs
    from the network when onnxruntime runs it on the CPU, WeightsError if it is too large.
    """
    import onnxruntime

    inputs, output = names(weights)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of torch, about its own functions.
            exported = torch.onnx.export(
                _program(weights),
                (),
                input_names=inputs,
                output_names=[output],
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as failure:
        raise _impossible(weights, failure) from failure
    assert exported is not None
    model: Any = exported.model_proto
    if model.ByteSize() > LARGEST_ONNX:
        raise WeightsError(f"{weights.name} is larger than the 2 GB of an ONNX file")
    _describe(model, description(weights, licence))
    content: bytes = model.SerializeToString()

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # Errors are raised, and need not be printed as well.
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(tensors: Sequence[Tensor]) -> Tensor:
        feed = {name: tensor.numpy() for name, tensor in zip(inputs, tensors, strict=True)}
        return torch.from_numpy(np.asarray(session.run([output], feed)[0]))

    _check(weights, run)
    return content


def names(weights: Weights) -> tuple[list[str], str]:
    """The names of the inputs and of the output of an exported network."""
    if not _denoises(weights):
        return ["images"], "logits"
    return ["noisy", "sigma"] if takes_sigma(weights.network) else ["noisy"], "denoised"


def description(weights: Weights, licence: str) -> dict[str, str]:
    """What an exported file says of the network: name, data, noise, licence, range, channels."""
    known = ("network", "data", "noise", "command")
    return {
        "name": weights.name,
        **{key: str(weights.metadata[key]) for key in known if key in weights.metadata},
        "licence": licence,
        "range": "[0, 1]",
        "channels": str(weights.channels),
    }


def _describe(model: Any, described: dict[str, str]) -> None:
    """Put names and a description into an ONNX model, in place of the notes of the exporter."""
    model.producer_name, model.producer_version = "dae-tui", __version__
    graph = model.graph
    del graph.value_info[:]
    for noted in (model, graph, *graph.node, *graph.input, *graph.output):
        del noted.metadata_props[:]
    for key, value in described.items():
        model.metadata_props.add(key=key, value=value)
    for each in (*graph.input, *graph.output):
        for axis, size in zip(AXES, each.type.tensor_type.shape.dim, strict=False):
            if size.dim_param:
                size.dim_param = axis


class _AnySize(nn.Module):
    """A network that pads images to multiples of its stride, without a condition on the size."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.stride = int(getattr(network, "stride", 1))

    def forward(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        height, width = noisy.shape[-2:]
        if self.stride > 1:
            # The network pads as well, but asks whether it must: a program cannot branch on that.
            # No negative numbers: ONNX rounds their quotients towards zero, not down.
            stride = self.stride
            rows, columns = ((side + stride - 1) // stride * stride for side in (height, width))
            noisy = F.pad(noisy, (0, columns - width, 0, rows - height), mode="replicate")
        denoised: Tensor = self.network(*(each for each in (noisy, sigma) if each is not None))
        return denoised[..., :height, :width]


class _AnySizeClassifier(nn.Module):
    """A classifier whose pooling to a fixed size is a matrix product, which ONNX has."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.features = network.get_submodule("features")
        pool, *head = network.get_submodule("head").children()
        assert isinstance(pool, nn.AdaptiveAvgPool2d)
        assert isinstance(pool.output_size, int)
        self.side = pool.output_size
        self.head = nn.Sequential(*head)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        rows, columns = (_averages(self.side, each) for each in features.shape[-2:])
        logits: Tensor = self.head(rows @ features @ columns.T)
        return logits


def _averages(parts: int, size: int) -> Tensor:
    """A matrix (parts, size) that takes means over parts as `nn.AdaptiveAvgPool2d` cuts them."""
    part, place = torch.arange(parts)[:, None], torch.arange(size)[None]
    # Part k is from ⌊k·size/parts⌋ to ⌈(k+1)·size/parts⌉.
    inside = (place >= part * size // parts) & (place * parts < (part + 1) * size)
    return inside.float() / inside.sum(1, keepdim=True)


def _program(weights: Weights) -> ExportedProgram:
    """The network as a graph, for any number of images, and any size unless it is dense."""
    if NETWORKS[weights.metadata["network"]].task == "compress":
        raise WeightsError(
            f"{weights.name} is a codec, which no program of tensors replaces",
            "use it with dae compress --codec",
        )
    batch = Dim("batch")
    free = {0: batch}
    if not _sizes_are_fixed(weights):
        least = _least_side(weights)
        free |= {2: Dim("height", min=least), 3: Dim("width", min=least)}
    inputs = _random_inputs(weights, *CHECKED_SIZES[1])
    shapes = (free, {0: batch})[: len(inputs)]
    wrapper = _AnySize if _denoises(weights) else _AnySizeClassifier
    try:
        # Otherwise a program refuses sizes that the example does not represent, such as 1.
        # `patch` is added to the module when it is imported.
        with symbolic.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            program = torch.export.export(
                wrapper(weights.folded).eval(), tuple(inputs), dynamic_shapes=shapes
            )
    except Exception as failure:  # Torch raises many kinds.
        raise _impossible(weights, failure) from failure
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # It names folders of this machine.
    return program


def _impossible(weights: Weights, failure: Exception) -> DaeError:
    reason = (str(failure).strip() or type(failure).__name__).splitlines()[0]
    return DaeError(
        f"{weights.name} cannot be exported by torch {torch.__version__}: {reason}",
        "try a newer version of torch",
    )


def _check(weights: Weights, run: Run) -> None:
    """Compare a program with the network on random images. Raises DaeError if they differ."""
    for inputs in _examples(weights):
        with torch.inference_mode():
            expected = weights.network(*inputs)
        try:
            result = run(inputs)
        except Exception as failure:  # Of torch or onnxruntime; they share no class.
            raise _impossible(weights, failure) from failure
        size = "×".join(map(str, inputs[0].shape))
        if result.shape != expected.shape:
            raise DaeError(f"exported, {weights.name} gives other shapes for images of {size}")
        difference = ((result - expected).abs().max() / expected.abs().max().clamp(min=1)).item()
        if not difference <= TOLERANCE:  # Nor is nan.
            raise DaeError(
                f"exported, {weights.name} differs by {difference:.2g} on images of {size}",
                f"at most {TOLERANCE:g} is allowed; no file was written",
            )


def _examples(weights: Weights) -> Iterator[list[Tensor]]:
    for size in CHECKED_SIZES:
        yield _random_inputs(weights, *size)


def _random_inputs(weights: Weights, images: int, height: int, width: int) -> list[Tensor]:
    """Images (N, C, H, W) of a size, or of the size that the network takes, and their levels."""
    if _sizes_are_fixed(weights):
        settings: Any = weights.network.settings
        height, width = settings.height, settings.width
    least = _least_side(weights)
    height, width = max(height, least), max(width, least)
    generator = torch.Generator().manual_seed(images * height + width)
    noisy = torch.rand(images, weights.channels, height, width, generator=generator)
    levels = [torch.rand(images, generator=generator)] if takes_sigma(weights.network) else []
    return [noisy, *levels]


def _denoises(weights: Weights) -> bool:
    return NETWORKS[weights.metadata["network"]].task == "denoise"


def _least_side(weights: Weights) -> int:
    if _denoises(weights):
        return 1
    # Each stage halves the image, and torch.export wants more than one pixel at the end.
    settings: Any = weights.network.settings
    return int(2 ** (len(settings.widths) + 1))


def _sizes_are_fixed(weights: Weights) -> bool:
    return hasattr(weights.network.settings, "height")
