"""Who reads: our classifiers, and those that people bring as ONNX, torch.export or TorchScript."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from dae_tui.core.cards import published
from dae_tui.core.data import load
from dae_tui.core.image_set import ImageSet, unit
from dae_tui.core.judge import find_judge
from dae_tui.core.judged_images import of_image_set
from dae_tui.core.weights import load_weights
from dae_tui.errors import DaeError, DataError, WeightsError

CPU = torch.device("cpu")
KINDS = ("onnx", "pt2", "pt")


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return load("digits", "test", Path())


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    return load_weights(published()["digits-classifier"], task="classify").network


def export(network: nn.Module, path: Path, images: torch.Tensor, dynamic: bool = True) -> Path:
    """A classifier as a file, as people make them."""
    shapes = ({0: torch.export.Dim("batch", min=1, max=4096)},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the exporters.
        match path.suffix:
            case ".onnx":
                program = torch.export.export(network, (images,), dynamic_shapes=shapes)
                torch.onnx.export(program, (), path, verbose=False, dynamo=True)
            case ".pt2":
                torch.export.save(
                    torch.export.export(network, (images,), dynamic_shapes=shapes), path
                )
            case _:
                torch.jit.save(torch.jit.trace(network, images), path)  # type: ignore[no-untyped-call]
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dynamic", [True, False])
def test_a_classifier_of_any_kind_reads_what_the_original_reads(
    digits: ImageSet, classifier: nn.Module, tmp_path: Path, kind: str, dynamic: bool
) -> None:
    images = unit(digits.images)
    path = export(classifier, tmp_path / f"mine.{kind}", images[:64], dynamic)
    judge = find_judge(digits, path, CPU)
    assert judge is not None
    assert judge.name == "mine"
    with torch.inference_mode():
        expected = classifier(images).argmax(1)
    assert torch.equal(judge.read(images), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_classifier_is_one_clear_error(
    digits: ImageSet, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"broken.{kind}"
    path.write_bytes(b"not a network at all")
    with pytest.raises(WeightsError, match="cannot be read as a classifier"):
        find_judge(digits, path, CPU)


def test_a_pickle_is_not_opened(digits: ImageSet, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError):
        find_judge(digits, path, CPU)


def test_a_denoiser_and_too_few_classes_are_refused(
    digits: ImageSet, classifier: nn.Module, tmp_path: Path
) -> None:
    images = unit(digits.images)[:4]
    denoiser = load_weights(published()["mnist-autoencoder"]).network
    path = export(denoiser, tmp_path / "denoiser.pt2", images)
    with pytest.raises(WeightsError, match="for two images"):
        find_judge(digits, path, CPU)
    with pytest.raises(DaeError, match="to denoise, not to classify"):
        find_judge(digits, published()["mnist-autoencoder"], CPU)
    with pytest.raises(WeightsError, match="to classify noisy images, not to classify"):
        find_judge(digits, published()["mnist-oracle"], CPU)
    few = export(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), tmp_path / "few.pt2", images)
    judge = find_judge(digits, few, CPU)
    assert judge is not None
    with pytest.raises(DataError, match="knows 3 classes"):
        of_image_set(digits).labelled_for(judge.classes)


def test_another_size_of_images_is_refused(classifier: nn.Module, tmp_path: Path) -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    path = export(linear, tmp_path / "linear.pt2", torch.zeros(4, 1, 28, 28))
    other = ImageSet(
        "other", torch.zeros(4, 1, 20, 20, dtype=torch.uint8), torch.zeros(4).long(), 10
    )
    with pytest.raises(WeightsError, match="does not take"):
        find_judge(other, path, CPU)
