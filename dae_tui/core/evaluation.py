"""Table 1 of the paper, for any methods, noises and data: accuracy, PSNR, SSIM and speed.

Images stream through in batches of one size and the noise is drawn on the CPU from a fixed seed,
so every machine judges the same noisy images and the same command gives the same table.
"""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from dae_tui.core.cards import published
from dae_tui.core.config import MAX_SEED
from dae_tui.core.data import ImageSet, unit
from dae_tui.core.denoising import batches, check_fits, denoise_batch
from dae_tui.core.hardware import place, synchronize
from dae_tui.core.measures import SSIM_WINDOW, psnr, ssim, wilson_interval
from dae_tui.core.noise import add_noise
from dae_tui.core.noise_spec import NoiseSpec, NoiseStage
from dae_tui.core.weights import Weights, load_weights
from dae_tui.errors import DataError, UsageError

EVALUATION_SEED = 0


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    view: str
    """`original`, `noisy` or `denoised`."""
    method: str | None
    noise: str | None
    accuracy: float | None
    """Percent of images that the classifier reads rightly; None without classifier or labels."""
    accuracy_low: float | None
    """Ends of the 95 % Wilson interval, percent."""
    accuracy_high: float | None
    psnr: float | None
    """dB, averaged over images; None for the originals, where it is infinite."""
    ssim: float | None
    """Averaged over images; None below 7×7 pixels."""
    images_per_second: float | None
    """Of the network alone, with the images in memory; None where nothing is denoised."""


@dataclass(frozen=True)
class Table:
    """A benchmark: the conditions and a row per view."""

    protocol: dict[str, Any]
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        return {"protocol": self.protocol, "rows": [dataclasses.asdict(row) for row in self.rows]}


@dataclass(frozen=True)
class EvaluationProgress:
    """How far an evaluation has come: `images` of `total`, counted once for each noise."""

    images: int
    total: int


@dataclass
class _Tally:
    """Sums over the images of one row."""

    correct: int = 0
    decibels: float = 0.0
    similarity: float = 0.0
    seconds: float = 0.0

    def add(self, images: Tensor, original: Tensor) -> None:
        # The same image to the last bit would be infinite decibels: 100 dB is enough.
        self.decibels += psnr(images, original).clamp(max=100).sum().item()
        if min(images.shape[-2:]) >= SSIM_WINDOW:
            self.similarity += ssim(images, original).sum().item()

    def row(self, data: ImageSet, judged: bool, view: str, noise: str, method: str | None) -> Row:
        total = len(data)
        measurable = min(data.images.shape[-2:]) >= SSIM_WINDOW
        accuracy, low, high = _accuracy(self.correct, total, judged)
        return Row(
            view,
            method,
            noise,
            accuracy,
            low,
            high,
            self.decibels / total,
            self.similarity / total if measurable else None,
            total / self.seconds if self.seconds else None,
        )


def evaluate(
    data: ImageSet,
    noises: Sequence[NoiseSpec],
    methods: Sequence[Weights],
    classifier: Weights | None,
    device: torch.device,
    *,
    clip: bool = True,
    seed: int = EVALUATION_SEED,
    precision: str = "fp32",
) -> Iterator[EvaluationProgress | Table]:
    """Judge the originals and, for each noise, the noisy and the denoised images.

    Args:
        data: test images; without labels there is no accuracy.
        noises: each gives a row for the noisy images and one per method.
        methods: networks to denoise with.
        classifier: trained on clean images of the same classes, or None.
        device: where the networks compute.
        clip: clip the noisy images to [0, 1].
        seed: of the noise.
        precision: of the denoising; the classifier judges in fp32 always.

    Yields how far it is, and the Table last. Raises WeightsError for a network that does not fit.
    """
    for method in methods:
        check_fits(method, *data.images.shape[1:])
        place(method.network, device)
    judge = None
    if classifier is not None and data.labels is not None:
        check_fits(classifier, *data.images.shape[1:])
        judge = place(classifier.network, device)
    data = data.to(device)
    correct = sum(
        _correct(judge, unit(data.images[part]), data, part) for part in batches(data.images)
    )
    accuracy, low, high = _accuracy(correct, len(data), judge is not None)
    rows = [Row("original", None, None, accuracy, low, high, None, 1.0, None)]
    for index, noise in enumerate(noises):
        noisy_tally, tallies = _Tally(), [_Tally() for _ in methods]
        generator = evaluation_generator(seed)
        for part in batches(data.images):
            original = unit(data.images[part])
            noisy = add_noise(original.cpu(), noise, generator, clip).to(device)
            noisy_tally.add(noisy, original)
            noisy_tally.correct += _correct(judge, noisy, data, part)
            for method, tally in zip(methods, tallies, strict=True):
                if part.start == 0:
                    denoise_batch(
                        method.network, noisy, precision
                    )  # The first call sets up: not timed.
                synchronize(device)
                started = time.perf_counter()
                denoised = denoise_batch(method.network, noisy, precision)
                synchronize(device)
                tally.seconds += time.perf_counter() - started
                tally.add(denoised, original)
                tally.correct += _correct(judge, denoised, data, part)
            yield EvaluationProgress(
                index * len(data) + part.start + len(original), len(noises) * len(data)
            )
        judged = judge is not None
        rows.append(noisy_tally.row(data, judged, "noisy", str(noise), None))
        rows += [
            tally.row(data, judged, "denoised", str(noise), method.name)
            for method, tally in zip(methods, tallies, strict=True)
        ]
    specs = [str(noise) for noise in noises]
    protocol = {
        "data": data.name,
        "images": len(data),
        "noise": specs[0] if len(specs) == 1 else specs,
        "clip": clip,
        "seed": seed,
        "classifier": None if judge is None or classifier is None else classifier.name,
        "ssim": f"{SSIM_WINDOW}×{SSIM_WINDOW} uniform window",
        "device": str(device),
        "precision": precision,
    }
    yield Table(protocol, rows)


