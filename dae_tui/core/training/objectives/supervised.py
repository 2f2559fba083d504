"""The objectives of a training, and their evaluation: denoising, or classifying images.

The training loop asks an objective for inputs, a loss and an evaluation and knows nothing else
about it. Inputs are drawn separately from the loss: processes that share a batch draw all of it, so
that the noise is that of one process, and each passes its part through the network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.denoising.apply_network import batches, denoise_batch
from dae_tui.core.evaluation.classifiers.classifier import predicted
from dae_tui.core.evaluation.metrics.image_metrics import psnr
from dae_tui.core.noise.level.estimation import estimate_sigma
from dae_tui.core.noise.synthetic.synthesis import add_noise, draw_noise
from dae_tui.core.training.objectives.losses import Distance
from dae_tui.models.registry import takes_sigma
from dae_tui.spec.events import Sample
from dae_tui.spec.noise_spec import NoiseSpec

# Validation images get the same noise each time, so that their metrics are comparable.
VALIDATION_SEED = 1


@dataclass(frozen=True)
class ValidationResult:
    """Metrics of a network on validation images; see `events.Validation` for the units."""

    loss: float
    psnr: float | None = None
    accuracy: float | None = None


class Objective(Protocol):
    """What a network is trained for."""

    def draw(self, network: nn.Module, images: Tensor, generator: Generator) -> list[Tensor]:
        """The network's inputs, each (N, …), from float32 images (N, C, H, W) in [0, 1].

        Of pairs they are the noisy images.
        """

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        """The mean loss (a scalar) for drawn inputs, their images and labels (N,)."""

    def evaluate(self, network: nn.Module, validation: Sequence[ImageSet]) -> ValidationResult:
        """Evaluate a network, which is in evaluation mode, on images it was not trained on.

        `validation`: a set for each size.
        """

    def sample(
        self, network: nn.Module, examples: ImageSet, epoch: int, step: int
    ) -> Sample | None:
        """The network's output for a few examples, if it can be shown."""


@dataclass(frozen=True)
class Denoising:
    """Noisy image in, original out (section 2.2 of the paper), with new noise each time.

    Of pairs the noisy image goes in; `noise` is added to it, if there is any.
    """

    noise: NoiseSpec
    clip: bool
    distance: Distance
    """Of denoised images from their originals, in training and validation."""
    classifier: nn.Module | None
    """Trained on clean images, on the device; measures what denoising preserved."""
    pairs: bool = False
    """Whether the images are noisy already."""

    def draw(self, network: nn.Module, images: Tensor, generator: Generator) -> list[Tensor]:
        drawn = draw_noise(images, self.noise, generator)
        noisy, levels = drawn.unclipped, []
        if takes_sigma(network) and self.pairs:  # As it will be told when it is applied.
            levels = [estimate_sigma(noisy.cpu()).to(noisy.device)]
        elif takes_sigma(network):  # The noise level before clipping.
            levels = [(noisy - images).square().mean((1, 2, 3)).sqrt()]
        # Pairs are taken as they are, unless noise is added.
        return [drawn.stored(self.clip and not self.noise.is_none), *levels]

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        return self.distance(network(*inputs).float(), images)

    @torch.inference_mode()
    def evaluate(self, network: nn.Module, validation: Sequence[ImageSet]) -> ValidationResult:
        generator = validation_generator()
        loss = decibels = correct = 0.0
        classified = self.classifier is not None and all(
            images.labels is not None for images in validation
        )
        for images, part in parts_of(validation):
            original = unit(images.images[part])
            noisy = self._noisy(original, images.select(part).noisy, generator)
            denoised = denoise_batch(network, noisy)
            loss += self.distance(denoised, original).item() * len(original)
            # An exactly restored black image would be infinite: 100 dB is enough.
            decibels += psnr(denoised, original).clamp(max=100).sum().item()
            if classified and self.classifier is not None and images.labels is not None:
                predictions = predicted(self.classifier, denoised)
                correct += (predictions == images.labels[part]).sum().item()
        total = sum(map(len, validation))
        return ValidationResult(
            loss / total, decibels / total, 100 * correct / total if classified else None
        )

    @torch.inference_mode()
    def sample(
        self, network: nn.Module, examples: ImageSet, epoch: int, step: int
    ) -> Sample | None:
        original = unit(examples.images)
        noisy = self._noisy(original, examples.noisy, validation_generator())
        views = {
            "original": original.clamp(0, 1),
            "noisy": noisy.clamp(0, 1),
            "denoised": denoise_batch(network, noisy),
        }
        predictions = None
        if self.classifier is not None:
            # All views in one batch: so few images take no longer than a third of them.
            together = predicted(self.classifier, torch.cat(list(views.values())))
            parts = together.cpu().numpy().reshape(len(views), -1)
            predictions = dict(zip(views, parts, strict=True))
        labels = None if examples.labels is None else examples.labels.cpu().numpy()
        arrays = {name: view.cpu().numpy() for name, view in views.items()}
        return Sample(epoch=epoch, step=step, labels=labels, predictions=predictions, **arrays)

    def _noisy(self, original: Tensor, noisy: Tensor | None, generator: Generator) -> Tensor:
        """Add noise drawn on the CPU, so that it is the same on every device."""
        given = (original if noisy is None else unit(noisy)).cpu()
        return add_noise(given, self.noise, generator, self.clip).to(original.device)


@dataclass(frozen=True)
class Classification:
    """Image in, class out: clean images for the classifier, noisy ones for the oracle."""

    noise: NoiseSpec
    clip: bool

    def draw(self, network: nn.Module, images: Tensor, generator: Generator) -> list[Tensor]:
        return [add_noise(images, self.noise, generator, self.clip)]

    def loss(
        self,
        network: nn.Module,
        inputs: Sequence[Tensor],
        images: Tensor,
        labels: Tensor | None,
    ) -> Tensor:
        assert labels is not None  # `experiment.prepare` refuses unlabelled data.
        return F.cross_entropy(network(*inputs).float(), labels)

    @torch.inference_mode()
    def evaluate(self, network: nn.Module, validation: Sequence[ImageSet]) -> ValidationResult:
        generator = validation_generator()
        loss = correct = 0.0
        for images, part in parts_of(validation):
            assert images.labels is not None
            original = unit(images.images[part])
            logits = network(
                add_noise(original.cpu(), self.noise, generator, self.clip).to(original.device)
            )
            labels = images.labels[part]
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(1) == labels).sum().item()
        total = sum(map(len, validation))
        return ValidationResult(loss / total, accuracy=100 * correct / total)

    def sample(
        self, network: nn.Module, examples: ImageSet, epoch: int, step: int
    ) -> Sample | None:
        return None


def parts_of(validation: Sequence[ImageSet]) -> Iterator[tuple[ImageSet, slice]]:
    """The batches of all sets."""
    return ((images, part) for images in validation for part in batches(images.images))


def validation_generator() -> Generator:
    """The same for every evaluation, on the CPU."""
    return torch.Generator().manual_seed(VALIDATION_SEED)
