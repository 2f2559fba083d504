"""An image file on its way through a network."""

from dataclasses import dataclass, field

from dae_tui.core.denoising.denoised import Denoised
from dae_tui.core.denoising.examination import Examination
from dae_tui.core.denoising.files.outcome import Outcome
from dae_tui.core.images.image_file import ImageFile, Stack


@dataclass
class LoadedFile:
    """A file that was read, what was found in it, and its denoised images."""

    outcome: Outcome
    file: ImageFile
    content: bytes
    """The bytes of the file, which are written again if no image has changed."""
    found: list[Examination] = field(default_factory=list)
    """Of each stack."""
    denoised: list[Denoised] = field(default_factory=list)

    @property
    def is_unchanged(self) -> bool:
        """Whether there was nothing to denoise in any image."""
        return all(denoised.is_unchanged for denoised in self.denoised)

    @property
    def stacks(self) -> list[Stack]:
        """The denoised stacks."""
        return [denoised.stack for denoised in self.denoised]
