"""Classifiers: ours, and those that people bring as ONNX, torch.export or TorchScript."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from classifier_files import EVIL, Evil, export
from torch import Tensor, nn

from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.data.load_data import load
from dae_tui.core.evaluation.classifiers.classifier import Classifier, find_classifier
from dae_tui.core.evaluation.images.evaluation_images import of_image_sets
from dae_tui.core.weights.weights_file import load_weights
from dae_tui.errors import DaeError, DataError, WeightsError
from dae_tui.spec.model_cards import published

CPU = torch.device("cpu")
KINDS = ("onnx", "pt2", "pt")


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return load("digits", "test", Path())


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    return load_weights(published()["digits-classifier"], task="classify").network


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dynamic", [True, False])
def test_a_classifier_of_any_kind_reads_what_the_original_reads(
    digits: ImageSet, classifier: nn.Module, tmp_path: Path, kind: str, dynamic: bool
) -> None:
    images = unit(digits.images)
    path = export(classifier, tmp_path / f"mine.{kind}", images[:64], dynamic)
    found = find_classifier(digits, path, CPU, trusted=kind != "onnx")
    assert found is not None
    assert found.name == "mine"
    with torch.inference_mode():
        expected = classifier(images).argmax(1)
    assert torch.equal(found.predict(images), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_classifier_is_one_clear_error(
    digits: ImageSet, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"broken.{kind}"
    path.write_bytes(b"not a network at all")
    with pytest.raises(WeightsError, match="cannot be read as a classifier"):
        find_classifier(digits, path, CPU, trusted=True)


# Files that can run code


@pytest.fixture
def no_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that reads such files, and onnxruntime, must not be called."""

    def called(*arguments: Any, **options: Any) -> None:
        raise AssertionError("a loader was called")

    for module, name in (
        (torch, "load"),
        (torch.export, "load"),
        (torch.jit, "load"),
        (pickle, "load"),
        (pickle, "loads"),
        (onnxruntime, "InferenceSession"),
    ):
        monkeypatch.setattr(module, name, called)


@pytest.mark.parametrize("ending", ["pt2", "pt", "PT", "ts", "torchscript"])
@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.usefixtures("no_loader")
def test_a_program_that_is_not_trusted_is_not_opened(
    digits: ImageSet, tmp_path: Path, evil: Evil, ending: str
) -> None:
    path, mark = tmp_path / f"mine.{ending}", tmp_path / "mark"
    evil(path, mark)
    with pytest.raises(WeightsError, match="can run any code as you") as refused:
        find_classifier(digits, path, CPU)
    assert not mark.exists()
    assert refused.value.exit_code == 3
    assert "export the classifier as ONNX" in refused.value.hint
    assert "--trust-classifier" in refused.value.hint


@pytest.mark.parametrize("ending", ["onnx", "safetensors", "pth", "bin", ""])
@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.usefixtures("no_loader")
def test_a_program_by_the_name_of_something_else_is_never_opened(
    digits: ImageSet, tmp_path: Path, evil: Evil, trusted: bool, ending: str
) -> None:
    path, mark = tmp_path / f"mine.{ending}", tmp_path / "mark"
    evil(path, mark)
    with pytest.raises(WeightsError, match=r"is not opened: it is a (pickle|zip archive)"):
        find_classifier(digits, path, CPU, trusted=trusted)
    assert not mark.exists()


@pytest.mark.parametrize(("kind", "ending"), [("exported", "pt2"), ("scripted", "pt")])
def test_a_program_that_is_trusted_does_what_it_likes(
    digits: ImageSet, tmp_path: Path, kind: str, ending: str
) -> None:
    """Or the tests above would say nothing."""
    path, mark = tmp_path / f"mine.{ending}", tmp_path / "mark"
    EVIL[kind](path, mark)
    assert find_classifier(digits, path, CPU, trusted=True) is not None
    assert mark.exists()


