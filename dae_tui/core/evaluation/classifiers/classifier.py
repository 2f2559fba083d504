"""Classifiers: our own weights, or a file that the user provides.

Other files are ONNX (run by onnxruntime, the extra `onnx`) and, if trusted to run any code,
`torch.export` (.pt2) and TorchScript. They take float32 images (N, C, H, W) in [0, 1] and return
logits (N, classes).
"""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.denoising.apply_network import check_fits
from dae_tui.core.evaluation.classifiers.classifier_file import Kind, kind_of
from dae_tui.core.hardware import place, resolve_precision
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.errors import DataError, WeightsError
from dae_tui.spec.model_cards import published
from dae_tui.system.printable import shortened

# Earlier versions read any file that a model names as its tensors: measured with 1.20.1 to 1.23.2.
ONNXRUNTIME = (1, 24, 1)
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")

# A class that leads by a larger part of the range of all logits leads in fp32 as well. Measured in
# bf16 on the published classifiers, clean, denoised, and with noise of five kinds: logits are wrong
# by at most 0.024 of that range, and the classes that changed had led by at most 0.022.
SURE_LEAD = 0.1

Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Classifier:
    """A classifier, wherever it comes from."""

    name: str
    classes: int
    logits: Logits
    """Takes float32 images (N, C, H, W) on its device."""
    quick: Logits | None = None
    """The same in bf16, if that is faster; see `predicted`."""

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """The predicted class of each image, int64 (N,), on the device of `images`."""
        return _predicted(images, self.logits, self.quick)


@torch.inference_mode()
def predicted(network: nn.Module, images: Tensor) -> Tensor:
    """The class that a network predicts for each image (N, C, H, W), int64 (N,), as in fp32.

    Where bf16 is faster, images are classified in it first, and those whose class does not lead
    clearly again in fp32: one in a hundred denoised digits. On two cores with AVX512-BF16 it takes
    0.6 of the time; the predictions are the same.
    """
    return _predicted(images, *_in_both(network, images.device))


def _predicted(images: Tensor, logits: Logits, quick: Logits | None) -> Tensor:
    if quick is None:
        return logits(images).argmax(1)
    found = quick(images)
    first, second = found.topk(2, dim=1).values.unbind(1)
    classes = found.argmax(1)
    doubtful = ~(first - second > SURE_LEAD * (first - found.amin(1)))
    if doubtful.any():
        classes[doubtful] = logits(images[doubtful]).argmax(1)
    return classes


