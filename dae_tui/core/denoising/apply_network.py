"""Apply a network to any number of images of any size, in batches and tiles that fit memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, lcm

import torch
from torch import Tensor, nn

from dae_tui.core.denoising.tiling import (
    BYTES_PER_FEATURE,
    denoise_rows,
    natural_overlap,
    pad_to,
    shape_for,
    tile_for_memory,
)
from dae_tui.core.hardware import place
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.symmetries import SYMMETRIES, turned, turned_back
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import WeightsError
from dae_tui.models.registry import channels_of, settings_of, takes_sigma

# Measured on two cores with 1 MB of cache: batches of 200 digits are fastest; in batches of 1 000
# each digit takes twice as long. Larger images get smaller batches, to bound the memory.
BATCH_PIXELS = 200 * 28 * 28
# A dense network needs little memory per digit: batches of 2 000 are 1.2 (fp32) to 2.5 times
# (bf16) as fast as batches of 200.
DENSE_BATCH_PIXELS = 2000 * 28 * 28
FEW_FEATURES = 4
# The part of the free memory that two bands of rows may take, beside the features of a tile.
BANDS_SHARE = 1 / 8
# On a GPU, cache size matters less than the latency of sending and starting each batch.
LARGEST_BATCH_PIXELS = 16_384 * 28 * 28


Levels = Tensor | Callable[[Tensor], Tensor]
"""The noise levels of images (N, C, H, W): (N,), (N, C), or a function that gives those of all
their values, of the same shape, for noise that differs from place to place."""


@dataclass(frozen=True)
class Compute:
    """Where and how a network is applied."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "fp32"
    tile: int | None = None
    """Side of a tile in pixels; None chooses it by the free memory."""
    overlap: int | None = None
    """Overlap of tiles in pixels; raised to `natural_overlap` where it is smaller."""
    free_bytes: float = 4e9
    """Free memory of the device."""
    best: bool = False
    """Whether the mean of all eight turns and flips of an image, each denoised, is the result. Not
    for digits, which do not occur turned or flipped."""


