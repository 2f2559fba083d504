"""Tiles give what the whole image gives, at every size, stride and overlap."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from dae_tui.core.denoising.apply_network import (
    BATCH_PIXELS,
    LARGEST_BATCH_PIXELS,
    Compute,
    batch_pixels,
    batches,
    denoise_images,
    denoise_large,
)
from dae_tui.core.denoising.planes.level_map import LevelMap
from dae_tui.core.denoising.tiling import (
    LARGEST_TILE,
    SMALLEST_TILE,
    natural_overlap,
    pad_to,
    shape_for,
    share_out,
    tile_for_memory,
)
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.symmetries import SYMMETRIES, turned, turned_back
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.models.registry import build
from dae_tui.spec.model_cards import published


def weights(name: str, **settings: Any) -> Weights:
    """A network with weights from one seed that changes what it is given."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(name, settings).eval().requires_grad_(False)
        if name == "unet":
            torch.nn.init.normal_(network.get_parameter("tail.weight"), std=0.05)
    return Weights(name, network, {"settings": settings})


def image(height: int, width: int, channels: int = 1) -> Tensor:
    return torch.rand((channels, height, width), generator=torch.Generator().manual_seed(1))


def in_tiles(found: Weights, noisy: Tensor, sigma: float, compute: Compute) -> Tensor:
    return mean_in_tiles([(found, 1.0)], noisy, sigma, compute)


def mean_in_tiles(
    parts: Sequence[tuple[Weights, float]], noisy: Tensor, sigma: float, compute: Compute
) -> Tensor:
    """The image in tiles; rows come from the top to the bottom, none twice."""
    denoised = torch.full_like(noisy, torch.nan)
    done = 0
    sigmas = torch.full((len(noisy),), sigma)
    bands = denoise_large(
        parts, lambda top, end: noisy[:, top:end], (*noisy.shape,), sigmas, compute
    )
    for top, rows in bands:
        assert top == done
        done += rows.shape[1]
        denoised[:, top:done] = rows
    assert done == noisy.shape[1]
    return denoised


def whole(found: Weights, noisy: Tensor, sigma: float, *, best: bool = False) -> Tensor:
    compute = Compute(best=best)
    return denoise_images(found, noisy[None], torch.tensor([sigma]), compute, clip=False)[0]


@pytest.mark.parametrize("size", [(301, 299), (150, 640), (640, 97), (257, 256), (128, 129)])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("autoencoder", {"widths": (4, 6, 8)}),
        ("autoencoder", {"widths": (4, 6)}),
        ("unet", {"widths": (4, 6, 8)}),
        ("unet", {"widths": (4, 6), "blocks": 2}),
    ],
)
@pytest.mark.parametrize("overlap", [None, 0, 100])
def test_tiled_and_whole_agree(
    name: str, settings: dict[str, Any], size: tuple[int, int], overlap: int | None
) -> None:
    found, noisy = weights(name, **settings), image(*size)
    tiled = in_tiles(found, noisy, 0.1, Compute(tile=128, overlap=overlap))
    assert (tiled - whole(found, noisy, 0.1)).abs().max() < 1e-5


def test_colour_is_tiled_channel_by_channel() -> None:
    found, noisy = weights("autoencoder", widths=(4, 6, 8)), image(200, 333, channels=3)
    tiled = in_tiles(found, noisy, 0.1, Compute(tile=128))
    assert (tiled - whole(found, noisy, 0.1)).abs().max() < 1e-5


def test_a_mean_of_networks_that_differ_in_stride_and_field_is_tiled_like_each_of_them() -> None:
    noisy = image(192, 336)
    small, large = weights("unet", widths=(4, 6)), weights("unet", widths=(4, 6, 8), gather=2)
    tiled = mean_in_tiles([(small, 0.25), (large, 0.75)], noisy, 0.1, Compute(tile=128))
    expected = 0.25 * whole(small, noisy, 0.1) + 0.75 * whole(large, noisy, 0.1)
    assert (tiled - expected).abs().max() < 1e-5


def test_the_mean_over_turns_and_flips_turns_with_the_image() -> None:
    found, noisy = weights("unet", widths=(4, 6, 8)), image(64, 96)
    mean = whole(found, noisy, 0.1, best=True)
    each = [turned_back(whole(found, turned(noisy, turn), 0.1), turn) for turn in range(SYMMETRIES)]
    assert (mean - torch.stack(each).mean(0)).abs().max() < 1e-6
    assert (mean - each[0]).abs().max() > 1e-4
    for turn in range(SYMMETRIES):
        again = turned_back(whole(found, turned(noisy, turn), 0.1, best=True), turn)
        assert (again - mean).abs().max() < 1e-5


