"""One image through noise, denoiser and classifier: what the playground shows.

Importing this imports torch. Everything runs on the CPU, where one digit takes milliseconds, and
does not change torch's settings, such as its threads.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.data.load_data import load, present_data_sets
from dae_tui.core.data.stored_images import as_unit, find_ranges, images_of
from dae_tui.core.denoising.apply_network import denoise
from dae_tui.core.evaluation.classifier import find_classifier_weights
from dae_tui.core.evaluation.metrics import psnr
from dae_tui.core.images.formats import read_file
from dae_tui.core.noise.synthesis import add_noise
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.errors import DataError, WeightsError
from dae_tui.spec.noise_spec import NoiseSpec

VIEWS = ("original", "noisy", "denoised")
# The published autoencoder takes 0.5 GB and one second for so many pixels.
MOST_PIXELS = 1024 * 1024


@dataclass(frozen=True)
class PlaygroundResult:
    """One image in its three views, with metrics and predictions, as numpy arrays."""

    number: int
    count: int
    """The total number of images."""
    label: int | None
    views: dict[str, NDArray[np.float32]]
    """(H, W) in [0, 1] by the names of `VIEWS`."""
    psnr: dict[str, float]
    """In dB, of the noisy and the denoised view; infinite without noise."""
    probabilities: dict[str, NDArray[np.float32]]
    """(classes,) for each view; empty without a classifier."""
    trained: str
    """The training data and the noise of the weights."""


class Playground:
    """Keeps weights and images loaded while they are shown. Not thread-safe."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._weights: Weights | None = None
        self._images: ImageSet | None = None
        self._classifier: Weights | None = None
        self._weights_key: object = None
        self._images_key: object = None

    def use(self, weights: Path, data: str, file: Path | None = None) -> None:
        """Load weights and images, unless they are loaded and have not changed on disk.

        Args:
            weights: of a denoiser.
            data: a data set, whose test images and classifier are used.
            file: an image file to use instead of the data set's images.

        Raises WeightsError or DataError.
        """
        # A training replaces its best weights whenever they improve.
        key = (weights, _changed(weights))
        if key != self._weights_key:
            self._weights_key = None
            self._weights, self._weights_key = load_weights(weights), key
        images_key = (data, file, file and _changed(file))
        if images_key != self._images_key:
            self._images_key = None
            self._load_images(data, file)
            self._images_key = images_key

    def result(self, number: int, noise: NoiseSpec, seed: int) -> PlaygroundResult:
        """The views of image `number` (from 0, modulo their count) with noise of `seed`.

        Raises WeightsError if the network does not accept the image.
        """
        weights, images = self._weights, self._images
        if weights is None or images is None:
            raise WeightsError("nothing is loaded")
        number %= len(images)
        original = unit(images.images[number : number + 1])
        noisy = add_noise(original, noise, torch.Generator().manual_seed(seed))
        denoised = denoise(weights, noisy, torch.device("cpu"))
        views = torch.cat([original, noisy, denoised])
        decibels = psnr(views, original).tolist()
        return PlaygroundResult(
            number,
            len(images),
            None if images.labels is None else int(images.labels[number]),
            dict(zip(VIEWS, views[:, 0].numpy(), strict=True)),
            dict(zip(VIEWS[1:], decibels[1:], strict=True)),
            self._probabilities(views),
            f"{weights.metadata.get('data', '?')} at {weights.metadata.get('noise', '?')}",
        )

    @torch.inference_mode()
    def _probabilities(self, views: torch.Tensor) -> dict[str, NDArray[np.float32]]:
        if self._classifier is None:
            return {}
        probabilities = self._classifier.folded(views).softmax(1).numpy()
        return dict(zip(VIEWS, probabilities, strict=True))

    def _load_images(self, data: str, file: Path | None) -> None:
        """Load images; the data set's classifier is used for a file too, if the sizes match."""
        images = load(data, "test", self._data_dir)
        if images.images.shape[1] != 1:
            raise DataError(f"{data} has images in colour", "the playground shows grey ones")
        classifier = find_classifier_weights(images, None)
        if file is not None:
            own = _read_grey(file)
            if own.images.shape[1:] != images.images.shape[1:]:
                classifier = None
            images = own
        self._images, self._classifier = images, classifier


def data_sets(data_dir: Path) -> list[str]:
    """The data sets that need no download; at least the embedded digits."""
    return present_data_sets(data_dir)


def _read_grey(path: Path) -> ImageSet:
    """The images of a file in grey, with colours averaged, at full depth."""
    stack = read_file(path, str(path)).stacks[0]
    _, height, width, _ = stack.values.shape
    if height * width > MOST_PIXELS:
        raise DataError(
            f"{path} is of {width}×{height} pixels, too many for the playground",
            f"dae denoise {path} -o FOLDER takes any size",
        )
    stored = images_of(stack)
    ranges = find_ranges([stack])
    images = torch.stack([as_unit(image, ranges, colour=image.colour) for image in stored])
    return ImageSet(path.name, images.mean(dim=1, keepdim=True).clamp(0, 1), None, 0)


def _changed(path: Path) -> int:
    """When a file was last written; 0 if unknown, which loading the file will explain."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
