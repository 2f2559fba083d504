"""What is to be done with an image file, and what became of it."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from dae_tui.core.files.image_file import ImageFile, Stack
from dae_tui.core.inspection import unlike
from dae_tui.core.stacks import Inspection
from dae_tui.core.weights import Weights
from dae_tui.errors import DaeError


@dataclass(frozen=True)
class Job:
    """One file in, one file out; None is standard input or output."""

    source: Path | None
    target: Path | None
    name: str
    """What the source is called in messages."""
    kind: str | None = None
    """The kind to write; None is the kind that was read."""
    replace: bool = False
    """Whether an existing target may be replaced."""
    below: Path = Path()
    """What the source is called in the folder that was named."""


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    error: DaeError | None = None
    images: int = 0
    size: tuple[int, ...] = (0, 0)
    """Height and width of the first image."""
    weights: str = ""
    sigma: float = 0.0
    """How strong the noise was: as told, else estimated."""
    inverted: bool = False
    remarks: list[str] = field(default_factory=list)
    whites: list[float] = field(default_factory=list)
    """The stored value of white in each stack."""
    before: list[Stack] = field(default_factory=list)
    after: list[Stack] = field(default_factory=list)
    """The stacks, where the caller wants to look at them."""

    def warn_of(self, weights: Weights, size: tuple[int, int], structure: float) -> None:
        """Say so where an image is unlike anything that the weights have learnt from."""
        remark = unlike(weights, size, structure)
        if remark and remark not in self.remarks:
            self.remarks.append(remark)


@dataclass
class Loaded:
    """A job on its way."""

    outcome: Outcome
    file: ImageFile
    found: list[Inspection] = field(default_factory=list)
    """What each stack is like; empty for a small image, which is looked at with others."""
    planes: Tensor | None = None
    """A small image, (1, C, H, W) in [0, 1]."""
    denoised: list[Stack] = field(default_factory=list)