def find_classifier(data: ImageSet, given: Path | None) -> Weights | None:
    """The classifier that judges images of `data`: the given one, or the published one, or none.

    Raises WeightsError for one that is no classifier, DataError for one of other classes.
    """
    path = given or published().get(f"{data.name}-classifier")
    if path is None or (data.labels is None and given is None):
        return None
    classifier = load_weights(path, task="classify")
    settings: Any = classifier.network.settings
    channels = data.images.shape[1]
    if (settings.classes, settings.channels) != (data.classes or settings.classes, channels):
        raise DataError(
            f"{classifier.name} knows {settings.classes} classes of {settings.channels} channels, "
            f"{data.name} has {data.classes} of {channels}",
            f"train one with: dae train classifier --data {data.name}",
        )
    return classifier


def evaluation_generator(seed: int) -> Generator:
    """The noise of an evaluation: on the CPU, and of a seed that no training can have."""
    return torch.Generator().manual_seed(MAX_SEED + 1 + seed)


def match_noisy(
    data: ImageSet,
    classifier: Weights,
    accuracy: float,
    device: torch.device,
    *,
    clip: bool = True,
    seed: int = EVALUATION_SEED,
) -> NoiseSpec:
    """The Gaussian noise at which the classifier reads `accuracy` percent of the noisy images.

    The same normal deviates, scaled by sigma, are used at each step of a bisection, so that the
    accuracy falls with sigma almost without jumps. Raises UsageError for an accuracy that no
    sigma up to 8 gives.
    """
    if data.labels is None:
        raise UsageError(f"{data.name} has no labels to count", "give the noise with --noise")
    check_fits(classifier, *data.images.shape[1:])
    judge = place(classifier.network, device)
    data = data.to(device)

    def noisy_accuracy(sigma: float) -> float:
        noise = NoiseSpec((NoiseStage("gaussian", sigma, sigma),))
        generator = evaluation_generator(seed)
        correct = 0
        for part in batches(data.images):
            noisy = add_noise(unit(data.images[part]).cpu(), noise, generator, clip).to(device)
            correct += _correct(judge, noisy, data, part)
        return 100 * correct / len(data)

    low, high = 0.0, 0.25
    if noisy_accuracy(low) < accuracy:
        raise UsageError(
            f"the classifier reads fewer than {accuracy:g} % of the originals",
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
    return NoiseSpec((NoiseStage("gaussian", sigma, sigma),))


@torch.inference_mode()
def _correct(judge: nn.Module | None, images: Tensor, data: ImageSet, part: slice) -> int:
    if judge is None or data.labels is None:
        return 0
    logits = judge(images.contiguous(memory_format=torch.channels_last))
    return int((logits.argmax(1) == data.labels[part]).sum().item())


def _accuracy(
    correct: int, total: int, judged: bool
) -> tuple[float, float, float] | tuple[None, None, None]:
    """The accuracy and its interval in percent, where anyone judged."""
    if not judged:
        return None, None, None
    low, high = wilson_interval(correct, total)
    return 100 * correct / total, 100 * low, 100 * high
