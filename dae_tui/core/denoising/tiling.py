"""Denoise an image of any size tile by tile, row by row, without seams.

Tiles overlap. Values that a tile's edge may have affected get weight 0, and the others are blended;
with the overlap of `natural_overlap` the result equals that of the whole image.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

# Pixels over which two tiles are blended.
RAMP = 16
# Measured with `photos-unet` on a core with AVX512-BF16: a pixel takes as long in tiles of 256 as
# of 2048, but tiles of 512 cover each pixel of a large image 2.2 times, those of 2048 1.2 times.
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


def tile_for_memory(features: int, free_bytes: float) -> int:
    """The side of a tile whose features fit into half of the free memory.

    Args:
        features: channels of the network at full resolution.
        free_bytes: free memory of the device.
    """
    fits = int((free_bytes / 2 / (features * BYTES_PER_FEATURE)) ** 0.5)
    return max(SMALLEST_TILE, min(LARGEST_TILE, fits))


def shape_for(
    size: tuple[int, int], pixels: int, overlap: int, stride: int, rows: float = math.inf
) -> tuple[int, int]:
    """Height and width of the tiles with which an image is denoised with the least work.

    A tile as wide as the image overlaps no other on its left and right, but its overlap above and
    below is a larger part of it.

    Args:
        size: height and width of the image.
        pixels: the most that a tile may have.
        overlap: of adjacent tiles, in pixels.
        stride: of the network.
        rows: the most that a tile may have, unless it must have more to be larger than its overlap.
    """
    least = 3 * (overlap + stride)
    height = int(max(least, min(math.isqrt(pixels), rows)))
    shapes = [(height, height)]
    for columns in range(1, max(1, size[1] // least) + 1):
        width = ceil((size[1] + (columns - 1) * (overlap + stride)) / columns / stride) * stride
        height = int(min(pixels // max(1, width), rows))
        if height >= min(least, size[0]):
            shapes.append((height, max(width, least)))
    return min(shapes, key=lambda shape: _work(size, shape, overlap, stride))


def _work(size: tuple[int, int], shape: tuple[int, int], overlap: int, stride: int) -> int:
    """How many pixels the tiles of an image have together."""
    work = 1
    for length, tile in zip(size, shape, strict=True):
        tiles = share_out(length, tile, overlap, stride)
        work *= len(tiles.starts) * tiles.size
    return work


def denoise_rows(
    apply: Callable[[Tensor], Tensor],
    rows: Callable[[int, int], Tensor],
    height: int,
    width: int,
    *,
    tile: tuple[int, int],
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
        tile: height and width of the tiles in pixels.
        overlap: of adjacent tiles, in pixels.
        stride: of the network.
        receptive_field: how far, in pixels, an output pixel depends on the input.

    Yields the number of the first finished row and the rows (C, n, width), from top to bottom.
    """
    down = share_out(height, tile[0], overlap, stride)
    across = share_out(width, tile[1], overlap, stride)
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
