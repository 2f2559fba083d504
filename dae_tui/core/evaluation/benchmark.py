"""Table 1 of the paper for any methods, noises and data: quality, confidence and cost.

Images are processed in batches of one size and the noise is drawn on the CPU from a fixed seed,
so every machine evaluates the same noisy images and the same command gives the same table.
"""

import typing
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dae_tui.core.data.image_set import unit
from dae_tui.core.denoising.apply_network import Compute, batches
from dae_tui.core.evaluation.classifiers.classifier import Classifier
from dae_tui.core.evaluation.images.evaluation_images import EvaluationImages
from dae_tui.core.evaluation.measurements import EXAMPLES, Measurement, measure_method
from dae_tui.core.evaluation.methods import (
    Method,
    Tuner,
    measured_method,
    network_method,
    tuning_work,
)
from dae_tui.core.evaluation.metrics.image_metrics import SSIM_WINDOW
from dae_tui.core.evaluation.protocol import Protocol, evaluation_generator, noisy_images
from dae_tui.core.evaluation.rows import Entry, make_rows, test_of
from dae_tui.core.filters.worker_pool import FilterPool
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.weights_file import Weights
from dae_tui.spec.noise_spec import NoiseSpec
from dae_tui.spec.table import AS_GIVEN, Table

# The noise for tuning filters comes from a seed of its own, which no evaluation uses.
TUNING_SEED = 2**20


@dataclass(frozen=True)
class EvaluationProgress:
    """Progress of an evaluation: `images` of `total`, counted for each method and noise."""

    images: int
    total: int
    what: str
    """The method that is being measured, or what is being prepared."""


@dataclass(frozen=True)
class Oracle:
    """A classifier trained on noisy images, and the noise that it was trained with."""

    classifier: Classifier
    noise: NoiseSpec
    clip: bool

    def knows(self, noise: NoiseSpec | None, clip: bool) -> bool:
        """Whether it was trained with such noise; then it shows what remains recognisable."""
        return noise is not None and clip == self.clip and self.noise.covers(noise)


class MeasurementStore(typing.Protocol):
    """Keeps the measurements of an interrupted evaluation."""

    def get(self, key: str) -> Measurement | None:
        """A finished measurement, if there is one."""

    def put(self, key: str, measurement: Measurement) -> None:
        """Keep a measurement."""


def evaluate(
    images: EvaluationImages,
    weights: Sequence[Weights],
    classifier: Classifier | None,
    protocol: Protocol,
    *,
    filters: Sequence[str] = (),
    oracle: Oracle | None = None,
    per_class: bool = False,
    measurements: MeasurementStore | None = None,
) -> Generator[EvaluationProgress | Table]:
    """Evaluate the originals and, for each noise, the noisy and the denoised images.

    Args:
        images: the test images; without labels there is no accuracy.
        weights: networks to denoise with.
        classifier: trained on clean images of the same classes, or None.
        protocol: noise, seeds, device.
        filters: names in `filters.FILTERS`, each tuned for each noise with `images.tuning`.
        oracle: classifies the noisy images too, at noises that it knows.
        per_class: whether rows hold the accuracy of each class and the confusion matrix.
        measurements: those of an earlier, interrupted start; new ones are added.

    Yields its progress, and the Table last. Raises WeightsError for a network that does not fit.
    """
    classifier = classifier if images.labelled else None
    noises: list[NoiseSpec | None] = [None] if images.noisy else list(protocol.noises)
    seeds = range(protocol.seed, protocol.seed + (1 if images.noisy else protocol.seeds))
    compute = Compute(protocol.device, protocol.precision)
    networks = {
        noise: [network_method(each, images, compute, protocol.told(noise)) for each in weights]
        for noise in noises
    }
    fitting = [_fitting(oracle, images, noise, protocol) for noise in noises]
    count = len(weights) + len(filters)
    each_seed = len(noises) * (1 + count) + sum(map(len, fitting))
    work = tuning_work(images.groups[0].images[0, 0].numel(), pairs=bool(images.noisy))
    tuning = len(noises) * len(filters) * work
    total = len(images) * (1 + each_seed * len(seeds)) + tuning
    runner = _Runner(images, protocol, measurements, total)
    entries = [(yield from runner.entry(_Evaluated("original", classifier)))]
    with FilterPool() as pool:
        for noise, oracles in zip(noises, fitting, strict=True):
            evaluated = [_Evaluated("noisy", classifier)]
            evaluated += [_Evaluated("noisy", each, each.name) for each in oracles]
            made = list(networks[noise])
            if filters:
                tuner = _tuner(images, noise, protocol, classifier, pool)
                made += yield from _tuned(filters, tuner, noise, seeds, runner)
            evaluated += [_Evaluated("denoised", classifier, each.name, each) for each in made]
            for each in evaluated:
                entry = yield from runner.entry(each, noise, seeds)
                entries.append(entry)
    description = _description(images, classifier, protocol, noises, count, filters)
    yield _table(description, entries, images, classifier, per_class=per_class)


