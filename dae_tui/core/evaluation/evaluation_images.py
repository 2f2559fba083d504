"""The images that a benchmark evaluates methods on, and those that filters are tuned with.

A data set by name, a folder of small images with classes, whole photographs of any sizes, or pairs
of clean and noisy images, to which no noise is added.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from dae_tui.core.data.image_folder import (
    TEST_EVERY,
    WHOLE_UP_TO,
    class_names,
    class_of,
    find_images,
    in_order,
)
from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.data.load_data import load
from dae_tui.core.data.shards import is_sharded
from dae_tui.core.images import formats as kinds
from dae_tui.core.images.value_range import image_values, to_unit
from dae_tui.errors import DataError, UsageError
from dae_tui.spec.training_config import DATA_SETS

# Pixels that filters are tuned with: 128 digits, or six crops of photographs.
TUNING_PIXELS = 128 * 28 * 28
# So many times as many images are classified: an accuracy needs more of them than a PSNR.
CLASSIFIED_FACTOR = 3
PLACE = 128
CLEAN, NOISY = "clean", "noisy"


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

    Raises UsageError or DataError for images that cannot be loaded.
    """
    folder = Path(name)
    training = None
    named = name in DATA_SETS or not folder.is_dir()
    if not named and (folder / CLEAN).is_dir() and (folder / NOISY).is_dir():
        images = _pairs(folder)
    elif named or is_sharded(folder) or _small(folder):
        classes = () if named else class_names(folder)
        images = of_image_set(load(name, "test", data_dir), classes)
        training = load(name, "train", data_dir) if tune and tune_on is None else None
    else:
        images = _photographs(folder, learnt_from=folder.resolve().name in learnt_from)
    if not tune:
        return replace(images, tuning=None)
    if tune_on is not None:
        return replace(images, tuning=_tuning_from(tune_on, data_dir, images))
    if training is not None:
        return replace(images, tuning=_some(training, "training images"))
    return images


def of_image_set(images: ImageSet, classes: tuple[str, ...] = ()) -> EvaluationImages:
    """The images of one set; without `classes` the class names are their numbers."""
    if images.labels is not None and not classes:
        classes = tuple(map(str, range(images.classes)))
    return EvaluationImages(images.name, [images], None, classes)


def _some(images: ImageSet, source: str) -> Tuning:
    """Images spread evenly over a set, as many as filters are tuned with."""
    count = max(1, TUNING_PIXELS // images.images[0].numel())
    if images.labels is not None:
        count *= CLASSIFIED_FACTOR
    step = max(1, len(images) // count)
    some = images.select(slice(0, step * count, step))
    return Tuning(unit(some.images), source, some.labels)


def _small(folder: Path) -> bool:
    """Whether a folder's images are small and of one size, and so are used as a data set."""
    sizes = {image.shape[-2:] for image in islice(_read_all(find_images(folder)), 8)}
    return len(sizes) == 1 and max(next(iter(sizes))) <= WHOLE_UP_TO


def _photographs(folder: Path, *, learnt_from: bool) -> EvaluationImages:
    split = (folder / "train").is_dir() and (folder / "test").is_dir()
    paths = find_images(folder / "test" if split else folder)
    found = len(paths)
    if learnt_from and not split:
        paths = paths[TEST_EVERY - 1 :: TEST_EVERY]
    if not paths:
        if found:
            raise DataError(
                f"the weights were trained on a folder called {folder.name}: none of its {found} "
                "images is left for testing",
                "rename the folder if it is another one",
            )
        raise DataError(f"there are no images in {folder}", "put image files into it")
    groups = _grouped((image, "") for image in _read_all(paths))
    sets = [ImageSet(str(folder.resolve()), images, None, 0) for images, _ in groups]
    others = _read_all(find_images(folder / "train")) if split else _all_images(sets)
    tuned_on = "training images" if split else "places in the test images themselves"
    tuning = Tuning(_places(others), tuned_on)
    return EvaluationImages(
        str(folder.resolve()), sets, tuning, photographs=True, left_out=found - len(paths)
    )


def _pairs(folder: Path) -> EvaluationImages:
    """Clean and noisy images with equal names in two folders."""
    clean_paths = find_images(folder / CLEAN)
    names = [path.relative_to(folder / CLEAN) for path in clean_paths]
    noisy_paths = [folder / NOISY / name for name in names]
    missing = [path for path in noisy_paths if not path.is_file()]
    if missing or not names:
        what = f"there is no {missing[0]}" if missing else f"there are no images in {folder}"
        raise DataError(what, f"each image in {CLEAN} needs one of the same name in {NOISY}")
    pairs = []
    for name, clean, noisy in zip(
        names, _read_all(clean_paths), _read_all(noisy_paths), strict=True
    ):
        if clean.shape != noisy.shape:
            raise DataError(
                f"{folder / NOISY / name} and {folder / CLEAN / name} differ in size or colour",
                "a noisy image must have the size and colours of the clean one",
            )
        pairs.append((torch.stack([clean, noisy]), class_of(name)))
    classes = in_order({label for _, label in pairs})
    labelled = "" not in classes
    sets, noisy_groups = [], []
    for both, labels in _grouped(pairs):
        known = torch.tensor([classes.index(label) for label in labels]) if labelled else None
        count = len(classes) if labelled else 0
        sets.append(ImageSet(str(folder.resolve()), both[:, 0].contiguous(), known, count))
        noisy_groups.append(both[:, 1].contiguous())
    places = _places(
        torch.stack(pair)
        for pair in zip(
            _all_images(sets), (image for group in noisy_groups for image in group), strict=True
        )
    )
    tuning = Tuning(
        places[:, 0].contiguous(),
        "places in the test images themselves",
        noisy=places[:, 1].contiguous(),
    )
    names_of_classes = tuple(classes) if labelled else ()
    return EvaluationImages(str(folder.resolve()), sets, tuning, names_of_classes, noisy_groups)


def _tuning_from(source: str, data_dir: Path, images: EvaluationImages) -> Tuning:
    """Images of another set or folder, with as many channels as the test images."""
    if source in DATA_SETS:
        found = _some(load(source, "train", data_dir), source).images
    elif Path(source).is_dir():
        found = _places(_read_all(find_images(Path(source))))
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


def _read_all(paths: Sequence[Path]) -> Iterator[Tensor]:
    """Images (C, H, W) in [0, 1], without alpha."""
    for path in paths:
        stack = kinds.read_file(path, str(path)).stacks[0]
        values = image_values(stack)[0]
        yield to_unit(values, stack.white, stack.white_is_zero).movedim(-1, 0).contiguous()


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


def _places(images: Iterator[Tensor]) -> Tensor:
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
