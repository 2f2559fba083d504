"""What compression costs in quality: codecs, and JPEG and WebP at the same size."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dae_tui.core.compression.codecs import Codec
from dae_tui.core.compression.compress import Aim, Compressed, compress_with_codec, pictures_in
from dae_tui.core.compression.container import Picture
from dae_tui.core.compression.pictures import stack_of
from dae_tui.core.evaluation.classifiers.classifier import Classifier
from dae_tui.core.evaluation.metrics.image_metrics import SSIM_WINDOW, psnr, ssim
from dae_tui.core.images.value_range import ValueRange, image_values, to_unit

_BATCH = 1000
QUALITIES = 100


@dataclass(frozen=True)
class Quality:
    """How near images are to their originals, and in how many bytes."""

    bytes: int
    psnr: float
    """In dB, averaged over images; infinite for equal images."""
    ssim: float | None
    """Averaged over images; None below 7×7 pixels."""
    quality: int | None = None
    """The setting of the encoder, of JPEG and WebP."""


def quality_of(images: Sequence[Tensor], originals: Sequence[Tensor], size: int) -> Quality:
    """The quality of images (N, C, H, W) in [0, 1] beside their originals."""
    decibels = torch.cat([psnr(a, b) for a, b in zip(images, originals, strict=True)])
    similar = [
        ssim(a, b)
        for a, b in zip(images, originals, strict=True)
        if min(a.shape[-2:]) >= SSIM_WINDOW
    ]
    return Quality(
        size, float(decibels.mean()), float(torch.cat(similar).mean()) if similar else None
    )


def as_stored(pictures: Sequence[tuple[Picture, Tensor]]) -> list[Tensor]:
    """Images (N, C, H, W) as the types of their files hold them, in [0, 1] again."""
    found = []
    for picture, images in pictures:
        span = ValueRange(picture.black, picture.white)
        stack = stack_of(picture, images)
        found.append(to_unit(image_values(stack), span).permute(0, 3, 1, 2))
    return found


def quality_of_file(made: Compressed, originals: Sequence[Tensor]) -> Quality:
    """The quality of what a `.dae` file holds."""
    decoded = as_stored(pictures_in(made.contents, made.coder))
    return quality_of(decoded, originals, len(made.content))


def measure_codec(
    codec: Codec,
    images: Sequence[Tensor],
    labels: Tensor | None,
    classifier: Classifier | None,
    units: int,
) -> dict[str, float | None]:
    """Accuracy in percent, PSNR in dB and SSIM of images (N, C, H, W) after compression."""
    found: list[Quality] = []
    right, count = 0, 0
    for group in images:
        for part in torch.split(group, _BATCH):
            picture = Picture(len(part), part.shape[2], part.shape[3], part.shape[1])
            made = compress_with_codec([(picture, part)], codec, Aim(units=units))
            [decoded] = as_stored(pictures_in(made.contents, made.coder))
            found += [quality_of([decoded], [part], len(made.content))] * len(part)
            if classifier is not None and labels is not None:
                predicted = classifier.predict(decoded).cpu()
                right += int((predicted == labels[count : count + len(part)]).sum())
            count += len(part)
    similar = [each.ssim for each in found if each.ssim is not None]
    return {
        "accuracy": 100 * right / count if classifier is not None and count else None,
        "psnr": float(np.mean([each.psnr for each in found])) if found else None,
        "ssim": float(np.mean(similar)) if similar else None,
    }


Save = Callable[[Image.Image, io.BytesIO, int], None]


def _jpeg(image: Image.Image, target: io.BytesIO, quality: int) -> None:
    image.save(target, "JPEG", quality=quality, optimize=True)


def _webp(image: Image.Image, target: io.BytesIO, quality: int) -> None:
    image.save(target, "WEBP", quality=quality, method=6)


RIVALS: dict[str, Save] = {"JPEG": _jpeg, "WebP": _webp}


def rival_of_size(name: str, original: Tensor, most: int) -> Quality:
    """A JPEG or WebP of an image (C, H, W), as good as it can be in so many bytes.

    If even the smallest one is larger, that is the result: its size says so.
    """
    low, high = 0, QUALITIES
    best = rival(name, original, 0)
    while low < high:
        middle = (low + high + 1) // 2
        found = rival(name, original, middle)
        if found.bytes <= most:
            low, best = middle, found
        else:
            high = middle - 1
    return best


def rival(name: str, original: Tensor, quality: int) -> Quality:
    """A JPEG or WebP of an image (C, H, W) in [0, 1], grey or RGB, at a quality of 0 to 100."""
    values: NDArray[Any] = (original * 255).round().byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    target = io.BytesIO()
    RIVALS[name](picture, target, quality)
    with Image.open(target) as decoded:
        back = np.array(decoded.convert(picture.mode)).reshape(values.shape)
    images = torch.from_numpy(back).permute(2, 0, 1)[None].float() / 255
    made = quality_of([images], [original[None]], target.tell())
    return Quality(target.tell(), made.psnr, made.ssim, quality)
