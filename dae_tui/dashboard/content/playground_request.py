"""What the playground is asked to show: which images, with which noise. Does not import Textual."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dae_tui.dashboard.content.learning import learning_of
from dae_tui.runs.folder.reader import Run
from dae_tui.runs.folder.summary import word
from dae_tui.spec.noise_spec import KINDS, NoiseStage
from dae_tui.spec.training_config import DATA_SETS
from dae_tui.system.regular_files import is_folder

# First level and step of each kind of noise; where the step is 0, the level doubles.
LEVELS = {
    "gaussian": (0.5, 0.05),
    "poisson": (4.0, 0.0),
    "speckle": (0.5, 0.05),
    "salt-pepper": (0.2, 0.05),
    "impulse": (0.2, 0.05),
    "uniform": (0.5, 0.05),
    "masking": (0.5, 0.05),
    "stripes": (0.3, 0.05),
    "poisson-gaussian": (0.05, 0.01),
    "correlated": (0.2, 0.05),
    "camera": (0.002, 0.0),
    "jpeg": (20.0, 10.0),
    "quantize": (2.0, 1.0),
    "compress": (48.0, 8.0),
}
FIRST_NOISE = NoiseStage("gaussian", 0.5, 0.5)
# The least and the most of levels that double.
DOUBLED = {"poisson": (2.0**-4, 2.0**19), "camera": (1e-5, 0.1)}


@dataclass(frozen=True)
class Source:
    """Images to choose from."""

    data: str = ""
    """A data set, or a folder of images or of pairs; empty for none."""
    noisy: str = ""
    """A folder of noisy images, whose clean ones are in the folder `data`."""
    as_given: bool = False
    """Whether there are noisy images, so that no noise need be added."""

    @property
    def folder(self) -> bool:
        return bool(self.data) and self.data not in DATA_SETS

    @property
    def name(self) -> str:
        return Path(self.data).name


@dataclass(frozen=True)
class PlaygroundRequest:
    """What to show."""

    weights: Path | None = None
    """None chooses them for each image, as `dae denoise` does."""
    source: Source = field(default_factory=Source)
    file: Path | None = None
    """An image file in place of the images of the source."""
    number: int = 0
    noise: NoiseStage | None = FIRST_NOISE
    """None takes the image as it is: of a pair the noisy one."""
    seed: int = 0
    strength: float = 1.0
    """How much of the noise is taken away, 0 to 1."""
    centre: tuple[int, int] | None = None
    """The row and column around which a part of a very large image is taken; None is its middle."""


def source_of(config: Mapping[str, Any]) -> Source:
    """The images that a run of this config was trained on; none if they are not here."""
    data, noisy = word(config.get("data")) or "", word(config.get("noisy")) or ""
    if data in DATA_SETS:
        return Source(data)
    if not is_folder(data) or (noisy and not is_folder(noisy)):
        return Source()
    return Source(data, noisy, learning_of(config).supervision != "clean")


def folders_of(runs: Iterable[Run]) -> list[Source]:
    """The folders that runs were trained on, each once."""
    found = [source_of(run.config()) for run in runs]
    return [source for source in dict.fromkeys(found) if source.folder]


def next_strength(strength: float, by: int) -> float:
    """A tenth more or less, from 0 to 1."""
    return min(max(round(strength + by / 10, 6), 0.0), 1.0)


def next_level(kind: str, level: float, by: int) -> float:
    """The next higher or lower level, within the limits of the kind."""
    step = LEVELS[kind][1]
    if not step:
        least, most = DOUBLED[kind]
        return min(max(level * 2.0**by, least), most)
    return min(max(round(level + by * step, 6), KINDS[kind].low), KINDS[kind].high)
