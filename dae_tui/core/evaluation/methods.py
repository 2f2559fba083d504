"""The methods that a benchmark compares: networks, and filters tuned for a certain noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dae_tui.core.denoising.apply_network import (
    Compute,
    check_fits,
    denoise_batch,
    denoise_large,
    fits_whole,
)
from dae_tui.core.evaluation.classifiers.classifier import Classifier
from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages
from dae_tui.core.evaluation.images.tuning_images import CLASSIFIED_FACTOR, TUNING_PIXELS, Tuning
from dae_tui.core.filters.classical_filters import LEVELS_OF_PAIRS
from dae_tui.core.filters.worker_pool import FilterPool, Tuned
from dae_tui.core.hardware import keep_freed_memory, place
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.weights.cost import Cost, network_cost
from dae_tui.core.weights.weights_file import Weights

# Batches that the processes of a pool share: enough that none waits for long.
TOGETHER = 8
# So many settings with the highest PSNR are compared by accuracy.
SHORTLIST = 8
# Tuning filters the tuning images about so many times, for pairs at each of `LEVELS_OF_PAIRS`.
TUNING_WORK = 30


@dataclass(frozen=True)
class Method:
    """A method that turns noisy images into denoised ones."""

    name: str
    setting: str
    """What was chosen for this noise, as text; empty for a network."""
    cost: Cost
    denoise: Callable[[Sequence[Tensor]], list[Tensor]]
    """Batches of float32 (N, C, H, W) in, the same shapes out, in [0, 1], on the same device."""
    together: int = 1
    """Batches that `denoise` takes at a time."""


def network_method(
    weights: Weights, images: EvaluationImages, compute: Compute, level: float | None = None
) -> Method:
    """A network, which is told the noise `level` if it takes one; None estimates it.

    Raises WeightsError if it does not accept this image size or these channels.
    """
    keep_freed_memory()
    for group in images.groups:
        check_fits(weights, *group.images.shape[1:])
    network = place(weights.folded, compute.device)

    def denoise(noisy: Tensor) -> Tensor:
        if fits_whole(weights, noisy.shape[-2], noisy.shape[-1], compute):
            told = None if level is None else torch.full((len(noisy),), level)
            return denoise_batch(network, noisy, compute.precision, told)
        return torch.stack([_denoise_in_tiles(weights, image, compute, level) for image in noisy])

    cost = network_cost(weights.network, *images.groups[0].images.shape[1:])
    return Method(weights.name, "", cost, lambda batches: [denoise(each) for each in batches])


@dataclass(frozen=True)
class Tuner:
    """Finds the best settings of filters for images with a certain noise."""

    pool: FilterPool
    tuning: Tuning
    noisy: Tensor
    """Float32 (N, C, H, W), the images of `tuning` with noise, on the classifier's device."""
    classifier: Classifier | None
    pixels: int
    """Pixels of a test image, to calculate the memory."""

    @property
    def pairs(self) -> bool:
        """Whether the noise is that of pairs, which nobody added."""
        return self.tuning.noisy is not None

    @property
    def work(self) -> int:
        """See `tuning_work`."""
        return tuning_work(self.pixels, pairs=self.pairs)

    def tuned(self, name: str) -> Method:
        """A filter with its best setting.

        With a classifier, it is the setting with the highest accuracy among those with the highest
        PSNR, because PSNR alone is misleading: at sigma 0.5 the Wiener filter with the highest PSNR
        leaves 55 % of MNIST recognisable, and one with 0.1 dB less 81 %. Without a classifier, it
        is the setting with the highest PSNR.
        """
        labels = self.tuning.labels
        few = slice(None, None, CLASSIFIED_FACTOR) if labels is not None else slice(None)
        grey, reference = (
            each[few].flatten(0, 1).cpu().numpy() for each in (self.noisy, self.tuning.images)
        )
        best, *others = self.pool.tune(name, grey, reference, pairs=self.pairs)
        if self.classifier is not None and labels is not None and others:
            shortlist = [best, *others][:SHORTLIST]
            filtered = (_filtering(self.pool, each)([self.noisy])[0] for each in shortlist)
            right = [(self.classifier.predict(images).cpu() == labels).sum() for images in filtered]
            best = shortlist[int(torch.stack(right).argmax())]
        cost = Cost(peak_bytes=self.pool.peak_bytes(best, self.pixels))
        return Method(name, best.words(), cost, _filtering(self.pool, best), TOGETHER)


def tuning_work(pixels: int, *, pairs: bool) -> int:
    """The approximate work of tuning a filter, in test images of `pixels` pixels."""
    times = TUNING_WORK * (len(LEVELS_OF_PAIRS) if pairs else 1)
    return times * TUNING_PIXELS // pixels


def measured_method(name: str, setting: str, peak_bytes: int) -> Method:
    """A filter whose measurements are kept: it has its setting, and must not be applied."""

    def denoise(batches: Sequence[Tensor]) -> list[Tensor]:
        raise AssertionError(f"{name} has been applied before")

    return Method(name, setting, Cost(peak_bytes=peak_bytes), denoise)


def _filtering(pool: FilterPool, tuned: Tuned) -> Callable[[Sequence[Tensor]], list[Tensor]]:
    def denoise(batches: Sequence[Tensor]) -> list[Tensor]:
        filtered = pool.filter(tuned, [noisy.flatten(0, 1).cpu().numpy() for noisy in batches])
        return [
            torch.from_numpy(result).reshape(noisy.shape).to(noisy.device)
            for result, noisy in zip(filtered, batches, strict=True)
        ]

    return denoise


def _denoise_in_tiles(
    weights: Weights, noisy: Tensor, compute: Compute, level: float | None
) -> Tensor:
    """Denoise an image (C, H, W) that is too large for one piece."""
    image = noisy.cpu()
    sigma = estimate_sigma(image[None]) if level is None else torch.tensor([level])
    sigmas = sigma.expand(len(image))
    denoised = torch.empty_like(image)
    channels, height, width = image.shape
    size = channels, height, width
    for top, rows in denoise_large(
        [(weights, 1.0)], lambda top, end: image[:, top:end], size, sigmas, compute
    ):
        denoised[:, top : top + rows.shape[-2]] = rows.clamp(0, 1)
    return denoised.to(noisy.device)
