"""The images that filters are tuned with: some whole small ones, or places in large ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from dae_tui.core.data.image_set import ImageSet, unit

# Pixels that filters are tuned with: 128 digits, or six crops of photographs.
TUNING_PIXELS = 128 * 28 * 28
# So many times as many images are classified: an accuracy needs more of them than a PSNR.
CLASSIFIED_FACTOR = 3
PLACE = 128

T = TypeVar("T")


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


def some_of(images: ImageSet, source: str) -> Tuning:
    """Images spread evenly over a set, as many as filters are tuned with."""
    count = max(1, TUNING_PIXELS // images.images[0].numel())
    if images.labels is not None:
        count *= CLASSIFIED_FACTOR
    step = max(1, len(images) // count)
    some = images.select(slice(0, step * count, step))
    return Tuning(unit(some.images), source, some.labels)


def spread(images: Sequence[T], side: int) -> Sequence[T]:
    """Some images, spread evenly over all, whose places of a side are enough to tune filters."""
    count = max(1, TUNING_PIXELS // side**2)
    return images[:: max(1, len(images) // count)][:count]


def places_in(images: Iterable[Tensor]) -> Tensor:
    """Square crops (N, …, side, side) from the middle of images (…, H, W), all of one size."""
    some = list(images)
    side = min(PLACE, *(min(image.shape[-2:]) for image in some))
    places = []
    for image in spread(some, side):
        top, left = ((length - side) // 2 for length in image.shape[-2:])
        places.append(image[..., top : top + side, left : left + side])
    channels = min(place.shape[-3] for place in places)
    return torch.stack([place[..., :channels, :, :] for place in places])
