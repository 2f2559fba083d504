"""What is to be done with an image file, and what became of it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from dae_tui.core.denoising.denoise_stack import Inspection
from dae_tui.core.denoising.inspection import unlike
from dae_tui.core.images.image_file import ImageFile, Stack
from dae_tui.core.weights.weights_file import Weights
from dae_tui.errors import DaeError, DataError
from dae_tui.system.printable import printable


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
    inside: Path | None = None
    """The folder that was named for the output, where it was not the file itself."""

    def obstacle(self) -> DataError | None:
        """What stands where the output belongs and must not be written to.

        Where a folder was named, links in it may lead to files that nobody meant, and a pipe in it
        would wait for a reader.
        """
        if self.inside is None or self.target is None or not os.path.lexists(self.target):
            return None
        name = printable(self.target)
        try:
            real, inside = self.target.resolve(), self.inside.resolve()
            if real.exists() and not real.is_file() and not real.is_dir():
                return DataError(f"{name} is no file: nothing is written to it", "remove it")
        except (OSError, RuntimeError):  # A link to itself, or into what may not be read.
            return DataError(f"{name} is a link that leads nowhere", "remove it")
        if real.is_relative_to(inside):
            return None
        return DataError(
            f"{name} leads out of {printable(self.inside)}: {printable(real)} stays as it is",
            "remove the link, or name that file with -o",
        )


@dataclass
class Outcome:
    """What became of a job."""

    job: Job
    error: DaeError | None = None
    skipped: bool = False
    """Another process has written the output meanwhile."""
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
    size: int = 0
    """Bytes of the file."""
    found: list[Inspection] = field(default_factory=list)
    """What each stack is like; empty for a small image, which is looked at with others."""
    planes: Tensor | None = None
    """A small image, (1, C, H, W) in [0, 1]."""
    denoised: list[Stack] = field(default_factory=list)
