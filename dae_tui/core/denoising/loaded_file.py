"""An image file on its way through a network."""

from dataclasses import dataclass, field

from torch import Tensor

from dae_tui.core.denoising.denoise_stack import Inspection
from dae_tui.core.denoising.outcome import Outcome
from dae_tui.core.images.image_file import ImageFile, Stack


@dataclass
class LoadedFile:
    """A file that was read, its properties, and its denoised images."""

    outcome: Outcome
    file: ImageFile
    size: int = 0
    """Size of the file in bytes."""
    found: list[Inspection] = field(default_factory=list)
    """The properties of each stack; empty for a small image, which is inspected in a batch."""
    planes: Tensor | None = None
    """A small image, (1, C, H, W) in [0, 1]."""
    denoised: list[Stack] = field(default_factory=list)
