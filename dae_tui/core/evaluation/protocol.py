"""The protocol of a benchmark, and its noisy images.

The noise is drawn on the CPU from a fixed seed, so every machine evaluates the same noisy images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dae_tui.core.data.image_set import unit
from dae_tui.core.denoising.apply_network import batches
from dae_tui.core.evaluation.classifiers.classifier import Classifier
from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.errors import UsageError
from dae_tui.spec.noise_spec import NoiseSpec, NoiseStage
from dae_tui.spec.training_config import MAX_SEED

EVALUATION_SEED = 0


@dataclass(frozen=True)
class Protocol:
    """What all methods of a benchmark have in common."""

    noises: Sequence[NoiseSpec]
    """Not used for pairs, which are noisy already."""
    clip: bool = True
    """Clip the noisy images to [0, 1]."""
    seed: int = EVALUATION_SEED
    seeds: int = 1
    """How many seeds, counted from `seed`, the noise is drawn with."""
    precision: str = "fp32"
    """Of the denoising; the classifier predicts as in fp32."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    tell_level: bool = False
    """Networks that take the noise level are told it; else they estimate it from each image."""
    edges: bool = False
    """Whether the energy and the width of edges are measured."""

    def told(self, noise: NoiseSpec | None) -> float | None:
        """The level that networks are told; None if they estimate it."""
        stage = None if noise is None else noise.only_stage
        return stage.low if self.tell_level and stage is not None else None


def evaluation_generator(seed: int) -> torch.Generator:
    """The generator for evaluation noise: on the CPU, with a seed that no training can have."""
    return torch.Generator().manual_seed(MAX_SEED + 1 + seed)


def noisy_images(
    images: EvaluationImages, noise: NoiseSpec | None, seed: int, protocol: Protocol
) -> Iterator[Tensor]:
    """All images with added noise, or the given noisy images of pairs."""
    generator = evaluation_generator(seed)
    for number, group in enumerate(images.groups):
        for part in batches(group.images):
            if noise is None:
                yield images.noisy[number][part].to(protocol.device)
            else:
                original = unit(group.images[part])
                yield add_noise(original, noise, generator, protocol.clip).to(protocol.device)


def match_noisy(
    images: EvaluationImages, classifier: Classifier, accuracy: float, protocol: Protocol
) -> NoiseSpec:
    """The Gaussian noise at which `classifier` has `accuracy` percent on the noisy images.

    Each step of the bisection uses the same normal deviates, scaled by sigma, so that the accuracy
    decreases with sigma almost without jumps. Raises UsageError for an accuracy that no sigma up to
    8 gives.
    """
    if images.labels is None:
        raise UsageError(f"{images.name} has no labels to count", "give the noise with --noise")
    labels = images.labels

    def noisy_accuracy(sigma: float) -> float:
        noise = NoiseSpec.of(NoiseStage("gaussian", sigma, sigma))
        noisy = noisy_images(images, noise, protocol.seed, protocol)
        predictions = torch.cat([classifier.predict(part).cpu() for part in noisy])
        return 100 * (predictions == labels).double().mean().item()

    low, high = 0.0, 0.25
    if noisy_accuracy(low) < accuracy:
        raise UsageError(
            f"the classifier's accuracy on the originals is below {accuracy:g} %",
            "ask for a lower accuracy, or train the classifier further",
        )
    while noisy_accuracy(high) > accuracy:
        low, high = high, 2 * high
        if high > 8:
            raise UsageError(
                f"no sigma up to 8 brings the classifier down to {accuracy:g} %",
                "ask for a higher accuracy",
            )
    while high - low > 0.0005:
        middle = (low + high) / 2
        if noisy_accuracy(middle) > accuracy:
            low = middle
        else:
            high = middle
    sigma = round((low + high) / 2, 4)
    return NoiseSpec.of(NoiseStage("gaussian", sigma, sigma))
