"""What became of stored images: the denoised stack, and what was done with each image."""

from dataclasses import dataclass, replace

from dae_tui.core.images.image_file import Stack
from dae_tui.core.noise.level.image_noise import ImageNoise
from dae_tui.core.weights.weights_file import Weights


@dataclass(frozen=True)
class Done:
    """What was done with one image."""

    weights: Weights | None
    """None if it was left as it was."""
    inverted: bool = False
    """Whether the network got its negative."""
    harmed: bool = False
    """Whether it was left because denoising would have made it worse."""
    mended: bool = False
    """Whether impulses were replaced or stripes removed, and nothing else was to be denoised."""
    structure: float = 0.0
    """How much of what was removed was not noise; see `inspection.taken_structure`."""
    residual: float = 0.0
    """How far what was removed is correlated between neighbours, where white noise was expected;
    see `residual.residual_correlation`."""
    noise: ImageNoise | None = None
    """As weights for cameras or trials found it; None where what was found before holds."""


@dataclass(frozen=True)
class Denoised:
    """A stack and how each of its images was denoised."""

    stack: Stack
    images: list[Done]

    @property
    def is_unchanged(self) -> bool:
        """Whether every image was left as it was."""
        return all(done.weights is None and not done.mended for done in self.images)

    def split(self) -> list["Denoised"]:
        """The single images."""
        return [
            Denoised(replace(self.stack, values=self.stack.values[number : number + 1]), [done])
            for number, done in enumerate(self.images)
        ]
