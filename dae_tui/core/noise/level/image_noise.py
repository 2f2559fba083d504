"""What the noise of one image is."""

from dataclasses import dataclass

import numpy as np

from dae_tui.core.noise.level.impulses import SinglePixels
from dae_tui.core.noise.level.level_function import LevelFunction
from dae_tui.core.noise.level.stripes import Stripes

# Noise whose level seems so much higher between every second pixel is correlated. White noise on
# photographs gave up to 1.3, and 2.7 where all is texture; the noise of cameras after their JPEG
# 1.5 to 4. Colour differences hold little texture: white noise on Kodak's photographs gave up to
# 1.08, that of cameras 1.16 to 5.7.
CORRELATED = 1.5
CORRELATED_COLOUR = 1.12


@dataclass(frozen=True)
class Correlation:
    """How far the noise of an image is correlated between its pixels and between its channels."""

    ratio: float = 1.0
    """The level between every second pixel over the level between neighbours; 1 if it is white."""
    limit: float = CORRELATED
    """The noise counts as correlated between pixels above this."""
    shared: bool = False
    """Whether the channels share noise: that of the colour differences is not what independent
    channels would have."""

    @property
    def between_pixels(self) -> bool:
        return self.ratio > self.limit


@dataclass(frozen=True)
class ImageNoise:
    """The noise of one image."""

    levels: tuple[LevelFunction, ...]
    """Of each channel."""
    impulses: float = 0.0
    """The share of pixels that are impulses."""
    single: tuple[SinglePixels, ...] = ()
    """Which of them are the hot and dead pixels of a sensor."""
    correlation: Correlation = Correlation()
    stripes: Stripes | None = None
    """Offsets of rows or columns, beside the noise of `levels`."""

    @property
    def is_constant(self) -> bool:
        """Whether it is equally strong at all intensities."""
        return all(level.is_constant for level in self.levels)

    @property
    def sigma(self) -> float:
        """The root mean square over pixels and channels."""
        return float(np.sqrt(np.mean([level.sigma**2 for level in self.levels])))