def _fitting(
    oracle: Oracle | None, images: EvaluationImages, noise: NoiseSpec | None, protocol: Protocol
) -> list[Classifier]:
    """The classifier of the oracle, if it can classify the images at a noise."""
    if oracle is None or not images.labelled or not oracle.knows(noise, protocol.clip):
        return []
    return [oracle.classifier]


def _table(
    description: dict[str, Any],
    entries: Sequence[Entry],
    images: EvaluationImages,
    classifier: Classifier | None,
    *,
    per_class: bool,
) -> Table:
    """The rows of all entries, and the examples of those at the first noise."""
    labels = None if classifier is None or images.labels is None else images.labels.numpy()
    rows = make_rows(entries, labels, images.groups[0].classes, per_class=per_class)
    shown = [
        entry.example(EXAMPLES)
        for entry in entries
        if entry.noise in (None, entries[1].noise)
        and (entry.view, entry.method is None) != ("noisy", False)
    ]
    return Table(description, rows, shown)


@dataclass(frozen=True)
class _Evaluated:
    """What a row is about: a view of the images, who classifies it, and what made it."""

    view: str
    classifier: Classifier | None
    name: str | None = None
    method: Method | None = None


class _Runner:
    """Makes the missing measurements and counts the progress."""

    def __init__(
        self,
        images: EvaluationImages,
        protocol: Protocol,
        measurements: MeasurementStore | None,
        total: int,
    ) -> None:
        self._measurements = measurements
        self._images, self._protocol = images, protocol
        self._done, self._total = 0, total

    def progress(self, what: str) -> EvaluationProgress:
        return EvaluationProgress(self._done, self._total, what)

    def count(self, images: int) -> None:
        """Count images that are done."""
        self._done += images

    def skip(self, images: int) -> None:
        """Leave out images of an earlier start: they would distort the remaining time."""
        self._total -= images

    def entry(
        self, what: _Evaluated, noise: NoiseSpec | None = None, seeds: Sequence[int] = ()
    ) -> Generator[EvaluationProgress, None, Entry]:
        """The measurements of a view at a noise, for each seed; the originals have neither."""
        if what.view == "original":
            clean = _originals(self._images, self._protocol.device)
            measured = yield from self._measurement("original", clean, what)
            return Entry(what.view, None, None, [measured])
        found = []
        for seed in seeds:
            noisy = noisy_images(self._images, noise, seed, self._protocol)
            key = _key(what.view, what.name, noise, seed)
            found.append((yield from self._measurement(key, noisy, what)))
        text = AS_GIVEN if noise is None else str(noise)
        return Entry(
            what.view, what.name, text, found, None if what.method is None else what.method.cost
        )

    def _measurement(
        self, key: str, noisy: Iterator[Tensor], what: _Evaluated
    ) -> Generator[EvaluationProgress, None, Measurement]:
        """The measurement of a method: a kept one, or else a new one."""
        kept = self.kept(key)
        if kept is not None:
            self.skip(len(self._images))
            return kept
        device = self._protocol.device
        for state in measure_method(
            self._images, noisy, what.method, what.classifier, device, edges=self._protocol.edges
        ):
            if isinstance(state, Measurement):
                measurement = state
            else:
                self.count(state)
                yield self.progress(key)
        if self._measurements is not None:
            self._measurements.put(key, measurement)
        return measurement

    def kept(self, key: str) -> Measurement | None:
        """A measurement of an earlier start."""
        return None if self._measurements is None else self._measurements.get(key)


