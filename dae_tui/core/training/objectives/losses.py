"""What a denoised image is compared with its original by: losses, and weighted sums of them.

All are means over images (N, C, H, W), so that processes that share a batch agree on the gradient.
Which to take, and what each is worth, is measured in `docs/losses.md`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dae_tui.core.evaluation.metrics.image_metrics import SSIM_WINDOW, similarity_maps
from dae_tui.errors import UsageError
from dae_tui.spec.loss_spec import LossTerm

Distance = Callable[[Tensor, Tensor], Tensor]
"""Takes denoised and original images, float32 (N, C, H, W), and returns a scalar."""

# Below this difference the Charbonnier loss is a parabola: a quarter of a grey level of 8 bits.
CHARBONNIER_EPSILON = 1e-3
# Half a grey level of 8 bits: nearer to the wrong end the cross-entropy goes on as its tangent,
# because a pixel beyond it would have no gradient, and one at the end an infinite one.
CLOSEST_TO_CERTAIN = 0.5 / 255
# The weights of the scales, finest first (Wang, Simoncelli and Bovik 2003).
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# A single scale is SSIM.
LEAST_SCALES = 2
# Keeps the power of a similarity that is negative or zero finite, and its gradient.
LEAST_SIMILARITY = 1e-4
# Of the mean square of a layer's activations, which is near 1: an all-black image has small ones.
LEAST_ACTIVATION = 1e-3


@dataclass(frozen=True)
class WeightedSum:
    """A loss: the sum of some distances, each with its weight. A scalar."""

    terms: Sequence[tuple[float, Distance]]

    def __call__(self, denoised: Tensor, original: Tensor) -> Tensor:
        # Half precision has too few digits for variances, and no cross-entropy.
        with torch.autocast(denoised.device.type, enabled=False):
            values = [_weighted(weight, term(denoised, original)) for weight, term in self.terms]
            total = values[0]
            for value in values[1:]:
                total = total + value
            return total


def _weighted(weight: float, value: Tensor) -> Tensor:
    return value if weight == 1 else weight * value


def make_loss(
    terms: Sequence[LossTerm], side: int, classifiers: Sequence[nn.Module] = ()
) -> WeightedSum:
    """The loss of some terms.

    Args:
        terms: at least one.
        side: the least height or width of the images, in pixels.
        classifiers: a frozen classifier for each term `features`, on the device of the images.

    Raises UsageError for images that are too small for a term.
    """
    for kind, least in (
        ("ssim", SSIM_WINDOW),
        ("ms-ssim", SSIM_WINDOW << (LEAST_SCALES - 1)),
        ("edge", 2),
    ):
        if side < least and any(term.kind == kind for term in terms):
            raise UsageError(
                f"{kind} needs images of at least {least} pixels a side, the smallest has {side}",
                "choose another --loss: mse, l1 and charbonnier take images of any size",
            )
    frozen = iter(classifiers)
    distances: list[tuple[float, Distance]] = [
        (term.weight, Features(next(frozen)) if term.kind == "features" else SIMPLE[term.kind])
        for term in terms
    ]
    return WeightedSum(distances)


def charbonnier(denoised: Tensor, original: Tensor) -> Tensor:
    """The mean of √(d² + ε²) - ε of the differences d (Lai et al. 2017); 0 for equal images."""
    squared = (denoised - original).square() + CHARBONNIER_EPSILON**2
    return squared.sqrt().mean() - CHARBONNIER_EPSILON


def cross_entropy(denoised: Tensor, original: Tensor) -> Tensor:
    """The mean binary cross-entropy: each pixel of the original is the probability of white.

    Originals are clipped to [0, 1]; denoised values may lie outside. It is least for equal images,
    and 0 for them where they are black and white.
    """
    target = original.clamp(0, 1)
    return (target * _surprise(denoised) + (1 - target) * _surprise(1 - denoised)).mean()


def _surprise(share: Tensor) -> Tensor:
    """The negative logarithm in [0, 1]; its tangent near 0 and below, and rising again above 1."""
    inside = share.clamp(CLOSEST_TO_CERTAIN, 1)
    below, above = (inside - share).clamp(min=0), (share - 1).clamp(min=0)
    return -inside.log() + below / CLOSEST_TO_CERTAIN + above


def dissimilarity(denoised: Tensor, original: Tensor) -> Tensor:
    """1 - SSIM, from 0 to 2; windows of 7×7 as in `metrics.ssim`."""
    brightness, structure = similarity_maps(denoised, original)
    return 1 - (brightness * structure).mean()


def scales_of(side: int) -> int:
    """How many scales of MS-SSIM images of so many pixels a side have: five from 112 on."""
    scales = 1
    while scales < len(SCALE_WEIGHTS) and side >> scales >= SSIM_WINDOW:
        scales += 1
    return scales


def multiscale_dissimilarity(denoised: Tensor, original: Tensor) -> Tensor:
    """1 - MS-SSIM (Wang, Simoncelli and Bovik 2003), from 0 to 1.

    Each scale has half the resolution of the one before. Images below 112 pixels a side have fewer
    than five scales, whose weights then make up 1: three at 28 pixels.
    """
    count = scales_of(min(denoised.shape[-2:]))
    weights = [weight / sum(SCALE_WEIGHTS[:count]) for weight in SCALE_WEIGHTS[:count]]
    product = torch.ones(len(denoised), device=denoised.device)
    for scale, weight in enumerate(weights):
        brightness, structure = similarity_maps(denoised, original)
        last = scale == count - 1
        similarity = (brightness * structure if last else structure).flatten(1).mean(1)
        product = product * similarity.clamp(min=LEAST_SIMILARITY) ** weight
        if not last:
            denoised, original = F.avg_pool2d(denoised, 2), F.avg_pool2d(original, 2)
    return 1 - product.mean()


def edge_error(denoised: Tensor, original: Tensor) -> Tensor:
    """The mean absolute error of the differences between neighbours, across plus down."""
    error = denoised - original
    across, down = error.diff(dim=-1), error.diff(dim=-2)
    return across.abs().mean() + down.abs().mean()


@dataclass(frozen=True)
class Features:
    """The relative squared error of a frozen classifier's layers (Johnson et al. 2016).

    For each layer the squared error of its activations over their mean square in the original,
    averaged over images and layers: every layer counts alike.
    """

    classifier: nn.Module
    """A network of `models.classifier`, in evaluation mode, without gradients."""

    def __call__(self, denoised: Tensor, original: Tensor) -> Tensor:
        channels = self.classifier.settings.channels  # type: ignore[union-attr]
        if channels == 1:  # It sees each channel of a colour image by itself.
            denoised, original = (
                each.reshape(-1, 1, *each.shape[-2:]) for each in (denoised, original)
            )
        with torch.no_grad():
            wanted = self._layers(original)
        errors = [
            (found - target).square().flatten(1).mean(1)
            / (target.square().flatten(1).mean(1) + LEAST_ACTIVATION)
            for found, target in zip(self._layers(denoised), wanted, strict=True)
        ]
        return torch.stack(errors).mean()

    def _layers(self, images: Tensor) -> list[Tensor]:
        """The activations after each rectifier."""
        layers, found = [], images.contiguous(memory_format=torch.channels_last)
        for module in self.classifier.features:  # type: ignore[union-attr]
            found = module(found)
            if isinstance(module, nn.ReLU):
                layers.append(found)
        return layers


SIMPLE: dict[str, Distance] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
    "bce": cross_entropy,
    "ssim": dissimilarity,
    "ms-ssim": multiscale_dissimilarity,
    "edge": edge_error,
}
