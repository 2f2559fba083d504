"""Choice of the weights for an image: the ones that were named, or the best published ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dae_tui.core.weights.weights_file import Weights, load_weights
from dae_tui.models.registry import NETWORKS
from dae_tui.spec.model_cards import published, read_metadata
from dae_tui.spec.noise_spec import parse_noise
from dae_tui.spec.training_config import DATA_SETS, DATA_SETS_SIZE

LEAST_SIGMA_OF_DIGITS = 0.08
PAGES = "pages"
"""The data of weights for pages of writing."""
CAMERA = "camera"
"""The data of weights for photographs with the noise that a camera leaves in them."""
NEAR = 0.3
"""How far a level may be from the one that weights were trained with, relative to it."""


@dataclass(frozen=True)
class Candidates:
    """The weights that may denoise an image."""

    weights: tuple[Weights, ...]
    """The likely best first; the image itself decides."""
    named: bool = False
    """Whether the user named them: then they are used, whatever they do to the image."""
    cameras: tuple[Weights, ...] = ()
    """Weights for the noise of cameras, of photographs in colour and of grey ones; they come first
    if they find such noise."""
    one_channel: tuple[Weights, ...] = ()
    """Of an image in colour what is taken instead where its channels share their noise: weights
    that see one channel at a time. Empty where `weights` are of that kind."""

    @property
    def of_one_channel(self) -> tuple[Weights, ...]:
        """Weights that see one channel at a time, or those that there are."""
        return self.one_channel or self.weights

    @property
    def know_levels(self) -> bool:
        """Whether they take away just the noise whose level is estimated.

        Weights that the user named may be made for something else, stains for example.
        """
        return not self.named or self.weights[0].takes_sigma


class WeightsChoice:
    """Chooses the weights for each image: the named ones, or else the best published ones."""

    def __init__(self, named: Path | None = None) -> None:
        """Load the named weights, if any. Raises WeightsError."""
        self._named = None if named is None else load_weights(named)
        self._loaded: dict[Path, Weights] = {}

    def candidates(
        self,
        height: int,
        width: int,
        sigma: float,
        *,
        channels: int = 1,
        page: bool = False,
        camera: bool = False,
        gaussian: bool = True,
    ) -> Candidates:
        """The weights for an image of a size and noise level: the named ones, or published ones.

        Images of three `channels` get weights that see all of them, and others beside them; for a
        `page` of writing those of pages come first; for what may be a `camera`'s photograph there
        are those of cameras; digits whose noise is not `gaussian` get those of all kinds of noise.
        Raises WeightsError.
        """
        if self._named is not None:
            return Candidates((self._named,), named=True)
        pages = of_data(PAGES) if page else []
        grey, colour = (
            self._all(
                [
                    *pages,
                    best_published(height, width, sigma, count, gaussian=gaussian),
                    *for_any_image(count),
                ]
            )
            for count in (1, channels)
        )
        return Candidates(
            colour,
            cameras=self._all(of_data(CAMERA, pairs=True) if camera else []),
            one_channel=grey if grey != colour else (),
        )

    def _all(self, paths: Sequence[Path]) -> tuple[Weights, ...]:
        """Each once, in order."""
        return tuple(self._load(path) for path in dict.fromkeys(paths))

    def _load(self, path: Path) -> Weights:
        if path not in self._loaded:
            self._loaded[path] = load_weights(path)
        return self._loaded[path]


def for_channels(weights: Sequence[Weights], channels: int) -> Weights | None:
    """Of several weights, those that see so many channels together; None if there are none."""
    return next((each for each in weights if each.channels == channels), None)


def best_published(
    height: int, width: int, sigma: float, channels: int = 1, *, gaussian: bool = True
) -> Path:
    """The best published weights for images of a size, noise level and number of channels.

    Digits have weights of their own. Measured on MNIST (PSNR in dB of weights trained with one
    level, 0.5, of weights trained with all levels, and of those for photographs):
    24.8, 30.8, 32.6 at sigma 0.05; 24.6, 29.1, 28.0 at 0.1; 23.3, 23.9, 20.9 at 0.3; 22.4, 22.3,
    18.8 at 0.4; 21.2, 20.9, 16.9 at 0.5; 17.4, 18.0, 11.5 at 0.8. For noise that is not `gaussian`
    there are weights that learnt all kinds of it.
    """
    digits = (height, width) == DATA_SETS_SIZE and (sigma >= LEAST_SIGMA_OF_DIGITS or not gaussian)
    suitable = {
        path: metadata
        for path, metadata in _denoisers().items()
        if (metadata["data"] in DATA_SETS) == digits
        and metadata["data"] != PAGES
        and _channels(metadata) in (1, channels)
        # Without skip connections a network knows digits alone.
        and (not digits or metadata["network"] == "unet")
        and (not digits or _knows_all_kinds(metadata["noise"]) != gaussian)
    }
    return max(
        suitable,
        key=lambda path: (
            _channels(suitable[path]) == channels,
            _fits(suitable[path]["noise"], sigma),
            suitable[path]["figures"]["rows"][-1]["psnr"],
        ),
    )


def for_any_image(channels: int = 1) -> list[Path]:
    """The published weights for images of any size and kind.

    Those that see all of so many channels, or else those that see one at a time.
    """
    special = {*DATA_SETS, PAGES}
    found = {
        path: _channels(metadata)
        for path, metadata in _denoisers().items()
        if metadata["data"] not in special
    }
    fitting = [path for path, own in found.items() if own == channels]
    return fitting or [path for path, own in found.items() if own == 1]


def of_data(data: str, *, pairs: bool = False) -> list[Path]:
    """The published weights that were trained on `data`."""
    return [path for path, metadata in _denoisers(pairs=pairs).items() if metadata["data"] == data]


def _channels(metadata: dict[str, Any]) -> int:
    """How many channels of an image the network sees at a time."""
    channels: int = metadata["settings"].get("channels", 1)
    return channels


def _knows_all_kinds(noise: str) -> bool:
    """Whether weights learnt from noise of several kinds, not from Gaussian noise alone."""
    chains = parse_noise(noise).chains
    return any(
        stage.kind not in ("gaussian", "quantize") for each in chains for stage in each.stages
    )


def _fits(noise: str, sigma: float) -> int:
    """How well weights trained with `noise` suit a level: best if trained with that level only."""
    stage = parse_noise(noise).only_stage
    if stage is not None and stage.low == stage.high:
        return 2 if abs(sigma / stage.low - 1) < NEAR else 0
    return 1


@cache
def _denoisers(*, pairs: bool = False) -> dict[Path, dict[str, Any]]:
    """The metadata of the published denoisers that learnt from synthetic noise, or from pairs.

    It is cached, because every image needs it.
    """
    every = {path: read_metadata(path) for path in published().values()}
    return {
        path: metadata
        for path, metadata in every.items()
        if NETWORKS[metadata["network"]].task == "denoise" and bool(metadata.get("pairs")) == pairs
    }