def _key(view: str, name: str | None, noise: NoiseSpec | None, seed: int) -> str:
    """The key of a measurement, which is also shown as its progress."""
    who = view if name is None else f"{name} ({view})"
    return f"{who} at {AS_GIVEN if noise is None else noise}, seed {seed}"


def _originals(images: EvaluationImages, device: torch.device) -> Iterator[Tensor]:
    for group in images.groups:
        for part in batches(group.images):
            yield unit(group.images[part]).to(device)


def _tuner(
    images: EvaluationImages,
    noise: NoiseSpec | None,
    protocol: Protocol,
    classifier: Classifier | None,
    pool: FilterPool,
) -> Tuner:
    tuning = images.tuning
    assert tuning is not None  # With filters, images to tune them are loaded too.
    noisy = tuning.noisy
    if noisy is None:
        assert noise is not None  # Only pairs come without a noise spec.
        generator = evaluation_generator(TUNING_SEED)
        noisy = add_noise(tuning.images, noise, generator, protocol.clip)
    pixels = images.groups[0].images[0, 0].numel()
    return Tuner(pool, tuning, noisy.to(protocol.device), classifier, pixels)


def _tuned(
    names: Sequence[str],
    tuner: Tuner,
    noise: NoiseSpec | None,
    seeds: Sequence[int],
    runner: _Runner,
) -> Generator[EvaluationProgress, None, list[Method]]:
    """The filters; those without kept measurements are tuned."""
    methods = []
    for name in names:
        kept = [runner.kept(_key("denoised", name, noise, seed)) for seed in seeds]
        if kept[0] is not None and all(kept):
            methods.append(measured_method(name, kept[0].setting, kept[0].peak_bytes))
            runner.skip(tuner.work)
            continue
        yield runner.progress(f"tuning {name} for {AS_GIVEN if noise is None else noise}")
        tuner.pool.start()
        methods.append(tuner.tuned(name))
        runner.count(tuner.work)
    return methods


def _description(
    images: EvaluationImages,
    classifier: Classifier | None,
    protocol: Protocol,
    noises: Sequence[NoiseSpec | None],
    methods: int,
    filters: Sequence[str],
) -> dict[str, Any]:
    specs = [AS_GIVEN if noise is None else str(noise) for noise in noises]
    described = {
        "data": images.name,
        "images": len(images),
        "split": images.split,
        "noise": specs[0] if len(specs) == 1 else specs,
        "clip": None if images.noisy else protocol.clip,
        "seed": None if images.noisy else protocol.seed,
        "seeds": None if images.noisy else protocol.seeds,
        "classifier": None if classifier is None else classifier.name,
        "ssim": f"{SSIM_WINDOW}×{SSIM_WINDOW} uniform window",
        "device": str(protocol.device),
        "precision": protocol.precision,
    }
    if protocol.tell_level:
        described["level"] = "told"
    if methods > 1:
        described["test"] = test_of(classifier is not None)
    if filters and images.tuning is not None:
        by_class = classifier is not None and images.tuning.labels is not None
        described["filters_tuned_on"] = images.tuning.source
        described["filters_tuned_for"] = "accuracy" if by_class else "PSNR"
    return described
