"""Images for training and evaluation, in memory on the device, or streamed to it.

uint8 where 8 bits hold them, which takes a quarter of the memory; else float32 in [0, 1].
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

# Makes one tensor (N, …) of several.
Stack = Callable[[list[Tensor]], Tensor]


class TrainingImages(Protocol):
    """Training images, in memory or streamed: all that the training loop knows about them."""

    @property
    def name(self) -> str:
        """The data set's name, or the folder's path."""

    @property
    def classes(self) -> int:
        """The number of classes; 0 without labels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (C, H, W) of one image."""

    @property
    def endless(self) -> bool:
        """Whether an epoch may have more images than `len`: they are drawn anew for each."""

    def __len__(self) -> int: ...

    def batches(
        self, size: int, seed: int, epoch: int, first: int = 0, limit: int | None = None
    ) -> Generator["ImageSet"]:
        """The batches of an epoch, in an order that depends on `seed` and `epoch` only.

        Args:
            size: images per batch; an incomplete last batch is left out.
            seed: determines the order, together with `epoch`.
            epoch: counted from 0.
            first: the batch to begin with, to resume an epoch.
            limit: end the epoch before this batch.

        Close the generator if you leave it early: a thread may be reading ahead.
        """


@dataclass(frozen=True)
class ImageSet:
    """Images of one size with their labels, if they have any.

    `images`: uint8 (N, C, H, W), or float32, where 0 is black and 1 is white; `labels`: int64 (N,)
    in [0, classes) or None; `noisy`: of pairs the noisy images, like `images`, else None.
    """

    name: str
    images: Tensor
    labels: Tensor | None
    classes: int
    noisy: Tensor | None = None
    endless: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def batches(
        self, size: int, seed: int, epoch: int, first: int = 0, limit: int | None = None
    ) -> Generator["ImageSet"]:
        """The batches of an epoch; see `TrainingImages`."""
        # The order depends on seed and epoch only, so resuming needs no saved state.
        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
        order = torch.randperm(len(self), generator=generator).to(self.images.device)
        count = len(self) // size
        for number in range(first, count if limit is None else min(count, limit)):
            yield self.select(order[number * size : (number + 1) * size])

    def to(self, device: torch.device) -> "ImageSet":
        return self._each(lambda tensor: tensor.to(device))

    def onto(self, device: torch.device) -> "ImageSet":
        """Copy a batch to the device; the host does not wait for the copy to a GPU."""
        if device.type != "cuda" or self.images.is_cuda:
            return self.to(device)
        return self._each(lambda tensor: tensor.pin_memory().to(device, non_blocking=True))

    def select(self, indices: Tensor | slice) -> "ImageSet":
        return self._each(lambda tensor: tensor[indices])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "ImageSet":
        """The same with another tensor for each of its tensors."""
        return replace(
            self,
            images=change(self.images),
            labels=None if self.labels is None else change(self.labels),
            noisy=None if self.noisy is None else change(self.noisy),
        )


def grouped(
    name: str,
    images: Sequence[Tensor],
    noisy: Sequence[Tensor] = (),
    stack: Stack = torch.stack,
) -> list[ImageSet]:
    """Images (C, H, W), or pairs of images, without labels, in a set for each size."""
    groups: defaultdict[torch.Size, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        groups[image.shape].append(number)
    return [
        ImageSet(
            name,
            stack([images[number] for number in numbers]),
            None,
            0,
            stack([noisy[number] for number in numbers]) if noisy else None,
        )
        for numbers in groups.values()
    ]


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of the order in which an epoch takes its images."""
    return seed * 1_000_003 + epoch


def unit(images: Tensor) -> Tensor:
    """Convert uint8 images to float32 in [0, 1]; float32 images are returned unchanged."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def split_validation(training: ImageSet, count: int) -> tuple[ImageSet, ImageSet]:
    """Split off `count` validation images, always the same: (training, validation)."""
    order = torch.randperm(len(training), generator=torch.Generator().manual_seed(0))
    return training.select(order[count:]), training.select(order[:count])


def shift(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Move each image of a batch (N, C, H, W) by up to `pixels` each way, repeating its edges."""
    count, _, height, width = images.shape
    device = images.device
    padded = F.pad(images.float(), (pixels,) * 4, mode="replicate").to(images.dtype)
    offsets = torch.randint(2 * pixels + 1, (2, count, 1, 1), generator=generator, device=device)
    rows = offsets[0] + torch.arange(height, device=device)[:, None]
    columns = offsets[1] + torch.arange(width, device=device)
    image = torch.arange(count, device=device)[:, None, None]
    # Advanced indices around the channel put it last: (N, H, W, C), which is channels-last memory.
    return padded[image, :, rows, columns].permute(0, 3, 1, 2)