@pytest.mark.parametrize("name", ["pipe.onnx", "pipe.pt", "pipe.safetensors", "folder.onnx"])
def test_what_is_no_regular_file_is_refused_at_once(
    digits: ImageSet, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.mkdir() if name.startswith("folder") else os.mkfifo(path)
    with pytest.raises(WeightsError, match="not a regular file"):
        find_classifier(digits, path, CPU, trusted=True)


@pytest.mark.usefixtures("no_loader")
def test_a_file_larger_than_onnx_can_be_is_refused(digits: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate((2 << 30) + 1)
    with pytest.raises(WeightsError, match="is larger than 2 GiB"):
        find_classifier(digits, path, CPU)


# Tensors of ONNX that lie in other files


@pytest.fixture
def beside(tmp_path: Path) -> Callable[[str], Path]:
    """Make a linear classifier whose weights lie where the caller says, as seen from its file."""
    weights = np.arange(7840, dtype=np.float32).tobytes()
    for folder in ("mine", "others"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "weights.bin").write_bytes(weights)
    (tmp_path / "mine" / "link.bin").symlink_to(tmp_path / "others" / "weights.bin")

    def make(location: str) -> Path:
        tensor = onnx.TensorProto(
            name="weights",
            data_type=onnx.TensorProto.FLOAT,
            dims=[784, 10],
            data_location=onnx.TensorProto.EXTERNAL,
            external_data=[onnx.StringStringEntryProto(key="location", value=location)],
        )
        nodes = [
            onnx.helper.make_node("Flatten", ["images"], ["flat"]),
            onnx.helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ]
        shapes: dict[str, tuple[str | int, ...]] = {"images": ("N", 1, 28, 28), "logits": ("N", 10)}
        given, found = (
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        )
        graph = onnx.helper.make_graph(nodes, "linear", [given], [found], [tensor])
        opset = onnx.helper.make_opsetid("", 17)
        path = tmp_path / "mine" / "linear.onnx"
        path.write_bytes(
            onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
        )
        return path

    return make


def test_tensors_beside_an_onnx_file_are_read(
    digits: ImageSet, beside: Callable[[str], Path]
) -> None:
    classifier = find_classifier(digits, beside("weights.bin"), CPU)
    assert classifier is not None
    assert classifier.predict(torch.ones(3, 1, 28, 28)).tolist() == [9, 9, 9]


@pytest.mark.parametrize("location", ["../others/weights.bin", "{}/others/weights.bin", "link.bin"])
def test_tensors_elsewhere_are_not_read(
    digits: ImageSet, beside: Callable[[str], Path], tmp_path: Path, location: str
) -> None:
    with pytest.raises(WeightsError, match="cannot be read as a classifier"):
        find_classifier(digits, beside(location.format(tmp_path)), CPU)


def test_an_onnxruntime_that_reads_any_file_is_not_used(
    digits: ImageSet, beside: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = beside("weights.bin")
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    with pytest.raises(WeightsError, match=r"onnxruntime 1\.23\.2 lets a model read any file"):
        find_classifier(digits, path, CPU)


def test_a_denoiser_and_too_few_classes_are_refused(
    digits: ImageSet, classifier: nn.Module, tmp_path: Path
) -> None:
    images = unit(digits.images)[:4]
    denoiser = load_weights(published()["mnist-autoencoder"]).network
    path = export(denoiser, tmp_path / "denoiser.pt2", images)
    with pytest.raises(WeightsError, match="for two images"):
        find_classifier(digits, path, CPU, trusted=True)
    with pytest.raises(DaeError, match="to denoise, not to classify"):
        find_classifier(digits, published()["mnist-autoencoder"], CPU)
    with pytest.raises(WeightsError, match="to classify noisy images, not to classify"):
        find_classifier(digits, published()["mnist-oracle"], CPU)
    few = export(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), tmp_path / "few.pt2", images)
    found = find_classifier(digits, few, CPU, trusted=True)
    assert found is not None
    with pytest.raises(DataError, match="knows 3 classes"):
        of_image_sets([digits]).labelled_for(found.classes)


def test_another_size_of_images_is_refused(classifier: nn.Module, tmp_path: Path) -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    path = export(linear, tmp_path / "linear.pt2", torch.zeros(4, 1, 28, 28))
    other = ImageSet(
        "other", torch.zeros(4, 1, 20, 20, dtype=torch.uint8), torch.zeros(4).long(), 10
    )
    with pytest.raises(WeightsError, match="does not take"):
        find_classifier(other, path, CPU, trusted=True)


def test_classes_that_do_not_lead_clearly_are_found_in_fp32() -> None:
    exact = torch.tensor([[0.0, 5.0, 4.9], [0.0, 5.0, 1.0], [2.0, 2.01, 2.0]])
    rough = torch.tensor([[0.0, 5.0, 5.1], [0.0, 5.1, 1.0], [2.0, 2.0, 2.0]])
    asked: list[Tensor] = []

    def logits(numbers: Tensor) -> Tensor:
        asked.append(numbers)
        return exact[numbers]

    quick = Classifier("made", 3, logits, lambda numbers: rough[numbers])
    assert quick.predict(torch.arange(3)).tolist() == [1, 1, 1]
    assert [numbers.tolist() for numbers in asked] == [[0, 2]]
    assert Classifier("made", 3, logits).predict(torch.arange(3)).tolist() == [1, 1, 1]
