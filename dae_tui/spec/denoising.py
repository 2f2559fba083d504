"""The options and jobs of `dae denoise`: which file goes where, and what is known of the images."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from dae_tui.errors import DataError, UsageError
from dae_tui.system.printable import printable

INVERT = ("auto", "yes", "no")


@dataclass(frozen=True)
class DenoiseOptions:
    """What the user says about the images; None and `auto` are determined from them."""

    sigma: float | None = None
    """The noise level, in the unit of images in [0, 1]."""
    invert: str = "auto"
    """`yes`: the network gets the negative. `auto`: if it was trained on light strokes on a dark
    ground, and the image is dark on light."""
    white: float | None = None
    """The stored value of white; None finds it by type, header and data of each file."""
    black: float | None = None
    """The stored value of black; None as for white."""
    strength: float = 1.0
    """The share of the denoised image in the result; the rest is the noisy one."""

    def __post_init__(self) -> None:
        if self.invert not in INVERT:
            raise UsageError(f"cannot invert '{self.invert}'", f"use {', '.join(INVERT)}")
        if self.sigma is not None and not 0 <= self.sigma <= 10:
            raise UsageError(
                f"sigma is {self.sigma:g}", "write it for images from 0 to 1, for example 25/255"
            )
        if not 0 <= self.strength <= 1:
            raise UsageError(
                f"the strength is {self.strength:g}",
                "it goes from 0 (the image stays as it is) to 1 (all noise is taken away)",
            )
        for name, value in (("white", self.white), ("black", self.black)):
            if value is not None and not math.isfinite(value):
                raise UsageError(f"{name} is {value:g}", f"give the stored value of {name}")
        if self.white is not None and self.white <= (self.black or 0.0):
            raise UsageError(
                f"white is {self.white:g} and black {self.black or 0.0:g}",
                "white must be above black",
            )


@dataclass(frozen=True)
class Job:
    """One file in, one file out; None is standard input or output."""

    source: Path | None
    target: Path | None
    name: str
    """The source's name in messages."""
    kind: str | None = None
    """The format to write; None is the format that was read."""
    replace: bool = False
    """Whether an existing target may be replaced."""
    below: Path = Path()
    """The source's path relative to the given folder."""
    keep: bool = False
    """Whether to keep its images, before and after, in the outcome."""
    inside: Path | None = None
    """The output folder; None if the output file itself was given."""

    def obstacle(self) -> DataError | None:
        """The error if the target exists and must not be written to.

        Links in an output folder may point to unrelated files, and a pipe in it would wait for a
        reader.
        """
        if self.inside is None or self.target is None or not os.path.lexists(self.target):
            return None
        name = printable(self.target)
        try:
            real, inside = self.target.resolve(), self.inside.resolve()
            if real.exists() and not real.is_file() and not real.is_dir():
                return DataError(f"{name} is no file: nothing is written to it", "remove it")
        except (OSError, RuntimeError):  # A link to itself, or into an unreadable folder.
            return DataError(f"{name} is a link that leads nowhere", "remove it")
        if real.is_relative_to(inside):
            return None
        return DataError(
            f"{name} leads out of {printable(self.inside)}: {printable(real)} stays as it is",
            "remove the link, or name that file with -o",
        )
