"""One image through noise, denoiser and classifier: what the playground shows.

Importing this imports torch. Everything runs on the CPU, where one digit takes milliseconds and a
photograph some seconds, and does not change torch's settings, such as its threads.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dae_tui.core.data.beyond_memory.shards import is_sharded
from dae_tui.core.data.image_folder import read_folder
from dae_tui.core.data.image_set import ImageSet, unit
from dae_tui.core.data.load_data import load, present_data_sets
from dae_tui.core.data.paired.pairs import load_pairs
from dae_tui.core.data.splits import PARTS
from dae_tui.core.data.stored_images import Ranges, StoredImage, as_unit, find_ranges, images_of
from dae_tui.core.denoising.apply_network import denoise
from dae_tui.core.denoising.single_image import Chosen, denoise_single
from dae_tui.core.evaluation.classifiers.classifier import find_classifier_weights
from dae_tui.core.evaluation.metrics.image_metrics import psnr
from dae_tui.core.images.formats import read_file
from dae_tui.core.noise.synthetic.synthesis import add_noise
from dae_tui.core.weights.choice import WeightsChoice
from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.errors import DataError, WeightsError
from dae_tui.spec.noise_spec import NoiseSpec
from dae_tui.spec.table import AS_GIVEN
from dae_tui.spec.training_config import DATA_SETS, holds_pairs

VIEWS = ("original", "noisy", "denoised")
# A part of larger images is taken: the published U-Net for photographs takes three seconds for so
# much in colour.
MOST_SIDE = 512
# Where weights are chosen, several are tried: 500×500 pixels in colour took 14 s of one busy core.
MOST_SIDE_CHOOSING = 256


@dataclass(frozen=True)
class Part:
    """Which part of an image is denoised, in its pixels."""

    top: int
    left: int
    height: int
    """Height and width of the whole image."""
    width: int


@dataclass(frozen=True)
class PlaygroundResult:
    """One image in its views, with metrics and predictions, as numpy arrays."""

    number: int
    count: int
    """The total number of images."""
    label: int | None
    views: dict[str, NDArray[np.float32]]
    """(C, H, W) in [0, 1] by the names of `VIEWS`, C being 1 or 3; an image that is taken as the
    noisy one, and whose clean one is not known, has no view `original`."""
    psnr: dict[str, float]
    """In dB, of the noisy and the denoised view; infinite without noise, empty without an
    original."""
    probabilities: dict[str, NDArray[np.float32]]
    """(classes,) for each view; empty without a classifier."""
    trained: str
    """The training data and the noise of the weights."""
    about: str = ""
    """What else there is to say of the image: its part of the folder, how it was cropped."""
    paired: bool = False
    """Whether there are a clean and a noisy image of it."""
    weights: str = ""
    """The name of the weights that were chosen for the image; empty where they were named, or the
    image was left as it is."""
    found: str = ""
    """Where weights were to be chosen: the noise level found, or why the image was left."""
    part: Part | None = None
    """Which part of a large image this is; None for all of it."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.views["noisy"].shape[-2:]
        return height, width


@dataclass(frozen=True)
class _Image:
    """One image, float32 (C, H, W), where 0 is black and 1 is white."""

    original: Tensor
    noisy: Tensor | None = None
    """Of a pair the noisy image."""
    label: int | None = None
    about: str = ""
    part: Part | None = None


@dataclass(frozen=True)
class _TestImages:
    """The test images of a data set."""

    images: ImageSet

    def __len__(self) -> int:
        return len(self.images)

    def get(self, number: int, side: int, centre: tuple[int, int] | None = None) -> _Image:
        labels = self.images.labels
        label = None if labels is None else int(labels[number])
        return _Image(unit(self.images.images[number]), label=label)


