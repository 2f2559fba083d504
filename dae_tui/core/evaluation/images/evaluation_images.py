"""The images that a benchmark evaluates methods on, and those that filters are tuned with.

A data set by name, a folder of small images with classes, whole photographs of any sizes, or pairs
of clean and noisy images, to which no noise is added.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from dae_tui.core.data.beyond_memory.shards import is_sharded
from dae_tui.core.data.image_folder import ImageFolder, in_order, read_folder
from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.data.load_data import load
from dae_tui.core.data.paired.pairs import Pair, Pairs, load_pairs
from dae_tui.core.evaluation.images.tuning_images import PLACE, Tuning, places_in, some_of, spread
from dae_tui.errors import DataError, UsageError
from dae_tui.spec.table import ALL_IMAGES, TEST_SPLIT
from dae_tui.spec.training_config import DATA_SETS, holds_pairs

TEST_IMAGES = "places in the test images themselves"
TRAINING_IMAGES = "training images"


@dataclass(frozen=True)
class EvaluationImages:
    """Test images, grouped by shape, in a fixed order."""

    name: str
    groups: list[ImageSet]
    """At least one; images are uint8, or float32 in [0, 1] if they come from files."""
    tuning: Tuning | None
    """Images to tune filters with, if requested."""
    classes: tuple[str, ...] = ()
    """The names of the classes in the order of the labels; empty without labels."""
    noisy: list[Tensor] = field(default_factory=list)
    """The noisy images of each group for pairs, float32 in [0, 1]; else empty."""
    photographs: bool = False
    """Whether they are whole photographs, for which the literature has its own protocol."""
    split: str = TEST_SPLIT
    """A name of `SPLITS`: `test`, or `all` where images of training may be among them."""
    left_out: int = 0
    """How many images were left out because they are for training."""
    remarks: tuple[str, ...] = ()
    """Lines for the user about a folder: its range of values, what was passed over."""

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    @property
    def labelled(self) -> bool:
        return all(group.labels is not None for group in self.groups)

    @property
    def labels(self) -> Tensor | None:
        """int64 (N,) of all groups."""
        labels = [group.labels for group in self.groups if group.labels is not None]
        return torch.cat(labels) if self.labelled else None

    def labelled_for(self, known: int) -> "EvaluationImages":
        """The same with the labels of a classifier that knows `known` classes.

        If there are as many classes, they correspond in the order of their names; else their names
        must be the classifier's numbers. Raises DataError if they are not.
        """
        if not self.labelled or len(self.classes) == known:
            return self
        if not all(name.isdecimal() and int(name) < known for name in self.classes):
            raise DataError(
                f"the classifier knows {known} classes, {self.name} has {len(self.classes)}: "
                + ", ".join(self.classes),
                f"name its folders by the number of the class, 0 to {known - 1}",
            )
        numbers = torch.tensor([int(name) for name in self.classes])
        groups = [
            replace(group, labels=numbers[group.labels], classes=known) for group in self.groups
        ]
        tuning = self.tuning
        if tuning is not None and tuning.labels is not None:
            tuning = replace(tuning, labels=numbers[tuning.labels])
        return replace(self, groups=groups, tuning=tuning)

    def first(self, count: int) -> "EvaluationImages":
        """The first `count` images."""
        groups, noisy = [], []
        for number, group in enumerate(self.groups):
            if count > 0:
                groups.append(group.select(slice(count)))
                if self.noisy:
                    noisy.append(self.noisy[number][:count])
            count -= len(group)
        return replace(self, groups=groups, noisy=noisy)


def load_evaluation_images(
    name: str,
    data_dir: Path,
    *,
    tune: bool = True,
    tune_on: str | None = None,
    learnt_from: Sequence[str] = (),
    split: str | None = None,
    align: bool = False,
    black: float | None = None,
    white: float | None = None,
) -> EvaluationImages:
    """Load the images to evaluate methods on.

    Args:
        name: a data set, whose test images are taken, or a folder. Folders `clean` and `noisy` in
            it hold pairs with equal names; a text or CSV file lists pairs. Folders `train` and
            `test` are used as such. Otherwise small images of one size are split as in training;
            photographs are all taken whole.
        data_dir: see `load_data.load`.
        tune: whether to load images to tune filters with.
        tune_on: a data set or folder to tune filters with; None is the training images, or the
            photographs themselves if there are no others.
        learnt_from: training data of the weights.
        split: of pairs or photographs, `test` takes the images that a training does not use, and
            `all` takes all; None is `test` for a folder with a name in `learnt_from` or with
            `train` and `test` in it, else `all`. With `test`, filters are tuned on the others.
        align: of pairs, align the clean images with the noisy ones, to a fraction of a pixel.
        black: the value of black in the files of a folder; None finds it out.
        white: the value of white in them; None finds it out.

    Raises UsageError or DataError for images that cannot be loaded.
    """
    folder = Path(name)
    learnt = folder.resolve().name in learnt_from
    if holds_pairs(name):
        pairs = load_pairs(name, "", black, white, all_noisy=False)
        pairs = pairs.aligned() if align else pairs
        images = _pairs(pairs, split or (TEST_SPLIT if learnt else ALL_IMAGES))
    elif align:
        raise UsageError(f"{name} holds no pairs to align", "leave --align out")
    elif name in DATA_SETS or not folder.is_dir() or is_sharded(folder):
        images = of_image_sets([load(name, "test", data_dir)])
        if tune and tune_on is None:
            training = load(name, "train", data_dir)
            images = replace(images, tuning=some_of(training, TRAINING_IMAGES))
    else:
        images = _folder(read_folder(folder, black, white), split, learnt=learnt, tune=tune)
    if split == ALL_IMAGES and images.split != ALL_IMAGES:
        raise UsageError(
            f"of {name} the test images alone are measured",
            "--split all is for folders of pairs and of photographs",
        )
    if learnt and images.split == ALL_IMAGES:
        name_only = folder.resolve().name
        remark = f"weights were trained on a folder called {name_only}, of which all is measured"
        images = replace(images, remarks=(*images.remarks, remark))
    if not tune:
        return replace(images, tuning=None)
    if tune_on is not None:
        return replace(images, tuning=_tuning_from(tune_on, data_dir, images))
    return images


def _folder(
    folder: ImageFolder, split: str | None, *, learnt: bool, tune: bool
) -> EvaluationImages:
    """Small images of one size as a data set, others as photographs."""
    if not folder.used_whole:
        held_out = learnt or folder.has_splits
        return _photographs(folder, split or (TEST_SPLIT if held_out else ALL_IMAGES), tune=tune)
    images = of_image_sets([folder.image_set("test")], folder.classes)
    if tune:
        images = replace(images, tuning=some_of(folder.image_set("train"), TRAINING_IMAGES))
    return replace(images, remarks=tuple(folder.remarks()))


def of_image_sets(sets: Sequence[ImageSet], classes: tuple[str, ...] = ()) -> EvaluationImages:
    """The images of sets, each of one size; without `classes` the class names are their numbers."""
    first = sets[0]
    if first.labels is not None and not classes:
        classes = tuple(map(str, range(first.classes)))
    noisy = [unit(images.noisy) for images in sets if images.noisy is not None]
    return EvaluationImages(first.name, list(sets), None, classes, noisy)


def _photographs(folder: ImageFolder, split: str, *, tune: bool) -> EvaluationImages:
    """Whole photographs: those for testing, or all."""
    name = folder.folder.resolve()
    count = len(folder.images)
    found = list(folder.whole_images(TEST_SPLIT if split == TEST_SPLIT else None))
    if not found:
        if count and not folder.has_splits:
            raise _none_for_testing(name, f"{count} images")
        raise folder.nothing()
    groups = _grouped((image, "") for image, _ in found)
    sets = [ImageSet(str(name), images, None, 0) for images, _ in groups]
    tuning = None
    if tune:
        others = folder.whole_images("train") if split == TEST_SPLIT else ()
        tuned_with = [image for image, _ in others]
        source = TRAINING_IMAGES if tuned_with else TEST_IMAGES
        tuned_with = tuned_with or [image for group in sets for image in group.images]
        tuning = Tuning(places_in(tuned_with), source)
    return EvaluationImages(
        str(name),
        sets,
        tuning,
        photographs=True,
        split=split,
        left_out=0 if folder.has_splits else count - len(found),
        remarks=tuple(folder.range_remarks()),
    )


def _none_for_testing(folder: Path, images: str) -> DataError:
    return DataError(
        f"none of the {images} of {folder.name} is left for testing: all are for training",
        "if no weights were trained on this folder, measure all of it with --split all",
    )


def _pairs(found: Pairs, split: str) -> EvaluationImages:
    """Clean and noisy images, whole: those for testing, or all."""
    chosen = [pair for pair in found.pairs if pair.is_test or split == ALL_IMAGES]
    if not chosen:
        raise _none_for_testing(Path(found.name), f"{len(found.pairs)} pairs")
    classes = in_order({pair.label for pair in found.pairs})
    labelled = "" not in classes
    sets, noisy_groups = [], []
    for both, labels in _grouped((_both(found, pair), pair.label) for pair in chosen):
        known = torch.tensor([classes.index(label) for label in labels]) if labelled else None
        count = len(classes) if labelled else 0
        sets.append(ImageSet(found.name, both[:, 0].contiguous(), known, count))
        noisy_groups.append(both[:, 1].contiguous())
    places = places_in(_both(found, pair) for pair in _tuned_with(found, split))
    tuning = Tuning(
        places[:, 0].contiguous(),
        TRAINING_IMAGES if split == TEST_SPLIT else TEST_IMAGES,
        noisy=places[:, 1].contiguous(),
    )
    names_of_classes = tuple(classes) if labelled else ()
    return EvaluationImages(
        found.name,
        sets,
        tuning,
        names_of_classes,
        noisy_groups,
        split=split,
        left_out=len(found.pairs) - len(chosen),
        remarks=tuple(found.remarks()),
    )


def _tuned_with(found: Pairs, split: str) -> Sequence[Pair]:
    """Some of the pairs that are not for testing, or of all in the order of their groups."""
    pairs = [pair for pair in found.pairs if not pair.is_test]
    if split == ALL_IMAGES:
        groups: defaultdict[tuple[int, ...], list[Pair]] = defaultdict(list)
        for pair in found.pairs:
            groups[pair.clean.values.shape].append(pair)
        pairs = [pair for group in groups.values() for pair in group]
    return spread(pairs, min(PLACE, *(min(pair.clean.size) for pair in pairs)))


def _both(found: Pairs, pair: Pair) -> Tensor:
    """The clean and the noisy image of a pair, (2, C, H, W)."""
    return torch.stack(found.whole(pair))


def _tuning_from(source: str, data_dir: Path, images: EvaluationImages) -> Tuning:
    """Images of another set or folder, with as many channels as the test images."""
    if source in DATA_SETS:
        found = some_of(load(source, "train", data_dir), source).images
    elif Path(source).is_dir():
        others = read_folder(Path(source))
        if not others.images:
            raise others.nothing()
        found = places_in(image for image, _ in others.whole_images())
    else:
        raise UsageError(
            f"there is no data set or folder '{source}'", "--tune-on takes what --data takes"
        )
    if images.noisy:
        raise UsageError(
            "filters are tuned on the pairs themselves",
            "leave --tune-on out: the noise of pairs is not known",
        )
    # Without labels: their classes may differ from the classifier's.
    return Tuning(found[:, :1] if images.groups[0].images.shape[1] == 1 else found, source)


def _grouped(images: Iterable[tuple[Tensor, str]]) -> list[tuple[Tensor, list[str]]]:
    """Images grouped by shape, with their labels."""
    groups: defaultdict[tuple[int, ...], list[tuple[Tensor, str]]] = defaultdict(list)
    for image, label in images:
        groups[tuple(image.shape)].append((image, label))
    return [
        (torch.stack([image for image, _ in found]), [label for _, label in found])
        for found in groups.values()
    ]