def test_the_mean_over_turns_and_flips_is_the_same_in_tiles() -> None:
    found, noisy = weights("unet", widths=(4, 6)), image(160, 240)
    tiled = in_tiles(found, noisy, 0.1, Compute(tile=128, best=True))
    assert (tiled - whole(found, noisy, 0.1, best=True)).abs().max() < 1e-5


def test_digits_are_neither_turned_nor_flipped() -> None:
    found = replace(weights("unet", widths=(4, 6)), metadata={"data": "mnist"})
    noisy = image(28, 28)
    assert torch.equal(whole(found, noisy, 0.1, best=True), whole(found, noisy, 0.1))


def test_nothing_is_clipped_in_tiles() -> None:
    found, noisy = weights("unet", widths=(4, 6, 8)), 5 * image(150, 160) - 2
    tiled = in_tiles(found, noisy, 0.1, Compute(tile=128))
    assert (tiled - whole(found, noisy, 0.1)).abs().max() < 1e-4
    assert tiled.min() < -1 and tiled.max() > 2
    clipped = denoise_images(found, noisy[None], torch.tensor([0.1]), Compute())[0]
    assert (clipped == whole(found, noisy, 0.1).clamp(0, 1)).all()


def test_each_channel_has_its_own_level() -> None:
    found, noisy = weights("unet", widths=(4, 6, 8)), image(150, 160, channels=3)
    sigmas = torch.tensor([0.02, 0.1, 0.4])
    bands = denoise_large(
        [(found, 1.0)], lambda top, end: noisy[:, top:end], (3, 150, 160), sigmas, Compute(tile=128)
    )
    tiled = torch.cat([rows for _, rows in bands], dim=1)
    for plane, one, sigma in zip(tiled, noisy, sigmas.tolist(), strict=True):
        assert (plane - whole(found, one[None], sigma)[0]).abs().max() < 1e-5
    assert (tiled - whole(found, noisy, 0.1)).abs().max() > 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_that_differ_from_place_to_place_are_those_of_the_whole(channels: int) -> None:
    found, noisy = weights("unet", widths=(4, 6, 8), channels=channels), image(152, 168, channels=3)
    dim = LevelFunction((0.001, 0.05), sigma=0.1)
    levels = LevelMap((dim, dim, LevelFunction.constant(0.2)))
    assert levels(noisy[None])[:, 0].std() > 0.01
    bands = denoise_large(
        [(found, 1.0)],
        lambda top, end: noisy[:, top:end],
        (3, 152, 168),
        levels,
        Compute(tile=128),
    )
    tiled = torch.cat([rows for _, rows in bands], dim=1)
    together = denoise_images(found, noisy[None], levels, Compute(), clip=False)[0]
    assert (tiled - together).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("name", "settings"), [("autoencoder", {"widths": (4, 6, 8)}), ("unet", {"widths": (4, 6, 8)})]
)
def test_nothing_reaches_further_than_the_network_says(name: str, settings: dict[str, Any]) -> None:
    found = weights(name, **settings)
    noisy, place = image(200, 200), 100
    before = whole(found, noisy, 0.1)
    reached = 0
    for offset in range(4):
        changed = noisy.clone()
        changed[0, place + offset, place + offset] = 9.0
        rows, columns = (whole(found, changed, 0.1) != before)[0].nonzero(as_tuple=True)
        distances = torch.cat([rows, columns]) - place - offset
        reached = max(reached, int(distances.abs().max()))
    assert isinstance(found.network.receptive_field, int)
    assert 8 < reached <= found.network.receptive_field


@pytest.mark.parametrize("stride", [1, 4, 8])
@pytest.mark.parametrize("length", [1, 5, 64, 65, 127, 128, 129, 200, 1000, 1021])
def test_tiles_cover_a_line_and_their_weights_are_one(length: int, stride: int) -> None:
    tiles = share_out(length, tile=64, overlap=24, stride=stride)
    assert tiles.starts == sorted(set(tiles.starts))
    assert all(start % stride == 0 for start in tiles.starts)
    assert tiles.size <= 64 and tiles.size % stride == 0
    end = tiles.starts[-1] + tiles.size
    assert length <= end < length + stride
    total = torch.zeros(end)
    for number, start in enumerate(tiles.starts):
        total[start : start + tiles.size] += tiles.weights(number, spoilt=10)
    assert torch.allclose(total, torch.ones(end))


