"""Apply a network to any number of images, in batches that fit."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dae_tui.core.hardware import place
from dae_tui.core.weights import Weights
from dae_tui.errors import WeightsError
from models.registry import channels_of

# Measured on two cores with 1 MB of cache: 200 digits at a time are the fastest, 1 000 take twice
# as long each. Larger images come in smaller batches, so that memory does not grow with them.
BATCH_PIXELS = 200 * 28 * 28


def batches(images: Tensor) -> Iterator[slice]:
    """Slices that cover images (N, C, H, W), as many at a time on every machine."""
    count, _, height, width = images.shape
    size = max(1, BATCH_PIXELS // (height * width))
    return (slice(start, start + size) for start in range(0, count, size))


@torch.inference_mode()
def denoise_batch(network: nn.Module, noisy: Tensor, precision: str = "fp32") -> Tensor:
    """Denoised float32 images in [0, 1], of the shape and on the device of `noisy` (N, C, H, W).

    A network of one channel takes each channel of a colour image alone.
    """
    planes = noisy.reshape(-1, channels_of(network), *noisy.shape[-2:])
    with torch.autocast(noisy.device.type, torch.bfloat16, enabled=precision == "bf16"):
        denoised: Tensor = network(planes.contiguous(memory_format=torch.channels_last))
    return denoised.float().clamp(0, 1).reshape(noisy.shape)


def denoise(
    weights: Weights, noisy: Tensor, device: torch.device, precision: str = "fp32"
) -> Tensor:
    """Denoise float32 images (N, C, H, W) in [0, 1] in batches; the result is on the CPU.

    Raises WeightsError where the network cannot take images of this size or these channels.
    """
    check_fits(weights, *noisy.shape[1:])
    network = place(weights.network, device)
    denoised = torch.empty_like(noisy)
    for part in batches(noisy):
        denoised[part] = denoise_batch(network, noisy[part].to(device), precision).cpu()
    return denoised


def check_fits(weights: Weights, channels: int, height: int, width: int) -> None:
    """Raise WeightsError where the network of `weights` cannot take such images."""
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