@dataclass(frozen=True)
class _StoredImages:
    """Images of any sizes, as stored: each a single one, or a clean and a noisy one."""

    images: list[tuple[StoredImage, ...]]
    ranges: Ranges
    parts: list[str]
    """Of a folder the part that each is in: one of `PARTS`."""

    def __len__(self) -> int:
        return len(self.images)

    def get(self, number: int, side: int, centre: tuple[int, int] | None = None) -> _Image:
        """An image, or of a larger one a part of it.

        Args:
            number: which image.
            side: the longest side of a part, in pixels.
            centre: the row and column around which it is taken; None is the middle.
        """
        stored = self.images[number]
        height, width = stored[0].size
        row, column = centre or (height // 2, width // 2)
        top, left = _start(row, height, side), _start(column, width, side)
        rows, columns = slice(top, top + side), slice(left, left + side)
        colour = stored[0].colour
        views = [
            as_unit(replace(view, values=view.values[rows, columns]), self.ranges, colour=colour)
            for view in stored
        ]
        about = self.parts[number] if self.parts else ""
        part = None
        if max(height, width) > side:
            part = Part(top, left, height, width)
            about += f"{', ' if about else ''}{'part' if centre else 'middle'} of {width}×{height}"
        if not self.parts:
            return _Image(_without_colour(views[0].clamp(0, 1)), about=about, part=part)
        noisy = views[1] if len(views) > 1 else None
        return _Image(views[0], noisy, about=about, part=part)


def _start(centre: int, length: int, side: int) -> int:
    """The first row or column of the part of a side around one."""
    return min(max(0, centre - side // 2), max(0, length - side))


class Playground:
    """Keeps weights and images loaded while they are shown. Not thread-safe."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._weights: Weights | None = None
        self._choice: WeightsChoice | None = None
        """Chooses the published weights, where none are named; kept with what it has loaded."""
        self._images: _TestImages | _StoredImages | None = None
        self._classifier: Weights | None = None
        self._weights_key: object = ()
        self._images_key: object = None

    def use(
        self, weights: Path | None, data: str, file: Path | None = None, noisy: str = ""
    ) -> None:
        """Load weights and images, unless they are loaded and have not changed on disk.

        Args:
            weights: of a denoiser; None chooses them for each image, as `dae denoise` does.
            data: a data set, whose test images and classifier are used; a folder of images, or of
                pairs in `clean` and `noisy`.
            file: an image file to use instead of the images of `data`.
            noisy: a folder of noisy images, whose clean ones are in the folder `data`.

        Raises WeightsError or DataError.
        """
        # A training replaces its best weights whenever they improve.
        key = (weights, weights and _changed(weights))
        if key != self._weights_key:
            self._weights_key = None
            self._weights = None if weights is None else load_weights(weights)
            self._weights_key = key
        images_key = (data, noisy, file, file and _changed(file))
        if images_key != self._images_key:
            self._images_key = None
            self._load_images(data, file, noisy)
            self._images_key = images_key

    def result(
        self,
        number: int,
        noise: NoiseSpec,
        seed: int,
        strength: float = 1.0,
        centre: tuple[int, int] | None = None,
    ) -> PlaygroundResult:
        """The views of image `number` (from 0, modulo their count).

        Args:
            number: which image.
            noise: is added to the clean image. Without stages the image is taken as given: of a
                pair the noisy one, else the image itself.
            seed: of the noise.
            strength: the share of the denoised image in what is shown of it; the rest is the noisy
                one.
            centre: of an image that is too large the row and column around which a part is
                taken; None is its middle.

        Raises WeightsError if the network does not accept the image.
        """
        images = self._images
        if images is None:
            raise WeightsError("nothing is loaded")
        number %= len(images)
        side = MOST_SIDE if self._weights else MOST_SIDE_CHOOSING
        image = images.get(number, side, centre)
        channels = self._weights.channels if self._weights else 1
        original = _channels(image.original, channels)
        given = noise.is_none
        if not given:
            noisy = add_noise(original, noise, torch.Generator().manual_seed(seed))
        else:
            found = image.original if image.noisy is None else image.noisy
            noisy = _channels(found, channels)
        denoised, chosen = self._denoise(noisy, strength)
        views = torch.cat([original, noisy, denoised]).clamp(0, 1)
        shown = dict(zip(VIEWS, views.numpy(), strict=True))
        decibels = dict(zip(VIEWS[1:], psnr(views, original)[1:].tolist(), strict=True))
        probabilities = self._probabilities(views)
        if given and image.noisy is None:
            decibels = {}
            for of in (shown, probabilities):
                of.pop("original", None)
        used = self._weights if chosen is None else chosen.weights
        return PlaygroundResult(
            number,
            len(images),
            image.label,
            shown,
            decibels,
            probabilities,
            "" if used is None else _trained(used),
            image.about,
            image.noisy is not None,
            weights="" if chosen is None or used is None else used.name,
            found="" if chosen is None else chosen.left or f"noise {chosen.sigma:.2g} found",
            part=image.part,
        )

    def _denoise(self, noisy: Tensor, strength: float) -> tuple[Tensor, Chosen | None]:
        """Denoise with the named weights, else with those that suit the image."""
        chosen: Chosen | None = None
        if self._weights is None:
            self._choice = self._choice or WeightsChoice()
            denoised, chosen = denoise_single(noisy, self._choice)
        else:
            denoised = denoise(self._weights, noisy, torch.device("cpu"))
        return torch.lerp(noisy, denoised, strength), chosen

    @torch.inference_mode()
    def _probabilities(self, views: Tensor) -> dict[str, NDArray[np.float32]]:
        if self._classifier is None:
            return {}
        seen = views if self._classifier.channels == views.shape[1] else views.mean(1, keepdim=True)
        probabilities = self._classifier.folded(seen).softmax(1).numpy()
        return dict(zip(VIEWS, probabilities, strict=True))

    def _load_images(self, data: str, file: Path | None, noisy: str) -> None:
        """Load images; the data set's classifier is used for a file too, if the sizes match."""
        images: ImageSet | None = None
        if data in DATA_SETS or (not file and not noisy and is_sharded(Path(data))):
            images = load(data, "test", self._data_dir)
        classifier = None if images is None else find_classifier_weights(images, None)
        if file is not None:
            own = _read_image_file(file)
            if images is None or own.get(0, MOST_SIDE).original.shape != images.shape:
                classifier = None
            self._images = own
        else:
            folder = _read_folder(Path(data), noisy) if images is None else None
            self._images = _TestImages(images) if images is not None else folder
        self._classifier = classifier


def _trained(weights: Weights) -> str:
    data, noise = weights.metadata.get("data", "?"), weights.metadata.get("noise", "?")
    return f"{data}, noise {AS_GIVEN}" if noise == "none" else f"{data} at {noise}"


def data_sets(data_dir: Path) -> list[str]:
    """The data sets that need no download; at least the embedded digits."""
    return present_data_sets(data_dir)


def _read_folder(folder: Path, noisy: str) -> _StoredImages:
    """The images of a folder, or its pairs: those for the test first, those trained with last."""
    found: list[tuple[str, tuple[StoredImage, ...]]]
    if holds_pairs(str(folder), noisy):
        pairs = load_pairs(str(folder), noisy)
        found = [(pair.part, (pair.clean, pair.noisy)) for pair in pairs.pairs]
        ranges = pairs.ranges
    else:
        images = read_folder(folder)
        if not images.images:
            raise images.nothing()
        found = [(each.part, (each.stored,)) for each in images.images]
        ranges = images.ranges
    ordered = [(part, each) for wanted in PARTS[::-1] for part, each in found if part == wanted]
    return _StoredImages([each for _, each in ordered], ranges, [part for part, _ in ordered])


def _read_image_file(path: Path) -> _StoredImages:
    """The images of a file at full depth, in colour if they have any."""
    stack = read_file(path, str(path)).stacks[0]
    images: list[tuple[StoredImage, ...]] = [(image,) for image in images_of(stack)]
    if not images:
        raise DataError(f"there are no images in {path}")
    return _StoredImages(images, find_ranges([stack]), [])


def _without_colour(image: Tensor) -> Tensor:
    """A grey image that is stored in colours with one channel; others are unchanged."""
    return image[:1] if bool((image == image[:1]).all()) else image


def _channels(image: Tensor, channels: int) -> Tensor:
    """A batch of one image, grey ones with as many equal channels as a network takes."""
    return image[None].expand(-1, max(channels, len(image)), -1, -1).contiguous()


def _changed(path: Path) -> int:
    """When a file was last written; 0 if unknown, which loading the file will explain."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
