"""An image of any size through a network, tile by tile, row by row, without seams.

A tile is computed with more around it than is kept of it. Where two overlap, the values that their
edges could have spoilt have no weight and the others are blended; with the overlap that
`natural_overlap` gives the result is that of the whole image.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

# Pixels over which one tile gives way to the next.
RAMP = 16
# Measured on two cores: tiles of 512 are as fast as any, and a quarter of their memory is enough.
DEFAULT_TILE = 512
LARGEST_TILE = 2048
SMALLEST_TILE = 64
# Of a network's features, so many bytes of float32 live at once for each pixel and channel.
BYTES_PER_FEATURE = 4 * 6


@dataclass(frozen=True)
class Tiles:
    """How the rows or columns of an image are shared out among tiles of one size."""

    starts: list[int]
    size: int
    overlap: int

    def weights(self, number: int, spoilt: int) -> Tensor:
        """(size,) in [0, 1]: how much the tile counts at each of its places; together they are 1.

        `spoilt` is how far from the tile's edge its values may differ from those of the image.
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
        """From 0 to 1 over the overlap, but for its spoilt ends."""
        flat = min(spoilt, overlap // 2)
        places = torch.arange(overlap) + 0.5
        return ((places - flat) / max(1, overlap - 2 * flat)).clamp(0, 1)


def share_out(length: int, tile: int, overlap: int, stride: int) -> Tiles:
    """Tiles that cover `length` pixels and overlap by at least `overlap`, or a third of `tile`.

    Starts are multiples of `stride`, so that a network pools the same pixels as in the whole.
    """
    whole = ceil(length / stride) * stride
    tile = max(stride, tile // stride * stride)
    if whole <= tile:
        return Tiles([0], whole, 0)
    # Rounding the starts takes some of it; no place may belong to three tiles.
    overlap = min(overlap + stride, tile // 3)
    count = ceil((whole - overlap) / (tile - overlap))
    size = ceil((whole + (count - 1) * overlap) / count / stride) * stride
    starts = [round((whole - size) * n / (count - 1) / stride) * stride for n in range(count)]
    return Tiles(starts, size, overlap)


def natural_overlap(receptive_field: int) -> int:
    """The overlap with which tiles give what the whole image would give."""
    return 2 * receptive_field + RAMP


def tile_for_memory(features: int, free_bytes: float, on_gpu: bool) -> int:
    """The side of a tile whose features fit into half of the free memory.

    Args:
        features: channels that the network has at full resolution.
        free_bytes: of the memory in which it computes.
        on_gpu: a GPU is kept busy by larger tiles; a CPU's caches by smaller ones.
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
        apply: takes and gives (1, C, h, w), h and w multiples of `stride`.
        rows: gives the rows from one to before another of the noisy image, (C, n, width).
        height: of the image.
        width: of the image.
        tile: side of the tiles in pixels.
        overlap: of neighbours, in pixels.
        stride: of the network.
        receptive_field: how far, in pixels, an output pixel depends on the input.

    Yields the first row and the rows (C, n, width) that are done, from the top to the bottom.
    """
    down = share_out(height, tile, overlap, stride)
    across = share_out(width, tile, overlap, stride)
    across_weights = [across.weights(n, receptive_field) for n in range(len(across.starts))]
    done = 0
    band = torch.empty(0)
    for number, top in enumerate(down.starts):
        # Rows from `done` on that the tiles before have begun stay at the top of the band.
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
    """The width that the tiles cover: that of the image, up to a multiple of the stride."""
    return across.starts[-1] + across.size


def pad_to(planes: Tensor, height: int, width: int) -> Tensor:
    """Planes (…, H, W) continued to the right and below: mirrored where they are large enough."""
    down, right = height - planes.shape[-2], width - planes.shape[-1]
    if down <= 0 and right <= 0:
        return planes
    mirrored = down < planes.shape[-2] and right < planes.shape[-1]
    batch = planes if planes.ndim == 4 else planes[None]
    padded = torch.nn.functional.pad(
        batch, (0, right, 0, down), mode="reflect" if mirrored else "replicate"
    )
    return padded if planes.ndim == 4 else padded[0]