def batches(images: Tensor, pixels: int = BATCH_PIXELS) -> Iterator[slice]:
    """Slices that cover images (N, C, H, W), of about `pixels` each and at least one image.

    Use BATCH_PIXELS when noise is drawn batch by batch: it is the same on every machine.
    """
    count, _, height, width = images.shape
    size = max(1, pixels // (height * width))
    return (slice(start, start + size) for start in range(0, count, size))


def batch_pixels(weights: Weights, compute: Compute, channels: int = 1) -> int:
    """How many pixels of images with `channels` channels form a batch.

    On a CPU the fastest number; on a GPU as many as have their features in half the free memory.
    """
    features = _features(weights)
    if compute.device.type != "cuda":
        return DENSE_BATCH_PIXELS if features <= FEW_FEATURES else BATCH_PIXELS
    planes = channels // weights.channels
    fits = int(compute.free_bytes / 2 / (planes * features * BYTES_PER_FEATURE))
    return max(BATCH_PIXELS, min(LARGEST_BATCH_PIXELS, fits))


@torch.inference_mode()
def denoise_batch(
    network: nn.Module,
    noisy: Tensor,
    precision: str = "fp32",
    sigma: Levels | None = None,
    *,
    clip: bool = True,
    turns: int = 1,
) -> Tensor:
    """Denoised float32 images, of the shape and on the device of `noisy` (N, C, H, W).

    A network with one channel denoises each channel of a colour image separately. `sigma` is the
    noise level, for networks that take it as an input; None estimates it. With `clip` the result
    lies in [0, 1]. It is the mean over so many `turns` and flips of the images.
    """
    planes = noisy.reshape(-1, channels_of(network), *noisy.shape[-2:])
    levels = _levels_of(planes, noisy, sigma) if takes_sigma(network) else None
    denoised = _apply(network, planes, levels, precision)
    for turn in range(1, turns):
        of_turn = turned(levels, turn) if levels is not None and levels.ndim == 4 else levels
        again = _apply(network, turned(planes, turn), of_turn, precision)
        denoised += (turned_back(again, turn) - denoised) / (turn + 1)
    denoised = denoised.reshape(noisy.shape)
    return denoised.clamp(0, 1) if clip else denoised


def _levels_of(planes: Tensor, noisy: Tensor, sigma: Levels | None) -> Tensor:
    """The levels of planes (n, c, H, W), into which images (N, C, H, W) were laid out.

    Returns (n,) or, if they differ from place to place, (n, 1, H, W): channels that the network
    sees together have one level, the root of their mean variance.
    """
    if sigma is None:
        sigma = estimate_sigma(noisy.cpu())
    elif not isinstance(sigma, Tensor):
        of_values = sigma(noisy).reshape(planes.shape)
        return of_values.square().mean(1, keepdim=True).sqrt()
    levels = sigma.to(noisy.device).flatten()
    return levels.repeat_interleave(len(planes) // len(levels))


def _apply(network: nn.Module, planes: Tensor, levels: Tensor | None, precision: str) -> Tensor:
    """What the network makes of planes (N, C, H, W), float32."""
    height, width = planes.shape[-2:]
    stride = getattr(network, "stride", 1)
    size = height + -height % stride, width + -width % stride
    padded = pad_to(planes, *size)
    if levels is not None and levels.ndim == 4:
        levels = pad_to(levels, *size)
    told = () if levels is None else (levels,)
    with torch.autocast(planes.device.type, torch.bfloat16, enabled=precision == "bf16"):
        denoised: Tensor = network(padded.contiguous(memory_format=torch.channels_last), *told)
    return denoised[..., :height, :width].float()


def denoise(
    weights: Weights, noisy: Tensor, device: torch.device, precision: str = "fp32"
) -> Tensor:
    """Denoise float32 images (N, C, H, W) in [0, 1] in batches; the result is on the CPU.

    Raises WeightsError if the network does not accept this image size or number of channels.
    """
    check_fits(weights, *noisy.shape[1:])
    return denoise_images(weights, noisy, None, Compute(device, precision))


def denoise_images(
    weights: Weights, noisy: Tensor, sigma: Levels | None, compute: Compute, *, clip: bool = True
) -> Tensor:
    """Denoise float32 images (N, C, H, W) without tiling; see `denoise_batch`."""
    # Without torch.compile: measured on two cores in bf16 with batches of 200 digits, the first
    # call takes 13 to 16 s; later ones are 1.1 to 1.2 times as fast (U-Net), or slower
    # (autoencoder).
    network = place(weights.folded, compute.device)
    denoised = torch.empty_like(noisy)
    _, channels, height, width = noisy.shape
    stride = getattr(network, "stride", 1)
    # An image of one pixel is padded to 64; a batch of the usual number of pixels would take 1 GB.
    padded = (height + -height % stride) * (width + -width % stride) // (2 * height * width)
    for part in batches(noisy, batch_pixels(weights, compute, channels) // max(1, padded)):
        denoised[part] = denoise_batch(
            network,
            noisy[part].to(compute.device),
            compute.precision,
            sigma[part] if isinstance(sigma, Tensor) else sigma,
            clip=clip,
            turns=_turns(weights, compute),
        ).cpu()
    return denoised


def _turns(weights: Weights, compute: Compute) -> int:
    """Over how many turns and flips the result is averaged."""
    return SYMMETRIES if compute.best and not weights.light_on_dark else 1


def fits_whole(weights: Weights, height: int, width: int, compute: Compute) -> bool:
    """Whether an image passes through the network in one piece."""
    if not hasattr(weights.network, "receptive_field"):
        return True  # A dense network accepts only the size it was trained on.
    return height * width <= _tile(weights, compute) ** 2


def denoise_large(
    parts: Sequence[tuple[Weights, float]],
    rows: Callable[[int, int], Tensor],
    size: tuple[int, int, int],
    sigmas: Levels,
    compute: Compute,
) -> Iterator[tuple[int, Tensor]]:
    """Denoise an image in tiles; see `tiling.denoise_rows` for `rows` and what is yielded.

    All tiles get the same levels, or those of the same function, so that they do not differ. The
    result is not clipped.

    Args:
        parts: weights and the share of each in the result.
        rows: returns rows of the noisy image.
        size: channels, height and width of the image.
        sigmas: the noise levels, (C,) or a function.
        compute: where and how.
    """
    networks = [place(weights.folded, compute.device) for weights, _ in parts]
    receptive_field = max(int(network.receptive_field) for network in networks)  # type: ignore[arg-type]
    stride = lcm(*(int(network.stride) for network in networks))  # type: ignore[arg-type]
    overlap = max(natural_overlap(receptive_field), compute.overlap or 0)

    def apply(noisy: Tensor) -> Tensor:
        noisy = noisy.to(compute.device)
        mean = torch.zeros_like(noisy)
        for network, (weights, share) in zip(networks, parts, strict=True):
            levels = _levels(weights, sigmas) if isinstance(sigmas, Tensor) else sigmas
            turns = _turns(weights, compute)
            mean += share * denoise_batch(
                network, noisy, compute.precision, levels, clip=False, turns=turns
            )
        return mean

    return denoise_rows(
        apply,
        rows,
        *size[1:],
        tile=_shape(parts, size, overlap, stride, compute),
        overlap=overlap,
        stride=stride,
        receptive_field=receptive_field,
    )


def _shape(
    parts: Sequence[tuple[Weights, float]],
    size: tuple[int, int, int],
    overlap: int,
    stride: int,
    compute: Compute,
) -> tuple[int, int]:
    """Height and width of the tiles of an image: as requested, else those of the least work."""
    side = min(_tile(weights, compute) for weights, _ in parts)
    if compute.tile is not None:
        side = max(side, 3 * (overlap + stride))
        return side, side
    # Beside the tile there are two bands of rows of the whole width: the noisy and the denoised.
    channels, height, width = size
    rows = BANDS_SHARE * compute.free_bytes / (2 * 4 * channels * width)
    return shape_for((height, width), side**2, overlap, stride, rows)


def _levels(weights: Weights, sigmas: Tensor) -> Tensor:
    """The levels (1, C) of an image's channels as its network takes them: one if it sees all."""
    return sigmas[None] if weights.channels == 1 else sigmas.square().mean().sqrt()[None]


def _tile(weights: Weights, compute: Compute) -> int:
    """The side of the tiles: as requested, else as the memory allows."""
    if compute.tile is not None:
        return compute.tile
    return tile_for_memory(_features(weights), compute.free_bytes)


def _features(weights: Weights) -> int:
    """The approximate number of features that the network computes per pixel."""
    settings = settings_of(weights.network)
    # The units of a dense network belong to the whole image.
    pixels: int = settings.get("height", 1) * settings.get("width", 1)
    pixels *= settings.get("gather", 1) ** 2
    widths: tuple[int, ...] = settings["widths"]
    return ceil(widths[0] * len(widths) / pixels)


def check_fits(weights: Weights, channels: int, height: int, width: int) -> None:
    """Raise WeightsError if the network of `weights` does not accept such images."""
    settings = weights.metadata["settings"]
    if weights.channels not in (1, channels):
        raise WeightsError(
            f"{weights.name} takes images of {weights.channels} channels, these have {channels}",
            "choose other --weights",
        )
    fixed = settings.get("height", height), settings.get("width", width)
    if fixed != (height, width):
        raise WeightsError(
            f"{weights.name} takes images of {fixed[0]}×{fixed[1]}, these are {height}×{width}",
            "a convolutional network takes any size: choose other --weights",
        )
