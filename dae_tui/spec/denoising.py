"""What is asked of a denoising: which file goes where, and what a person knows of the images."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from dae_tui.errors import DataError, UsageError
from dae_tui.system.printable import printable

INVERT = ("auto", "yes", "no")


@dataclass(frozen=True)
class DenoiseOptions:
    """What the user says of the images; None and `auto` are found out."""

    sigma: float | None = None
    """How strong the noise is, in the unit of images in [0, 1]."""
    invert: str = "auto"
    """`yes`: the network is shown the negative. `auto`: where it has learnt light strokes on a
    dark ground, and these are dark on light."""
    white: float | None = None
    """The stored value of white; None is the largest of an integer type, and 1 for floats."""

    def __post_init__(self) -> None:
        if self.invert not in INVERT:
            raise UsageError(f"cannot invert '{self.invert}'", f"use {', '.join(INVERT)}")
        if self.sigma is not None and not 0 <= self.sigma <= 10:
            raise UsageError(
                f"sigma is {self.sigma:g}", "it is in the unit of images from 0 to 1: 25/255"
            )
        if self.white is not None and not 0 < self.white < math.inf:
            raise UsageError(f"white is {self.white:g}", "it is above 0")


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
    keep: bool = False
    """Whether its images are wanted, before and after, when it is done."""
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
