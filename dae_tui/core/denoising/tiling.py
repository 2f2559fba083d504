"""Denoise an image of any size tile by tile, row by row, without seams.

Tiles overlap. Values that a tile's edge may have affected get weight 0, and the others are blended;
with the overlap of `natural_overlap` the result equals that of the whole image.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

# Pixels over which two tiles are blended.
RAMP = 16
# Measured on two cores: no tile size is faster than 512, and larger ones need 4 times the memory.
DEFAULT_TILE = 512
LARGEST_TILE = 2048
SMALLEST_TILE = 64
# Bytes per pixel and feature of the float32 arrays that a network holds at the same time.
BYTES_PER_FEATURE = 4 * 6


@dataclass(frozen=True)
class Tiles:
    """How the rows or columns of an image are divided into tiles of one size."""

    starts: list[int]
    size: int
    overlap: int

    def weights(self, number: int, spoilt: int) -> Tensor:
        """The tile's weight at each of its positions, (size,) in [0, 1]; all tiles add up to 1.

        `spoilt` is how far from the tile's edge values may differ from those of the whole image.
        """
        weights = torch.ones(self.size)
        if number > 0:
            rising = self._rising(self.starts[number - 1] + self.size - self.starts[number], spoilt)
            weights[: len(rising)] = rising
        if number < len(self.starts) - 1:
            rising = self._rising(self.starts[number] + self.size - self.starts[number + 1], spoilt)
            weights[self.size - len(rising) :] = 1 - rising
        return weights

    @staticmethod
    def _rising(overlap: int, spoilt: int) -> Tensor:
        """A ramp from 0 to 1 over the overlap, constant over its spoilt ends."""
        flat = min(spoilt, overlap // 2)
        places = torch.arange(overlap) + 0.5
        return ((places - flat) / max(1, overlap - 2 * flat)).clamp(0, 1)


def share_out(length: int, tile: int, overlap: int, stride: int) -> Tiles:
    """Tiles that cover `length` pixels and overlap by at least `overlap`, or a third of `tile`.

    Starts are multiples of `stride`, so that the network pools the same pixels as in the whole.
    """
    whole = ceil(length / stride) * stride
    tile = max(stride, tile // stride * stride)
    if whole <= tile:
        return Tiles([0], whole, 0)
    # Rounding the starts reduces the overlap; no position may belong to three tiles.
    overlap = min(overlap + stride, tile // 3)
    count = ceil((whole - overlap) / (tile - overlap))
    size = ceil((whole + (count - 1) * overlap) / count / stride) * stride
    starts = [round((whole - size) * n / (count - 1) / stride) * stride for n in range(count)]
    return Tiles(starts, size, overlap)


def natural_overlap(receptive_field: int) -> int:
    """The overlap with which tiles give the same result as the whole image."""
    return 2 * receptive_field + RAMP


def tile_for_memory(features: int, free_bytes: float, on_gpu: bool) -> int:
    """The side of a tile whose features fit into half of the free memory.

    Args:
        features: channels of the network at full resolution.
        free_bytes: free memory of the device.
        on_gpu: allows larger tiles, which keep a GPU busy; smaller ones suit the caches of a CPU.
    """
    largest = LARGEST_TILE if on_gpu else DEFAULT_TILE
    fits = int((free_bytes / 2 / (features * BYTES_PER_FEATURE)) ** 0.5)
    return max(SMALLEST_TILE, min(largest, fits))


def denoise_rows(
    apply: Callable[[Tensor], Tensor],
    rows: Callable[[int, int], Tensor],
    height: int,
    width: int,
    *,
    tile: int,
    overlap: int,
    stride: int,
    receptive_field: int,
) -> Iterator[tuple[int, Tensor]]:
    """Denoise an image of which only a band of rows is in memory at a time.

    Args:
        apply: takes and returns (1, C, h, w), h and w multiples of `stride`.
        rows: returns the rows [start, end) of the noisy image, (C, n, width).
        height: of the image.
        width: of the image.
        tile: side of the tiles in pixels.
        overlap: of adjacent tiles, in pixels.
        stride: of the network.
        receptive_field: how far, in pixels, an output pixel depends on the input.

    Yields the number of the first finished row and the rows (C, n, width), from top to bottom.
    """
    down = share_out(height, tile, overlap, stride)
    across = share_out(width, tile, overlap, stride)
    across_weights = [across.weights(n, receptive_field) for n in range(len(across.starts))]
    done = 0
    band = torch.empty(0)
    for number, top in enumerate(down.starts):
        # Rows from `done` on that earlier tiles have begun stay at the top of the band.
        noisy = pad_to(rows(top, min(top + down.size, height)), down.size, width_to(across))
        fresh = torch.zeros(noisy.shape[0], top + down.size - done, noisy.shape[2])
        if number:
            fresh[:, : band.shape[1]] = band
        band = fresh
        down_weights = down.weights(number, receptive_field)[:, None]
        for left, weights in zip(across.starts, across_weights, strict=True):
            columns = slice(left, left + across.size)
            denoised = apply(noisy[None, :, :, columns])[0].cpu()
            band[:, top - done :, columns] += denoised * (down_weights * weights)
        last = number == len(down.starts) - 1
        end = height if last else down.starts[number + 1]
        yield done, band[:, : end - done, :width]
        band = band[:, end - done :]
        done = end


def width_to(across: Tiles) -> int:
    """The width that the tiles cover: that of the image, rounded up to a multiple of the stride."""
    return across.starts[-1] + across.size


def pad_to(planes: Tensor, height: int, width: int) -> Tensor:
    """Pad planes (…, H, W) on the right and below: mirrored if they are large enough."""
    down, right = height - planes.shape[-2], width - planes.shape[-1]
    if down <= 0 and right <= 0:
        return planes
    mirrored = down < planes.shape[-2] and right < planes.shape[-1]
    batch = planes if planes.ndim == 4 else planes[None]
    padded = torch.nn.functional.pad(
        batch, (0, right, 0, down), mode="reflect" if mirrored else "replicate"
    )
    return padded if planes.ndim == 4 else padded[0]
