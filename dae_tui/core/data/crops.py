"""Random crops of images of any sizes: training images that are drawn anew in every epoch."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dae_tui.core.data.image_set import ImageSet, Stack, epoch_seed, grouped
from dae_tui.core.data.splits import EVERY, PARTS, TEST, TRAINING, VALIDATION
from dae_tui.core.symmetries import SYMMETRIES, turned
from dae_tui.errors import DataError

# Keeps the seeds of the rounds of an epoch apart from those of the following epochs.
ROUND_SEED = 7_368_787


@dataclass(frozen=True)
class Crops:
    """Square crops of images, or of pairs of images, which are in memory.

    `images`: each uint8 (C, H, W), or float32, where 0 is black and 1 is white; no side is shorter
    than `patch`. `noisy`: of pairs the noisy images, of the same sizes.
    """

    name: str
    images: tuple[Tensor, ...]
    patch: int
    """The side of a crop, in pixels."""
    noisy: tuple[Tensor, ...] = ()
    augment: bool = False
    """Whether crops are flipped and rotated at random, both of a pair alike."""
    classes: int = 0
    endless: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one crop: (C, H, W)."""
        return self.images[0].shape[0], self.patch, self.patch

    def __len__(self) -> int:
        """How many crops have as many pixels as all images have."""
        return int(self._crops_of_each().sum())

    def _crops_of_each(self) -> Tensor:
        pixels = torch.tensor([image.shape[1] * image.shape[2] for image in self.images])
        return (pixels / self.patch**2).round().long().clamp(min=1)

    def batches(
        self, size: int, seed: int, epoch: int, first: int = 0, limit: int | None = None
    ) -> Generator[ImageSet]:
        """The batches of an epoch; see `TrainingImages`.

        Each image gives as many crops as its pixels fill, from random places. An epoch that is
        longer takes all images again, in another order and from other places.
        """
        in_a_round = len(self) // size
        if limit is None:
            limit = in_a_round
        while first < limit and in_a_round:
            number, start = divmod(first, in_a_round)
            stop = min(in_a_round, start + limit - first)
            yield from self._round(size, epoch_seed(seed, epoch) + number * ROUND_SEED, start, stop)
            first += stop - start

    def _round(self, size: int, seed: int, start: int, stop: int) -> Generator[ImageSet]:
        """Batches `start` to `stop` of those that take each image once."""
        generator = torch.Generator().manual_seed(seed)
        order = torch.arange(len(self.images)).repeat_interleave(self._crops_of_each())
        order = order[torch.randperm(len(order), generator=generator)]
        places = torch.rand(len(order), 2, generator=generator, dtype=torch.float64)
        turns = torch.randint(SYMMETRIES, (len(order),), generator=generator)
        if not self.augment:
            turns.zero_()
        for number in range(start, stop):
            part = slice(number * size, (number + 1) * size)
            drawn = list(
                zip(order[part].tolist(), places[part].tolist(), turns[part].tolist(), strict=True)
            )
            noisy = self._cut(self.noisy, drawn) if self.noisy else None
            yield ImageSet(self.name, self._cut(self.images, drawn), None, 0, noisy)

    def _cut(
        self, images: Sequence[Tensor], drawn: Sequence[tuple[int, list[float], int]]
    ) -> Tensor:
        """Crops (N, C, patch, patch) by image, place in [0, 1) and symmetry."""
        patch = self.patch
        crops = []
        for number, (down, right), turn in drawn:
            image = images[number]
            top = int(down * (image.shape[1] - patch + 1))
            left = int(right * (image.shape[2] - patch + 1))
            crops.append(turned(image[:, top : top + patch, left : left + patch], turn))
        return torch.stack(crops)


def cropped(
    name: str,
    images: Mapping[str, Sequence[Tensor]],
    patch: int,
    noisy: Mapping[str, Sequence[Tensor]] | None = None,
    *,
    augment: bool,
    stack: Stack = torch.stack,
) -> tuple[Crops, list[ImageSet], list[ImageSet]]:
    """Random crops to train with, and whole images for validation and test.

    Args:
        name: of the data set.
        images: (C, H, W) of each part.
        patch: the side of a crop. Images that are smaller are not trained with.
        noisy: of pairs the noisy images.
        augment: whether crops are flipped and rotated at random.
        stack: makes one tensor of several.

    Raises DataError if a part has no images, or if all images for training are too small.
    """
    kind = "images" if noisy is None else "pairs"
    for part in PARTS:
        if not images[part]:
            raise DataError(
                f"there are no {kind} for {part} in {name}", f"it needs at least {EVERY} {kind}"
            )
    large = [n for n, image in enumerate(images[TRAINING]) if min(image.shape[1:]) >= patch]
    if not large:
        raise DataError(
            f"all {kind} for training in {name} are smaller than {patch}×{patch}",
            "use larger ones, small ones that are all of one size, or a smaller --patch",
        )
    given = noisy or dict.fromkeys(PARTS, ())
    training = Crops(
        name,
        tuple(images[TRAINING][n] for n in large),
        patch,
        tuple(given[TRAINING][n] for n in large) if noisy else (),
        augment,
    )
    validation, test = (
        grouped(name, images[part], given[part], stack) for part in (VALIDATION, TEST)
    )
    return training, validation, test