def _in_both(network: nn.Module, device: torch.device) -> tuple[Logits, Logits | None]:
    """The logits of a network in fp32, and in bf16 where a processor is faster with it."""

    def logits(images: Tensor) -> Tensor:
        found: Tensor = network(images.contiguous(memory_format=torch.channels_last))
        return found.float()

    def quick(images: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return logits(images)

    native = device.type == "cpu" and resolve_precision("auto", device) == "bf16"
    several: Any = network.settings
    return logits, quick if native and several.classes > 1 else None


def classifier_from_weights(weights: Weights, data: ImageSet, device: torch.device) -> Classifier:
    """A classifier of ours. Raises WeightsError if it does not accept images of this size."""
    check_fits(weights, *data.images.shape[1:])
    network = place(weights.folded, device)
    settings: Any = network.settings
    return Classifier(weights.name, settings.classes, *_in_both(network, device))


def find_classifier(
    data: ImageSet, given: Path | None, device: torch.device, *, trusted: bool = False
) -> Classifier | None:
    """The classifier for images of `data`: the given file, or the published one, or None.

    Args:
        data: the images.
        given: weights of ours, ONNX, torch.export or TorchScript.
        device: where the classifier runs.
        trusted: whether the file may be one that can run any code; see `kind_of`.

    Raises WeightsError for a file that is not trusted, or is no classifier for such images.
    """
    if given is None:
        classifier = find_classifier_weights(data, None)
        return None if classifier is None else classifier_from_weights(classifier, data, device)
    kind = kind_of(given, trusted=trusted)
    if kind is Kind.OURS:
        return classifier_from_weights(load_weights(given, task="classify"), data, device)
    return _foreign(given, kind, data, device)


def find_classifier_weights(data: ImageSet, given: Path | None) -> Weights | None:
    """Weights of the classifier for images of `data`: the given ones, or the published, or None.

    Raises WeightsError for weights of another task, DataError for other classes, or if the images
    have none.
    """
    path = given or published().get(f"{data.name}-classifier")
    if data.labels is None and given is not None:
        raise DataError(
            f"{data.name} has no labels to compare a classifier's predictions with",
            "leave --classifier out",
        )
    if path is None or data.labels is None:
        return None
    classifier = load_weights(path, task="classify")
    settings: Any = classifier.network.settings
    channels = data.images.shape[1]
    if (settings.classes, settings.channels) != (data.classes or settings.classes, channels):
        raise DataError(
            f"{classifier.name} knows {settings.classes} classes of {settings.channels} channels, "
            f"{data.name} has {data.classes} of {channels}",
            f"train one with: dae train classifier --data {data.name}",
        )
    return classifier


def _foreign(path: Path, kind: Kind, data: ImageSet, device: torch.device) -> Classifier:
    loaders = {
        Kind.ONNX: _load_onnx,
        Kind.EXPORTED: _load_exported,
        Kind.SCRIPTED: _load_scripted,
    }
    try:
        logits = loaders[kind](path, device)
    except WeightsError:
        raise
    # These loaders raise exceptions of any type for broken or foreign files.
    except Exception as failure:
        raise WeightsError(
            f"{path} cannot be read as a classifier: {_in_a_line(failure)}",
            f"by its name it is {kind.value}",
        ) from failure
    shape = "×".join(map(str, data.images.shape[1:]))
    try:
        # Two images, to detect a model that accepts only one.
        found = logits(torch.zeros((2, *data.images.shape[1:]), device=device))
        classes = found.shape[1] if found.ndim == 2 and len(found) == 2 else 0
    except Exception as failure:
        raise WeightsError(
            f"{path} does not take two float32 images of {shape}: {_in_a_line(failure)}",
            "a classifier takes (N, C, H, W) and returns logits (N, classes)",
        ) from failure
    if classes < 2:
        raise WeightsError(
            f"{path} returns {tuple(found.shape)} for two images of {shape}",
            "a classifier returns logits (N, classes)",
        )
    return Classifier(path.stem, classes, logits)


def _in_a_line(failure: Exception) -> str:
    return shortened((str(failure).strip() or type(failure).__name__).splitlines()[0], 200)


def _load_onnx(path: Path, device: torch.device) -> Logits:
    try:
        import onnxruntime
    except ImportError as failure:
        raise WeightsError(
            f"{path} needs onnxruntime, which is not installed", "install dae-tui[onnx]"
        ) from failure
    version = onnxruntime.__version__
    if tuple(map(int, re.findall(r"\d+", version)[:3])) < ONNXRUNTIME:
        newer = ".".join(map(str, ONNXRUNTIME))
        raise WeightsError(
            f"onnxruntime {version} lets a model read any file, so {path} is not opened",
            f"install onnxruntime {newer} or a later one",
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # Errors are raised, and need not be printed as well.
    # Loaded by path, so external tensors are searched beside the file and nowhere else. Other
    # providers, such as TensorRT, would open engines that come with a model.
    available = onnxruntime.get_available_providers()
    session = onnxruntime.InferenceSession(
        path, options, providers=[each for each in PROVIDERS if each in available]
    )
    (given,) = session.get_inputs()
    batch = given.shape[0] if isinstance(given.shape[0], int) else None

    def run(images: Tensor) -> Tensor:
        logits = session.run(None, {given.name: images.cpu().numpy()})[0]
        return torch.from_numpy(np.asarray(logits)).to(images.device)

    return _in_batches(run, batch)


def _load_exported(path: Path, device: torch.device) -> Logits:
    program = torch.export.load(path)
    user_inputs = set(program.graph_signature.user_inputs)
    shapes = [
        node.meta["val"].shape
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in user_inputs
    ]
    batch = shapes[0][0] if isinstance(shapes[0][0], int) else None
    return _in_batches(program.module().to(device), batch)


def _load_scripted(path: Path, device: torch.device) -> Logits:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, but its files still exist.
        module: nn.Module = torch.jit.load(  # type: ignore[no-untyped-call]
            path, map_location=device
        )
    return module.eval()


def _in_batches(run: Logits, batch: int | None) -> Logits:
    """Run a model with a fixed batch size on any number of images; the last batch is padded."""
    if batch is None:
        return run

    def in_batches(images: Tensor) -> Tensor:
        parts = []
        for part in torch.split(images, batch):
            filled = torch.cat([part, part[-1:].expand(batch - len(part), -1, -1, -1)])
            parts.append(run(filled)[: len(part)])
        return torch.cat(parts)

    return in_batches
