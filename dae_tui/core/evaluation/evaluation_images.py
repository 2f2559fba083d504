"""The images that a benchmark evaluates methods on, and those that filters are tuned with.

A data set by name, a folder of small images with classes, whole photographs of any sizes, or pairs
of clean and noisy images, to which no noise is added.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from dae_tui.core.data.image_folder import ImageFolder, in_order, read_folder
from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.data.load_data import load
from dae_tui.core.data.pairs import Pair, Pairs, read_pairs
from dae_tui.core.data.shards import is_sharded
from dae_tui.errors import DataError, UsageError
from dae_tui.spec.training_config import CLEAN, DATA_SETS, NOISY, is_pairs

# Pixels that filters are tuned with: 128 digits, or six crops of photographs.
TUNING_PIXELS = 128 * 28 * 28
# So many times as many images are classified: an accuracy needs more of them than a PSNR.
CLASSIFIED_FACTOR = 3
PLACE = 128
TEST_IMAGES = "places in the test images themselves"


@dataclass(frozen=True)
class Tuning:
    """Images to tune filters with."""

    images: Tensor
    """Float32 (N, C, H, W) in [0, 1]."""
    source: str
    """Where they are from, as text."""
    labels: Tensor | None = None
    """int64 (N,), if they have classes."""
    noisy: Tensor | None = None
    """The noisy images of pairs."""


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
    left_out: int = 0
    """How many images were left out because the weights were trained on them."""
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
    black: float | None = None,
    white: float | None = None,
) -> EvaluationImages:
    """Load the images to evaluate methods on.

    Args:
        name: a data set, whose test images are taken, or a folder. Folders `clean` and `noisy` in
            it hold pairs with equal names. Folders `train` and `test` are used as such. Otherwise
            small images of one size are split as in training; photographs are all taken whole.
        data_dir: see `load_data.load`.
        tune: whether to load images to tune filters with.
        tune_on: a data set or folder to tune filters with; None is the training images, or the
            photographs themselves if there are no others.
        learnt_from: training data of the weights; of a folder with such a name only the images
            that were not used for training are taken.
        black: the value of black in the files of a folder; None finds it out.
        white: the value of white in them; None finds it out.

    Raises UsageError or DataError for images that cannot be loaded.
    """
    folder = Path(name)
    known = folder.resolve().name in learnt_from
    if name in DATA_SETS or not folder.is_dir() or is_sharded(folder):
        images = of_image_sets([load(name, "test", data_dir)])
        if tune and tune_on is None:
            training = load(name, "train", data_dir)
            images = replace(images, tuning=_some(training, "training images"))
    elif is_pairs(folder):
        found = read_pairs(folder / CLEAN, folder / NOISY, black, white, all_noisy=False)
        images = _pairs(found, learnt_from=known)
    else:
        images = _folder(read_folder(folder, black, white), learnt_from=known, tune=tune)
    if not tune:
        return replace(images, tuning=None)
    if tune_on is not None:
        return replace(images, tuning=_tuning_from(tune_on, data_dir, images))
    return images


def _folder(folder: ImageFolder, *, learnt_from: bool, tune: bool) -> EvaluationImages:
    """Small images of one size as a data set, others as photographs."""
    if not folder.used_whole:
        return _photographs(folder, learnt_from=learnt_from)
    images = of_image_sets([folder.image_set("test")], folder.classes)
    if tune:
        images = replace(images, tuning=_some(folder.image_set("train"), "training images"))
    return replace(images, remarks=tuple(folder.remarks()))


def of_image_sets(sets: Sequence[ImageSet], classes: tuple[str, ...] = ()) -> EvaluationImages:
    """The images of sets, each of one size; without `classes` the class names are their numbers."""
    first = sets[0]
    if first.labels is not None and not classes:
        classes = tuple(map(str, range(first.classes)))
    noisy = [unit(images.noisy) for images in sets if images.noisy is not None]
    return EvaluationImages(first.name, list(sets), None, classes, noisy)


def _some(images: ImageSet, source: str) -> Tuning:
    """Images spread evenly over a set, as many as filters are tuned with."""
    count = max(1, TUNING_PIXELS // images.images[0].numel())
    if images.labels is not None:
        count *= CLASSIFIED_FACTOR
    step = max(1, len(images) // count)
    some = images.select(slice(0, step * count, step))
    return Tuning(unit(some.images), source, some.labels)


def _photographs(folder: ImageFolder, *, learnt_from: bool) -> EvaluationImages:
    """Whole photographs: those for testing where there is a folder of them, else all."""
    name = folder.folder.resolve()
    count = len(folder.images)
    split = "test" if folder.has_splits or learnt_from else None
    found = list(folder.whole_images(split))
    if not found:
        if count and not folder.has_splits:
            raise DataError(
                f"the weights were trained on a folder called {name.name}: none of its {count} "
                "images is left for testing",
                "rename the folder if it is another one",
            )
        raise folder.nothing()
    groups = _grouped((image, "") for image, _ in found)
    sets = [ImageSet(str(name), images, None, 0) for images, _ in groups]
    others = (image for image, _ in folder.whole_images("train"))
    tuning = Tuning(_places(_all_images(sets)), TEST_IMAGES)
    if folder.has_splits:
        tuning = Tuning(_places(others), "training images")
    return EvaluationImages(
        str(name),
        sets,
        tuning,
        photographs=True,
        left_out=0 if folder.has_splits else count - len(found),
        remarks=tuple(folder.range_remarks()),
    )


def _pairs(found: Pairs, *, learnt_from: bool) -> EvaluationImages:
    """Clean and noisy images, whole: all of them, or those for testing."""
    chosen = [pair for pair in found.pairs if pair.is_test or not learnt_from]
    if not chosen:
        raise DataError(
            f"the weights were trained on a folder called {Path(found.name).name}: none of its "
            f"{len(found.pairs)} pairs is left for testing",
            "rename the folder if it is another one",
        )
    classes = in_order({pair.label for pair in found.pairs})
    labelled = "" not in classes
    sets, noisy_groups = [], []
    for both, labels in _grouped((_both(found, pair), pair.label) for pair in chosen):
        known = torch.tensor([classes.index(label) for label in labels]) if labelled else None
        count = len(classes) if labelled else 0
        sets.append(ImageSet(found.name, both[:, 0].contiguous(), known, count))
        noisy_groups.append(both[:, 1].contiguous())
    places = _places(_both(found, pair) for pair in _tuned_with(found, learnt_from=learnt_from))
    tuning = Tuning(
        places[:, 0].contiguous(),
        "training images" if learnt_from else TEST_IMAGES,
        noisy=places[:, 1].contiguous(),
    )
    names_of_classes = tuple(classes) if labelled else ()
    return EvaluationImages(
        found.name,
        sets,
        tuning,
        names_of_classes,
        noisy_groups,
        left_out=len(found.pairs) - len(chosen),
        remarks=tuple(found.remarks()),
    )


def _tuned_with(found: Pairs, *, learnt_from: bool) -> list[Pair]:
    """The training pairs, or all in the order of their groups."""
    if learnt_from:
        return [pair for pair in found.pairs if not pair.is_test]
    groups: defaultdict[tuple[int, ...], list[Pair]] = defaultdict(list)
    for pair in found.pairs:
        groups[pair.clean.values.shape].append(pair)
    return [pair for group in groups.values() for pair in group]


def _both(found: Pairs, pair: Pair) -> Tensor:
    """The clean and the noisy image of a pair, (2, C, H, W)."""
    return torch.stack(found.whole(pair))


def _tuning_from(source: str, data_dir: Path, images: EvaluationImages) -> Tuning:
    """Images of another set or folder, with as many channels as the test images."""
    if source in DATA_SETS:
        found = _some(load(source, "train", data_dir), source).images
    elif Path(source).is_dir():
        others = read_folder(Path(source))
        if not others.images:
            raise others.nothing()
        found = _places(image for image, _ in others.whole_images())
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


def _all_images(sets: Sequence[ImageSet]) -> Iterator[Tensor]:
    return (image for group in sets for image in group.images)


def _grouped(images: Iterable[tuple[Tensor, str]]) -> list[tuple[Tensor, list[str]]]:
    """Images grouped by shape, with their labels."""
    groups: defaultdict[tuple[int, ...], list[tuple[Tensor, str]]] = defaultdict(list)
    for image, label in images:
        groups[tuple(image.shape)].append((image, label))
    return [
        (torch.stack([image for image, _ in found]), [label for _, label in found])
        for found in groups.values()
    ]


def _places(images: Iterable[Tensor]) -> Tensor:
    """Square crops (N, …, side, side) from the middle of images (…, H, W), all of one size."""
    some = list(images)
    side = min(PLACE, *(min(image.shape[-2:]) for image in some))
    count = max(1, TUNING_PIXELS // side**2)
    chosen = some[:: max(1, len(some) // count)][:count]
    places = []
    for image in chosen:
        top, left = ((length - side) // 2 for length in image.shape[-2:])
        places.append(image[..., top : top + side, left : left + side])
    channels = min(place.shape[-3] for place in places)
    return torch.stack([place[..., :channels, :, :] for place in places])
