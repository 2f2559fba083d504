"""Measurements that are kept from one training to the next: the same, or measured again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dae_tui.core.data.image_set import ImageSet
from dae_tui.core.evaluation.benchmark import evaluate
from dae_tui.core.evaluation.classifiers.classifier import classifier_from_weights
from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages, of_image_sets
from dae_tui.core.evaluation.protocol import Protocol
from dae_tui.core.evaluation.unchanged_views import UnchangedViews
from dae_tui.core.weights.weights_file import Weights
from dae_tui.models.registry import build
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.table import Table

NOISE = parse_noise("gaussian:0.5")
CPU = torch.device("cpu")


@pytest.fixture
def images() -> EvaluationImages:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (30, 1, 28, 28), dtype=torch.uint8, generator=generator)
    return of_image_sets([ImageSet("digits", pixels, torch.arange(30) % 10, 10)])


def network(name: str, seed: int) -> Weights:
    torch.manual_seed(seed)
    settings = {"widths": [4, 4]}
    made = build(name, settings).eval().requires_grad_(False)
    return Weights("small", made, {"network": name, "settings": settings})


def table(
    folder: Path, images: EvaluationImages, classifier: Weights, protocol: Protocol, seed: int = 0
) -> Table:
    kept = UnchangedViews(folder, images, classifier, protocol)
    judge = classifier_from_weights(classifier, images.groups[0], CPU)
    methods = [network("autoencoder", seed)]
    *_, found = evaluate(images, methods, judge, protocol, measurements=kept)
    assert isinstance(found, Table)
    return found


def test_a_second_table_is_the_same_and_measures_the_denoised_images_alone(
    tmp_path: Path, images: EvaluationImages
) -> None:
    classifier, protocol = network("classifier", 0), Protocol([NOISE])
    first = table(tmp_path, images, classifier, protocol)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    again = table(tmp_path, images, classifier, protocol)
    other = table(tmp_path, images, classifier, protocol, seed=1)
    assert sorted(tmp_path.iterdir()) == files
    for row in range(3):
        same = [replace(found.rows[row], images_per_second=None) for found in (first, again)]
        assert same[0] == same[1]
    assert other.rows[:2] == first.rows[:2]
    assert other.rows[2].psnr != first.rows[2].psnr
    for one, two in zip(first.examples, again.examples, strict=True):
        assert np.array_equal(one.images, two.images)
        assert (one.psnr, one.predictions) == (two.psnr, two.predictions)


Change = Callable[[EvaluationImages, Weights, Protocol], tuple[EvaluationImages, Weights, Protocol]]


@pytest.mark.parametrize(
    "change",
    [
        lambda i, c, p: (
            of_image_sets([replace(i.groups[0], images=255 - i.groups[0].images)]),
            c,
            p,
        ),
        lambda i, _, p: (i, network("classifier", 1), p),
        lambda i, c, p: (i, c, replace(p, clip=False)),
        lambda i, c, p: (i, c, replace(p, seed=1)),
        lambda i, c, p: (i, c, replace(p, noises=[parse_noise("gaussian:0.4")])),
    ],
    ids=["images", "classifier", "clip", "seed", "noise"],
)
def test_what_depends_on_something_else_is_measured_again(
    tmp_path: Path, images: EvaluationImages, change: Change
) -> None:
    given = images, network("classifier", 0), Protocol([NOISE])
    table(tmp_path, *given)
    fresh = table(tmp_path / "empty", *change(*given))
    assert replace(table(tmp_path, *change(*given)).rows[1]) == fresh.rows[1]
    assert len(list(tmp_path.glob("*.kept"))) > 2


def test_damaged_files_are_measured_again(tmp_path: Path, images: EvaluationImages) -> None:
    given = images, network("classifier", 0), Protocol([NOISE])
    first = table(tmp_path, *given)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert table(tmp_path, *given).rows[:2] == first.rows[:2]