def test_what_the_edge_of_a_tile_spoils_has_no_weight() -> None:
    tiles = share_out(1000, tile=200, overlap=natural_overlap(20), stride=4)
    first, second = tiles.weights(0, spoilt=20), tiles.weights(1, spoilt=20)
    assert first[-20:].max() == 0 and second[:20].max() == 0
    assert first[:100].min() == 1


def test_tiles_follow_the_memory() -> None:
    assert tile_for_memory(96, 64e9) == LARGEST_TILE
    assert SMALLEST_TILE < tile_for_memory(96, 100e6) < 512
    assert tile_for_memory(4096, 1e6) == SMALLEST_TILE


def test_tiles_have_the_shape_of_the_least_work() -> None:
    overlap, stride, pixels = 216, 8, 2048**2
    assert shape_for((1500, 2500), pixels, overlap, stride) == (1675, 2504)  # As a whole.
    height, width = shape_for((4000, 6000), pixels, overlap, stride)
    assert height * width <= pixels
    covered = [
        len(tiles.starts) * tiles.size / length
        for length, tile in ((4000, height), (6000, width))
        for tiles in [share_out(length, tile, overlap, stride)]
    ]
    assert covered[0] * covered[1] < 1.2
    # A long strip: no tile beside another.
    assert shape_for((100_000, 700), pixels, overlap, stride)[1] == 704
    # Little memory for bands: tiles that are wider than high, but never less than their overlaps.
    assert shape_for((4000, 6000), pixels, overlap, stride, rows=800)[0] <= 800
    assert min(shape_for((4000, 6000), 1, overlap, stride, rows=1)) == 3 * (overlap + stride)


@pytest.mark.parametrize("size", [(500, 640), (150, 900), (900, 97)])
def test_tiles_of_a_shape_that_suits_the_image_agree_with_the_whole(size: tuple[int, int]) -> None:
    found, noisy = weights("unet", widths=(4, 6)), image(*size)
    tiled = in_tiles(found, noisy, 0.1, Compute(free_bytes=20e6))
    assert (tiled - whole(found, noisy, 0.1)).abs().max() < 1e-5


def test_batches_grow_with_the_memory_of_a_gpu_alone() -> None:
    found, gpu = weights("autoencoder", widths=(32, 64, 128)), torch.device("cuda")
    for free in (1e6, 4e9, 80e9):
        assert batch_pixels(found, Compute(free_bytes=free)) == BATCH_PIXELS
    assert batch_pixels(found, Compute(gpu, free_bytes=1e6)) == BATCH_PIXELS
    # Half of the memory, 96 channels at each pixel, six of float32 each.
    assert batch_pixels(found, Compute(gpu, free_bytes=4e9)) == 2e9 // (96 * 24)
    assert batch_pixels(found, Compute(gpu, free_bytes=4e9), channels=3) == 2e9 // (3 * 96 * 24)
    assert batch_pixels(found, Compute(gpu, free_bytes=80e9)) == LARGEST_BATCH_PIXELS


def test_the_units_of_a_dense_network_are_those_of_a_whole_image() -> None:
    # 1 024 units for 784 pixels.
    compute = Compute(torch.device("cuda"), free_bytes=1e9)
    assert batch_pixels(weights("dense", widths=(512, 256)), compute) == 0.5e9 // (2 * 24)


def test_batches_cover_all_images_once() -> None:
    images = torch.empty(450, 1, 28, 28)
    assert [len(images[part]) for part in batches(images)] == [200, 200, 50]
    assert [len(images[part]) for part in batches(images, 300 * 28 * 28)] == [300, 150]
    assert [len(images[part]) for part in batches(images[:2], 1)] == [1, 1]


def test_images_are_continued_by_their_mirror_image() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0]])[None]
    assert pad_to(row, 1, 5).tolist() == [[[1, 2, 3, 2, 1]]]
    assert pad_to(row[..., :1], 2, 3).tolist() == [[[1, 1, 1], [1, 1, 1]]]
    assert pad_to(row, 1, 3) is row


def test_published_weights_leave_no_seam() -> None:
    found = load_weights(published()["mnist-autoencoder"])
    noisy = image(250, 300)
    tiled = in_tiles(found, noisy, 0.5, Compute(tile=112))
    assert (tiled - whole(found, noisy, 0.5)).abs().max() < 1 / 255
